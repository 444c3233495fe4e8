//! Integration tests: the real listeners against a real PostgreSQL.

mod ai;
mod support;
