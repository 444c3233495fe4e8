//! Plays Meta: takes every message at once, sends no statuses, and remembers when what came.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use actix_web::{App, HttpResponse, HttpServer, web};
use anyhow::Context as _;
use serde_json::{Value, json};
use tokio::time::{Instant as Deadline, sleep};

use crate::database::phone_of;
use crate::process::PATIENCE;

/// Cheap to clone.
#[derive(Clone, Default)]
pub struct Graph(Arc<Mutex<Taken>>);

#[derive(Default)]
struct Taken {
    /// When each message to a phone number came.
    replies: HashMap<String, Vec<Instant>>,
    /// Messages of citizens that were marked as read.
    read: HashSet<String>,
}

impl Graph {
    /// Listens; tells where.
    pub fn start(&self) -> anyhow::Result<SocketAddr> {
        let state = web::Data::new(self.clone());
        let server =
            HttpServer::new(move || App::new().app_data(state.clone()).default_service(web::to(take)))
                .workers(1)
                .disable_signals()
                .bind("127.0.0.1:0")?;
        let address = *server.addrs().first().context("no address")?;
        actix_rt::spawn(server.run());
        Ok(address)
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many citizens have a reply.
    pub fn replied(&self) -> usize {
        self.taken().replies.len()
    }

    /// How many messages of citizens were marked as read.
    pub fn read(&self) -> usize {
        self.taken().read.len()
    }

    /// Waits until so many citizens have a reply.
    pub async fn wait_for(&self, count: usize) -> anyhow::Result<()> {
        self.wait("citizens got a reply", count, || self.replied()).await
    }

    /// Waits until so many messages of citizens were marked as read.
    pub async fn wait_for_read(&self, count: usize) -> anyhow::Result<()> {
        self.wait("messages were marked as read", count, || self.read()).await
    }

    /// Waits until each of `citizens` has a reply; tells when it came, in their order.
    ///
    /// # Errors
    /// When one gets none in time: lost; or more than one: done twice. Each wrote once.
    pub async fn replies_to(&self, citizens: &[u32]) -> anyhow::Result<Vec<Instant>> {
        let phones: Vec<String> = citizens.iter().copied().map(phone_of).collect();
        let answered = || {
            let taken = self.taken();
            phones.iter().filter(|phone| taken.replies.contains_key(*phone)).count()
        };
        self.wait("of these citizens got a reply", phones.len(), answered).await?;
        let taken = self.taken();
        phones
            .iter()
            .map(|phone| match taken.replies.get(phone).map(Vec::as_slice) {
                Some([only]) => Ok(*only),
                other => anyhow::bail!("{} replies to one message", other.map_or(0, <[_]>::len)),
            })
            .collect()
    }

    async fn wait(&self, what: &str, count: usize, so_far: impl Fn() -> usize) -> anyhow::Result<()> {
        let deadline = Deadline::now() + PATIENCE;
        loop {
            let now = so_far();
            if now >= count {
                return Ok(());
            }
            anyhow::ensure!(Deadline::now() < deadline, "only {now} of {count} {what} in time");
            sleep(Duration::from_millis(5)).await;
        }
    }
}

async fn take(body: web::Json<Value>, graph: web::Data<Graph>) -> HttpResponse {
    let now = Instant::now();
    // A read receipt names no recipient.
    let Some(to) = body.get("to").and_then(Value::as_str) else {
        if let Some(message) = body.get("message_id").and_then(Value::as_str) {
            graph.taken().read.insert(message.to_owned());
        }
        return HttpResponse::Ok().json(json!({"success": true}));
    };
    graph.taken().replies.entry(to.to_owned()).or_default().push(now);
    let wamid = format!("wamid.reply.{}", uuid::Uuid::now_v7());
    HttpResponse::Ok().json(json!({"messaging_product": "whatsapp",
        "contacts": [{"input": to, "wa_id": to}], "messages": [{"id": wamid}]}))
}
