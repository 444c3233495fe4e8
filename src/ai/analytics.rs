//! Analytics: counts, a day, what the events of the channel and of the bot tell. It never answers anybody, and keeps
//! nothing of what was said.

use futures::future::BoxFuture;
use jiff::tz::TimeZone;
use serde_json::Value;
use sqlx::PgPool;
use uuid::Uuid;

use crate::bus::events::{Event, Subscriber, Subscription};
use crate::bus::topics::TopicPattern;
use crate::dialogue::understanding::Intent;
use crate::store::ai::analytics::{self as store, Counted, Fact};

/// What a reply to something that had no words is counted under.
pub const NO_INTENT: &str = "NONE";

/// Beside what its queue is named after: the bot's replies and the takeovers of the same day.
static PATTERNS: [TopicPattern; 3] = [
    TopicPattern::new("whatsapp.message.#"),
    TopicPattern::new("govconnect.ai.#"),
    TopicPattern::new("govconnect.takeover.#"),
];

/// Its place at a broker.
pub const SUBSCRIPTION: Subscription =
    Subscription { queue: "ai-service.whatsapp.message.#", patterns: &PATTERNS };

/// The subscriber.
#[derive(Clone, Debug)]
pub struct Analytics {
    pool: PgPool,
    zone: TimeZone,
}

impl Analytics {
    /// Days are those of `zone`, the office's.
    pub fn new(pool: PgPool, zone: TimeZone) -> Self {
        Analytics { pool, zone }
    }
}

impl Subscriber for Analytics {
    fn name(&self) -> &'static str {
        SUBSCRIPTION.queue
    }

    fn patterns(&self) -> &[TopicPattern] {
        SUBSCRIPTION.patterns
    }

    fn take(
        &self,
        events: Vec<Event>,
    ) -> BoxFuture<'_, Result<(), Box<dyn std::error::Error + Send + Sync>>> {
        Box::pin(async move {
            let facts: Vec<Fact> = events.iter().flat_map(|event| facts(event, &self.zone)).collect();
            // What tells nothing need not be known when it comes again: that is every message of a citizen.
            let mut ids: Vec<Uuid> = facts.iter().map(|fact| fact.event).collect();
            ids.dedup();
            if ids.is_empty() {
                return Ok(());
            }
            Ok(store::count(&self.pool, &ids, &facts).await?)
        })
    }
}

/// What an event tells; nothing, if it is not understood.
fn facts(event: &Event, zone: &TimeZone) -> Vec<Fact> {
    let day = event.occurred_at.to_zoned(zone.clone()).date();
    let fact =
        |what| Fact { event: event.message_id, day, what, intent: String::new(), amount: 1, message: None };
    let body = &event.body;
    match event.routing_key.as_str() {
        "govconnect.ai.reply" => {
            let mut facts = vec![Fact { intent: intent(body), ..fact(Counted::Reply) }];
            facts.extend(handed_over(body).then(|| fact(Counted::HandOver)));
            facts.extend(thought(body).map(|(what, intent, amount)| Fact { intent, amount, ..fact(what) }));
            facts
        }
        "govconnect.ai.error" => {
            let mut facts = vec![fact(Counted::Error)];
            facts.extend(handed_over(body).then(|| fact(Counted::HandOver)));
            facts
        }
        "govconnect.takeover.started" => vec![fact(Counted::TakeoverStarted)],
        "govconnect.takeover.ended" => vec![fact(Counted::TakeoverEnded)],
        "whatsapp.message.sent" | "whatsapp.message.status" => {
            let message: Option<Uuid> = body["message_id"].as_str().and_then(|id| id.parse().ok());
            let Some(message) = message else { return Vec::new() };
            let is_sent = event.routing_key == "whatsapp.message.sent";
            let told = body["status"].as_str().unwrap_or_default();
            reached(is_sent, told).iter().map(|what| Fact { message: Some(message), ..fact(*what) }).collect()
        }
        _ => Vec::new(),
    }
}

fn intent(body: &Value) -> String {
    let intent = body["intent"].as_str().and_then(|intent| intent.parse::<Intent>().ok());
    intent.map_or_else(|| NO_INTENT.to_owned(), |intent| intent.to_string())
}

/// Bounds of the times that are told apart, in milliseconds; percentiles are told to this.
const BOUNDS_MS: [u64; 15] =
    [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 60_000];
/// Words that a gap is known by, at most.
const GAP_WORDS: usize = 6;
/// Characters of a label that came from outside.
const LONGEST_LABEL: usize = 64;

/// How a reply was thought of, and whether it answered what was asked.
fn thought(body: &Value) -> impl Iterator<Item = (Counted, String, i64)> {
    let label = |name: &str| -> Option<String> {
        body[name].as_str().map(|text| text.chars().take(LONGEST_LABEL).collect())
    };
    let model = label("model").unwrap_or_default();
    let tokens = body["tokens"].as_i64().filter(|tokens| *tokens > 0);
    let cost = body["cost"].as_f64().map(|cost| (cost * 1e6).round() as i64).filter(|cost| *cost > 0);
    let took =
        body["ms"].as_u64().map(|ms| BOUNDS_MS.into_iter().find(|bound| ms <= *bound).unwrap_or(u64::MAX));
    let answered = body["answered"].as_bool().map(|answered| match answered {
        true => Counted::Answered,
        false => Counted::Unanswered,
    });
    [
        tokens.map(|tokens| (Counted::Tokens, model.clone(), tokens)),
        cost.map(|cost| (Counted::CostMillionths, model, cost)),
        took.map(|bound| (Counted::TookMs, bound.to_string(), 1)),
        label("fallback").map(|reason| (Counted::Fallback, reason, 1)),
        answered.map(|what| (what, String::new(), 1)),
        gap(body).map(|words| (Counted::Gap, words, 1)),
    ]
    .into_iter()
    .flatten()
}

