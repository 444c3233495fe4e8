//! Roles become listeners.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use actix_web::web;
use anyhow::Context as _;
use sqlx::PgPool;

use super::channel::Answering;
use super::live_chat;
use crate::actors::live_chat::LiveChat;
use crate::ai::documents::Documents;
use crate::ai::service::AiService;
use crate::bus::Bus;
use crate::bus::live_chat::Announcer;
use crate::clock::Clock;
use crate::config::{Config, Role};
use crate::http::channel::ChannelState;
use crate::http::dashboard::{DashboardState, ServiceUrls};
use crate::http::extract::BodyLimit;
use crate::http::guard::InternalKeys;
use crate::http::health::Readiness;
use crate::http::listener::{Listening, Service, Shared, listen};
use crate::http::{ai, case, channel, dashboard, notification};
use crate::http_client;
use crate::ids::NodeId;
use crate::metrics::Metrics;
use crate::whatsapp::signature::Verifier;

/// How long the dashboard waits for another service.
const SERVICE_TIMEOUT: Duration = Duration::from_secs(5);

/// What the services are made of.
pub(super) struct Parts<'a> {
    pub config: &'a Config,
    pub clock: &'a Clock,
    pub metrics: &'a Metrics,
    pub pool: &'a PgPool,
    pub ai: &'a AiService,
    pub documents: &'a Documents,
    pub node: NodeId,
    pub draining: &'a Arc<AtomicBool>,
    pub bus: &'a Arc<dyn Bus>,
    pub announcer: &'a Announcer,
    pub live_chat: &'a LiveChat,
}

/// All services as they are without a node; for their OpenAPI documents.
pub fn descriptions() -> Vec<Service> {
    vec![
        channel::description(),
        ai::description(),
        case::description(),
        notification::description(),
        dashboard::description(),
    ]
}

/// Starts the listeners of this node's roles; the dashboard last, as it must know where the others are.
pub(super) fn listen_all(
    parts: &Parts<'_>,
    mut channel: Option<Answering>,
) -> anyhow::Result<Vec<Listening>> {
    let config = parts.config;
    let shared = Shared {
        keys: web::Data::new(InternalKeys::new(&config.internal.api_keys)),
        metrics: web::Data::new(parts.metrics.clone()),
        readiness: web::Data::new(Readiness {
            pool: parts.pool.clone(),
            draining: parts.draining.clone(),
            bus: parts.bus.clone(),
        }),
        body_limit: BodyLimit(config.internal.max_body_bytes),
        shutdown_grace: config.shutdown_grace(),
    };
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    let mut listeners: Vec<Listening> = Vec::new();
    for (role, bind, workers) in [
        (Role::Channel, config.channel.bind, cores),
        (Role::Ai, config.ai.bind, 1),
        (Role::Case, config.case.bind, 1),
        (Role::Notification, config.notification.bind, 1),
        (Role::Dashboard, config.dashboard.bind, 1),
    ] {
        if config.has(role) {
            let Some(service) = service(role, parts, &mut channel, &listeners)? else { continue };
            listeners.push(listen(service, bind, workers, shared.clone())?);
        }
    }
    Ok(listeners)
}

/// `None` for the channel service without its actors, which were started with its role.
fn service(
    role: Role,
    parts: &Parts<'_>,
    answering: &mut Option<Answering>,
    up: &[Listening],
) -> anyhow::Result<Option<Service>> {
    let config = parts.config;
    Ok(Some(match role {
        Role::Channel => {
            let Some(answering) = answering.take() else { return Ok(None) };
            channel::service(ChannelState {
                pool: parts.pool.clone(),
                verifier: Verifier::new(&config.whatsapp.app_secret),
                verify_token: config.whatsapp.verify_token.clone(),
                max_webhook_bytes: config.whatsapp.max_webhook_bytes,
                intake: answering.intake,
                partitions: answering.partitions,
                numbers: answering.numbers,
                media: answering.media,
                announcer: parts.announcer.clone(),
                node: parts.node,
            })
        }
        Role::Case => case::service(case::CaseState {
            pool: parts.pool.clone(),
            clock: parts.clock.clone(),
            time_zone: config.time_zone(),
        }),
        Role::Notification => notification::service(notification::NotificationState {
            pool: parts.pool.clone(),
            clock: parts.clock.clone(),
        }),
        Role::Ai => ai::service(parts.ai.clone(), parts.documents.clone()),
        Role::Dashboard => {
            let state = DashboardState {
                pool: parts.pool.clone(),
                clock: parts.clock.clone(),
                session_key: config.dashboard.session_key.clone(),
                session_hours: config.dashboard.session_hours,
                environment: config.environment,
                services: ServiceUrls {
                    channel: service_url(config, Role::Channel, up)?,
                    case: service_url(config, Role::Case, up)?,
                    internal_key: config.internal.api_keys.first().cloned().unwrap_or_default(),
                },
                http: http_client::builder(SERVICE_TIMEOUT).build()?,
                metrics: parts.metrics.clone(),
                live_chat: parts.live_chat.clone(),
            };
            live_chat::start(&state);
            dashboard::service(state)
        }
    }))
}

/// Where another service is called: as set, or at this node's own listener.
fn service_url(config: &Config, service: Role, up: &[Listening]) -> anyhow::Result<reqwest::Url> {
    if let Some(url) = config.services.url(service)? {
        return Ok(url);
    }
    let name = service.to_string();
    let own = up.iter().find(|listener| listener.name == name);
    let own = own.with_context(|| format!("services.{name}_url: set it, as this node has no {name} role"))?;
    Ok(reqwest::Url::parse(&format!("http://{}", own.address))?)
}
