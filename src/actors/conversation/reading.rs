//! Stored rows as `dialogue` reads them: messages after their writers' corrections, lines of a transcript, facts.

use crate::bus::case_calls::ReportedComplaint;
use crate::dialogue::corrections::{self, Correction, Standing, What};
use crate::dialogue::turn::{BatchMessage, ComplaintFact};
use crate::dialogue::understanding::{ContextLine, Speaker};
use crate::store::channel::conversation::InboxMessage;
use crate::store::channel::takeover::SaidLine;

/// So much of each line of a transcript is handed over.
const CONTEXT_CHARS: usize = 300;

pub(super) fn context_line(line: SaidLine) -> ContextLine {
    let speaker = match line.origin.as_deref() {
        None => Speaker::Citizen,
        Some("bot") => Speaker::Bot,
        Some(_) => Speaker::Office,
    };
    ContextLine { speaker, text: line.text.chars().take(CONTEXT_CHARS).collect() }
}

pub(super) fn fact(complaint: ReportedComplaint) -> ComplaintFact {
    ComplaintFact {
        lap_id: complaint.lap_id.to_string(),
        kategori: complaint.kategori,
        alamat: complaint.alamat,
        status: complaint.status.to_string(),
    }
}

/// The parts of a stored message that a turn looks at, as it stands after its writer's corrections.
pub(super) fn batch_message(message: &InboxMessage) -> BatchMessage {
    let text = match standing(message) {
        // Nothing of it may be acted upon.
        Standing::Withdrawn => {
            let message_id = Some(message.message_id);
            let sent_at = message.sent_at;
            return BatchMessage { message_id, kind: "revoke".into(), sent_at, ..BatchMessage::default() };
        }
        Standing::Reworded(text) => Some(text),
        Standing::AsWritten => written_words(message).map(str::to_owned),
    };
    let at = |path: &str| message.content.pointer(path);
    let button = at("/interactive/button_reply/id")
        .or_else(|| at("/interactive/list_reply/id"))
        .or_else(|| at("/button/payload"));
    let pin = at("/location/latitude")
        .and_then(|value| value.as_f64())
        .zip(at("/location/longitude").and_then(|value| value.as_f64()));
    BatchMessage {
        message_id: Some(message.message_id),
        kind: message.kind.clone(),
        text,
        button: button.and_then(|id| id.as_str()).map(str::to_owned),
        pin,
        forwarded_many_times: at("/context/frequently_forwarded").is_some_and(|told| *told == true),
        sent_at: message.sent_at,
    }
}

/// How a stored message stands after its writer's corrections.
fn standing(message: &InboxMessage) -> Standing {
    let corrections: Vec<Correction> = message
        .corrections
        .iter()
        .map(|correction| Correction {
            at: correction.at,
            what: match correction.kind.as_str() {
                "revoke" => What::Revoked,
                _ => What::Edited(correction.text.clone()),
            },
        })
        .collect();
    corrections::standing(&corrections)
}

/// The words of a message for whoever waits for more of them; none when it was taken back.
pub(super) fn words(message: &InboxMessage) -> Option<String> {
    match standing(message) {
        Standing::Withdrawn => None,
        Standing::Reworded(text) => Some(text),
        Standing::AsWritten => written_words(message).map(str::to_owned),
    }
}

/// The text as its writer wrote it. A bare pin is shown to officers by its coordinates, which are no words.
fn written_words(message: &InboxMessage) -> Option<&str> {
    if message.kind != "location" {
        return message.text.as_deref();
    }
    let at = |path: &str| message.content.pointer(path).and_then(|value| value.as_str());
    at("/location/address").or_else(|| at("/location/name"))
}
