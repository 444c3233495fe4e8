//! Every error code of the facts page, in the answer and later in a status: what becomes of the message.

use futures::stream::{self, StreamExt};
use serde_json::json;

use super::{becomes, chat, has_status, notify, text};
use crate::support::office::Office;

/// What becomes of a message at whose first call Meta says so.
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    /// It goes at the second call.
    Delivered,
    /// It never goes.
    Failed,
}

const CODES: [(&str, &[i64], End); 9] = [
    ("person_later", &[131_056], End::Delivered),
    ("number_slower", &[130_429, 131_057], End::Delivered),
    ("account_slower", &[4, 80_007], End::Delivered),
    ("transient", &[1, 2, 131_000, 131_016, 133_004], End::Delivered),
    ("media", &[131_052, 131_053], End::Delivered),
    ("spam_limit", &[131_048, 131_064, 133_016], End::Delivered),
    (
        "message_wrong",
        &[
            131_047, 131_051, 131_008, 131_009, 100, 132_000, 132_001, 132_012, 132_016, 132_068, 132_069,
            131_021,
        ],
        End::Failed,
    ),
    ("unreachable", &[131_026, 131_050, 131_049, 130_472, 131_030, 131_062, 137_000], End::Failed),
    (
        "operator",
        &[0, 3, 10, 190, 200, 299, 368, 131_031, 130_497, 131_042, 131_044, 131_045, 131_005, 131_037, 33],
        End::Delivered,
    ),
];

/// Pauses so short that the whole table fits into a test.
const HASTE: [(&str, &str); 5] = [
    ("WHATSAPP__RETRY_FIRST_MS", "20"),
    ("WHATSAPP__CIRCUIT_PAUSE_MS", "10"),
    ("WHATSAPP__SPAM_PAUSE_MS", "10"),
    ("WHATSAPP__ACCOUNT_PAUSE_MS", "10"),
    ("WHATSAPP__SEND_TRIES", "3"),
];

async fn every_code(effect: &str) {
    let office = Office::open_with(&HASTE).await;
    let codes: Vec<(&str, i64, End)> =
        CODES.iter().flat_map(|(class, codes, end)| codes.iter().map(|code| (*class, *code, *end))).collect();
    let told = codes.iter().map(async |(class, code, end)| {
        let citizen = format!("kode{code}");
        let id = chat(&office, &citizen).await;
        office
            .fault(json!({"effect": {effect: {"code": code}}, "count": 1, "match": {"person": citizen, "kind": "text"}}))
            .await;
        let message = notify(&office, &id, text("Kabar")).await;
        match end {
            End::Delivered => {
                let item = has_status(&office, &id, &message, "delivered").await;
                assert!(item["error"].is_null() || item["error"]["class"] == *class, "{item}");
                assert_eq!(item["attempts"], 2, "{code}: {item}");
            }
            End::Failed => {
                let item = has_status(&office, &id, &message, "failed").await;
                assert_eq!((&item["error"]["class"], &item["error"]["code"]), (&json!(class), &json!(code)));
                assert_eq!(item["attempts"], 1, "{code}: {item}");
            }
        }
        let calls = office.log(&format!("kind=graph&person={citizen}&call=text&opaque={message}")).await;
        assert_eq!(calls.len(), if *end == End::Delivered { 2 } else { 1 }, "{code}");
    });
    // A few at a time: the node is to be tested here, not its database.
    stream::iter(told).buffer_unordered(8).collect::<Vec<()>>().await;
    office.check().await;
    let failed = codes.iter().filter(|(_, _, end)| *end == End::Failed).count();
    assert_eq!(office.metric("govconnect_dead_letters_total").await, failed as f64);
    office.close().await;
}

#[tokio::test]
async fn whatever_meta_refuses_ends_as_the_facts_page_says() {
    every_code("graph_error").await;
}

#[tokio::test]
async fn whatever_meta_reports_later_ends_as_the_facts_page_says() {
    every_code("failed_status").await;
}

#[tokio::test]
async fn what_fails_again_and_again_is_a_dead_letter_after_so_many_tries() {
    let office = Office::open_with(&HASTE).await;
    for (citizen, effect) in [("segera", "graph_error"), ("kemudian", "failed_status")] {
        let id = chat(&office, citizen).await;
        office
            .fault(
                json!({"effect": {effect: {"code": 131_000}}, "match": {"person": citizen, "kind": "text"}}),
            )
            .await;
        let message = notify(&office, &id, text("Kabar")).await;
        let item = has_status(&office, &id, &message, "failed").await;
        // Between a reported failure and its repetition the message is failed, too.
        let item = if item["attempts"] == 3 {
            item
        } else {
            becomes(&office, &id, &message, |item| item["status"] == "failed" && item["attempts"] == 3).await
        };
        assert_eq!(item["error"]["class"], "transient");
        office.is_quiet().await;
        assert_eq!(office.log(&format!("kind=graph&opaque={message}")).await.len(), 3, "{citizen}");
    }
    office.close().await;
}

#[tokio::test]
async fn a_message_that_failed_after_a_later_one_had_gone_is_not_sent_out_of_order() {
    let office = Office::open_with(&HASTE).await;
    // The first failure is told when the second message has long been sent.
    office.control("settings", json!({"sent_after_ms": 700})).await;
    let id = chat(&office, "susul").await;
    office
        .fault(json!({"effect": {"failed_status": {"code": 131_000}}, "count": 1, "match": {"person": "susul", "kind": "text"}}))
        .await;
    let first = notify(&office, &id, text("pertama")).await;
    let second = notify(&office, &id, text("kedua")).await;
    has_status(&office, &id, &second, "delivered").await;
    office.is_quiet().await;
    has_status(&office, &id, &first, "failed").await;
    assert_eq!(office.log(&format!("kind=graph&opaque={first}")).await.len(), 1);
    let listed = office.get("channel", "/internal/dead-letters").await;
    assert_eq!(listed["items"][0]["message_id"], first.as_str(), "but an operator can: {listed}");
    office.check().await;
    office.close().await;
}

#[tokio::test]
async fn an_outcome_that_was_not_known_is_counted_with_how_it_ended() {
    let office = Office::open().await;
    office.control("settings", json!({"sent_after_ms": 500})).await;
    let id = chat(&office, "samar").await;
    office
        .fault(json!({"effect": {"answer_lost": {"how": "drop"}}, "count": 1, "match": {"person": "samar", "kind": "text"}}))
        .await;
    let message = notify(&office, &id, text("Kabar")).await;
    has_status(&office, &id, &message, "delivered").await;
    assert_eq!(office.metric("govconnect_sends_ambiguous_total").await, 1.0);
    assert_eq!(office.metric("govconnect_sends_ambiguous_ended_total").await, 1.0);
    office.check().await;
    office.close().await;
}
