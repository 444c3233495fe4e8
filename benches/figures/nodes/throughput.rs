//! Three nodes on this one machine against one: what being many costs where it gains nothing.

use govconnect::ids::PartitionId;

use super::{Cluster, Site};
use crate::node::flood;
use crate::process::AT_ONCE;
use crate::ratios::ratios;
use crate::report::{Goal, Report};
use crate::{Extent, database, say};

/// Measures answered messages, and hints.
pub async fn measure(site: &mut Site, extent: &Extent, report: &mut Report) -> anyhow::Result<()> {
    let (mut alone, mut one, mut three, mut hints) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for round in 1..=extent.rounds {
        alone.push(answered(site, extent, Cluster::without_a_broker(&AT_ONCE), 1).await?.per_s);
        one.push(answered(site, extent, Cluster::over_a_broker(&AT_ONCE).await?, 1).await?.per_s);
        let of_three = answered(site, extent, Cluster::over_a_broker(&AT_ONCE).await?, 3).await?;
        three.push(of_three.per_s);
        hints.push(of_three.hints);
        say(&format!(
            "nodes: round {round}/{}, answered by one without a broker {:>7.0} /s, by one {:>7.0} /s, by three {:>7.0} /s \
             with {:.3} hints a message",
            extent.rounds,
            alone[round - 1],
            one[round - 1],
            of_three.per_s,
            of_three.hints
        ));
    }
    let against = "one node with the broker, on the same machine";
    let compared = ratios(&three, &one);
    report.add("nodes.three_vs_one", &compared, "times", Goal::AtLeast(0.8), Some(against))?;
    report.add("nodes.three_per_s", &three, "turns/s", Goal::None, None)?;
    report.add("nodes.one_per_s", &one, "turns/s", Goal::None, None)?;
    report.add("nodes.alone_per_s", &alone, "turns/s", Goal::None, None)?;
    report.add("nodes.hints_per_msg", &hints, "hints", Goal::AtMost(0.1), None)
}

#[derive(Clone, Copy)]
struct Answered {
    per_s: f64,
    /// Sent for each message.
    hints: f64,
}

/// Everybody writes at once, to all nodes alike.
async fn answered(
    site: &mut Site,
    extent: &Extent,
    mut cluster: Cluster,
    nodes: usize,
) -> anyhow::Result<Answered> {
    for _ in 0..nodes {
        cluster.join(site).await?;
    }
    let all = PartitionId::all().collect();
    // These nodes have only just started: connections and statements are prepared.
    let few = site.take(extent.turns / 5, &all)?;
    flood(&cluster.channels(), &site.graph, &few).await?;
    database::settle(&site.pool).await?;
    let many = site.take(extent.turns, &all)?;
    let before = cluster.hints_sent().await?;
    let per_s = flood(&cluster.channels(), &site.graph, &many).await?;
    let hints = (cluster.hints_sent().await? - before) / many.len() as f64;
    cluster.stop().await?;
    Ok(Answered { per_s, hints })
}
