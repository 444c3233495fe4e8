//! Durable intake: webhooks a second that are on disk, and how long each waits for its 200.
//!
//! A webhook brings one text message of a citizen drawn evenly from those stored, named by phone and BSUID.

use std::net::SocketAddr;
use std::time::Duration;

use rand::RngExt;
use secrecy::SecretString;
use sqlx::PgPool;

use govconnect::clock::Clock;
use govconnect::config::Config;
use govconnect::whatsapp::signature::Verifier;

use crate::database;
use crate::load::{self, APP_SECRET, Outcome};
use crate::ratios::ratios;
use crate::report::{Goal, Report};
use crate::server::Server;
use crate::{Extent, say, service};

/// Connections of the rival's pool.
const PLAIN_POOL: u32 = 32;
/// Webhooks prepared for each second of a round; a round that uses them up ends early.
const PREPARED_PER_S: u32 = 15_000;

/// One way of taking webhooks, with what its rounds have shown.
struct Contender {
    name: String,
    address: SocketAddr,
    pool: PgPool,
    citizens: u32,
    connections: usize,
    /// Emptied and filled again before each round. The big one is not: that would take longer than everything else.
    refilled: bool,
    per_s: Vec<f64>,
    p99_ms: Vec<f64>,
}

impl Contender {
    fn new(name: &str, address: SocketAddr, pool: &PgPool, citizens: u32, connections: usize) -> Self {
        Contender {
            name: name.to_owned(),
            address,
            pool: pool.clone(),
            citizens,
            connections,
            refilled: true,
            per_s: Vec::new(),
            p99_ms: Vec::new(),
        }
    }

    async fn round(&self, extent: &Extent) -> anyhow::Result<Outcome> {
        if self.refilled {
            database::fill(&self.pool, self.citizens, |_| {}).await?;
        }
        database::settle(&self.pool).await?;
        let requests = prepare(self.citizens, extent.round).await?;
        load::post(&[self.address], requests, self.connections, extent.round).await
    }
}

async fn prepare(citizens: u32, round: Duration) -> anyhow::Result<Vec<Vec<u8>>> {
    let count = (f64::from(PREPARED_PER_S) * round.as_secs_f64()) as usize;
    let prepared = tokio::task::spawn_blocking(move || {
        let (verifier, clock) = (Verifier::new(&SecretString::from(APP_SECRET)), Clock::system());
        let text = "Lampu jalan di depan balai RW 05 mati sejak tiga hari lalu, mohon diperbaiki";
        let mut random = rand::rng();
        let mut one = || load::text_message(random.random_range(1..=citizens), text, &verifier, &clock);
        (0..count).map(|_| one()).collect()
    });
    Ok(prepared.await?)
}

/// Measures everything about the intake.
pub async fn measure(
    config: &Config,
    server: &Server,
    extent: &Extent,
    report: &mut Report,
) -> anyhow::Result<()> {
    let (few, many) = (extent.few_citizens, extent.many_citizens);
    server.create("bench_few").await?;
    server.create("bench_many").await?;
    let few_pool = server.pool("bench_few", config.database.max_connections).await?;
    let plain_pool = server.pool("bench_few", PLAIN_POOL).await?;
    let many_pool = server.pool("bench_many", config.database.max_connections).await?;
    say(&format!("intake: storing {many} conversations to measure growth"));
    database::fill(&many_pool, many, |stored| {
        if stored % 250_000 == 0 {
            say(&format!("intake: {stored} of {many} stored"));
        }
    })
    .await?;

    let grouped = service::start(config, &few_pool).await?;
    let plain = service::start_plain(config, &plain_pool)?;
    let grown = service::start(config, &many_pool).await?;
    let contender = |name: &str, address, pool, citizens, connections| {
        Contender::new(name, address, pool, citizens, connections)
    };
    let mut contenders: Vec<Contender> = [16, 128, 512]
        .into_iter()
        .map(|connections| contender(&connections.to_string(), grouped.address, &few_pool, few, connections))
        .collect();
    contenders.insert(2, contender("128, plain", plain.address, &plain_pool, few, 128));
    contenders.insert(
        2,
        Contender { refilled: false, ..contender("128, grown", grown.address, &many_pool, many, 128) },
    );
    for round in 0..=extent.rounds {
        for contender in &mut contenders {
            let outcome = contender.round(extent).await?;
            let Outcome { per_s, p99_ms, .. } = outcome;
            let kind =
                if round == 0 { "warm-up".to_owned() } else { format!("round {round}/{}", extent.rounds) };
            say(&format!(
                "intake: {kind}, connections {:<11} {per_s:>7.0} /s, p99 {p99_ms:>7.1} ms",
                contender.name
            ));
            if round > 0 {
                contender.per_s.push(per_s);
                contender.p99_ms.push(p99_ms);
            }
        }
    }
    for listening in [grouped, plain, grown] {
        listening.stop().await;
    }
    for pool in [few_pool, plain_pool, many_pool] {
        pool.close().await;
    }
    tell(&contenders, extent, report)
}

fn tell(contenders: &[Contender], extent: &Extent, report: &mut Report) -> anyhow::Result<()> {
    let of = |name: &str| contenders.iter().find(|contender| contender.name == name);
    for connections in ["16", "128", "512"] {
        let Some(contender) = of(connections) else { continue };
        let goal = if connections == "128" { Goal::AtMost(25.0) } else { Goal::None };
        report.add(
            format!("intake.per_s.{connections}"),
            &contender.per_s,
            "webhooks/s",
            Goal::None,
            None,
        )?;
        report.add(format!("intake.p99_ms.{connections}"), &contender.p99_ms, "ms", goal, None)?;
    }
    let (Some(grouped), Some(plain), Some(grown)) = (of("128"), of("128, plain"), of("128, grown")) else {
        anyhow::bail!("a contender is missing");
    };
    let against =
        format!("the same statements, one webhook a transaction, {PLAIN_POOL} connections to the database");
    let compared = ratios(&grouped.per_s, &plain.per_s);
    report.add("intake.vs_plain.128", &compared, "times", Goal::AtLeast(4.0), Some(&against))?;
    report.add("intake.plain_per_s.128", &plain.per_s, "webhooks/s", Goal::None, None)?;
    let against = format!("{} stored conversations against {}", extent.many_citizens, extent.few_citizens);
    let compared = ratios(&grown.per_s, &grouped.per_s);
    report.add("intake.growth", &compared, "times", Goal::AtLeast(0.75), Some(&against))
}
