//! The channel service's part of a node: from the intake to the sender, and what runs beside them.

use std::sync::Arc;
use std::time::Duration;

use actix::Addr;
use actix_rt::ArbiterHandle;
use anyhow::Context as _;
use tokio::task::JoinHandle;

use super::{Beginning, background, media};
use crate::actors::channel::{ChannelContext, ChannelSettings, Sending};
use crate::actors::clients::{AiClient, CaseClient};
use crate::actors::intake::{self, Intake};
use crate::actors::media::{Media, MediaLibrary, Wake as FetchMedia};
use crate::actors::partitions::{Host, PartitionTable, Partitions};
use crate::actors::sender::Sender;
use crate::actors::sender::numbers::{Numbers, Pace};
use crate::actors::{ledger, merging, supervision};
use crate::bus::Bus;
use crate::cluster::Lease;
use crate::config::Config;
use crate::dialogue::turn::OfficeVoice;
use crate::ids::NodeId;
use crate::simulator::Simulator;
use crate::whatsapp::client::GraphClient;

/// What the service's listener answers with. It holds the last ends of the intake's queue.
pub(super) struct Answering {
    pub intake: Intake,
    pub partitions: Partitions,
    pub numbers: Numbers,
    pub media: MediaLibrary,
}

/// What is stopped in order.
pub(super) struct Channel {
    /// Ends when the queue's last end is gone and everything in it is written.
    pub writer: JoinHandle<()>,
    pub media: Addr<Media>,
    pub background: Vec<JoinHandle<()>>,
    pub numbers: Numbers,
    pub host: Arc<Host>,
}

/// Whom conversations call, and how they are reached.
pub(super) struct Surroundings<'a> {
    pub node: NodeId,
    pub ai: AiClient,
    pub case: CaseClient,
    pub bus: &'a Arc<dyn Bus>,
    pub table: &'a PartitionTable,
    pub lease: &'a Lease,
    pub simulator: Option<&'a Simulator>,
    pub arbiters: &'a [ArbiterHandle],
}

/// Starts everything; no partition is owned yet.
pub(super) async fn start(
    beginning: &Beginning<'_>,
    around: Surroundings<'_>,
) -> anyhow::Result<(Channel, Answering)> {
    let Beginning { config, clock, metrics, pool, reserved, vital, .. } = *beginning;
    let graph_url = graph_url(config, around.simulator)?;
    let home = around.arbiters.first().context("no arbiter")?;
    let numbers = Numbers::new(Pace::from(&config.whatsapp), clock.clone(), metrics.clone());
    let (media, library) = media::start(beginning, around.node, &graph_url, home).await?;
    let sending = Sending::new(&config.whatsapp, numbers.clone(), Arc::new(library.clone()))?;
    let partitions = Partitions::new(around.table.clone(), around.bus.clone());
    let context = context(beginning, &around, sending, &graph_url, home).await?;
    let host = Arc::new(Host::new(
        around.table.clone(),
        around.bus.clone(),
        context,
        around.arbiters.to_vec(),
        vital.clone(),
        config.shutdown_grace(),
    ));

    let (intake, queue) = intake::queue(config.intake.queue, config.intake.max_batch_rows, metrics.clone());
    let writer = {
        let (partitions, media) = (partitions.clone(), media.clone());
        let writing = intake::run(queue, reserved.clone(), metrics.clone(), move |outcome| {
            partitions.wake_all(&outcome.wake, "hint");
            if outcome.media > 0 {
                // A wake-up that is lost costs a sweep.
                supervision::deliver(&media, FetchMedia);
            }
        });
        supervision::spawn_vital("intake", metrics, vital, writing)
    };
    let sweep_ms = config.conversation.sweep_ms;
    let mut background = vec![
        merging::start(metrics, pool.clone(), partitions.clone(), around.lease.clone(), sweep_ms),
        background::sweep(metrics, reserved.clone(), partitions.clone(), sweep_ms, host.adopted()),
        background::gauge(metrics, reserved.clone(), partitions.clone()),
    ];
    if config.conversation.takeover_idle_s > 0 {
        let idle = Duration::from_secs(config.conversation.takeover_idle_s);
        background.push(background::release_idle(metrics, pool.clone(), partitions.clone(), idle));
    }
    let channel = Channel { writer, media, background, numbers: numbers.clone(), host };
    Ok((channel, Answering { intake, partitions, numbers, media: library }))
}

async fn context(
    beginning: &Beginning<'_>,
    around: &Surroundings<'_>,
    sending: Sending,
    graph_url: &str,
    home: &ArbiterHandle,
) -> anyhow::Result<Arc<ChannelContext>> {
    let Beginning { config, clock, metrics, pool, reserved, vital, .. } = *beginning;
    let client = GraphClient::new(
        graph_url,
        &config.whatsapp.graph_version,
        config.whatsapp.access_token.clone(),
        Duration::from_millis(config.whatsapp.call_timeout_ms),
    )?;
    let (numbers, patience, counted) = (sending.numbers.clone(), sending.patience, metrics.clone());
    let make = move || Sender::new(client, numbers, patience, counted);
    let sender = supervision::spawn_on(home, "sender", metrics, vital, make)
        .await
        .context("an arbiter ended while the node started")?;
    let (ledger, asks) = ledger::queues();
    ledger::start(asks, reserved, metrics, vital);
    Ok(Arc::new(ChannelContext {
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
        ai: around.ai.clone(),
        case: around.case.clone(),
        sender,
        sending,
        lease: around.lease.clone(),
    }))
}

/// Where the Graph API is: as set, or the simulator of this node.
fn graph_url(config: &Config, simulator: Option<&Simulator>) -> anyhow::Result<String> {
    match (config.whatsapp.graph_url.is_empty(), simulator) {
        (true, Some(simulator)) => Ok(simulator.url()),
        (true, None) => anyhow::bail!("whatsapp.graph_url: set it, or start the simulator (--simulator)"),
        (false, _) => Ok(config.whatsapp.graph_url.clone()),
    }
}
