//! pmflow-sim
