//! The composition root: settings become a running node, and a stopping node drains (I10).
//!
//! Order of a start: database → bus → actors → leases → listeners. Order of a stop: listeners (nothing new comes in) →
//! intake (what came in is on disk) → conversations (what is under way ends) and their leases → events (what happened is
//! told) → bus → database.

mod background;
mod banner;
mod calls;
mod channel;
pub mod database;
mod documents;
mod live_chat;
mod media;
pub mod services;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use futures::future::join_all;
use secrecy::ExposeSecret;
use strum::IntoEnumIterator;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::actors::live_chat::LiveChat;
use crate::actors::media::Drain as DrainMedia;
use crate::actors::partitions::PartitionTable;
use crate::actors::relay::EventRelays;
use crate::actors::supervision;
use crate::actors::supervision::{BusDuties, Vital};
use crate::admin_command;
use crate::ai::documents::Documents;
use crate::ai::providers;
use crate::ai::providers::assistance::Assistance;
use crate::ai::service::AiService;
use crate::bus::events::PublishEvents;
use crate::bus::live_chat::Announcer;
use crate::clock::Clock;
use crate::cluster::keeper::{Member, MustStop};
use crate::cluster::{Company, Keeper, Lease, NoPartitions, PartitionHost};
use crate::config::secrets::Secrets;
use crate::config::{Config, Environment, Role, is_unset};
use crate::http::dashboard::office::{self, Holiday, OfficeProfile, OpeningHours};
use crate::http::listener::Listening;
use crate::ids::NodeId;
use crate::metrics::Metrics;
use crate::samples;
use crate::simulator::{self, Simulator};
use crate::store;
use crate::store::channel::{leases, nodes};
use crate::store::embedded::create_data_dir;
use crate::store::outboxes::Outbox;

use calls::Office;
use channel::Channel;
use database::Database;
use documents::DocumentWork;

