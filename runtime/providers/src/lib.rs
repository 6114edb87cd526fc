//! Clients for the models: one request in, one answer or one failure out.
//!
//! [`Client::send`] makes exactly one HTTP request: no hidden retry, no redirect, no fallback. [`Client::submit_batch`] hands
//! many requests over together, and [`Client::look_at_batch`] looks once whether they are answered. Who calls it owns the
//! retries, the holds and the settling. Four protocols are spoken (see [`pmflow_plan::Api`]), and a built-in simulated
//! model answers offline. The facts about the providers' APIs that this crate rests on are of November 2026.
//!
//! What is deliberately absent: the environment (the caller hands in base addresses and a [`Secrets`]), a price, a
//! check of the answer against its type (the caller does both), streaming, tools.

mod allowance;
mod answer;
mod anthropic_messages;
mod batches;
mod client;
mod dialect;
mod endpoint;
mod exchange;
mod failures;
mod gemini_generate;
mod openai_chat;
mod openai_responses;
mod protocol;
mod request;
mod retry_after;
#[cfg(feature = "scripted")]
pub mod scripted;
mod secrets;
mod simulated;
mod thinking;
pub mod tokens;
mod usage;

pub use allowance::{Allowance, Counted};
pub use batches::{BatchLook, Handed, Taken};
pub use client::{Client, Settings};
pub use endpoint::{base_url_variable, key_variables, rate_limit_variable};
pub use request::{Answer, AnswerSchema, Failed, Request, Response, Stop};
pub use secrets::Secrets;
pub use simulated::{SimulateOptions, SimulatedOutput};
