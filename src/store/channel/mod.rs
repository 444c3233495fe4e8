//! `gc_channel`: who writes, what was said, what is owed.
//!
//! - [`intake`]: webhooks become rows (I1, I2)
//! - [`statuses`]: what happened to our messages, forwards only
//! - [`conversation`]: what a conversation's actor reads and changes (I3, I4, I5)
//! - [`loading`]: what many conversations find when they look
//! - [`turns`]: the one statement that commits the turns of many conversations
//! - [`claims`]: claiming messages of ours, and recording them as sent, many at once (I6, I7)
//! - [`outbox`]: queueing them, putting them back, giving them up (I6)
//! - [`aftermath`]: what follows when a message has failed
//! - [`dead_letters`]: what failed for good, and trying it again
//! - [`media_uploads`]: which of our media Meta has
//! - [`takeover`]: a person takes over, as a transaction (I7) · [`idle`]: and has been away
//! - [`nodes`]: which processes are up · [`leases`]: who owns which partition
//! - [`standing`]: how things stand, for operators and gauges
//! - [`sweep`]: work whose wake-up was lost (I8)
//! - [`conversation_list`]: conversations as officers see them, with filters and search
//! - [`listing`]: other reads for the internal API
//! - [`media`]: files to fetch, and which keys of the object store are in use
//! - [`people`]: what is held of a person, and what happened to who they are
//! - [`merges`]: two people who turned out to be one

pub mod aftermath;
pub mod claims;
pub mod conversation;
pub mod conversation_list;
pub mod dead_letters;
pub mod idle;
pub mod intake;
pub mod leases;
pub mod listing;
pub mod loading;
pub mod media;
pub mod media_uploads;
pub mod merges;
pub mod nodes;
pub mod outbox;
pub mod people;
pub mod standing;
pub mod statuses;
pub mod sweep;
pub mod takeover;
pub mod turns;
