//! What travels between services: calls and events, in process or over RabbitMQ. Knows nothing of actors.
//!
//! - [`case_calls`]: what others ask of the case service

pub mod case_calls;
