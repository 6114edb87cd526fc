//! pmflow-tests
