//! GovConnect: citizens write to their office on WhatsApp; an actor system answers, files complaints
//! and hands over to people. `ARCHITECTURE.md` tells the story of a message.

pub mod actors;
pub mod admin_command;
pub mod ai;
pub mod bus;
pub mod bus_command;
pub mod clock;
pub mod cluster;
pub mod cluster_command;
pub mod complaint;
pub mod config;
pub mod crash_point;
pub mod dialogue;
pub mod doctor;
pub mod extract_command;
pub mod health_command;
pub mod http;
pub mod http_client;
pub mod ids;
pub mod media;
pub mod metrics;
pub mod node;
pub mod notification;
pub mod openapi_command;
pub mod passwords;
pub mod postgres_command;
pub mod retry;
pub mod samples;
pub mod simulator;
pub mod store;
pub mod telemetry;
pub mod whatsapp;

/// Actors pass small messages from thread to thread all day, which the system's allocator is slow at.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
