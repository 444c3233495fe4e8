//! GovConnect: citizens write to their office on WhatsApp; an actor system answers, files complaints
//! and hands over to people. `ARCHITECTURE.md` tells the story of a message.

pub mod admin_command;
pub mod clock;
pub mod config;
pub mod dialogue;
pub mod http;
pub mod ids;
pub mod metrics;
pub mod openapi_command;
pub mod passwords;
pub mod store;
