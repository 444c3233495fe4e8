//! The notification service's subscriber: complaints that change become notifications to their citizens, and what
//! WhatsApp tells of messages becomes how far a notification got. It records and sends nothing.

use std::collections::BTreeMap;

use futures::future::BoxFuture;
use serde_json::Value;
use sqlx::PgPool;
use uuid::Uuid;

use crate::bus::events::{Event, Subscriber, Subscription};
use crate::bus::topics::TopicPattern;
use crate::clock::Clock;
use crate::complaint::ComplaintStatus;
use crate::dialogue::understanding::Language;
use crate::store::notification::NewNotification;
use crate::store::notification::events::{self as store, Told};

static PATTERNS: [TopicPattern; 2] =
    [TopicPattern::new("govconnect.#"), TopicPattern::new("whatsapp.message.status")];

/// What stands where an officer has left no note for the citizen.
const NO_NOTE: &str = "-";

/// Its place at a broker.
pub const SUBSCRIPTION: Subscription =
    Subscription { queue: "notification-service.govconnect.#", patterns: &PATTERNS };

/// The subscriber.
#[derive(Clone, Debug)]
pub struct NotificationEvents {
    pool: PgPool,
    clock: Clock,
}

impl NotificationEvents {
    /// Recorded at the times of `clock`.
    pub fn new(pool: PgPool, clock: Clock) -> Self {
        NotificationEvents { pool, clock }
    }
}

impl Subscriber for NotificationEvents {
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
            // What says nothing to us need not be known when it comes again.
            let told: Vec<(Uuid, Told)> =
                events.iter().filter_map(|event| Some((event.message_id, told(event)?))).collect();
            if told.is_empty() {
                return Ok(());
            }
            for (event, error) in store::take(&self.pool, &told, self.clock.now()).await? {
                tracing::error!(event.id = %event, %error, "what an event asked for can never be notified");
            }
            Ok(())
        })
    }
}

/// What an event says to us; nothing, if it concerns no citizen or is not understood.
fn told(event: &Event) -> Option<Told> {
    let body = &event.body;
    match event.routing_key.as_str() {
        // The bot has told the citizen the number where they reported it.
        "govconnect.complaint.created" if body["origin_conversation_id"].is_null() => {
            notification(event, "complaint_received")
        }
        // A change that left the status as it was concerns the office.
        "govconnect.complaint.updated" if body["from"].is_string() => {
            notification(event, template_of(body["status"].as_str()?.parse().ok()?)?)
        }
        "whatsapp.message.status" => Some(Told::Status {
            message_id: body["message_id"].as_str()?.parse().ok()?,
            status: body["status"].as_str()?.parse().ok()?,
            error: text(&body["errors"]["title"]),
        }),
        _ => None,
    }
}

/// The template that tells of a status; none is in use for the others.
fn template_of(status: ComplaintStatus) -> Option<&'static str> {
    match status {
        ComplaintStatus::Terverifikasi => Some("complaint_verified"),
        ComplaintStatus::Diproses => Some("complaint_in_process"),
        ComplaintStatus::Selesai => Some("complaint_done"),
        ComplaintStatus::Ditolak => Some("complaint_rejected"),
        ComplaintStatus::Baru
        | ComplaintStatus::MenungguWarga
        | ComplaintStatus::Dibatalkan
        | ComplaintStatus::Diteruskan => None,
    }
}

fn notification(event: &Event, template: &'static str) -> Option<Told> {
    let body = &event.body;
    let person_id = body["person_id"].as_str().and_then(|id| id.parse().ok());
    let wa_user_id = text(&body["wa_user_id"]);
    if person_id.is_none() && wa_user_id.is_none() {
        return None;
    }
    let lap_id = text(&body["complaint_id"])?;
    let mut variables = BTreeMap::from([
        ("lap_id".to_owned(), lap_id.clone()),
        ("kategori".to_owned(), body["kategori"].as_str()?.replace('_', " ")),
    ]);
    if ["complaint_in_process", "complaint_done", "complaint_rejected"].contains(&template) {
        variables.insert("note".to_owned(), text(&body["note"]).unwrap_or_else(|| NO_NOTE.to_owned()));
    }
    Some(Told::New(NewNotification {
        event_id: Some(event.message_id),
        person_id,
        wa_user_id,
        complaint_id: Some(lap_id.parse().ok()?),
        template: template.to_owned(),
        language: Language::Id,
        variables,
    }))
}

fn text(value: &Value) -> Option<String> {
    value.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn template(routing_key: &str, body: &Value) -> Option<String> {
        let event = Event {
            message_id: Uuid::now_v7(),
            routing_key: routing_key.into(),
            body: body.clone(),
            occurred_at: jiff::Timestamp::UNIX_EPOCH,
            from: "case",
        };
        match told(&event)? {
            Told::New(new) => Some(new.template),
            Told::Status { status, .. } => Some(status.to_string()),
        }
    }

    #[test]
    fn only_what_concerns_a_citizen_who_can_be_told_is_notified() {
        let (created, updated) = ("govconnect.complaint.created", "govconnect.complaint.updated");
        let complaint = |extra: Value| {
            let mut body = json!({"complaint_id": "LAP-20260102-001", "person_id": Uuid::now_v7(),
                "wa_user_id": "62812", "kategori": "jalan_rusak", "status": "baru"});
            body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
            body
        };
        let moved = |to: &str| complaint(json!({"from": "baru", "status": to}));
        for (key, body, expected) in [
            (created, complaint(json!({})), Some("complaint_received")),
            (created, complaint(json!({"person_id": null})), Some("complaint_received")),
            (created, complaint(json!({"person_id": null, "wa_user_id": null})), None),
            (created, complaint(json!({"origin_conversation_id": Uuid::now_v7()})), None),
            (created, complaint(json!({"complaint_id": "?"})), None),
            (updated, moved("terverifikasi"), Some("complaint_verified")),
            (updated, moved("diproses"), Some("complaint_in_process")),
            (updated, moved("selesai"), Some("complaint_done")),
            (updated, moved("ditolak"), Some("complaint_rejected")),
            (updated, moved("dibatalkan"), None),
            (updated, moved("ajaib"), None),
            (updated, complaint(json!({"status": "diproses", "note": "besok"})), None),
            ("govconnect.takeover.started", complaint(json!({})), None),
            (
                "whatsapp.message.status",
                json!({"message_id": Uuid::now_v7(), "status": "read"}),
                Some("read"),
            ),
            ("whatsapp.message.status", json!({"status": "read"}), None),
        ] {
            assert_eq!(template(key, &body).as_deref(), expected, "{key} {body}");
        }
    }
}
