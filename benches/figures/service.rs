//! The channel service as a node runs it, up to the wake-ups: real listener, real signature check, real group-commit
//! writer. And its rival: the same handler, writing each webhook by itself.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use actix_web::{HttpRequest, HttpResponse, web};
use anyhow::Context as _;
use secrecy::SecretString;
use sqlx::PgPool;

use govconnect::actors::channel::{ChannelContext, ChannelSettings, Sending};
use govconnect::actors::clients::{AiClient, CaseClient};
use govconnect::actors::ledger::{self, Ledger};
use govconnect::actors::media::MediaLibrary;
use govconnect::actors::partitions::{Host, PartitionTable, Partitions};
use govconnect::actors::sender::Sender;
use govconnect::actors::sender::numbers::{Numbers, Pace};
use govconnect::actors::{ai, case, intake, supervision};
use govconnect::ai::service::AiService;
use govconnect::bus::in_process::LocalBus;
use govconnect::bus::{Bus, Receivers};
use govconnect::clock::Clock;
use govconnect::cluster::{Lease, PartitionHost};
use govconnect::config::Config;
use govconnect::dialogue::turn::OfficeVoice;
use govconnect::http::channel::{self, ChannelState, to_batch};
use govconnect::http::extract::{BodyLimit, read_body};
use govconnect::http::guard::InternalKeys;
use govconnect::http::health::Readiness;
use govconnect::http::listener::{Listening, Service, Shared, listen};
use govconnect::http::problem::Problem;
use govconnect::ids::{Epoch, NodeId, PartitionId};
use govconnect::media::spool::SpoolFolder;
use govconnect::media::storage::MediaStorage;
use govconnect::metrics::Metrics;
use govconnect::store::channel::intake::write;
use govconnect::whatsapp::client::GraphClient;
use govconnect::whatsapp::signature::{self, Verifier};
use govconnect::whatsapp::webhook::parse;

use crate::load::APP_SECRET;

/// The group-commit intake behind a listener.
///
/// The partitions hold no lease: a wake-up reaches them and ends there, so that turns take nothing from the intake.
pub async fn start(config: &Config, pool: &PgPool) -> anyhow::Result<Listening> {
    let metrics = Metrics::new()?;
    let (numbers, media) = (numbers(config, &metrics), media(pool, &metrics)?);
    let sending = Sending::new(&config.whatsapp, numbers.clone(), Arc::new(media.clone()))?;
    let partitions = partitions_at_rest(config, pool, &metrics, sending).await?;
    let (intake, queue) = intake::queue(config.intake.queue, config.intake.max_batch_rows, metrics.clone());
    let wake = partitions.clone();
    tokio::spawn(intake::run(queue, pool.clone(), metrics.clone(), move |outcome| {
        wake.wake_all(&outcome.wake, "hint")
    }));
    let service = channel::service(ChannelState {
        pool: pool.clone(),
        verifier: verifier(),
        verify_token: SecretString::from("unused"),
        max_webhook_bytes: config.whatsapp.max_webhook_bytes,
        intake,
        partitions,
        numbers,
        node: NodeId::new(),
        media,
    });
    serve(service, pool, metrics)
}

/// What the rival's handler works with.
struct Plain {
    pool: PgPool,
    verifier: Verifier,
    max_webhook_bytes: usize,
}

/// The rival: every webhook a transaction of its own, of the same statements, on `pool`.
pub fn start_plain(config: &Config, pool: &PgPool) -> anyhow::Result<Listening> {
    let state = web::Data::new(Plain {
        pool: pool.clone(),
        verifier: verifier(),
        max_webhook_bytes: config.whatsapp.max_webhook_bytes,
    });
    let service = Service {
        name: "plain",
        description: "one webhook a transaction",
        routes: |_| {},
        state: Arc::new(move |config| {
            config.app_data(state.clone());
        }),
        pages: |config| {
            config.route("/webhook/whatsapp", web::post().to(receive));
        },
    };
    serve(service, pool, Metrics::new()?)
}

async fn receive(
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<Plain>,
) -> Result<HttpResponse, Problem> {
    let body = read_body(payload, state.max_webhook_bytes).await?;
    let given =
        request.headers().get(signature::HEADER).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !state.verifier.accepts(&body, given) {
        return Err(Problem::unauthorized("the signature is missing or does not fit the body"));
    }
    let updates = parse(&body).map_err(|error| Problem::bad_request(error.to_string()))?;
    write(&state.pool, &to_batch(updates)).await?;
    Ok(HttpResponse::Ok().finish())
}

fn verifier() -> Verifier {
    Verifier::new(&SecretString::from(APP_SECRET))
}

