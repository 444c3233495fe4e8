//! The scripting API for everything but citizens: settings, faults, the log, templates, bodies made by hand. The
//! table of routes is in the documentation of the module.

use std::sync::Arc;
use std::time::Duration;

use actix_web::{HttpResponse, web};
use bytes::Bytes;
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::{Value, json};

use super::behaviour::Behaviour;
use super::control_citizens;
use super::faults::{FaultRequest, MOST_FAULTS};
use super::media;
use super::problem::{Problem, read};
use super::record::Filter;
use super::spoken::{self, Spoken};
use super::state::Shared;
use super::statuses;
use super::updates::{self, Change};
use super::validate_template::Template;
use super::webhooks::{self, Delivery, Signature};

type State = web::Data<Shared>;
type Answer = Result<HttpResponse, Problem>;

const MOST_UPDATES: usize = 1_000;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/control/reset", web::post().to(reset))
        .route("/control/settings", web::get().to(settings))
        .route("/control/settings", web::post().to(change_settings))
        .route("/control/webhook-url", web::post().to(set_webhook_url))
        .route("/control/verify", web::post().to(verify))
        .route("/control/webhook", web::post().to(post_by_hand))
        .route("/control/batch", web::post().to(post_batch))
        .route("/control/statuses", web::post().to(post_status))
        .route("/control/media", web::post().to(add_medium))
        .route("/control/templates", web::get().to(templates))
        .route("/control/templates", web::post().to(define_template))
        .route("/control/faults", web::get().to(faults))
        .route("/control/faults", web::post().to(add_fault))
        .route("/control/faults", web::delete().to(clear_faults))
        .route("/control/faults/{id}", web::delete().to(remove_fault))
        .route("/control/log", web::get().to(log))
        .configure(control_citizens::routes);
}

/// The office's number a script means: the one it names, else the first.
pub(super) fn office_number(shared: &Shared, given: Option<String>) -> Result<String, Problem> {
    let numbers = &shared.settings.phone_number_ids;
    match given {
        Some(number) if numbers.contains(&number) => Ok(number),
        Some(_) => Err(Problem::invalid("phone_number_id", format!("must be one of {}", numbers.join(", ")))),
        None => numbers
            .first()
            .cloned()
            .ok_or_else(|| Problem::invalid("phone_number_id", "this stand-in has no numbers")),
    }
}

