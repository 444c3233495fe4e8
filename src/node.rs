//! The composition root: settings become a running node, and a stopping node drains (I10).
//!
//! Order of a start: database → leases → actors → listeners. Order of a stop: listeners (nothing new comes in) →
//! intake (what came in is on disk) → conversations (what is under way ends) → events (what happened is told) → leases →
//! database.

mod background;
mod banner;
pub mod database;
mod live_chat;
mod media;
pub mod services;

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix::Addr;
use actix_rt::ArbiterHandle;
use anyhow::Context as _;
use futures::future::join_all;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::actors::channel::{ChannelContext, ChannelSettings, Lease, Partitions, Sending};
use crate::actors::clients::{AiClient, CaseClient};
use crate::actors::live_chat::LiveChat;
use crate::actors::media::{Drain as DrainMedia, Media, Wake as FetchMedia};
use crate::actors::notification::NotificationEvents;
use crate::actors::partition::{Drain, Partition};
use crate::actors::relay::EventRelays;
use crate::actors::sender::Sender;
use crate::actors::sender::numbers::{Numbers, Pace};
use crate::actors::supervision::Vital;
use crate::actors::{ai as ai_actor, case, intake, ledger, merging, supervision};
use crate::admin_command;
use crate::ai::analytics::Analytics;
use crate::ai::service::AiService;
use crate::bus::events::PublishEvents;
use crate::bus::in_process::LocalBus;
use crate::bus::live_chat::Announcer;
use crate::bus::{Bus, Receivers};
use crate::clock::Clock;
use crate::config::secrets::Secrets;
use crate::config::{Config, Environment};
use crate::dialogue::turn::OfficeVoice;
use crate::http::dashboard::office::{self, Holiday, OfficeProfile, OpeningHours};
use crate::http::listener::Listening;
use crate::ids::{Epoch, NodeId, PartitionId};
use crate::metrics::Metrics;
use crate::samples;
use crate::simulator::{self, Simulator};
use crate::store::channel::leases;
use crate::store::embedded::create_data_dir;
use crate::whatsapp::client::GraphClient;

use database::Database;

/// The file in `data_dir` that tells where a node listens; for scripts and tests that asked for port 0.
pub const ADDRESSES_FILE: &str = "addresses.json";
/// Calls the case actor works on at once.
const CASE_CONCURRENCY: usize = 8;

/// Runs a node until it is told to stop, or must.
///
/// # Errors
/// When it cannot start (the message says which part and what to do), or had to stop by itself.
pub async fn serve(config: Config, warnings: &[String]) -> anyhow::Result<()> {
    // Listened for from the first moment, so that an early signal is not lost.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    create_data_dir(&config.data_dir)?;
    let secrets = Secrets::load_or_create(&config.data_dir)?;
    let config = config.with_generated(&secrets);
    let mut database = Database::open(&config).await?;
    let id = NodeId::new();
    // A start can wait long for another node's leases.
    let started = tokio::select! {
        started = Node::start(id, &config, &secrets, &database) => Some(started),
        _ = terminate.recv() => None,
        _ = interrupt.recv() => None,
    };
    let mut node = match started {
        Some(Ok(node)) => node,
        not_started => {
            if let Err(error) = leases::release(&database.pool, id).await {
                tracing::warn!(%error, "the leases could not be released; they run out by themselves");
            }
            database.close().await;
            tracing::info!("stopped before it was up");
            return not_started.map_or(Ok(()), |failed| failed.map(drop));
        }
    };
    let stopped_by = tokio::select! {
        _ = terminate.recv() => Ok("SIGTERM"),
        _ = interrupt.recv() => Ok("Ctrl-C"),
        reason = database.failed() => Err(reason),
        () = lost(&mut node.lease_lost) => {
            Err(anyhow::anyhow!("another process took over this database; this node stops"))
        }
        name = panicked(&mut node.vital_ended) => {
            Err(anyhow::anyhow!("the actor {name} panicked; this node stops, and the next start goes on from the store"))
        }
    };
    match &stopped_by {
        Ok(signal) => tracing::info!(signal, "stopping: open work is finished first"),
        Err(error) => tracing::error!(%error, "stopping"),
    }
    node.stop(config.shutdown_grace()).await;
    database.close().await;
    tracing::info!("stopped");
    stopped_by.map(|_| ())
}

async fn lost(lease_lost: &mut watch::Receiver<bool>) {
    // A dropped sender means that the keeper has ended with the node.
    if lease_lost.wait_for(|lost| *lost).await.is_err() {
        std::future::pending::<()>().await;
    }
}

