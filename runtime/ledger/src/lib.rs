//! pmflow-ledger
