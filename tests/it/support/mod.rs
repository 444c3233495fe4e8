//! What the tests stand on.
//!
//! - [`database`]: a fresh, migrated database a test
//! - [`service`]: a service on a free port, and a client for it
//! - [`dashboard`], [`other_services`]: a dashboard, and stand-ins for the services it calls

pub mod dashboard;
pub mod database;
pub mod other_services;
pub mod service;