/// The file in `data_dir` that tells where a node listens; for scripts and tests that asked for port 0.
pub const ADDRESSES_FILE: &str = "addresses.json";

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
            give_up(&database.pool, id).await;
            database.close().await;
            tracing::info!("stopped before it was up");
            return not_started.map_or(Ok(()), |failed| failed.map(drop));
        }
    };
    let stopped_by = tokio::select! {
        _ = terminate.recv() => Ok("SIGTERM"),
        _ = interrupt.recv() => Ok("Ctrl-C"),
        reason = database.failed() => Err(reason),
        why = unkept(&mut node.must_stop) => Err(anyhow::anyhow!("{why}; this node stops")),
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

async fn unkept(must_stop: &mut watch::Receiver<Option<MustStop>>) -> MustStop {
    match must_stop.wait_for(Option::is_some).await.map(|why| *why) {
        Ok(Some(why)) => why,
        // The keeper has ended with the node.
        Ok(None) | Err(_) => std::future::pending().await,
    }
}

async fn panicked(vital_ended: &mut watch::Receiver<Option<&'static str>>) -> &'static str {
    match vital_ended.wait_for(Option::is_some).await.map(|name| *name) {
        Ok(Some(name)) => name,
        // All actors have gone with the node.
        Ok(None) | Err(_) => std::future::pending().await,
    }
}

/// Gives back whatever a start that did not get to its end has taken.
async fn give_up(pool: &sqlx::PgPool, id: NodeId) {
    let all: Vec<_> = crate::ids::PartitionId::all().collect();
    let given_back = async {
        leases::release(pool, id, &all).await?;
        nodes::leave(pool, id).await
    };
    if let Err(error) = given_back.await {
        tracing::warn!(%error, "the leases could not be released; they run out by themselves");
    }
}

/// Everything that runs.
struct Node {
    listeners: Vec<Listening>,
    channel: Option<Channel>,
    keeper: JoinHandle<()>,
    leave: watch::Sender<bool>,
    relays: EventRelays,
    duties: BusDuties,
    document_work: Option<DocumentWork>,
    background: Vec<JoinHandle<()>>,
    must_stop: watch::Receiver<Option<MustStop>>,
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
        let reserved = database.reserved.clone();

        let first_password = set_up(config, &pool, &clock).await?;
        let simulator = start_simulator(config, &clock).await?;

        let assistance =
            Assistance::from_config(&config.ai, config.time_zone(), clock.clone(), metrics.clone())
                .context("ai.provider")?;
        let embedder = providers::embedder(&config.ai.embedding).context("ai.embedding")?;
        let ai = AiService::new(pool.clone(), Duration::from_millis(config.ai.turn_deadline_ms))
            .assisted_by(assistance)
            .with_retriever(documents::retriever(config, &pool, embedder.as_ref()));
        let documents = Documents::new(pool.clone(), config.ai.documents.max_upload_bytes);
        let live_chat = LiveChat::new(&metrics);
        let (vital, vital_ended) = Vital::new();
        let arbiters = supervision::arbiters()?;
        let home = arbiters.first().context("no arbiter")?;
        let table = PartitionTable::default();
        let office = Office { config, metrics: &metrics, pool: &pool, clock: &clock };
        let answering = calls::start(&office, &ai, &vital, home).await?;
        let bus = calls::bus(&office, &answering, &table, &live_chat)?;
        let announcer = Announcer::new(bus.clone());
        let beginning = Beginning {
            config,
            clock: &clock,
            metrics: &metrics,
            pool: &pool,
            reserved: &reserved,
            vital: &vital,
            announcer: &announcer,
        };
        let lease = Lease::default();
        let duties = BusDuties::start(&metrics, bus.duties());
        let (channel, listening) = match config.has(Role::Channel) {
            true => {
                let around = channel::Surroundings {
                    node: id,
                    ai: calls::ai_client(config, &answering, &bus),
                    case: calls::case_client(&answering, &bus),
                    bus: &bus,
                    table: &table,
                    lease: &lease,
                    simulator: simulator.as_ref(),
                    arbiters: &arbiters,
                };
                let (channel, listening) = channel::start(&beginning, around).await?;
                (Some(channel), Some(listening))
            }
            false => (None, None),
        };
        let company = match is_unset(&config.broker.url) {
            true => Company::Alone { steal: database.is_ours_alone() },
            false => Company::Cluster,
        };
        let roles = config.roles.iter().map(ToString::to_string).collect();
        let host: Arc<dyn PartitionHost> = match &channel {
            Some(channel) => channel.host.clone(),
            None => Arc::new(NoPartitions),
        };
        let member = Member { node: id, roles, company };
        let (mut keeper, view) =
            Keeper::new(reserved.clone(), pool.clone(), member, host, lease, metrics.clone());
        keeper.join().await.context("this node could not join")?;
        let (tell, must_stop) = watch::channel(None);
        let (leave, leaving) = watch::channel(false);
        let keeper = supervision::spawn_vital("keeper", &metrics, &vital, keeper.run(leaving, tell));
        let publish: Arc<dyn PublishEvents> = bus.clone();
        let poll = Duration::from_millis(config.events.poll_ms);
        let outboxes = Outbox::iter().filter(|outbox| config.has_service(outbox.service()));
        let relays = EventRelays::start(&metrics, &pool, &publish, poll, outboxes);
        let mut background =
            vec![background::delete_old_events(&metrics, pool.clone(), config.events.keep_days)];
        if let Some(channel) = &channel {
            let numbers = channel.numbers.clone();
            background.push(background::share_rates(&metrics, numbers, view.clone()));
        }

        let document_work =
            config.has(Role::Ai).then(|| documents::start(config, &metrics, &pool, id, &documents, embedder));

        let draining = Arc::new(AtomicBool::new(false));
        let parts = services::Parts {
            config,
            clock: &clock,
            metrics: &metrics,
            pool: &pool,
            ai: &ai,
            documents: &documents,
            node: id,
            draining: &draining,
            bus: &bus,
            announcer: &announcer,
            live_chat: &live_chat,
        };
        let listeners = services::listen_all(&parts, listening)?;
        let addresses = addresses(&listeners, simulator.as_ref());
        write_addresses(&config.data_dir, &addresses)?;
        if let (Some(simulator), Some(channel)) = (&simulator, addresses.get("channel")) {
            simulator.set_webhook_url(Some(format!("http://{channel}/webhook/whatsapp")));
        }
        // One that the operator chose is not told to the log.
        let generated = Some(secrets.get("admin_password")).filter(|it| {
            first_password && it.expose_secret() == config.dashboard.first_password.expose_secret()
        });
        banner::print(config, &addresses, generated.as_ref());
        Ok(Node {
            listeners,
            channel,
            keeper,
            leave,
            relays,
            duties,
            document_work,
            background,
            must_stop,
            vital_ended,
            draining,
            simulator,
            live_chat,
        })
    }

    /// Drains within `grace`; what does not end in time is in the store and goes on with the next start, or elsewhere.
    async fn stop(self, grace: Duration) {
        self.draining.store(true, Ordering::SeqCst);
        // Before the listeners: they would wait for browsers that follow.
        self.live_chat.close();
        join_all(self.listeners.into_iter().map(Listening::stop)).await;
        let (media, background) = match self.channel {
            Some(channel) => {
                // The listeners held the last ends of the intake's queue: it writes what is in it and ends.
                if timeout(grace, channel.writer).await.is_err() {
                    tracing::warn!("the intake did not end in time; unanswered webhooks are delivered again");
                }
                (Some(channel.media), channel.background)
            }
            None => (None, Vec::new()),
        };
        self.leave.send_replace(true);
        // Each partition has its own bound; then the leases are given back.
        if timeout(grace.saturating_mul(2), self.keeper).await.is_err() {
            tracing::warn!("the partitions could not be handed over; their leases run out by themselves");
        }
        if let Some(media) = media
            && timeout(grace, media.send(DrainMedia)).await.is_err()
        {
            tracing::warn!("media could not be given back in time; the claims run out by themselves");
        }
        if let Some(work) = self.document_work
            && timeout(grace, work.stop()).await.is_err()
        {
            tracing::warn!("documents could not be given back in time; the claims run out by themselves");
        }
        if timeout(grace, self.relays.drain()).await.is_err() {
            tracing::warn!("some events were not published in time; the next start publishes them");
        }
        if timeout(grace, self.duties.stop()).await.is_err() {
            tracing::warn!("what came from the bus did not end in time; it is handed to others");
        }
        for task in self.background.iter().chain(&background) {
            task.abort();
        }
        if let Some(simulator) = self.simulator {
            simulator.stop().await;
        }
    }
}

/// What a first start leaves behind, by the nodes whose services own it; several that start at once take turns. Tells
/// whether the first account was made.
async fn set_up(config: &Config, pool: &sqlx::PgPool, clock: &Clock) -> anyhow::Result<bool> {
    let turn = store::take_turn_to_set_up(pool).await?;
    let mut first_account = false;
    if config.has(Role::Dashboard) {
        first_account = admin_command::ensure_first_admin(pool, clock, &config.dashboard.first_password)
            .await
            .context("the first account could not be made")?;
        load_office(config, pool, clock).await.context("the office could not be set up")?;
    }
    if config.has(Role::Ai) && config.environment == Environment::Development {
        samples::load(pool).await.context("the sample documents could not be loaded")?;
    }
    turn.commit().await.context("the office could not be set up")?;
    Ok(first_account)
}

/// The office's profile as the settings have it; in development with the made-up office's address.
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

/// What a starting node has before its actors.
struct Beginning<'a> {
    config: &'a Config,
    clock: &'a Clock,
    metrics: &'a Metrics,
    pool: &'a sqlx::PgPool,
    reserved: &'a sqlx::PgPool,
    vital: &'a Vital,
    announcer: &'a Announcer,
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
