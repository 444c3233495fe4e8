//! How well messages are understood and answered, judged by `tests/eval/`: `target/eval/results.json` and a table.
//!
//! Started by `scripts/eval`, which gives `DATABASE_URL`: a PostgreSQL of its own. `--quick` only shows that the data can be
//! read and that everything starts. `understanding`, `retrieval` and `dialogues` judge a part; `--wrong` names the items
//! that were not as expected (their ids, never their words: nothing is tuned on them). `--tuning` judges by `data/tuning/`
//! instead, on which everything may be tuned, and `--wrong` then tells whole dialogues.
//! Where `GOVCONNECT_AI__PROVIDER` names a provider (and `…__BASE_URL`, `…__API_KEY`, `…__MODELS`), its model is judged
//! beside the builtin.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command whose output is its purpose")]

mod case_service;
mod data;
mod dialogues;
mod documents;
mod reader;
#[path = "../shared/report.rs"]
mod report;
#[path = "../shared/server.rs"]
mod server;
mod understanding;
mod vectors;

use std::path::Path;

use data::Data;
use report::Report;
use server::Server;

/// How the evaluation was asked for.
#[derive(Clone, Copy)]
pub struct Extent {
    /// Items of each file at most.
    items: usize,
    /// Rounds over all texts when time is measured.
    rounds: usize,
    /// Name the items that were not as expected.
    names_wrong: bool,
    /// Tell what was said in them.
    tells_wrong: bool,
}

fn main() -> anyhow::Result<()> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(run())
}

async fn run() -> anyhow::Result<()> {
    let flag = |name: &str| std::env::args().any(|argument| argument == name);
    let quick = flag("--quick");
    let names_wrong = flag("--wrong");
    let tuning = flag("--tuning");
    let (items, rounds) = if quick { (5, 1) } else { (usize::MAX, 5) };
    let extent = Extent { items, rounds, names_wrong, tells_wrong: names_wrong && tuning };
    // cargo adds `--bench`; what is left names the parts.
    let parts: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let wanted = |part: &str| parts.is_empty() || parts.iter().any(|wanted| wanted == part);
    // All of it, always: data that cannot be read must not wait for a whole run to be seen.
    let data = Data::load(if tuning { "data/tuning" } else { "tests/eval" })?.cut_to(extent.items);
    let mut report = Report::default();
    if wanted("understanding") {
        understanding::judge(&data, extent, &mut report).await?;
    }
    if wanted("retrieval") || wanted("dialogues") {
        let server = Server::from_environment()?;
        let office = documents::Office::open(&server, &data).await?;
        if wanted("retrieval") {
            documents::judge(&office, &data, extent, &mut report).await?;
        }
        if wanted("dialogues") {
            dialogues::judge(&office, &data, extent, &mut report).await?;
        }
    }
    // A quick or partial run must not stand in for a whole one.
    let whole = !quick && !tuning && parts.is_empty();
    let file = if whole { "target/eval/results.json" } else { "target/eval/partial.json" };
    report.write(&Path::new(env!("CARGO_MANIFEST_DIR")).join(file))?;
    println!("{}", report.table());
    say(&format!("written to {file}"));
    Ok(())
}

/// Adds a share, which is no median of rounds but counted once.
fn add_share(
    report: &mut Report,
    name: &str,
    (right, all): (usize, usize),
    goal: report::Goal,
) -> anyhow::Result<()> {
    report.add(name, &[right as f64 / all.max(1) as f64], "share", goal, Some(&format!("{right} of {all}")))
}

/// Names what was not as expected, when asked to.
fn say_wrong(extent: Extent, what: &str, ids: &[&str]) {
    if extent.names_wrong && !ids.is_empty() {
        say(&format!("{what}: {}", ids.join(" ")));
    }
}

/// Progress goes to standard error, so that the table can be kept.
fn say(line: &str) {
    eprintln!("{line}");
}
