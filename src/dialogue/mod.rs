//! What a conversation decides: pure functions of (state, input, now). No I/O, no clock, no actix, no tokio.
//!
//! - [`understanding`]: what the AI service hands in

pub mod understanding;
