//! A stand-in for Meta, for development and tests: the Graph API, signed webhooks, and citizens' phones in the
//! browser. All state is in memory and bounded. It must never use the product's own payload types or parsers: it
//! is an independent reading of Meta's documents, against which the product is checked.
//!
//! # Graph API
//! `POST /{version}/{phone_number_id}/messages`, `POST /{version}/{phone_number_id}/media`,
//! `GET|DELETE /{version}/{media_id}` and the download link, which lives five minutes. Bodies are read strictly:
//! an unknown key is error 100, a missing one 131008, a value out of bounds 131009. Lengths count characters.
//!
//! # Scripting API
//! JSON in and out; refusals are problem details with the `field`.
//!
//! | route | body or query | does |
//! | --- | --- | --- |
//! | `POST /control/reset` | `{samples?: true}` | everything as at the start; the log's index goes on |
//! | `GET /control/settings` | | behaviour, webhook URL, the office's numbers |
//! | `POST /control/settings` | any keys of [`Behaviour`] | changes these |
//! | `POST /control/webhook-url` | `{url}` | where webhooks go from now on, repetitions too; `null`: nowhere |
//! | `POST /control/verify` | | makes the `hub.challenge` handshake → `{verified, status}` |
//! | `GET /control/citizens` | | everybody |
//! | `POST /control/citizens` | `{name, id?, phone?, bsuid?, username?}` | introduces somebody → 201 with the id |
//! | `POST /control/citizens/{id}/messages` | `{message: {KIND: {…}}, phone_number_id?, reply_to?, forwarded?, frequently_forwarded?, timestamp?, wamid?}` | speaks as them → `{wamid, delivery}` |
//! | `POST /control/citizens/{id}/echoes` | `{text, phone_number_id?, timestamp?, wamid?}` | an officer writes to them on the office's own phone → `{wamid, delivery}` |
//! | `GET /control/citizens/{id}/chat` | `?phone_number_id` | the chat as the phone shows it: both ways, ticks, typing, window |
//! | `POST /control/citizens/{id}/read` | `{phone_number_id?}` | they look at the chat: `read` statuses |
//! | `POST /control/citizens/{id}/presence` | `{online}` | off: messages stay `sent`; on again: `delivered` |
//! | `POST /control/citizens/{id}/window` | `{open, seconds?, phone_number_id?}` | closes or opens the 24 h window |
//! | `POST /control/media` | `?mime_type&filename?`, raw bytes | a file on the phone → `{id}` |
//! | `POST /control/batch` | `{messages: [{citizen, say: {message…}}], copies?}` | several messages in one body |
//! | `POST /control/webhook` | `{body \| text, signature?: valid·wrong·missing, copies?}` | posts a body made by hand |
//! | `POST /control/statuses` | `{wamid, status, errors?}` | posts any status of a message, in any order |
//! | `GET·POST /control/templates` | `{name, language, body}` | defines a template; then undefined ones are 132001 |
//! | `GET·POST·DELETE /control/faults`, `DELETE /control/faults/{id}` | `{effect, match?: {phone_number_id, person, kind}, count?, skip?, probability?, seed?}` | faults |
//! | `GET /control/log` | `?after&limit&wait_ms&kind&call&person&wamid&opaque` | what crossed the wire → `{entries, next, oldest}` |
//!
//! Kinds of message: `text {body}` · `image`, `video`, `audio`, `document`, `sticker` `{id?, caption?}` (image and
//! audio have samples) · `location {latitude, longitude, name?, address?}` · `contacts […]` ·
//! `button_reply {id, title}` · `list_reply {id, title, description?}` · `button {text, payload}` ·
//! `reaction {message_id, emoji?}` · `raw {…}` (a message object; `null` takes `from`, `id` or `timestamp` away).
//!
//! Effects of faults, Graph: `"rate_limit"`, `"pair_rate"`, `"closed_window"`, `{graph_error: {code, status?,
//! subcode?, details?}}`, `{failed_status: {code…}}`, `{http: {status}}`, `{hang: {ms}}`,
//! `{answer_lost: {how: drop·server_error}}`, `{delay_answer: {ms}}`; of `media_url` `"link_expired"`, `{foreign_link:
//! {url}}`, `{swollen: {bytes}}` (no size told), of `media_download` `"altered"`, `{swollen: {bytes}}`. Webhooks: `"webhook_drop"` (never arrives),
//! `"webhook_lose"` (the first attempt is lost), `{webhook_duplicate: {copies}}`, `{webhook_reorder: {longest_ms}}`,
//! `{webhook_delay: {ms}}`.
//!
//! An entry of the log has `index`, `at` and `kind`: `graph` (`call`, `phone_number_id`, `recipient`, `citizen`,
//! `body`, `status`, `answer`, `opaque`, `wamid`, `fault`) or `webhook` (`delivery`, `attempt`, `citizen`, `wamids`,
//! `update`, `state`, `status`, `error`, `ms`, `fault`). `wamid` of a Graph call is present exactly when the
//! message was accepted. A reader whose `after` is below `oldest - 1` has missed entries.

