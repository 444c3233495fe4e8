//! What the tests stand on.
//!
//! - [`database`]: a fresh, migrated database a test
//! - [`service`]: a service on a free port, and a client for it
//! - [`dashboard`]: a dashboard with its first account, and a browser-like caller
//! - [`other_services`]: stand-ins for the services that the dashboard asks

pub mod dashboard;
pub mod database;
pub mod other_services;
pub mod service;
