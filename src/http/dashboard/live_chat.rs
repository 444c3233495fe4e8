//! Live chat for browsers: a WebSocket that gives what has changed since, and then what changes.
//!
//! The browser begins with `{"since": CURSOR}`, or `null` the first time. It is given its gap from the database, then
//! `ready`, then changes as they come; a heartbeat every ten seconds carries the cursor to come back with, on
//! whichever node. The same thing may be given twice: of each id the highest `version` is the newest.

use std::time::Duration;

use actix_web::{HttpRequest, HttpResponse, get, web};
use actix_ws::{AggregatedMessage, AggregatedMessageStream, CloseCode, Closed, Session};
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, interval, timeout};
use uuid::Uuid;

use super::access::{SignedIn, is_same_origin};
use super::conversations::{Conversation, Message};
use super::services::{self, Other};
use super::{DashboardState, store_problem};
use crate::actors::live_chat::{Ask, Away, FULL_MARGIN, HEARTBEAT, Page, ReadChanges, Thing, Update, words};
use crate::actors::supervision;
use crate::http::problem::Problem;
use crate::store::dashboard::sessions;

/// What a browser sends is small.
const LARGEST_FRAME: usize = 4096;
/// How long it may take to say where it is, or to take what it is sent.
const PATIENCE: Duration = Duration::from_secs(10);
/// Without a sign of life for so long it is gone.
const SILENCE: Duration = Duration::from_secs(35);
/// Browsers that follow on one node; more are to try another.
const MOST_FOLLOWERS: i64 = 2_000;
/// Changes in a page.
const PAGE: u32 = 500;

/// What the channel service is asked.
#[derive(Serialize, Default)]
struct ChangesQuery {
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    margin_s: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    page: Option<String>,
    limit: u32,
}

/// What it answers.
#[derive(Deserialize)]
struct Changes {
    version: i64,
    cursor: String,
    #[serde(default)]
    next: Option<String>,
    #[serde(default)]
    reload: bool,
    conversations: Vec<Conversation>,
    messages: Vec<LiveMessage>,
}

/// A message, and where it is.
#[derive(Serialize, Deserialize)]
struct LiveMessage {
    conversation_id: Uuid,
    #[serde(flatten)]
    message: Message,
}

/// Reads changes from the channel service.
pub struct ChannelChanges(pub DashboardState);

impl ReadChanges for ChannelChanges {
    fn read(&self, ask: Ask) -> BoxFuture<'_, Result<Page, Away>> {
        // Why it is away is logged where it is noticed.
        Box::pin(async move { read(&self.0, ask).await.map_err(|_| Away) })
    }
}

async fn read(state: &DashboardState, ask: Ask) -> Result<Page, Problem> {
    let query = match ask {
        Ask::Now => ChangesQuery { limit: 1, ..ChangesQuery::default() },
        Ask::Since { cursor, margin } => ChangesQuery {
            since: Some(cursor),
            margin_s: Some(margin.as_secs()),
            limit: PAGE,
            ..ChangesQuery::default()
        },
        Ask::Page(page) => ChangesQuery { page: Some(page), limit: PAGE, ..ChangesQuery::default() },
    };
    let changes: Changes =
        services::get(state, Other::Channel, &["live-chat", "changes"], &query, "list").await?;
    let shown = |value: serde_json::Result<serde_json::Value>| {
        value.map_err(|error| {
            tracing::error!(%error, "what has changed could not be written as JSON");
            Problem::internal()
        })
    };
    let mut page = Page {
        version: changes.version,
        cursor: changes.cursor,
        next: changes.next,
        reload: changes.reload,
        conversations: Vec::new(),
        messages: Vec::new(),
    };
    for conversation in changes.conversations {
        let id = conversation.conversation_id;
        page.conversations.push(Thing { id, shown: shown(serde_json::to_value(conversation))? });
    }
    for message in changes.messages {
        let id = message.message.message_id;
        page.messages.push(Thing { id, shown: shown(serde_json::to_value(message))? });
    }
    Ok(page)
}

