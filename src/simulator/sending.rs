//! Decides over one `messages` call: faults, recipient, window, rates, then acceptance. The decision, its log entry
//! and its effect on the phone are one critical section, so the log can be trusted in races.

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::behaviour::{UnknownRecipient, WindowRule};
use super::faults::{Effect, LostAnswer, ScriptedError, Side, Subject};
use super::graph_error::GraphError;
use super::limits::TokenBucket;
use super::media;
use super::people::{Author, ChatMessage, Introduction, Progress};
use super::record::{Event, GraphCall};
use super::state::{Shared, World, new_wamid};
use super::statuses;
use super::validate::{Call, Outgoing, Recipient};
use super::validate_template;

/// How long the typing indicator lives.
const TYPING: SignedDuration = SignedDuration::from_secs(25);

/// What the caller gets to see.
#[derive(Debug, PartialEq)]
pub(super) enum Reply {
    Answer {
        status: u16,
        body: Value,
    },
    Late {
        after: Duration,
        status: u16,
        body: Value,
    },
    /// Silence for so long, then the connection ends.
    Dropped {
        after: Duration,
    },
}

impl Reply {
    fn of(result: &Result<Value, GraphError>) -> Self {
        match result {
            Ok(body) => Reply::Answer { status: 200, body: body.clone() },
            Err(error) => Reply::Answer { status: error.http_status, body: error.to_json() },
        }
    }

    /// The reply a fault makes of an answer that would have been given.
    pub fn bent_by(self, effect: Option<&Effect>) -> Self {
        let Reply::Answer { status, body } = self else { return self };
        match effect {
            Some(Effect::DelayAnswer { ms }) => {
                Reply::Late { after: Duration::from_millis(*ms), status, body }
            }
            Some(Effect::AnswerLost { how: LostAnswer::Drop }) => Reply::Dropped { after: Duration::ZERO },
            Some(Effect::AnswerLost { how: LostAnswer::ServerError }) => {
                Reply::Answer { status: 500, body: GraphError::new(131_000, "the answer was lost").to_json() }
            }
            _ => Reply::Answer { status, body },
        }
    }
}

/// The refusal a fault demands before anything is accepted.
pub(super) fn refusal(effect: Option<&Effect>) -> Option<Reply> {
    let answer = |error: GraphError| Reply::of(&Err(error));
    Some(match effect? {
        Effect::RateLimit => answer(rate_limit()),
        Effect::PairRate => answer(pair_rate()),
        Effect::ClosedWindow => answer(closed_window()),
        Effect::GraphError(error) => answer(scripted(error)),
        Effect::Http { status } => Reply::Answer { status: *status, body: Value::Null },
        Effect::Hang { ms } => Reply::Dropped { after: Duration::from_millis(*ms) },
        _ => return None,
    })
}

fn scripted(error: &ScriptedError) -> GraphError {
    let details = error.details.clone().unwrap_or_else(|| "asked for by a script".to_owned());
    let usual = GraphError::new(error.code, details);
    GraphError { http_status: error.status.unwrap_or(usual.http_status), subcode: error.subcode, ..usual }
}

fn rate_limit() -> GraphError {
    GraphError::new(130_429, "Too many messages were sent from this phone number in a short period of time")
}

fn pair_rate() -> GraphError {
    GraphError::new(131_056, "Too many messages were sent from this phone number to the same person")
}

fn closed_window() -> GraphError {
    GraphError::new(131_047, "More than 24 hours have passed since the customer last replied to this number")
}

/// Handles a well-formed call to `number`.
pub(super) fn handle(shared: &Arc<Shared>, number: &str, call: Call, body: Value) -> Reply {
    shared.with_world(|world| match call {
        Call::Read { wamid, typing } => read(shared, world, number, &wamid, typing, body),
        Call::Send(outgoing) => send(shared, world, number, *outgoing, body),
    })
}

fn log(shared: &Shared, world: &mut World, mut call: GraphCall, reply: &Reply, effect: Option<&Effect>) {
    call.fault = effect.map(|effect| effect.name().to_owned());
    if let Reply::Answer { status, body } | Reply::Late { status, body, .. } = reply {
        call.status = Some(*status);
        call.answer = Some(body.clone());
    }
    world.log(shared.now(), Event::Graph(Box::new(call)));
}

