//! What integration tests share.

pub mod dashboard;
pub mod database;
pub mod other_services;
