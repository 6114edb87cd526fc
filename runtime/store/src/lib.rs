//! pmflow-store