/// Follow live chat: becomes a WebSocket. The browser begins with `{"since": cursor or null}` and gets `changes`
/// (`version`, `conversations`, `messages` with their `conversation_id`), `ready` and `heartbeat` (`cursor`), or
/// `reload` after more than a day. Of each id the highest version is the newest.
#[utoipa::path(tag = "live chat", responses(
    (status = 101, description = "a WebSocket of text frames, each a JSON object with a `type`"),
    (status = 400, description = "this is no WebSocket handshake", body = Problem),
    (status = 401, body = Problem),
    (status = 403, description = "the request is from a foreign page, or the role does not allow it", body = Problem),
    (status = 503, description = "too many follow on this node", body = Problem),
))]
#[get("/live-chat/socket")]
pub async fn follow_live_chat(
    request: HttpRequest,
    body: web::Payload,
    state: web::Data<DashboardState>,
    session: SignedIn,
) -> Result<HttpResponse, Problem> {
    // Any page may open a WebSocket to anywhere, with cookies.
    if !is_same_origin(request.headers()) {
        return Err(Problem::forbidden("live chat is for the dashboard's own pages").kind("foreign-origin"));
    }
    if state.metrics.live_chat_sockets.get() >= MOST_FOLLOWERS {
        return Err(Problem::unavailable("too many follow live chat here; please try again"));
    }
    let (response, socket, frames) = actix_ws::handle(&request, body)
        .map_err(|_| Problem::bad_request("this is no WebSocket handshake"))?;
    let frames =
        frames.max_frame_size(LARGEST_FRAME).aggregate_continuations().max_continuation_size(LARGEST_FRAME);
    let follower = Follower {
        state: state.get_ref().clone(),
        session: session.0.session_id,
        socket,
        heard: Instant::now(),
    };
    supervision::attend("live_chat_socket", &state.metrics, follower.serve(frames));
    Ok(response)
}

/// What a browser begins with.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Beginning {
    since: Option<String>,
}

/// One browser.
struct Follower {
    state: DashboardState,
    session: Uuid,
    socket: Session,
    heard: Instant,
}

/// Why a follower is let go.
enum Gone {
    /// It has closed, or is not there any more.
    Lost,
    /// It is told why.
    Told(CloseCode, &'static str),
}

impl From<Closed> for Gone {
    fn from(_: Closed) -> Self {
        Gone::Lost
    }
}

impl Follower {
    async fn serve(mut self, mut frames: AggregatedMessageStream) {
        let sockets = self.state.metrics.live_chat_sockets.clone();
        let _counted = Counted::new(sockets);
        let hub = self.state.live_chat.clone();
        let gone = tokio::select! {
            gone = self.follow(&mut frames) => gone,
            () = hub.closed() => Gone::Told(CloseCode::Restart, "the node stops"),
        };
        if let Gone::Told(code, why) = gone {
            let reason = actix_ws::CloseReason { code, description: Some(why.to_owned()) };
            // Whoever does not take it is gone already.
            drop(timeout(PATIENCE, self.socket.close(Some(reason))).await);
        }
    }

    async fn follow(&mut self, frames: &mut AggregatedMessageStream) -> Gone {
        match self.follow_until_gone(frames).await {
            Ok(never) => match never {},
            Err(gone) => gone,
        }
    }

    async fn follow_until_gone(
        &mut self,
        frames: &mut AggregatedMessageStream,
    ) -> Result<std::convert::Infallible, Gone> {
        let since = self.beginning(frames).await?;
        let hub = self.state.live_chat.clone();
        let mut updates = hub.follow();
        let mut cursor = self.give_gap(since).await?;
        hub.begin(&cursor);
        let mut beat = interval(HEARTBEAT);
        loop {
            tokio::select! {
                update = updates.recv() => self.pass_on(update, &mut updates, &mut cursor).await?,
                frame = frames.recv() => self.hear(frame).await?,
                _ = beat.tick() => self.look_after().await?,
            }
        }
    }