fn read(
    shared: &Arc<Shared>,
    world: &mut World,
    number: &str,
    wamid: &str,
    typing: bool,
    body: Value,
) -> Reply {
    let place = world.places.get(wamid).cloned().filter(|(_, through)| through == number);
    let citizen = place.as_ref().and_then(|(citizen, _)| world.people.get(citizen));
    let people = citizen.map(|citizen| citizen.names()).unwrap_or_default();
    let subject = Subject { side: Side::Graph, phone_number_id: number, people: &people, kind: "read" };
    let effect = world.faults.strike(subject);
    let call = GraphCall {
        call: "read".to_owned(),
        phone_number_id: Some(number.to_owned()),
        citizen: place.as_ref().map(|(citizen, _)| citizen.clone()),
        body,
        ..GraphCall::default()
    };
    let reply = refusal(effect.as_ref()).unwrap_or_else(|| {
        let known = place.is_some() || world.behaviour.unknown_recipient == UnknownRecipient::Introduce;
        if let Some((citizen, _)) = &place {
            mark_read(shared, world, citizen, number, wamid, typing);
        }
        let result = if known {
            Ok(json!({"success": true}))
        } else {
            Err(GraphError::invalid_parameter("message_id is not a message to this number"))
        };
        Reply::of(&result).bent_by(effect.as_ref())
    });
    log(shared, world, call, &reply, effect.as_ref());
    reply
}

/// The citizen sees blue ticks up to the message, and perhaps that somebody is typing.
fn mark_read(shared: &Shared, world: &mut World, citizen: &str, number: &str, wamid: &str, typing: bool) {
    let now = shared.now();
    world.changed(citizen);
    let Some(chat) = world.chat(citizen, number) else { return };
    if typing {
        chat.typing_until = now.checked_add(TYPING).ok();
    }
    let Some(position) = chat.messages.iter().rposition(|message| message.wamid == wamid) else { return };
    for message in chat.messages.range_mut(..=position) {
        if message.from == Author::Citizen {
            message.progress = Progress::Read;
        }
    }
}

fn send(shared: &Arc<Shared>, world: &mut World, number: &str, outgoing: Outgoing, body: Value) -> Reply {
    let recipient = outgoing.recipient.as_str().to_owned();
    let mut citizen = world.people.find(&outgoing.recipient).map(|citizen| citizen.id.clone());
    let names = citizen.as_deref().and_then(|id| world.people.get(id)).map(|citizen| citizen.names());
    let people = names.unwrap_or_else(|| vec![recipient.as_str()]);
    let subject =
        Subject { side: Side::Graph, phone_number_id: number, people: &people, kind: &outgoing.kind };
    let effect = world.faults.strike(subject);
    let mut call = GraphCall {
        call: outgoing.kind.clone(),
        phone_number_id: Some(number.to_owned()),
        recipient: Some(recipient),
        body,
        opaque: outgoing.opaque.clone(),
        ..GraphCall::default()
    };
    let reply = refusal(effect.as_ref()).unwrap_or_else(|| {
        if citizen.is_none() && world.behaviour.unknown_recipient == UnknownRecipient::Introduce {
            citizen = introduce(shared, world, number, &outgoing.recipient);
        }
        let result = accept(shared, world, number, citizen.as_deref(), outgoing, effect.as_ref());
        if let Ok((wamid, _)) = &result {
            call.wamid = Some(wamid.clone());
        }
        Reply::of(&result.map(|(_, answer)| answer)).bent_by(effect.as_ref())
    });
    call.citizen = citizen;
    log(shared, world, call, &reply, effect.as_ref());
    reply
}

/// Makes up the citizen whom a webhook from elsewhere must have told of, with an open window.
fn introduce(shared: &Shared, world: &mut World, number: &str, recipient: &Recipient) -> Option<String> {
    let mut introduction = Introduction { name: recipient.as_str().to_owned(), ..Introduction::default() };
    match recipient {
        Recipient::Phone(phone) => introduction.phone = Some(phone.clone()),
        Recipient::UserId(bsuid) => introduction.bsuid = Some(bsuid.clone()),
    }
    let id = world.people.introduce(introduction).ok()?.id.clone();
    let now = shared.now();
    world.chat(&id, number)?.open_window(now);
    world.changed("*");
    Some(id)
}

