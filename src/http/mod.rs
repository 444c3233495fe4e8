//! HTTP: one module a service, and what they share.
//!
//! - [`listener`]: a service becomes a listening server
//! - [`guard`]: request ids, logging, metrics, the internal key
//! - [`channel`], [`ai`], [`case`], [`notification`], [`dashboard`]: the services
//! - [`common`]: keys, versions and cursors of requests; the store's failures
//! - [`methods`]: what answers when no handler does: 404, or 405 with what the path takes
//! - [`extract`]: bodies, queries and paths become domain types
//! - [`problem`]: every error in one shape (RFC 9457)
//! - [`health`]: `/health`, `/ready`, `/metrics`

pub mod ai;
pub mod case;
pub mod channel;
pub mod common;
pub mod dashboard;
pub mod extract;
pub mod guard;
pub mod health;
pub mod listener;
pub mod methods;
pub mod notification;
pub mod problem;
