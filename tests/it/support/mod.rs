//! What the tests stand on.
//!
//! - [`database`]: a fresh, migrated database a test
//! - [`service`]: a service on a free port, and a client for it

pub mod database;
pub mod service;