async fn panicked(vital_ended: &mut watch::Receiver<Option<&'static str>>) -> &'static str {
    match vital_ended.wait_for(Option::is_some).await.map(|name| *name) {
        Ok(Some(name)) => name,
        // All actors have gone with the node.
        Ok(None) | Err(_) => std::future::pending().await,
    }
}

/// Everything that runs.
struct Node {
    id: NodeId,
    pool: sqlx::PgPool,
    listeners: Vec<Listening>,
    partitions: Partitions,
    media: Addr<Media>,
    intake: tokio::task::JoinHandle<()>,
    relays: EventRelays,
    background: Vec<tokio::task::JoinHandle<()>>,
    lease_lost: watch::Receiver<bool>,
    vital_ended: watch::Receiver<Option<&'static str>>,
    draining: Arc<AtomicBool>,
    simulator: Option<Simulator>,
    live_chat: LiveChat,
}

impl Node {
    async fn start(
        id: NodeId,
        config: &Config,
        secrets: &Secrets,
        database: &Database,
    ) -> anyhow::Result<Self> {
        let clock = Clock::system();
        let metrics = Metrics::new().context("metrics")?;
        let pool = database.pool.clone();

        let first_password = admin_command::ensure_first_admin(&pool, &clock, &secrets.get("admin_password"))
            .await
            .context("the first account could not be made")?;
        load_office(config, &pool, &clock).await.context("the office could not be set up")?;
        let simulator = start_simulator(config, &clock).await?;
        let reserved = database.reserved.clone();
        let (epochs, lease) = background::acquire_leases(&reserved, id, database.is_ours_alone()).await?;
        metrics.partitions_owned.with_label_values(&[] as &[&str]).set(epochs.len() as i64);

        let ai = AiService::new(pool.clone(), Duration::from_millis(config.ai.turn_deadline_ms));
        let live_chat = LiveChat::new(&metrics);
        let analytics = Analytics::new(pool.clone(), config.time_zone());
        let notifications = NotificationEvents::new(pool.clone(), clock.clone());
        let bus: Arc<dyn Bus> = Arc::new(LocalBus::new(Receivers {
            subscribers: vec![Arc::new(analytics), Arc::new(notifications)],
            live_chat: live_chat::listener(config, &live_chat),
            ..Receivers::default()
        }));
        let announcer = Announcer::new(bus.clone());

        let (vital, vital_ended) = Vital::new();
        let numbers = Numbers::new(Pace::from(&config.whatsapp), clock.clone(), metrics.clone());
        let beginning = Beginning {
            config,
            clock: &clock,
            metrics: &metrics,
            pool: &pool,
            reserved: &reserved,
            ai: &ai,
            vital: &vital,
            announcer: &announcer,
        };
        let graph_url = graph_url(config, simulator.as_ref())?;
        let arbiters = supervision::arbiters()?;
        let home = arbiters.first().context("no arbiter")?;
        let (media, library) = media::start(&beginning, id, &graph_url, home).await?;
        let sending = Sending::new(&config.whatsapp, numbers.clone(), Arc::new(library.clone()))?;
        let partitions = start_actors(&beginning, &epochs, &lease, sending, &graph_url, &arbiters).await?;
        let (intake, queue) =
            intake::queue(config.intake.queue, config.intake.max_batch_rows, metrics.clone());
        let writer = {
            let (pool, metrics, partitions) = (reserved.clone(), metrics.clone(), partitions.clone());
            let (media, announcer) = (media.clone(), announcer.clone());
            let writing = intake::run(queue, pool, metrics.clone(), move |outcome| {
                partitions.wake_all(&outcome.wake, "hint");
                live_chat::announce_intake(&announcer, outcome);
                if outcome.media > 0 {
                    // A wake-up that is lost costs a sweep.
                    supervision::deliver(&media, FetchMedia);
                }
            });
            supervision::spawn_vital("intake", &metrics, &vital, writing)
        };
        let (lose, lease_lost) = watch::channel(false);
        let merge_every = config.conversation.sweep_ms;
        let mut background = vec![
            merging::start(&metrics, pool.clone(), partitions.clone(), lease.clone(), merge_every),
            background::keep_leases(&metrics, reserved.clone(), id, lease, lose),
            background::sweep(&metrics, reserved.clone(), partitions.clone(), config.conversation.sweep_ms),
            background::gauge(&metrics, reserved.clone()),
            background::delete_old_events(&metrics, pool.clone(), config.events.keep_days),
        ];

        if config.conversation.takeover_idle_s > 0 {
            let idle = Duration::from_secs(config.conversation.takeover_idle_s);
            background.push(background::release_idle(&metrics, pool.clone(), partitions.clone(), idle));
        }

        let poll = Duration::from_millis(config.events.poll_ms);
        let events: Arc<dyn PublishEvents> = bus;
        let relays = EventRelays::start(&metrics, &pool, &events, poll);

        let draining = Arc::new(AtomicBool::new(false));
        let parts = services::Parts {
            config,
            secrets,
            clock: &clock,
            metrics: &metrics,
            pool: &pool,
            ai: &ai,
            intake,
            partitions: &partitions,
            numbers: &numbers,
            media: &library,
            announcer: &announcer,
            live_chat: &live_chat,
            node: id,
            draining: &draining,
        };
        let listeners = services::listen_all(&parts)?;
        let addresses = addresses(&listeners, simulator.as_ref());
        write_addresses(&config.data_dir, &addresses)?;
        if let (Some(simulator), Some(channel)) = (&simulator, addresses.get("channel")) {
            simulator.set_webhook_url(Some(format!("http://{channel}/webhook/whatsapp")));
        }
        banner::print(config, &addresses, first_password.then(|| secrets.get("admin_password")).as_ref());
        Ok(Node {
            id,
            pool,
            listeners,
            partitions,
            media,
            intake: writer,
            relays,
            background,
            lease_lost,
            vital_ended,
            draining,
            simulator,
            live_chat,
        })
    }

    /// Drains within `grace`; what does not end in time is in the store and goes on with the next start.
    async fn stop(self, grace: Duration) {
        self.draining.store(true, Ordering::SeqCst);
        // Before the listeners: they would wait for browsers that follow.
        self.live_chat.close();
        join_all(self.listeners.into_iter().map(Listening::stop)).await;
        // The listeners held the last ends of the intake's queue: it writes what is in it and ends.
        if timeout(grace, self.intake).await.is_err() {
            tracing::warn!("the intake did not end in time; unanswered webhooks are delivered again");
        }
        let drains = self.partitions.iter().map(|partition| partition.send(Drain));
        if timeout(grace, join_all(drains)).await.is_err() {
            tracing::warn!("some conversations did not end in time; their work goes on with the next start");
        }
        if timeout(grace, self.media.send(DrainMedia)).await.is_err() {
            tracing::warn!("media could not be given back in time; the claims run out by themselves");
        }
        if timeout(grace, self.relays.drain()).await.is_err() {
            tracing::warn!("some events were not published in time; the next start publishes them");
        }
        for task in &self.background {
            task.abort();
        }
        if let Err(error) = leases::release(&self.pool, self.id).await {
            tracing::warn!(%error, "the leases could not be released; they run out by themselves");
        }
        if let Some(simulator) = self.simulator {
            simulator.stop().await;
        }
    }
}

/// The office's profile as the settings have it; in development with the made-up office's hours and documents.
async fn load_office(config: &Config, pool: &sqlx::PgPool, clock: &Clock) -> anyhow::Result<()> {
    let hours = config.office_hours()?;
    let mut profile = OfficeProfile {
        name: config.office.name.clone(),
        time_zone: config.office.time_zone.clone(),
        emergency_numbers: config.office.emergency_numbers.clone(),
        address: None,
        hours: hours.blocks().map(|(weekday, from, to)| OpeningHours { weekday, from, to }).collect(),
        holidays: hours.holidays().map(|(date, name)| Holiday { date, name: name.to_owned() }).collect(),
    };
    if config.environment == Environment::Development {
        profile.address = Some(samples::profile()?.office.address);
        samples::load(pool).await?;
    }
    office::ensure_profile(pool, clock, &profile).await?;
    Ok(())
}

/// The simulator comes first: its address is the Graph API that the sender calls.
async fn start_simulator(config: &Config, clock: &Clock) -> anyhow::Result<Option<Simulator>> {
    if !config.simulator.enabled {
        return Ok(None);
    }
    let clock = clock.clone();
    let settings = simulator::Settings {
        bind: config.simulator.bind.to_string(),
        public_url: None,
        app_secret: config.whatsapp.app_secret.clone(),
        verify_token: config.whatsapp.verify_token.clone(),
        access_token: config.whatsapp.access_token.clone(),
        phone_number_ids: vec![config.whatsapp.phone_number_id.clone()],
        webhook_url: None,
        behaviour: simulator::Behaviour::default(),
        now: Arc::new(move || clock.now()),
    };
    Ok(Some(simulator::start(settings).await.context("the simulator could not be started")?))
}

/// Where the Graph API is: as set, or the simulator of this node.
fn graph_url(config: &Config, simulator: Option<&Simulator>) -> anyhow::Result<String> {
    match (config.whatsapp.graph_url.is_empty(), simulator) {
        (true, Some(simulator)) => Ok(simulator.url()),
        (true, None) => anyhow::bail!("whatsapp.graph_url: set it, or start the simulator (--simulator)"),
        (false, _) => Ok(config.whatsapp.graph_url.clone()),
    }
}

/// What a starting node has before its actors.
struct Beginning<'a> {
    config: &'a Config,
    clock: &'a Clock,
    metrics: &'a Metrics,
    pool: &'a sqlx::PgPool,
    reserved: &'a sqlx::PgPool,
    ai: &'a AiService,
    vital: &'a Vital,
    announcer: &'a Announcer,
}