fn ok(body: Value) -> Answer {
    Ok(HttpResponse::Ok().json(body))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reset {
    #[serde(default = "yes")]
    samples: bool,
}

fn yes() -> bool {
    true
}

async fn reset(shared: State, body: Bytes) -> Answer {
    let Reset { samples } = read(&body)?;
    shared.reset(samples);
    ok(json!({"log_index": shared.with_world(|world| world.record.last_index())}))
}

async fn settings(shared: State) -> Answer {
    let (behaviour, webhook_url) =
        shared.with_world(|world| (world.behaviour.clone(), world.webhook_url.clone()));
    let numbers: Vec<Value> = shared
        .settings
        .phone_number_ids
        .iter()
        .map(|id| json!({"id": id, "display_phone_number": updates::display_number(id)}))
        .collect();
    ok(json!({"behaviour": behaviour, "webhook_url": webhook_url, "phone_numbers": numbers}))
}

/// Changes the keys given and leaves the others.
async fn change_settings(shared: State, body: Bytes) -> Answer {
    let changes: serde_json::Map<String, Value> = read(&body)?;
    shared.with_world(|world| {
        let mut merged = json!(world.behaviour);
        for (key, value) in changes {
            merged[key] = value;
        }
        let behaviour: Behaviour = read(merged.to_string().as_bytes())?;
        if behaviour.number_per_second == Some(0) || behaviour.pair.is_some_and(|pair| pair.refill_ms == 0) {
            return Err(Problem::invalid("number_per_second", "a rate is at least 1; null means no limit"));
        }
        world.behaviour = behaviour;
        ok(json!({ "behaviour": world.behaviour }))
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WebhookUrl {
    url: Option<String>,
}

async fn set_webhook_url(shared: State, body: Bytes) -> Answer {
    let WebhookUrl { url } = read(&body)?;
    if url.as_ref().is_some_and(|url| reqwest::Url::parse(url).is_err()) {
        return Err(Problem::invalid("url", "must be a URL"));
    }
    shared.with_world(|world| world.webhook_url = url.clone());
    ok(json!({ "url": url }))
}

/// Asks the webhook to prove itself, as Meta does when its address is entered.
async fn verify(shared: State) -> Answer {
    let url = shared.with_world(|world| world.webhook_url.clone());
    let url = url.ok_or_else(|| Problem::conflict("webhook_url", "is not set"))?;
    let challenge = uuid::Uuid::new_v4().as_u128().to_string();
    let query = [
        ("hub.mode", "subscribe"),
        ("hub.verify_token", shared.settings.verify_token.expose_secret()),
        ("hub.challenge", &challenge),
    ];
    let request = shared.http.get(url).query(&query).timeout(Duration::from_secs(10)).send();
    // Outgoing calls belong to the runtime that also stops them.
    let outcome = request.await;
    match outcome {
        Ok(response) => {
            let status = response.status().as_u16();
            let echoed = response.text().await.is_ok_and(|text| text == challenge);
            ok(json!({"verified": status == 200 && echoed, "status": status, "challenge_echoed": echoed}))
        }
        Err(error) => ok(json!({"verified": false, "error": error.without_url().to_string()})),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ByHand {
    /// Any JSON; or `text` for bytes that are none.
    #[serde(default)]
    body: Option<Value>,
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    signature: Signature,
    #[serde(default = "one")]
    copies: u32,
}

fn one() -> u32 {
    1
}

async fn post_by_hand(shared: State, body: Bytes) -> Answer {
    let ByHand { body, text, signature, copies } = read(&body)?;
    let bytes: Bytes = match (body, text) {
        (Some(body), None) => body.to_string().into(),
        (None, Some(text)) => text.into(),
        _ => return Err(Problem::invalid("body", "give either body or text")),
    };
    let delivery = Delivery { body: bytes, signature, ..Delivery::of(&Value::Null) };
    let numbers = post_copies(&shared.into_inner(), delivery, copies)?;
    ok(json!({ "deliveries": numbers }))
}

fn post_copies(shared: &Arc<Shared>, delivery: Delivery, copies: u32) -> Result<Vec<u64>, Problem> {
    if !(1..=1_000).contains(&copies) {
        return Err(Problem::invalid("copies", "must be 1 to 1000"));
    }
    Ok(shared.with_world(|world| {
        (0..copies).map(|_| webhooks::enqueue(shared, world, delivery.clone())).collect()
    }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Batch {
    messages: Vec<BatchItem>,
    /// How often the whole body is posted.
    #[serde(default = "one")]
    copies: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BatchItem {
    citizen: String,
    say: Spoken,
}

/// Several citizens' messages in one body, a change for each number of the office.
async fn post_batch(shared: State, body: Bytes) -> Answer {
    let Batch { messages, copies } = read(&body)?;
    if messages.is_empty() || messages.len() > MOST_UPDATES {
        return Err(Problem::invalid("messages", format!("must have 1 to {MOST_UPDATES} elements")));
    }
    let shared = shared.into_inner();
    let (wamids, body) = shared.with_world(|world| {
        let mut wamids = Vec::new();
        let mut changes: Vec<Change> = Vec::new();
        for item in messages {
            let said = spoken::say(&shared, world, &item.citizen, item.say)?;
            let known = changes.iter().position(|change| change.phone_number_id == said.phone_number_id);
            let position = known.unwrap_or_else(|| {
                changes.push(Change { phone_number_id: said.phone_number_id.clone(), ..Change::default() });
                changes.len() - 1
            });
            let change = &mut changes[position];
            if !change.contacts.contains(&said.contact) {
                change.contacts.push(said.contact);
            }
            change.messages.push(said.update);
            wamids.push(said.wamid);
        }
        Ok::<_, Problem>((wamids, updates::envelope(changes)))
    })?;
    let delivery = Delivery { wamids: wamids.clone(), update: "batch".to_owned(), ..Delivery::of(&body) };
    let numbers = post_copies(&shared, delivery, copies)?;
    ok(json!({"wamids": wamids, "deliveries": numbers}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ScriptedStatus {
    wamid: String,
    status: String,
    #[serde(default)]
    errors: Option<Vec<Value>>,
}

async fn post_status(shared: State, body: Bytes) -> Answer {
    let ScriptedStatus { wamid, status, errors } = read(&body)?;
    let shared = shared.into_inner();
    let known = shared.with_world(|world| statuses::tell(&shared, world, &wamid, &status, errors));
    if known {
        ok(json!({"wamid": wamid, "status": status}))
    } else {
        Err(Problem::not_found("message", &wamid))
    }
}

#[derive(Deserialize)]
struct MediumQuery {
    mime_type: String,
    filename: Option<String>,
}

/// A file from the citizen's phone; the body is its bytes.
async fn add_medium(shared: State, query: web::Query<MediumQuery>, body: Bytes) -> Answer {
    let MediumQuery { mime_type, filename } = query.into_inner();
    if body.is_empty() || body.len() > media::LARGEST_FILE {
        return Err(Problem::invalid("body", "must be 1 byte to 100 MB"));
    }
    let medium = shared.with_world(|world| world.media.add(&mime_type, filename, body));
    ok(json!({"id": medium.id, "sha256": medium.sha256_hex(), "file_size": medium.bytes.len()}))
}

async fn templates(shared: State) -> Answer {
    ok(json!({"templates": shared.with_world(|world| world.templates.clone())}))
}

/// Defines or replaces a template; from then on a template nobody defined is refused with 132001.
async fn define_template(shared: State, body: Bytes) -> Answer {
    let template: Template = read(&body)?;
    shared.with_world(|world| {
        if world.templates.len() >= 1_000 {
            return Err(Problem::conflict("name", "there are too many templates; reset first"));
        }
        let same = |known: &Template| known.name == template.name && known.language == template.language;
        world.templates.retain(|known| !same(known));
        world.templates.push(template.clone());
        ok(json!(template))
    })
}

async fn faults(shared: State) -> Answer {
    shared.with_world(|world| ok(json!({"faults": world.faults.list()})))
}

async fn add_fault(shared: State, body: Bytes) -> Answer {
    let request: FaultRequest = read(&body)?;
    if request.probability.is_some_and(|probability| !(0.0..=1.0).contains(&probability)) {
        return Err(Problem::invalid("probability", "must be from 0 to 1"));
    }
    shared.with_world(|world| {
        if world.faults.len() >= MOST_FAULTS {
            return Err(Problem::conflict("effect", "there are too many faults; remove some"));
        }
        ok(json!({"id": world.faults.add(request)}))
    })
}

async fn clear_faults(shared: State) -> Answer {
    shared.with_world(|world| world.faults.clear());
    Ok(HttpResponse::NoContent().finish())
}

async fn remove_fault(shared: State, id: web::Path<u64>) -> Answer {
    let removed = shared.with_world(|world| world.faults.remove(*id));
    if removed {
        Ok(HttpResponse::NoContent().finish())
    } else {
        Err(Problem::not_found("fault", &id.to_string()))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct LogQuery {
    after: u64,
    limit: usize,
    /// Wait so long for a matching entry; 0: answer at once.
    wait_ms: u64,
    kind: Option<String>,
    call: Option<String>,
    person: Option<String>,
    wamid: Option<String>,
    opaque: Option<String>,
}

impl Default for LogQuery {
    fn default() -> Self {
        LogQuery {
            after: 0,
            limit: 1_000,
            wait_ms: 0,
            kind: None,
            call: None,
            person: None,
            wamid: None,
            opaque: None,
        }
    }
}

async fn log(shared: State, request: actix_web::HttpRequest) -> Answer {
    let query = web::Query::<LogQuery>::from_query(request.query_string())
        .map_err(|error| Problem::invalid("query", error.to_string()))?
        .into_inner();
    let LogQuery { after, limit, wait_ms, kind, call, person, wamid, opaque } = query;
    let filter = Filter { kind, call, person, wamid, opaque };
    let limit = limit.clamp(1, 10_000);
    // Interest is registered before looking, so an entry between the look and the wait is not missed.
    let mut tip = shared.record_tip.subscribe();
    let found = async {
        loop {
            let page = shared.with_world(|world| world.record.page(after, &filter, limit));
            if !page.entries.is_empty() || tip.changed().await.is_err() {
                return page;
            }
        }
    };
    let waited = tokio::time::timeout(Duration::from_millis(wait_ms.min(60_000)), found);
    let page = match shared.stopping.run_until_cancelled(waited).await {
        Some(Ok(page)) => page,
        _ => shared.with_world(|world| world.record.page(after, &filter, limit)),
    };
    ok(json!(page))
}
