//! Integration tests: one binary, so that it is linked once.

mod embedded;
mod simulator;
