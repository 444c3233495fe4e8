//! `gc_channel`: who writes, what was said, what is owed.
//!
//! - [`intake`]: webhooks become rows (I1, I2)
//! - [`statuses`]: what happened to our messages, forwards only
//! - [`conversation`]: loading, and the one statement that commits a turn (I3, I4, I5)
//! - [`outbox`]: claiming and settling messages of ours (I6)
//! - [`aftermath`]: what follows when a message has failed
//! - [`dead_letters`]: what failed for good, and trying it again
//! - [`media_uploads`]: which of our media Meta has
//! - [`takeover`]: a person takes over, as a transaction (I7)
//! - [`leases`]: who owns which partition
//! - [`sweep`]: work whose wake-up was lost (I8)
//! - [`listing`]: reads for the internal API
//! - [`people`]: what is held of a person

pub mod aftermath;
pub mod conversation;
pub mod dead_letters;
pub mod intake;
pub mod leases;
pub mod listing;
pub mod media_uploads;
pub mod outbox;
pub mod people;
pub mod statuses;
pub mod sweep;
pub mod takeover;
