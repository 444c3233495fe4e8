//! HTTP: one module a service, and what they share.
//!
//! - [`listener`]: a service becomes a listening server
//! - [`guard`]: request ids, logging, metrics, the internal key
//! - [`extract`]: bodies, queries and paths become domain types
//! - [`problem`]: every error in one shape (RFC 9457)
//! - [`methods`]: 405 for what a path does not take
//! - [`ai`]: the AI service
//! - [`health`]: `/health`, `/ready`, `/metrics`

pub mod ai;
pub mod extract;
pub mod guard;
pub mod health;
pub mod listener;
pub mod methods;
pub mod problem;
