//! Integration tests, one program so that they link once.

mod simulator;