/// Accepts the message and sets it on its way, or says why not.
fn accept(
    shared: &Arc<Shared>,
    world: &mut World,
    number: &str,
    citizen: Option<&str>,
    outgoing: Outgoing,
    effect: Option<&Effect>,
) -> Result<(String, Value), GraphError> {
    let now = shared.now();
    check_media_known(world, &outgoing)?;
    let rendered = match outgoing.kind.as_str() {
        "template" => validate_template::render(&world.templates, &outgoing.content)?,
        _ => None,
    };
    let mut failure = match effect {
        Some(Effect::FailedStatus(error)) => Some(scripted(error)),
        _ => None,
    };
    take_from_number(world, number)?;
    let wamid = new_wamid();
    let Some(citizen) = citizen else {
        // Nobody to tell statuses of: Meta accepts and the message is never delivered.
        let contact = json!({"input": outgoing.recipient.as_str(), "wa_id": outgoing.recipient.as_str()});
        return Ok((wamid.clone(), answer(&outgoing.kind, &wamid, contact)));
    };
    let rule = world.behaviour.window;
    let pair = world.behaviour.pair;
    let Some(chat) = world.chat(citizen, number) else { return Err(GraphError::unknown_object(citizen)) };
    let outside = outgoing.kind != "template" && !chat.window_is_open(now);
    match rule {
        WindowRule::Answer if outside => return Err(closed_window()),
        WindowRule::Status if outside => failure = Some(closed_window()),
        _ => {}
    }
    if let Some(pair) = pair {
        let instant = Instant::now();
        let bucket = chat.pair_bucket.get_or_insert_with(|| TokenBucket::full(pair.burst, instant));
        if !bucket.take(pair.burst, Duration::from_millis(pair.refill_ms), instant) {
            return Err(pair_rate());
        }
    }
    // The reply is what ends the typing indicator.
    chat.typing_until = None;
    let mut content = outgoing.content;
    if let Some(rendered) = rendered {
        content["rendered"] = rendered.into();
    }
    if outgoing.kind == "reaction" {
        react(world, citizen, "office", &content);
    } else {
        let message = ChatMessage {
            wamid: wamid.clone(),
            from: Author::Office,
            kind: outgoing.kind.clone(),
            content,
            reply_to: outgoing.reply_to,
            at: now,
            progress: Progress::Accepted,
            error: None,
            opaque: outgoing.opaque,
            webhook: None,
            reactions: Default::default(),
        };
        world.add_message(citizen, number, message);
        statuses::follow(shared, world, wamid.clone(), failure);
    }
    let mut contact = json!({"input": outgoing.recipient.as_str()});
    if let Some(citizen) = world.people.get(citizen) {
        if let Some(phone) = &citizen.phone {
            contact["wa_id"] = phone.as_str().into();
        }
        if let Some(bsuid) = &citizen.bsuid {
            contact["user_id"] = bsuid.as_str().into();
        }
    }
    Ok((wamid.clone(), answer(&outgoing.kind, &wamid, contact)))
}

fn answer(kind: &str, wamid: &str, contact: Value) -> Value {
    let mut message = json!({ "id": wamid });
    if kind == "template" {
        message["message_status"] = "accepted".into();
    }
    json!({"messaging_product": "whatsapp", "contacts": [contact], "messages": [message]})
}

/// Sets or takes away an emoji on the message a `reaction` object names.
pub(super) fn react(world: &mut World, citizen: &str, author: &'static str, reaction: &Value) {
    let target = reaction["message_id"].as_str().unwrap_or_default();
    let emoji = reaction["emoji"].as_str().unwrap_or_default().to_owned();
    world.update_message(target, |message| {
        if emoji.is_empty() {
            message.reactions.remove(author);
        } else {
            message.reactions.insert(author, emoji);
        }
    });
    world.changed(citizen);
}

fn check_media_known(world: &World, outgoing: &Outgoing) -> Result<(), GraphError> {
    for id in &outgoing.media_ids {
        let Some(medium) = world.media.get(id) else {
            return Err(GraphError::invalid_value(format!("media id {id} is unknown or has expired")));
        };
        let sent_as_media = !matches!(outgoing.kind.as_str(), "interactive" | "template");
        if sent_as_media && !media::fits(medium, &outgoing.kind) {
            let error =
                format!("media id {id} is {} and cannot be sent as {}", medium.mime_type, outgoing.kind);
            return Err(GraphError::new(131_053, error));
        }
    }
    Ok(())
}

fn take_from_number(world: &mut World, number: &str) -> Result<(), GraphError> {
    let Some(per_second) = world.behaviour.number_per_second else { return Ok(()) };
    let now = Instant::now();
    let refill = Duration::from_secs(1) / per_second.max(1);
    let bucket =
        world.number_buckets.entry(number.to_owned()).or_insert_with(|| TokenBucket::full(per_second, now));
    if bucket.take(per_second, refill, now) { Ok(()) } else { Err(rate_limit()) }
}