mod behaviour;
pub mod command;
mod control;
mod control_citizens;
mod faults;
mod fields;
mod graph;
mod graph_error;
mod limits;
mod media;
mod people;
mod phone;
mod problem;
mod record;
mod sending;
mod spoken;
mod state;
mod statuses;
mod updates;
mod validate;
mod validate_interactive;
mod validate_template;
#[cfg(test)]
mod validate_tests;
mod webhooks;

use std::net::SocketAddr;
use std::sync::Arc;

use actix_web::dev::ServerHandle;
use actix_web::{App, HttpServer, web};
use jiff::Timestamp;
use secrecy::SecretString;

pub use behaviour::{Behaviour, PairRate, UnknownRecipient, WindowRule};
use state::Shared;

/// Where "now" comes from.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// What the stand-in needs to know; the secrets are those of the product's settings.
#[derive(Clone)]
pub struct Settings {
    /// Address and port; port 0 picks a free one.
    pub bind: String,
    /// How callers reach it, without a slash at the end; for media links.
    pub public_url: Option<String>,
    pub app_secret: SecretString,
    pub verify_token: SecretString,
    pub access_token: SecretString,
    pub phone_number_ids: Vec<String>,
    /// Where webhooks go; can be set later.
    pub webhook_url: Option<String>,
    pub behaviour: Behaviour,
    pub now: Clock,
}

#[derive(Debug, thiserror::Error)]
pub enum SimulatorError {
    #[error("the simulator needs at least one phone number id")]
    NoPhoneNumber,
    #[error("the simulator cannot listen on {bind}")]
    Bind {
        bind: String,
        #[source]
        source: std::io::Error,
    },
    #[error("the simulator cannot build its HTTP client")]
    Client(#[from] reqwest::Error),
}

/// A running stand-in. Dropping it leaves it running; call [`Simulator::stop`].
pub struct Simulator {
    /// Where it listens, with the actual port.
    pub address: SocketAddr,
    shared: Arc<Shared>,
    server: ServerHandle,
}

/// The largest body of a call: a file from the phone.
const LARGEST_BODY: usize = media::LARGEST_FILE;
/// How long requests under way may take when it stops.
const SHUTDOWN_SECONDS: u64 = 2;

/// Starts listening. Must be called within a Tokio runtime, on which webhooks are then delivered.
pub async fn start(settings: Settings) -> Result<Simulator, SimulatorError> {
    if settings.phone_number_ids.is_empty() {
        return Err(SimulatorError::NoPhoneNumber);
    }
    let bind = settings.bind.clone();
    let listen = |source| SimulatorError::Bind { bind: bind.clone(), source };
    let listener = std::net::TcpListener::bind(&bind).map_err(listen)?;
    let address = listener.local_addr().map_err(listen)?;
    let public_url = settings.public_url.clone().unwrap_or_else(|| format!("http://{address}"));
    let http = reqwest::Client::builder()
        .connect_timeout(std::time::Duration::from_secs(5))
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .build()?;
    let runtime = tokio::runtime::Handle::current();
    let public_url = public_url.trim_end_matches('/').to_owned();
    let shared = Arc::new(Shared::new(settings, public_url, runtime.clone(), http));
    let state = graph::data(&shared);
    let server = HttpServer::new(move || {
        App::new()
            .app_data(state.clone())
            .app_data(web::PayloadConfig::new(LARGEST_BODY))
            .configure(control::routes)
            .configure(phone::routes)
            .configure(graph::routes)
    })
    .workers(2)
    .disable_signals()
    .shutdown_timeout(SHUTDOWN_SECONDS)
    .listen(listener)
    .map_err(listen)?
    .run();
    let handle = server.handle();
    shared.tasks.spawn_on(
        async move {
            if let Err(error) = server.await {
                tracing::error!(%error, "simulator server failed");
            }
        },
        &runtime,
    );
    tracing::info!(%address, "simulator listens");
    Ok(Simulator { address, shared, server: handle })
}

impl Simulator {
    /// The root for `WHATSAPP__GRAPH_URL`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Sends webhooks to `url` from now on, repetitions too; `None`: nowhere.
    pub fn set_webhook_url(&self, url: Option<String>) {
        self.shared.with_world(|world| world.webhook_url = url);
    }

    /// Answers whoever waits, ends deliveries, and closes. Returns when nothing of it is left.
    pub async fn stop(self) {
        self.shared.stopping.cancel();
        self.server.stop(true).await;
        self.shared.tasks.close();
        self.shared.tasks.wait().await;
    }
}