    /// Where it is: the first thing that it says.
    async fn beginning(&mut self, frames: &mut AggregatedMessageStream) -> Result<Option<String>, Gone> {
        let begun = async {
            loop {
                match frames.recv().await {
                    Some(Ok(AggregatedMessage::Text(text))) => {
                        return serde_json::from_str::<Beginning>(&text)
                            .map(|beginning| beginning.since)
                            .map_err(|_| {
                                Gone::Told(CloseCode::Policy, "begin with {\"since\": cursor or null}")
                            });
                    }
                    other => self.hear(other).await?,
                }
            }
        };
        timeout(PATIENCE, begun).await.unwrap_or(Err(Gone::Told(CloseCode::Policy, "nothing was said")))
    }

    /// Everything since the cursor, and the margin before it; answers with how far that went.
    async fn give_gap(&mut self, since: Option<String>) -> Result<String, Gone> {
        let ask = since.map_or(Ask::Now, |cursor| Ask::Since { cursor, margin: FULL_MARGIN });
        let mut page = self.read(ask).await?;
        let cursor = page.cursor.clone();
        loop {
            if page.reload {
                self.say(words::reload()).await?;
            }
            if let Some(words) = words::changes(&page) {
                self.say(words).await?;
            }
            match page.next {
                Some(next) => page = self.read(Ask::Page(next)).await?,
                None => break,
            }
        }
        self.say(words::ready(&cursor)).await?;
        Ok(cursor)
    }

    async fn read(&self, ask: Ask) -> Result<Page, Gone> {
        read(&self.state, ask).await.map_err(|problem| match problem.status().is_client_error() {
            true => Gone::Told(CloseCode::Policy, "the cursor is none"),
            false => Gone::Told(CloseCode::Again, "the channel service does not answer"),
        })
    }

    async fn pass_on(
        &mut self,
        update: Result<Update, RecvError>,
        updates: &mut Receiver<Update>,
        cursor: &mut String,
    ) -> Result<(), Gone> {
        match update {
            Ok(Update { words, cursor: until }) => {
                self.say(words.to_string()).await?;
                if let Some(until) = until {
                    *cursor = until.to_string();
                }
                Ok(())
            }
            // It was slow, or much has happened: it reads what it has missed.
            Err(RecvError::Lagged(_)) => {
                *updates = updates.resubscribe();
                *cursor = self.give_gap(Some(cursor.clone())).await?;
                Ok(())
            }
            Err(RecvError::Closed) => Err(Gone::Told(CloseCode::Restart, "the node stops")),
        }
    }

    async fn hear(
        &mut self,
        frame: Option<Result<AggregatedMessage, actix_ws::ProtocolError>>,
    ) -> Result<(), Gone> {
        self.heard = Instant::now();
        match frame {
            None | Some(Err(_) | Ok(AggregatedMessage::Close(_))) => Err(Gone::Lost),
            Some(Ok(AggregatedMessage::Ping(bytes))) => Ok(self.socket.pong(&bytes).await?),
            Some(Ok(_)) => Ok(()),
        }
    }

    /// Whether it is still there, and still may follow.
    async fn look_after(&mut self) -> Result<(), Gone> {
        if self.heard.elapsed() > SILENCE {
            return Err(Gone::Lost);
        }
        let now = self.state.clock.now();
        match sessions::is_live(&self.state.pool, self.session, now).await {
            Ok(true) => {}
            Ok(false) => return Err(Gone::Told(CloseCode::Policy, "the session has ended")),
            Err(error) => {
                // Whoever cannot be looked up is not let in anew either, but comes back by themselves.
                drop(store_problem(error));
                return Err(Gone::Told(CloseCode::Again, "the database does not answer"));
            }
        }
        Ok(self.socket.ping(b"").await?)
    }

    async fn say(&mut self, words: String) -> Result<(), Gone> {
        // Somebody who takes nothing for so long is gone, or will read its gap when it is back.
        timeout(PATIENCE, self.socket.text(words)).await.map_err(|_| Gone::Lost)??;
        Ok(())
    }
}

/// Counted for as long as it lasts.
struct Counted(prometheus::IntGauge);

impl Counted {
    fn new(gauge: prometheus::IntGauge) -> Self {
        gauge.inc();
        Counted(gauge)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}
