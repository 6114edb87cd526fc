//! The plan: all that stands between the compiler and the runtime.
//!
//! A plan is plain data. The compiler writes it, the engine executes it, and neither knows the other. It is immutable
//! and addressed by the hash of its canonical bytes ([`PlanId`]). Nothing in this crate reads a clock, a file, the
//! environment or a socket.

pub mod canonical;
pub mod columns;
pub mod eval;
pub mod expr;
pub mod failure;
pub mod flow;
pub mod model;
pub mod money;
pub mod patterns;
pub mod schema;
pub mod shrinking;
pub mod types;
pub mod value;

pub use canonical::{DecodeError, PlanId};
pub use expr::{Expr, Lambda, Op, Piece};
pub use failure::{Billing, Failure};
pub use flow::*;
pub use model::*;
pub use money::Money;
pub use shrinking::Shrunk;
pub use types::{Field, Type};
pub use value::Value;
