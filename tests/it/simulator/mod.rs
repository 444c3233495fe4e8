//! The stand-in for Meta, held against its promises over real HTTP.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod client;
mod faults;
mod graph;
mod harness;
mod webhooks;
