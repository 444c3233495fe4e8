//! Who acts. All spawning is in [`supervision`]; decisions are in `dialogue`, SQL in `store`.
//!
//! [`partitions`] (those of this node, of 64) → [`partition`] → [`conversation`]; [`ai`], [`case`] and [`sender`] beside them; [`intake`] writes webhooks,
//! [`ledger`] what conversations read and write, [`media`] fetches the files that messages name, [`relay`] publishes events.

pub mod ai;
pub mod case;
pub mod channel;
pub mod clients;
pub mod conversation;
pub mod intake;
pub mod ledger;
pub mod media;
pub mod merging;
pub mod partition;
pub mod partitions;
pub mod relay;
pub mod sender;
pub mod supervision;
