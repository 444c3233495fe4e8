//! Integration tests: against a real PostgreSQL and over real HTTP. One binary, so that it is linked once.
//!
//! `TEST_DATABASE_URL` names a server where databases may be created, as `postgres://user:password@host:port/postgres`. The tests of the bus
//! want a broker as well: `TEST_BROKER_URL`, and `TEST_BROKER_MANAGEMENT_URL` for its management plugin.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a test that cannot go on must fail, and say why"
)]

mod ai;
mod ai_documents;
mod ai_providers;
mod bus;
mod case;
mod case_actor;
mod case_http;
mod channel_early_statuses;
mod channel_erasure;
mod channel_groups;
mod channel_people;
mod channel_seams;
mod channel_store;
mod channel_takeover;
mod cluster;
mod conversation_list;
mod dashboard;
mod embedded;
mod eval_data;
mod events;
mod health_command;
mod live_chat;
mod media_storage;
mod membership;
mod notification;
mod openapi;
mod simulator;
mod story;
mod support;
