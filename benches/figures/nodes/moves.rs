//! Nodes join one after the other, one is stopped, one is killed: whether each has its exact share afterwards, and how long
//! conversations of the one that goes wait for another.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use futures::future::try_join3;
use tokio::time::sleep_until;

use govconnect::store::channel::leases::TTL;

use super::{Cluster, Site};
use crate::process::PATIENCE;
use crate::report::{Goal, Report};
use crate::{Extent, load, say};

/// The citizen's pause. Shorter than a node's default, so that a round takes less long.
const QUIET: Duration = Duration::from_secs(1);
const PAUSES: [(&str, &str); 3] = [
    ("GOVCONNECT_CONVERSATION__QUIET_MS", "1000"),
    ("GOVCONNECT_CONVERSATION__GREETING_QUIET_MS", "1000"),
    ("GOVCONNECT_WHATSAPP__SEND_PER_S", "100000"),
];
/// One citizen writes each of these while a node is stopped.
const PACE: Duration = Duration::from_millis(20);
/// Before the stop and after it.
const BEFORE: usize = 100;
const AFTER: usize = 100;
/// Who waits for an answer when a node is killed.
const PENDING: usize = 100;
/// Above what a failing node may take beyond its leases (DESIGN §6, I8: sweep and work).
const SWEEP_AND_WORK: Duration = Duration::from_secs(3);

#[derive(Default)]
struct Rounds {
    /// Partitions, of the worst change of any round.
    off: usize,
    spread_s: Vec<f64>,
    drain_s: Vec<f64>,
    stop_s: Vec<f64>,
    first_s: Vec<f64>,
    failover_s: Vec<f64>,
}

/// Measures joins, a stop and a kill, in each round with fresh nodes.
pub async fn measure(site: &mut Site, extent: &Extent, report: &mut Report) -> anyhow::Result<()> {
    let mut rounds = Rounds::default();
    for round in 1..=extent.rounds {
        let mut cluster = Cluster::over_a_broker(&PAUSES).await?;
        let mut slowest = 0.0_f64;
        for _ in 0..extent.nodes {
            let spread = cluster.join(site).await?;
            rounds.off = rounds.off.max(spread.off);
            slowest = slowest.max(spread.at.duration_since(spread.known).as_secs_f64());
        }
        let drained = stop_one(site, &mut cluster).await?;
        slowest = slowest.max(drained.spread_s);
        let killed = kill_one(site, &mut cluster).await?;
        cluster.stop().await?;
        say(&format!(
            "nodes: round {round}/{}, exact within {slowest:.2} s; stopped within {:.2} s, {:.2} s beyond the pause \
             ({:.2} s before the stop); killed: the first {:.1} s later, the last {:.1} s",
            extent.rounds,
            drained.ended_s,
            drained.beyond_s,
            drained.ordinary_s,
            killed.first_s,
            killed.last_s
        ));
        rounds.off = rounds.off.max(drained.off).max(killed.off);
        rounds.spread_s.push(slowest);
        rounds.drain_s.push(drained.beyond_s);
        rounds.stop_s.push(drained.ended_s);
        rounds.first_s.push(killed.first_s);
        rounds.failover_s.push(killed.last_s);
    }
    let goal = Goal::AtMost((TTL + SWEEP_AND_WORK).as_secs_f64());
    report.add("nodes.failover_s", &rounds.failover_s, "s", goal, None)?;
    report.add("nodes.failover_first_s", &rounds.first_s, "s", Goal::None, None)?;
    report.add("nodes.drain_s", &rounds.drain_s, "s", Goal::AtMost(1.0), None)?;
    report.add("nodes.stop_s", &rounds.stop_s, "s", Goal::None, None)?;
    // The worst and not the median: one that stays uneven is one too many.
    report.add("nodes.spread", &[rounds.off as f64], "partitions", Goal::AtMost(0.0), None)?;
    report.add("nodes.spread_s", &rounds.spread_s, "s", Goal::None, None)
}

struct Drained {
    off: usize,
    /// From the signal until the others had their shares.
    spread_s: f64,
    /// From the signal until the process had ended.
    ended_s: f64,
    /// The longest that anybody waited beyond the pause who was to be answered after the signal.
    beyond_s: f64,
    /// The same of those who were to be answered before it.
    ordinary_s: f64,
}

/// SIGTERM to a node while citizens of its partitions write to the others. Each must get one answer.
async fn stop_one(site: &mut Site, cluster: &mut Cluster) -> anyhow::Result<Drained> {
    let leaving = cluster.members.swap_remove(0);
    let theirs = site.owned_by(leaving.id).await?;
    let citizens = site.take(BEFORE + AFTER, &theirs)?;
    let (others, left) = (cluster.channels(), cluster.members.len());
    let signalled = Instant::now() + PACE * u32::try_from(BEFORE)?;
    let stopping = async {
        sleep_until(signalled.into()).await;
        leaving.node.terminate().await?;
        anyhow::Ok(signalled.elapsed())
    };
    let spreading = async {
        sleep_until(signalled.into()).await;
        site.spread(left).await
    };
    let (posted, ended, spread) =
        try_join3(load::trickle(&others, &citizens, PACE), stopping, spreading).await?;
    let replied = site.graph.replies_to(&citizens).await?;
    let (mut beyond, mut ordinary) = (Duration::ZERO, Duration::ZERO);
    for (posted, replied) in posted.iter().zip(replied) {
        let due = *posted + QUIET;
        let longest = if due >= signalled { &mut beyond } else { &mut ordinary };
        *longest = (*longest).max(replied.saturating_duration_since(due));
    }
    Ok(Drained {
        off: spread.off,
        spread_s: spread.at.duration_since(signalled).as_secs_f64(),
        ended_s: ended.as_secs_f64(),
        beyond_s: beyond.as_secs_f64(),
        ordinary_s: ordinary.as_secs_f64(),
    })
}

struct Killed {
    off: usize,
    /// From the kill until the first was answered who waited for the dead.
    first_s: f64,
    /// Until the last was.
    last_s: f64,
}

/// SIGKILL to a node that has much to answer. Each must get one answer.
async fn kill_one(site: &mut Site, cluster: &mut Cluster) -> anyhow::Result<Killed> {
    let victim = cluster.members.swap_remove(0);
    let theirs = site.owned_by(victim.id).await?;
    let citizens = site.take(PENDING, &theirs)?;
    let requests = citizens.iter().map(|citizen| load::greeting(*citizen)).collect();
    load::post(&cluster.channels(), requests, PENDING / 10, PATIENCE).await?;
    let killed = Instant::now();
    victim.node.kill().await?;
    let spread = site.spread(cluster.members.len()).await?;
    let replied = site.graph.replies_to(&citizens).await?;
    // On a slow machine the pause of some may have ended before.
    let waits: Vec<f64> = replied
        .iter()
        .filter_map(|reply| reply.checked_duration_since(killed))
        .map(|waited| waited.as_secs_f64())
        .collect();
    let longest = waits.iter().copied().reduce(f64::max).context("nobody waited when the node was killed")?;
    let shortest = waits.iter().copied().fold(longest, f64::min);
    Ok(Killed { off: spread.off, first_s: shortest, last_s: longest })
}
