//! The load: webhooks prepared and signed beforehand, posted over connections that are kept, as fast as answers come.
//!
//! Runs on a thread with a runtime of its own and writes plain HTTP/1.1, so that it takes as little as possible of the
//! processor that it shares with what is measured.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use futures::future::try_join_all;
use rand::RngExt;
use secrecy::SecretString;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::interval;

use govconnect::clock::Clock;
use govconnect::whatsapp::signature::{self, Verifier};

use crate::database::{PHONE_NUMBER_ID, bsuid_of, phone_of};

/// The app secret that load and listener share.
pub const APP_SECRET: &str = "a secret for measuring";
/// An answer that does not come within this time ends the measurement.
const PATIENCE: Duration = Duration::from_secs(30);

/// What one round showed.
#[derive(Debug)]
pub struct Outcome {
    /// Webhooks answered 200 a second.
    pub per_s: f64,
    /// From the first byte written to the last byte read.
    pub p99_ms: f64,
    /// When each webhook was posted, in the order of `requests`.
    pub posted: Vec<Option<Instant>>,
}

/// A whole request: one text message of citizen `citizen`, with an id that no other has.
pub fn text_message(citizen: u32, text: &str, verifier: &Verifier, clock: &Clock) -> Vec<u8> {
    let unique: u64 = rand::rng().random();
    let (phone, bsuid) = (phone_of(citizen), bsuid_of(citizen));
    let body = serde_json::json!({"object": "whatsapp_business_account", "entry": [{"id": "102290129340398",
        "changes": [{"field": "messages", "value": {
            "messaging_product": "whatsapp",
            "metadata": {"display_phone_number": "622155550100", "phone_number_id": PHONE_NUMBER_ID},
            "contacts": [{"profile": {"name": format!("Warga {citizen}")}, "wa_id": phone, "user_id": bsuid}],
            "messages": [{"from": phone, "from_user_id": bsuid, "type": "text", "text": {"body": text},
                "id": format!("wamid.HBgNNjI4MTIzNDU2Nzg5MBUCABIYIDNBNDk{unique:016X}"),
                "timestamp": clock.now().as_second().to_string()}]}}]}]})
    .to_string();
    let signature = verifier.sign(body.as_bytes());
    format!(
        "POST /webhook/whatsapp HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
         {}: {signature}\r\ncontent-length: {}\r\n\r\n{body}",
        signature::HEADER,
        body.len()
    )
    .into_bytes()
}

/// A greeting: the built-in model answers it at once, without a search in the documents.
pub fn greeting(citizen: u32) -> Vec<u8> {
    let verifier = Verifier::new(&SecretString::from(APP_SECRET));
    text_message(citizen, "Selamat pagi", &verifier, &Clock::system())
}

/// One after the other of `citizens` greets, one each `every`, at the next of `addresses`. When each was posted.
pub async fn trickle(
    addresses: &[SocketAddr],
    citizens: &[u32],
    every: Duration,
) -> anyhow::Result<Vec<Instant>> {
    let mut pace = interval(every);
    let mut posted = Vec::new();
    for (citizen, address) in citizens.iter().zip(addresses.iter().cycle()) {
        pace.tick().await;
        let outcome = post(&[*address], vec![greeting(*citizen)], 1, PATIENCE).await?;
        posted.push(outcome.posted.first().copied().flatten().context("a webhook was not posted")?);
    }
    Ok(posted)
}

/// Posts `requests` over `connections`, spread evenly over `addresses`, until they are used up or `duration` is over.
///
/// # Errors
/// When anything but 200 is answered: a figure of refused webhooks would mean nothing.
pub async fn post(
    addresses: &[SocketAddr],
    requests: Vec<Vec<u8>>,
    connections: usize,
    duration: Duration,
) -> anyhow::Result<Outcome> {
    let addresses = addresses.to_vec();
    tokio::task::spawn_blocking(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let local = tokio::task::LocalSet::new();
        local.block_on(&runtime, post_all(&addresses, requests, connections, duration))
    })
    .await?
}

async fn post_all(
    addresses: &[SocketAddr],
    requests: Vec<Vec<u8>>,
    connections: usize,
    duration: Duration,
) -> anyhow::Result<Outcome> {
    let mut open = Vec::with_capacity(connections);
    for address in addresses.iter().cycle().take(connections) {
        let connection = TcpStream::connect(*address).await.context("the listener does not accept")?;
        connection.set_nodelay(true)?;
        open.push(connection);
    }
    let posted = Rc::new(RefCell::new(vec![None; requests.len()]));
    let requests: Rc<[Vec<u8>]> = requests.into();
    let next = Rc::new(Cell::new(0));
    let started = Instant::now();
    let workers = open.into_iter().map(|mut connection| {
        let (requests, next, posted) = (requests.clone(), next.clone(), posted.clone());
        let work = async move {
            let mut latencies: Vec<Duration> = Vec::new();
            let mut buffer = Vec::with_capacity(1024);
            while started.elapsed() < duration {
                let number = next.replace(next.get() + 1);
                let Some(request) = requests.get(number) else { break };
                let sent = Instant::now();
                posted.borrow_mut()[number] = Some(sent);
                connection.write_all(request).await.context("a webhook could not be written")?;
                tokio::time::timeout(PATIENCE, read_answer(&mut connection, &mut buffer))
                    .await
                    .context("a webhook was not answered")??;
                latencies.push(sent.elapsed());
            }
            anyhow::Ok(latencies)
        };
        async { tokio::task::spawn_local(work).await? }
    });
    let mut latencies: Vec<Duration> = try_join_all(workers).await?.into_iter().flatten().collect();
    let elapsed = started.elapsed();
    let posted = posted.take();
    Ok(Outcome {
        per_s: latencies.len() as f64 / elapsed.as_secs_f64(),
        p99_ms: p99_ms(&mut latencies),
        posted,
    })
}

/// Reads one answer; a 200 of the webhook has no body.
async fn read_answer(connection: &mut TcpStream, buffer: &mut Vec<u8>) -> anyhow::Result<()> {
    buffer.clear();
    while !buffer.ends_with(b"\r\n\r\n") {
        if connection.read_buf(buffer).await? == 0 {
            bail!("the listener closed a connection");
        }
        if buffer.len() >= 12 && !buffer.starts_with(b"HTTP/1.1 200") {
            bail!("a webhook was answered: {}", String::from_utf8_lossy(buffer));
        }
    }
    Ok(())
}

/// The duration that all but one in a hundred stay within, in milliseconds.
pub fn p99_ms(durations: &mut [Duration]) -> f64 {
    durations.sort_unstable();
    let rank = durations.len() * 99 / 100;
    durations.get(rank).or(durations.last()).map_or(0.0, |duration| duration.as_secs_f64() * 1e3)
}
