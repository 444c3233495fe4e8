//! What travels between services: calls and events, in process or over RabbitMQ. Knows nothing of actors.
//!
//! - [`case_calls`]: what others ask of the case service
//! - [`events`]: what happened, and how it reaches those who want to know
//! - [`topics`]: how they say what they want

pub mod case_calls;
pub mod events;
pub mod topics;
