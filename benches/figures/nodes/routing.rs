//! What a webhook costs when its conversation's actor is on another node, against one whose actor is on the node that took it.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::{Cluster, Site};
use crate::process::{AT_ONCE, PATIENCE};
use crate::ratios::ratios;
use crate::report::{Goal, Report};
use crate::{Extent, load, say};

/// Nobody is answered while it is measured, and nobody is found by a sweeper: what is left is the webhook, the way to the actor,
/// its look and the receipt by which "Meta" knows of it.
const UNANSWERED: [(&str, &str); 5] = [
    ("GOVCONNECT_CONVERSATION__QUIET_MS", "3600000"),
    ("GOVCONNECT_CONVERSATION__GREETING_QUIET_MS", "3600000"),
    ("GOVCONNECT_CONVERSATION__MAX_WAIT_MS", "3600000"),
    ("GOVCONNECT_CONVERSATION__SWEEP_MS", "3600000"),
    ("GOVCONNECT_WHATSAPP__SEND_PER_S", "100000"),
];
/// Webhooks at once.
const CONNECTIONS: usize = 16;
/// Both nodes are at rest when they use no more of a processor than this in that time.
const AT_REST: (Duration, f64) = (Duration::from_millis(200), 0.03);

/// Measures the way alone, and with the turn at its end.
pub async fn measure(site: &mut Site, extent: &Extent, report: &mut Report) -> anyhow::Result<()> {
    let against = "a webhook taken by the node that has its conversation's actor";
    let answered = compare(site, extent, &AT_ONCE, "with its turn").await?;
    // Last, because it leaves everybody unanswered.
    let routed = compare(site, extent, &UNANSWERED, "without a turn").await?;
    report.add("nodes.remote_cpu", &routed, "times", Goal::AtMost(2.0), Some(against))?;
    report.add("nodes.remote_turn_cpu", &answered, "times", Goal::None, Some(against))
}

async fn compare(
    site: &mut Site,
    extent: &Extent,
    settings: &[(&'static str, &str)],
    what: &str,
) -> anyhow::Result<Vec<f64>> {
    let mut cluster = Cluster::over_a_broker(settings).await?;
    for _ in 0..2 {
        cluster.join(site).await?;
    }
    let (mut local, mut remote) = (Vec::new(), Vec::new());
    for round in 0..=extent.rounds {
        let near = cpu_ms(site, extent, &cluster, 0).await?;
        let far = cpu_ms(site, extent, &cluster, 1).await?;
        let kind = if round == 0 { "warm-up".to_owned() } else { format!("round {round}/{}", extent.rounds) };
        say(&format!(
            "nodes: {kind}, a webhook {what} takes {near:.2} ms of a processor, {far:.2} ms by another node"
        ));
        if round > 0 {
            local.push(near);
            remote.push(far);
        }
    }
    cluster.stop().await?;
    Ok(ratios(&remote, &local))
}

/// What both nodes use, for each webhook that the first takes for conversations of the one with number `owner`.
async fn cpu_ms(site: &mut Site, extent: &Extent, cluster: &Cluster, owner: usize) -> anyhow::Result<f64> {
    let [takes, _] = &cluster.members[..] else { anyhow::bail!("not two nodes") };
    let theirs = site.owned_by(cluster.members[owner].id).await?;
    let citizens = site.take(extent.turns / 2, &theirs)?;
    let requests = citizens.iter().map(|citizen| load::greeting(*citizen)).collect();
    at_rest(cluster).await?;
    let (before, read) = (used_s(cluster)?, site.graph.read());
    load::post(&[takes.node.channel], requests, CONNECTIONS, PATIENCE).await?;
    // Every actor has looked; what follows (turns, events) ends when the nodes are at rest.
    site.graph.wait_for_read(read + citizens.len()).await?;
    at_rest(cluster).await?;
    Ok((used_s(cluster)? - before) * 1e3 / citizens.len() as f64)
}

fn used_s(cluster: &Cluster) -> anyhow::Result<f64> {
    cluster.members.iter().map(|member| member.node.cpu_s()).sum()
}

async fn at_rest(cluster: &Cluster) -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    let (time, most) = AT_REST;
    loop {
        let before = used_s(cluster)?;
        sleep(time).await;
        if used_s(cluster)? - before <= most {
            return Ok(());
        }
        anyhow::ensure!(Instant::now() < deadline, "the nodes do not come to rest");
    }
}
