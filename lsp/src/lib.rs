//! pmflow-lsp
