//! The actors alone: real partitions, real conversations, real supervision; only the store is answered for, at once
//! and from memory ("nothing is open"), so that what is counted is routing and not the database.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use govconnect::actors::ledger::{self, LedgerQueues};
use govconnect::actors::partitions::Partitions;
use govconnect::config::Config;
use govconnect::ids::{ConversationId, PersonId, Version};
use govconnect::metrics::Metrics;
use govconnect::store::channel::conversation::{Conversation, Load, Loaded, Mode};
use govconnect::store::channel::loading::Look;
use serde_json::json;
use tokio::time::sleep;

use crate::database::PHONE_NUMBER_ID;
use crate::report::{Goal, Report};
use crate::server::Server;
use crate::{Extent, say, service};

/// Wake-ups handed over between two looks at how many were handled; below what a partition's mailbox holds.
const BURST: usize = 20_000;
/// How long all that was handed over may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Measures routing and memory with `extent.actors` conversations awake.
pub async fn measure(
    config: &Config,
    server: &Server,
    extent: &Extent,
    report: &mut Report,
) -> anyhow::Result<()> {
    server.create("bench_actors").await?;
    let pool = server.pool("bench_actors", 1).await?;
    let metrics = Metrics::new()?;
    let (ledger, asks) = ledger::queues();
    let looked = Arc::new(AtomicU64::new(0));
    let answering = tokio::spawn(answer(asks, looked.clone()));
    let partitions = service::partitions_awake(config, &pool, &metrics, ledger).await?;

    let ids: Vec<ConversationId> = (0..extent.actors).map(|_| ConversationId::new()).collect();
    let handled = || looked.load(Ordering::Relaxed);
    // A first tenth brings the allocator, the queues and the tables to size.
    let (warm, counted) = ids.split_at(ids.len() / 10);
    wake(&partitions, warm, &handled).await?;
    let before = resident_bytes()?;
    wake(&partitions, counted, &handled).await?;
    let bytes = (resident_bytes()? - before) / counted.len() as f64;
    say(&format!("actors: {} awake, {bytes:.0} bytes each", metrics.active_conversations.get()));

    let mut per_s = Vec::new();
    for round in 0..=extent.rounds {
        let started = Instant::now();
        wake(&partitions, &ids, &handled).await?;
        let routed = ids.len() as f64 / started.elapsed().as_secs_f64();
        if round > 0 {
            say(&format!("actors: round {round}/{}, {routed:>9.0} messages/s", extent.rounds));
            per_s.push(routed);
        }
    }
    answering.abort();
    pool.close().await;
    report.add("actors.msgs_per_s", &per_s, "messages/s", Goal::AtLeast(300_000.0), None)?;
    report.add("actors.bytes", &[bytes], "bytes", Goal::AtMost(1500.0), None)
}

/// Wakes each of these once, in bursts, and waits until each has looked.
async fn wake(
    partitions: &Partitions,
    conversations: &[ConversationId],
    handled: &impl Fn() -> u64,
) -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    let mut expected = handled();
    for burst in conversations.chunks(BURST) {
        for conversation in burst {
            partitions.wake(*conversation, "hint");
        }
        expected += burst.len() as u64;
        while handled() < expected {
            anyhow::ensure!(Instant::now() < deadline, "a wake-up was lost");
            sleep(Duration::from_millis(1)).await;
        }
    }
    Ok(())
}

/// The store's stand-in: every conversation exists, and nothing in it is open.
async fn answer(mut asks: LedgerQueues, looked: Arc<AtomicU64>) {
    let mut group = Vec::new();
    while asks.looks.recv_many(&mut group, 256).await > 0 {
        let answered = group.len() as u64;
        for asked in group.drain(..) {
            // An actor that has gone meanwhile asked in vain.
            drop(asked.answer.send(Ok(Load::Loaded(Box::new(nothing_open(&asked.ask))))));
        }
        looked.fetch_add(answered, Ordering::Relaxed);
    }
}

fn nothing_open(look: &Look) -> Loaded {
    Loaded {
        conversation: Conversation {
            conversation_id: look.conversation_id,
            phone_number_id: PHONE_NUMBER_ID.into(),
            person_id: PersonId(look.conversation_id.0),
            phone: Some("6281234567890".into()),
            bsuid: None,
            display_name: None,
            version: Version(1),
            mode: Mode::Bot,
            state: json!({}),
            failed_turns: 0,
            retry_at: None,
            parked: false,
            returned_at: None,
            remind_at: None,
            window_expires_at: None,
        },
        inbox: Vec::new(),
        calls: Vec::new(),
        sendable: false,
        owed: false,
    }
}

/// Resident memory of this process, as the kernel counts it.
fn resident_bytes() -> anyhow::Result<f64> {
    let status = std::fs::read_to_string(Path::new("/proc/self/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    let kib: f64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kib * 1024.0)
}