fn serve(service: Service, pool: &PgPool, metrics: Metrics) -> anyhow::Result<Listening> {
    let shared = Shared {
        keys: web::Data::new(InternalKeys::new(&["unused".into()])),
        metrics: web::Data::new(metrics),
        readiness: web::Data::new(Readiness {
            pool: pool.clone(),
            draining: Arc::new(AtomicBool::new(false)),
            bus: Arc::new(LocalBus::new(Receivers::default())),
        }),
        body_limit: BodyLimit(64 * 1024),
        shutdown_grace: Duration::from_secs(1),
    };
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    Ok(listen(service, SocketAddr::from(([127, 0, 0, 1], 0)), cores, shared)?)
}

/// Partitions without a lease: a wake-up reaches them and ends there.
async fn partitions_at_rest(
    config: &Config,
    pool: &PgPool,
    metrics: &Metrics,
    sending: Sending,
) -> anyhow::Result<Partitions> {
    let lease = Lease::acquired(Instant::now());
    lease.lose();
    // Nobody asks it anything: no conversation is made.
    let (ledger, _) = ledger::queues();
    partitions(config, pool, metrics, sending, ledger, lease).await
}

/// Partitions that wake conversations, which ask `ledger`.
pub async fn partitions_awake(
    config: &Config,
    pool: &PgPool,
    metrics: &Metrics,
    ledger: Ledger,
) -> anyhow::Result<Partitions> {
    // Far ahead, so that it outlasts the measurement.
    let lease = Lease::acquired(Instant::now() + Duration::from_secs(3600));
    let (numbers, media) = (numbers(config, metrics), media(pool, metrics)?);
    let sending = Sending::new(&config.whatsapp, numbers, Arc::new(media))?;
    partitions(config, pool, metrics, sending, ledger, lease).await
}

fn numbers(config: &Config, metrics: &Metrics) -> Numbers {
    Numbers::new(Pace::from(&config.whatsapp), Clock::system(), metrics.clone())
}

/// No message of the figures carries a file.
fn media(pool: &PgPool, metrics: &Metrics) -> anyhow::Result<MediaLibrary> {
    let folder = std::env::temp_dir().join("govconnect-figures");
    let storage = MediaStorage::local(&folder.join("media"))?;
    let spool = SpoolFolder::open(&folder.join("spool"))?;
    Ok(MediaLibrary::new(pool.clone(), storage, spool, metrics.clone()))
}

async fn partitions(
    config: &Config,
    pool: &PgPool,
    metrics: &Metrics,
    sending: Sending,
    ledger: Ledger,
    lease: Lease,
) -> anyhow::Result<Partitions> {
    let gone = "an arbiter ended while the channel service started";
    let arbiters = supervision::arbiters()?;
    let home = arbiters.first().context("no arbiter")?;
    // A panic here shows as requests that fail, which ends the run.
    let (vital, _) = supervision::Vital::new();
    let clock = Clock::system();
    let call_timeout = Duration::from_secs(1);
    // Nothing is ever sent: no turn runs.
    let client = GraphClient::new("http://localhost:9", "v23.0", SecretString::from("unused"), call_timeout)?;
    let sender_metrics = metrics.clone();
    let (numbers, patience) = (sending.numbers.clone(), sending.patience);
    let sender = supervision::spawn_on(home, "sender", metrics, &vital, move || {
        Sender::new(client, numbers, patience, sender_metrics)
    })
    .await
    .context(gone)?;
    let service = AiService::new(pool.clone(), call_timeout);
    let ai = supervision::spawn_on(home, "ai", metrics, &vital, move || ai::Ai::new(service, 1))
        .await
        .context(gone)?;
    let case = {
        let (pool, clock, zone, metrics) = (pool.clone(), clock.clone(), config.time_zone(), metrics.clone());
        let make = move || case::Case::new(pool, clock, zone, metrics, 1);
        supervision::spawn_on(home, "case", &Metrics::new()?, &vital, make).await.context(gone)?
    };
    let context = Arc::new(ChannelContext {
        pool: pool.clone(),
        ledger,
        clock,
        metrics: metrics.clone(),
        settings: ChannelSettings {
            // Nobody leaves memory while memory is measured.
            idle: Duration::from_secs(3600),
            ..ChannelSettings::from(&config.conversation)
        },
        office: OfficeVoice { name: config.office.name.clone(), ..OfficeVoice::default() },
        ai: AiClient::local(ai),
        case: CaseClient::local(case),
        sender,
        sending,
        lease,
    });
    let bus: Arc<dyn Bus> = Arc::new(LocalBus::new(Receivers::default()));
    let table = PartitionTable::default();
    let host = Host::new(table.clone(), bus.clone(), context, arbiters, vital, call_timeout);
    host.adopt(PartitionId::all().map(|partition| (partition, Epoch(1))).collect()).await;
    Ok(Partitions::new(table, bus))
}
