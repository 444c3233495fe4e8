//! GovConnect: citizens write to their office on WhatsApp; an actor system answers, files complaints
//! and hands over to people. `ARCHITECTURE.md` tells the story of a message.

pub mod actors;
pub mod admin_command;
pub mod bus;
pub mod clock;
pub mod complaint;
pub mod config;
pub mod dialogue;
pub mod http;
pub mod http_client;
pub mod ids;
pub mod metrics;
pub mod notification;
pub mod openapi_command;
pub mod passwords;
pub mod store;
pub mod whatsapp;
