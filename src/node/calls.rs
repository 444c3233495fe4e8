//! The bus of a node, and the actors that answer calls: here for whoever is here, over the bus for everybody else.

use std::sync::Arc;
use std::time::Duration;

use actix::Addr;
use actix_rt::ArbiterHandle;
use anyhow::Context as _;

use super::live_chat;
use crate::actors::ai::Ai;
use crate::actors::case::Case;
use crate::actors::clients::{AiClient, CASE_DEADLINE, CaseClient};
use crate::actors::live_chat::LiveChat;
use crate::actors::notification::{self, NotificationEvents};
use crate::actors::partitions::PartitionTable;
use crate::actors::supervision::{self, Vital};
use crate::actors::workers::{AiWorker, CaseWorker};
use crate::ai::analytics::{self, Analytics};
use crate::ai::service::AiService;
use crate::bus::in_process::LocalBus;
use crate::bus::rabbitmq::RabbitBus;
use crate::bus::{Bus, Receivers};
use crate::clock::Clock;
use crate::config::{Config, Role, is_unset};
use crate::metrics::Metrics;

/// Calls the case actor works on at once.
const CASE_CONCURRENCY: u16 = 8;
const GONE: &str = "an arbiter ended while the node started";

/// What everything of a node is made with.
#[derive(Clone, Copy)]
pub(super) struct Office<'a> {
    pub config: &'a Config,
    pub metrics: &'a Metrics,
    pub pool: &'a sqlx::PgPool,
    pub clock: &'a Clock,
}

/// The actors that answer calls, by the roles of the node.
pub(super) struct Answering {
    ai: Option<Addr<Ai>>,
    case: Option<Addr<Case>>,
}

/// Starts those whose roles this node has.
pub(super) async fn start(
    office: &Office<'_>,
    service: &AiService,
    vital: &Vital,
    home: &ArbiterHandle,
) -> anyhow::Result<Answering> {
    let Office { config, metrics, pool, clock } = *office;
    let mut answering = Answering { ai: None, case: None };
    if config.has(Role::Ai) {
        let (service, concurrency) = (service.clone(), config.ai.concurrency);
        let make = move || Ai::new(service, concurrency);
        let address = supervision::spawn_on(home, "ai", metrics, vital, make).await;
        answering.ai = Some(address.context(GONE)?);
    }
    if config.has(Role::Case) {
        let (pool, clock, zone, counted) = (pool.clone(), clock.clone(), config.time_zone(), metrics.clone());
        let make = move || Case::new(pool, clock, zone, counted, CASE_CONCURRENCY.into());
        let address = supervision::spawn_on(home, "case", metrics, vital, make).await;
        answering.case = Some(address.context(GONE)?);
    }
    Ok(answering)
}

/// What carries events, calls and hints: in this process, or over the broker.
pub(super) fn bus(
    office: &Office<'_>,
    answering: &Answering,
    table: &PartitionTable,
    live_chat: &LiveChat,
) -> anyhow::Result<Arc<dyn Bus>> {
    let Office { config, metrics, pool, clock } = *office;
    let subscriptions = vec![analytics::SUBSCRIPTION, notification::SUBSCRIPTION];
    let mut receivers = Receivers { subscriptions, ..Receivers::default() };
    if config.has(Role::Ai) {
        receivers.subscribers.push(Arc::new(Analytics::new(pool.clone(), config.time_zone())));
    }
    if config.has(Role::Notification) {
        receivers.subscribers.push(Arc::new(NotificationEvents::new(pool.clone(), clock.clone())));
    }
    if config.has(Role::Channel) {
        receivers.listener = Some(Arc::new(table.clone()));
    }
    receivers.live_chat = live_chat::listener(config, live_chat);
    if is_unset(&config.broker.url) {
        return Ok(Arc::new(LocalBus::new(receivers)));
    }
    if let Some(address) = &answering.ai {
        let concurrency = u16::try_from(config.ai.concurrency).unwrap_or(u16::MAX);
        receivers.workers.push(Arc::new(AiWorker::new(address.clone(), concurrency)));
    }
    if let Some(address) = &answering.case {
        receivers.workers.push(Arc::new(CaseWorker::new(address.clone(), CASE_CONCURRENCY)));
    }
    Ok(Arc::new(RabbitBus::new(&config.broker.url, metrics, receivers).context("broker.url")?))
}

/// The way to the AI service: the actor of this node, or whichever node takes the call.
pub(super) fn ai_client(config: &Config, answering: &Answering, bus: &Arc<dyn Bus>) -> AiClient {
    match &answering.ai {
        Some(address) => AiClient::local(address.clone()),
        None => AiClient::over(bus.clone(), Duration::from_millis(config.ai.turn_deadline_ms)),
    }
}

/// The way to the case service, likewise.
pub(super) fn case_client(answering: &Answering, bus: &Arc<dyn Bus>) -> CaseClient {
    match &answering.case {
        Some(address) => CaseClient::local(address.clone()),
        None => CaseClient::over(bus.clone(), CASE_DEADLINE),
    }
}
