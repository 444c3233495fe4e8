//! Chaos: three nodes under steady load, while processes, servers and links break in every way and are mended again. Then one
//! judge asserts every invariant from the database, Meta's log and the bus.
//!
//! - [`plan`]: what breaks when, from a seed
//! - [`troubles`]: breaks it, and mends it
//! - [`load`]: citizens and officers meanwhile
//! - [`witness`], [`told`], [`judge`]: whether every invariant held
//!
//! `CHAOS_SEEDS=1,2,3` and `CHAOS_SECONDS=300` (of trouble, for each seed) say what is run instead of the short list;
//! `CHAOS_SEEDS=random` draws new seeds for `CHAOS_MINUTES`, or until it is stopped. `CHAOS_LOGS=FOLDER` keeps the nodes' logs of
//! a seed that found something.

mod judge;
mod load;
mod plan;
mod told;
mod troubles;
mod witness;

use std::path::Path;
use std::time::{Duration, Instant};

use rand::RngExt;
use serde_json::json;
use tokio::sync::watch;

use crate::support::office::Office;
use load::Street;
use told::Consumer;
use troubles::Town;

/// Together they bring every kind of trouble.
const SEEDS: [u64; 2] = [157, 199];
/// Of trouble, for each seed.
const SECONDS: u64 = 40;

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn number(name: &str) -> Option<u64> {
    variable(name).map(|value| value.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_breaks_every_invariant_holds() {
    let lasts = Duration::from_secs(number("CHAOS_SECONDS").unwrap_or(SECONDS));
    match variable("CHAOS_SEEDS").as_deref() {
        None => {
            for seed in SEEDS {
                one_seed(seed, lasts).await;
            }
        }
        Some("random") => {
            let until = number("CHAOS_MINUTES").map(|minutes| Instant::now() + Duration::from_mins(minutes));
            while until.is_none_or(|until| Instant::now() < until) {
                one_seed(rand::rng().random_range(0..1_000_000), lasts).await;
            }
        }
        Some(seeds) => {
            for seed in seeds.split(',') {
                one_seed(seed.trim().parse().expect("CHAOS_SEEDS is numbers"), lasts).await;
            }
        }
    }
}

async fn one_seed(seed: u64, lasts: Duration) {
    eprintln!("seed {seed}, {lasts:?} of trouble");
    let failpoints =
        "ai::slow=return(0-400);turn::commit=return(0-20);send::claim=return(0-20);send::post=return(0-50)";
    let mut town = Town::open(seed, &[("LOG__LEVEL", "info"), ("FAILPOINTS", failpoints)]).await;
    town.office.control("settings", json!({"webhook_retry_longest_ms": 2_000})).await;
    let duplicates =
        json!({"effect": {"webhook_duplicate": {"copies": 2}}, "probability": 0.1, "seed": seed});
    town.office.fault(duplicates).await;
    witness::send(&town.office.database.pool).await;
    let told = Consumer::listen(town.office.nodes.broker(), &town.office.database.pool).await;

    let street = Street::before(&town.office, seed);
    let (stop, stopped) = watch::channel(false);
    let plan = plan::plan(seed, lasts);
    let suffering = async {
        town.suffer(&plan).await;
        stop.send_replace(true);
    };
    tokio::join!(suffering, street.live(&stopped));
    let (said, takeovers) = street.into_parts();
    eprintln!("        {} messages, {} takeovers; the street is quiet", said.len(), takeovers.len());
    judge::all_becomes_quiet(&town.office, said).await;
    let violations = judge::violations(&town.office, &told, &takeovers).await;
    if !violations.is_empty() {
        keep_logs(&town.office, seed);
    }
    assert!(violations.is_empty(), "seed {seed}:\n{}", violations.join("\n"));
    town.office.close().await;
}

/// For whoever looks for the cause.
fn keep_logs(office: &Office, seed: u64) {
    let Some(folder) = variable("CHAOS_LOGS") else { return };
    std::fs::create_dir_all(&folder).expect("a folder for logs");
    for node in 0..office.nodes.count() {
        let target = Path::new(&folder).join(format!("seed-{seed}-node-{node}.log"));
        std::fs::copy(office.nodes.log_path(node), target).expect("the log can be copied");
    }
}
