//! What the tests stand on.
//!
//! - [`database`]: a fresh, migrated database a test
//! - [`broker`]: a fresh virtual host of the test broker a test
//! - [`private_server`], [`private_broker`]: a PostgreSQL and a RabbitMQ of one test's own, to be killed
//! - [`proxy`], [`front`]: a network that misbehaves, and what stands before several nodes
//! - [`service`]: a service on a free port, and a client for it
//! - [`office`], [`checker`]: an office with Meta beside it, and the judge of both
//! - [`model`]: a model of a provider, to be scripted
//! - [`nodes`], [`node_process`]: its nodes, one or many, each a process of its own
//! - [`store`]: the statements of the channel, for one conversation
//! - [`dashboard`], [`other_services`]: a dashboard, and stand-ins for the services it calls

pub mod broker;
pub mod checker;
pub mod dashboard;
pub mod database;
pub mod front;
pub mod model;
pub mod node_process;
pub mod nodes;
pub mod office;
pub mod other_services;
pub mod private_broker;
pub mod private_server;
pub mod proxy;
pub mod service;
pub mod store;
