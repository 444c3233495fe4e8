//! Schema `gc_dashboard`: officers, their sessions, what they did, and the office's settings.
//!
//! - [`admins`]: accounts and roles
//! - [`sessions`]: who is signed in
//! - [`attempts`]: failed sign-ins, counted before a password is looked at
//! - [`activity`]: the append-only log
//! - [`office`]: the office's profile
//!
//! Never reads another service's schema.

pub mod activity;
pub mod admins;
pub mod attempts;
pub mod office;
pub mod sessions;
