//! Integration tests: the real listeners against a real PostgreSQL. One binary, so that it links once.
//!
//! `TEST_DATABASE_URL` names a server where databases may be created, as `postgres://user:password@host:port/postgres`.

#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a test that cannot go on must fail")]

mod dashboard;
mod openapi;
mod support;