async fn start_actors(
    beginning: &Beginning<'_>,
    epochs: &HashMap<PartitionId, Epoch>,
    lease: &Lease,
    sending: Sending,
    graph_url: &str,
    arbiters: &[ArbiterHandle],
) -> anyhow::Result<Partitions> {
    let Beginning { config, clock, metrics, pool, reserved, ai, vital, announcer } = *beginning;
    let home = arbiters.first().context("no arbiter")?;
    let gone = || anyhow::anyhow!("an arbiter ended while the node started");

    let client = GraphClient::new(
        graph_url,
        &config.whatsapp.graph_version,
        config.whatsapp.access_token.clone(),
        Duration::from_millis(config.whatsapp.call_timeout_ms),
    )?;
    let sender = {
        let (numbers, patience, sender_metrics) =
            (sending.numbers.clone(), sending.patience, metrics.clone());
        supervision::spawn_on(home, "sender", metrics, vital, move || {
            Sender::new(client, numbers, patience, sender_metrics)
        })
        .await
        .ok_or_else(gone)?
    };
    let ai = {
        let (service, concurrency) = (ai.clone(), config.ai.concurrency);
        supervision::spawn_on(home, "ai", metrics, vital, move || ai_actor::Ai::new(service, concurrency))
            .await
            .ok_or_else(gone)?
    };
    let case = {
        let (pool, clock, zone) = (pool.clone(), clock.clone(), config.time_zone());
        let case_metrics = metrics.clone();
        supervision::spawn_on(home, "case", metrics, vital, move || {
            case::Case::new(pool, clock, zone, case_metrics, CASE_CONCURRENCY)
        })
        .await
        .ok_or_else(gone)?
    };
    let (ledger, asks) = ledger::queues();
    ledger::start(asks, reserved, metrics, vital);
    let context = Arc::new(ChannelContext {
        pool: pool.clone(),
        ledger,
        clock: clock.clone(),
        metrics: metrics.clone(),
        settings: ChannelSettings::from(&config.conversation),
        office: OfficeVoice {
            name: config.office.name.clone(),
            emergency_numbers: config.office.emergency_numbers.clone(),
            hours: config.office_hours()?,
        },
        ai: AiClient::local(ai),
        case: CaseClient::local(case),
        sender,
        sending,
        lease: lease.clone(),
        announcer: announcer.clone(),
    });
    let mut addresses = Vec::new();
    for partition in PartitionId::all() {
        let epoch = *epochs.get(&partition).context("a partition without a lease")?;
        let arbiter = &arbiters[usize::from(partition.0) % arbiters.len()];
        let context = context.clone();
        let make = move || Partition::new(partition, epoch, context);
        addresses
            .push(supervision::spawn_on(arbiter, "partition", metrics, vital, make).await.ok_or_else(gone)?);
    }
    Partitions::new(addresses).context("not all partitions were started")
}

/// Where each service listens, by name.
type Addresses = BTreeMap<String, SocketAddr>;

fn addresses(listeners: &[Listening], simulator: Option<&Simulator>) -> Addresses {
    let services = listeners.iter().map(|listener| (listener.name.to_owned(), listener.address));
    services.chain(simulator.map(|simulator| ("simulator".to_owned(), simulator.address))).collect()
}

/// Written beside and renamed, so that a reader never sees half of it.
fn write_addresses(data_dir: &Path, addresses: &Addresses) -> anyhow::Result<()> {
    let beside = data_dir.join(format!("{ADDRESSES_FILE}.tmp"));
    std::fs::write(&beside, serde_json::to_vec_pretty(addresses)?)
        .and_then(|()| std::fs::rename(&beside, data_dir.join(ADDRESSES_FILE)))
        .with_context(|| format!("could not write {ADDRESSES_FILE} in {}", data_dir.display()))
}
