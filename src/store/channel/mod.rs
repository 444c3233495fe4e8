//! `gc_channel`: who writes, what was said, what is owed.
//!
//! - [`intake`]: webhooks become rows (I1, I2)
//! - [`statuses`]: what happened to our messages, forwards only
//! - [`conversation`]: loading, and the one statement that commits a turn (I3, I4, I5)
//! - [`outbox`]: claiming and settling messages of ours (I6)
//! - [`takeover`]: a person takes over, as a transaction (I7)
//! - [`leases`]: who owns which partition
//! - [`sweep`]: work whose wake-up was lost (I8)
//! - [`listing`]: reads for the internal API
//! - [`people`]: what is held of a person, and what happened to who they are
//! - [`merges`]: two people who turned out to be one

pub mod conversation;
pub mod intake;
pub mod leases;
pub mod listing;
pub mod merges;
pub mod outbox;
pub mod people;
pub mod statuses;
pub mod sweep;
pub mod takeover;
