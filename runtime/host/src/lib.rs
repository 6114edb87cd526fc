//! pmflow-host
