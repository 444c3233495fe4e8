//! The dashboard service: the officers' web application, its API and its sessions.
//!
//! - [`access`]: who may call what, in one table; the guard that every `/api` request passes
//! - [`session`]: signing in and out, passwords, one's own sessions
//! - [`token`]: the cookie and what is in it
//! - [`overview`], [`complaints`], [`conversations`]: what officers look at
//! - [`live_chat`]: what changes while they look
//! - [`services`]: calls to the other services through their HTTP contracts, and nothing else
//! - [`office`]: the office's profile, for the other services
//! - [`pages`]: the built web application
//!
//! Never reads another service's tables, whether or not it shares their process.

pub mod access;
pub mod complaints;
pub mod conversations;
pub mod live_chat;
pub mod office;
pub mod overview;
mod pages;
pub mod services;
pub mod session;
mod token;

use actix_web::http::StatusCode;
use actix_web::middleware::from_fn;
use secrecy::SecretString;
use sqlx::PgPool;
use utoipa_actix_web::scope;
use utoipa_actix_web::service_config::ServiceConfig;

use super::common::store_failure;
use super::guard;
use super::listener::Service;
use super::problem::Problem;
use crate::actors::live_chat::LiveChat;
use crate::clock::Clock;
use crate::config::Environment;
use crate::metrics::Metrics;
use crate::passwords::PasswordError;
use crate::store::StoreError;
pub use services::ServiceUrls;

/// What the dashboard's handlers need. Cheap to clone.
#[derive(Clone)]
pub struct DashboardState {
    pub pool: PgPool,
    pub clock: Clock,
    /// Signs the sessions' tokens.
    pub session_key: SecretString,
    /// Hours that a session lasts without use.
    pub session_hours: u64,
    pub environment: Environment,
    /// Where the other services are, and the key they ask for.
    pub services: ServiceUrls,
    pub http: reqwest::Client,
    pub metrics: Metrics,
    /// Tells browsers what has changed.
    pub live_chat: LiveChat,
}

/// The service with its state.
pub fn service(state: DashboardState) -> Service {
    description().with_state(state)
}

/// The service without state: enough for its OpenAPI document.
pub fn description() -> Service {
    Service::new(
        "dashboard",
        "The officers' web application: sessions, complaints and conversations as officers see them.",
        routes,
    )
    .with_pages(pages::routes)
}

fn routes(config: &mut ServiceConfig<'_>) {
    config
        .service(
            scope::scope("/internal").wrap(from_fn(guard::require_internal_key)).service(office::get_office),
        )
        .service(
            scope::scope("/api")
                .wrap(from_fn(access::guard))
                .service(session::sign_in)
                .service(session::current_session)
                .service(session::sign_out)
                .service(session::change_password)
                .service(session::list_sessions)
                .service(session::revoke_session)
                .service(overview::get_overview)
                .service(complaints::list_complaints)
                .service(complaints::get_complaint)
                .service(complaints::list_complaint_updates)
                .service(conversations::list_conversations)
                .service(conversations::list_messages)
                .service(live_chat::follow_live_chat),
        );
}

/// A failed statement as a problem.
fn store_problem(error: StoreError) -> Problem {
    let problem = store_failure(&error);
    if problem.status() == StatusCode::SERVICE_UNAVAILABLE {
        problem.with("service", "database")
    } else {
        problem
    }
}

fn password_problem(error: PasswordError) -> Problem {
    match error {
        PasswordError::Busy => Problem::unavailable("many people are signing in; please try again"),
        error @ PasswordError::Failed(_) => {
            tracing::error!(%error, "a password could not be processed");
            Problem::internal()
        }
    }
}
