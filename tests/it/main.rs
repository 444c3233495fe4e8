//! Integration tests: one binary, so that it is linked once.

mod ai;
mod embedded;
mod simulator;
mod support;
