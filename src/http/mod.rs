//! HTTP: one module a service, and what they share.
//!
//! - [`listener`]: a service becomes a listening server
//! - [`guard`]: request ids, logging, metrics, the internal key
//! - [`extract`]: bodies, queries and paths become domain types
//! - [`problem`]: every error in one shape (RFC 9457)
//! - [`health`]: `/health`, `/ready`, `/metrics`
//! - [`dashboard`]: the officers' web application and its API

pub mod dashboard;
pub mod extract;
pub mod guard;
pub mod health;
pub mod listener;
pub mod problem;
