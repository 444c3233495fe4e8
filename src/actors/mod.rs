//! Who acts. All spawning is in [`supervision`]; decisions are in `dialogue`, SQL in `store`.
//!
//! [`partition`] (64 of them) → [`conversation`]; [`ai`], [`case`] and [`sender`] beside them; [`intake`] writes webhooks.

pub mod ai;
pub mod case;
pub mod channel;
pub mod clients;
pub mod conversation;
pub mod intake;
pub mod merging;
pub mod partition;
pub mod sender;
pub mod supervision;
