//! One file per thing that an editor can ask for; `protocol.rs` lists which message each answers.

pub mod calls;
pub mod capabilities;
pub mod commands;
pub mod completion;
mod completion_items;
pub mod folding;
pub mod formatting;
pub mod hover;
pub mod inlay;
pub mod lens;
pub mod links;
pub mod navigation;
pub mod preview;
pub mod rename;
pub mod signature;
pub mod symbols;
pub mod tokens;