/// What an unanswered question was about: its searchable words in the order of the alphabet, numbers left out, so that
/// the same question in other words is often the same gap.
fn gap(body: &Value) -> Option<String> {
    body["answered"].as_bool().filter(|answered| !answered)?;
    let words = body["question_terms"].as_array()?.iter().filter_map(Value::as_str);
    let mut words: Vec<&str> = words
        .filter(|word| word.len() <= LONGEST_LABEL && word.chars().all(char::is_alphabetic))
        .take(GAP_WORDS)
        .collect();
    words.sort_unstable();
    words.dedup();
    (!words.is_empty()).then(|| words.join(" "))
}

fn handed_over(body: &Value) -> bool {
    body["hand_over"].as_bool() == Some(true)
}

/// What a status says of a message: Meta may leave out "delivered" when it is read at once.
fn reached(is_sent: bool, status: &str) -> &'static [Counted] {
    match status {
        "read" | "played" => &[Counted::Sent, Counted::Delivered, Counted::Read],
        "delivered" => &[Counted::Sent, Counted::Delivered],
        "failed" if is_sent => &[Counted::Sent, Counted::Failed],
        "failed" => &[Counted::Failed],
        "sent" => &[Counted::Sent],
        _ if is_sent => &[Counted::Sent],
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use serde_json::json;

    use super::*;

    fn told(routing_key: &str, body: Value) -> Vec<(Counted, String)> {
        let event = Event {
            message_id: Uuid::now_v7(),
            routing_key: routing_key.into(),
            body,
            occurred_at: "2026-01-01T17:30:00Z".parse().unwrap(),
            from: "channel",
        };
        let facts = facts(&event, &TimeZone::get("Asia/Jakarta").unwrap());
        // Half past midnight at the office.
        assert!(facts.iter().all(|fact| fact.day == date(2026, 1, 2) && fact.event == event.message_id));
        facts.into_iter().map(|fact| (fact.what, fact.intent)).collect()
    }

    #[test]
    fn events_tell_what_is_counted_and_what_is_not_understood_tells_nothing() {
        use Counted::{
            Answered, CostMillionths, Delivered, Error, Failed, Fallback, Gap, HandOver, Read, Reply, Sent,
            TakeoverEnded, TakeoverStarted, Tokens, TookMs, Unanswered,
        };
        let id = Uuid::now_v7();
        let status = |status: &str| json!({"message_id": id, "status": status});
        for (key, body, expected) in [
            ("govconnect.ai.reply", json!({"intent": "GREETING"}), vec![(Reply, "GREETING")]),
            ("govconnect.ai.reply", json!({"intent": null}), vec![(Reply, "NONE")]),
            ("govconnect.ai.reply", json!({"intent": "Jl. Melati"}), vec![(Reply, "NONE")]),
            (
                "govconnect.ai.reply",
                json!({"intent": "HUMAN_HANDOFF", "hand_over": true}),
                vec![(Reply, "HUMAN_HANDOFF"), (HandOver, "")],
            ),
            (
                "govconnect.ai.reply",
                json!({"intent": "KNOWLEDGE_QUERY", "answered": true, "ms": 3}),
                vec![(Reply, "KNOWLEDGE_QUERY"), (TookMs, "5"), (Answered, "")],
            ),
            (
                "govconnect.ai.reply",
                json!({"intent": "KNOWLEDGE_QUERY", "answered": false, "question_terms": ["paspor", "bikin", "3174"],
                       "model": "m", "tokens": 12, "cost": 0.5, "fallback": "timed_out"}),
                vec![
                    (Reply, "KNOWLEDGE_QUERY"),
                    (Tokens, "m"),
                    (CostMillionths, "m"),
                    (Fallback, "timed_out"),
                    (Unanswered, ""),
                    (Gap, "bikin paspor"),
                ],
            ),
            ("govconnect.ai.error", json!({"hand_over": true}), vec![(Error, ""), (HandOver, "")]),
            ("govconnect.takeover.started", json!({}), vec![(TakeoverStarted, "")]),
            ("govconnect.takeover.ended", json!({}), vec![(TakeoverEnded, "")]),
            ("whatsapp.message.sent", status("sent"), vec![(Sent, "")]),
            ("whatsapp.message.sent", status("failed"), vec![(Sent, ""), (Failed, "")]),
            ("whatsapp.message.status", status("sent"), vec![(Sent, "")]),
            ("whatsapp.message.status", status("delivered"), vec![(Sent, ""), (Delivered, "")]),
            ("whatsapp.message.status", status("read"), vec![(Sent, ""), (Delivered, ""), (Read, "")]),
            ("whatsapp.message.status", status("failed"), vec![(Failed, "")]),
            ("whatsapp.message.status", status("warning"), vec![]),
            ("whatsapp.message.status", json!({"status": "read"}), vec![]),
            ("whatsapp.message.received", status("sent"), vec![]),
            ("govconnect.complaint.created", json!({}), vec![]),
        ] {
            let told = told(key, body.clone());
            let told: Vec<(Counted, &str)> = told.iter().map(|(what, intent)| (*what, &**intent)).collect();
            assert_eq!(told, expected, "{key} {body}");
        }
    }
}
