//! pmflow-providers
