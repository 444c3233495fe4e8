//! The figures that matter, measured beside a rival in the same run: `target/bench/results.json` and a table.
//!
//! Started by `scripts/bench`, which gives `DATABASE_URL`: a PostgreSQL of its own with full durability; and, for what is
//! measured of many nodes, `TEST_BROKER_URL` and `TEST_BROKER_MANAGEMENT_URL`: a RabbitMQ of its own. `--quick` only shows that
//! everything starts: its numbers mean nothing. `node`, `actors`, `intake`, `turns`, `retrieval` and `nodes`
//! measure a part.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command whose output is its purpose")]

mod actors;
mod broker;
mod database;
mod intake;
mod load;
mod meta;
mod node;
mod nodes;
mod process;
mod ratios;
#[path = "../shared/report.rs"]
mod report;
mod retrieval;
#[path = "../shared/server.rs"]
mod server;
mod service;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use govconnect::config::{self, Overrides};
use govconnect::telemetry;

use report::Report;
use server::Server;

/// How much is measured.
pub struct Extent {
    rounds: usize,
    round: Duration,
    few_citizens: u32,
    many_citizens: u32,
    /// Turns of a round.
    turns: usize,
    /// Conversations in memory at once.
    actors: usize,
    /// Nodes of one system at most.
    nodes: usize,
    /// Passages to be found, and questions of a round.
    passages: usize,
    questions: usize,
}

const FULL: Extent = Extent {
    rounds: 5,
    round: Duration::from_secs(3),
    few_citizens: 10_000,
    many_citizens: 1_000_000,
    turns: 4_000,
    actors: 100_000,
    nodes: 4,
    passages: 20_000,
    questions: 300,
};
const QUICK: Extent = Extent {
    rounds: 1,
    round: Duration::from_millis(200),
    few_citizens: 100,
    many_citizens: 1_000,
    turns: 50,
    actors: 1_000,
    nodes: 3,
    passages: 200,
    questions: 10,
};

fn main() -> anyhow::Result<()> {
    // As the node does it: one runtime for everything, shared with the arbiters.
    let runtime = Arc::new(tokio::runtime::Builder::new_multi_thread().enable_all().build()?);
    govconnect::actors::supervision::share_runtime(runtime.clone());
    let system = actix_rt::System::with_tokio_rt(move || runtime);
    system.block_on(run())
}

async fn run() -> anyhow::Result<()> {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let extent = if quick { QUICK } else { FULL };
    // cargo adds `--bench`; what is left names the parts to measure.
    let parts: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let wanted = |part: &str| parts.is_empty() || parts.iter().any(|wanted| wanted == part);
    let config = config::load(&Overrides::none())?.config;
    telemetry::start(&config.log)?;
    let server = Server::from_environment()?;
    let mut report = Report::default();
    if wanted("node") {
        node::idle(&server, &extent, &mut report).await?;
    }
    if wanted("actors") {
        actors::measure(&config, &server, &extent, &mut report).await?;
    }
    if wanted("intake") {
        intake::measure(&config, &server, &extent, &mut report).await?;
    }
    if wanted("turns") {
        node::turns(&server, &extent, &mut report).await?;
    }
    if wanted("retrieval") {
        retrieval::measure(&server, &extent, &mut report).await?;
    }
    if wanted("nodes") {
        nodes::measure(&server, &extent, &mut report).await?;
    }
    // A quick or partial run must not stand in for a whole one.
    let whole = !quick && parts.is_empty();
    let file = if whole { "target/bench/results.json" } else { "target/bench/partial.json" };
    report.write(&Path::new(env!("CARGO_MANIFEST_DIR")).join(file))?;
    println!("{}", report.table());
    say(&format!("written to {file}"));
    Ok(())
}

/// Progress goes to standard error, so that the table can be kept.
fn say(line: &str) {
    eprintln!("{line}");
}
