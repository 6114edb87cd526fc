//! pmflow-connectors
