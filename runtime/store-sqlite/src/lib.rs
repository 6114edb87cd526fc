//! pmflow-store-sqlite
