//! pmflow-engine
