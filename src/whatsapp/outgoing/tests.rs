use proptest::prelude::*;
use serde_json::{Value, json};

use super::split::split;
use super::*;

fn without_space(text: &str) -> String {
    text.chars().filter(|character| !character.is_whitespace()).collect()
}

fn request(content: &Content) -> Value {
    let recipient = Recipient::Phone("6281".into());
    let envelope =
        Envelope { recipient: &recipient, our_id: "id-1", reply_to: None, uploaded: Some("meta-1") };
    content.to_request(&envelope).unwrap()
}

proptest! {
    #[test]
    fn long_texts_are_split_without_losing_anything(text in "[a-z .!?\n👨‍👩‍👧é]{0,9000}") {
        let parts = Content::Text { text: text.clone() }.within_limits();
        let mut joined = String::new();
        for part in &parts {
            let Content::Text { text } = part else { panic!("not a text") };
            prop_assert!((1..=TEXT_LIMIT).contains(&text.chars().count()));
            joined.push_str(text);
        }
        prop_assert_eq!(without_space(&joined), without_space(&text));
    }

    #[test]
    fn whatever_the_caption_it_is_said_whole(caption in "[a-z .\n]{1,6000}") {
        for kind in [MediaKind::Image, MediaKind::Audio] {
            let media = Content::Media { media_id: Uuid::nil(), kind, caption: Some(caption.clone()), filename: None };
            let parts = media.within_limits();
            prop_assert_eq!(parts[0].kind(), <&str>::from(kind));
            let said: String = parts.iter().map(|part| without_space(part.shown_text())).collect();
            prop_assert_eq!(said, without_space(&caption));
        }
    }
}

#[test]
fn it_cuts_at_sentences_rather_than_inside_words() {
    let sentence = "Jalan di depan rumah saya rusak parah. ";
    let text = sentence.repeat(200);
    let parts = split(&text, TEXT_LIMIT);
    assert!(parts.len() > 1 && parts.iter().all(|part| part.ends_with("parah.")), "{parts:?}");
}

#[test]
fn what_can_be_tapped_stays_with_the_last_part() {
    let text = "kata ".repeat(400);
    let section = ListSection {
        title: None,
        rows: vec![ListRow { id: "a".into(), title: "Jalan".into(), description: None }],
    };
    for content in [
        Content::Buttons {
            text: text.clone(),
            buttons: vec![Button { id: "a".into(), title: "Ubah".into() }],
        },
        Content::List { text: text.clone(), button: "Pilih".into(), sections: vec![section] },
        Content::LocationRequest { text: text.clone() },
    ] {
        let parts = content.within_limits();
        let last = parts.last().unwrap();
        assert_eq!(last.kind(), "interactive");
        assert!(last.shown_text().chars().count() <= INTERACTIVE_LIMIT);
        assert!(parts[..parts.len() - 1].iter().all(|part| matches!(part, Content::Text { .. })));
        let said: String = parts.iter().map(|part| without_space(part.shown_text())).collect();
        assert_eq!(said, without_space(&text));
    }
}

#[test]
fn requests_have_metas_shape() {
    assert_eq!(
        request(&Content::Text { text: "Halo".into() }),
        json!({"messaging_product": "whatsapp", "recipient_type": "individual", "to": "6281",
            "type": "text", "text": {"body": "Halo", "preview_url": false}, "biz_opaque_callback_data": "id-1"})
    );
    let recipient = Recipient::Bsuid("ID.a".into());
    let envelope = Envelope { recipient: &recipient, our_id: "i", reply_to: Some("wamid.q"), uploaded: None };
    let asked = Content::LocationRequest { text: "Di mana?".into() }.to_request(&envelope).unwrap();
    assert_eq!(asked["recipient"], "ID.a");
    assert_eq!(asked["context"], json!({"message_id": "wamid.q"}));
    assert_eq!(asked["interactive"]["action"]["name"], "send_location");
    let media = Content::Media {
        media_id: Uuid::nil(),
        kind: MediaKind::Document,
        caption: Some("Surat".into()),
        filename: Some("surat.pdf".into()),
    };
    assert_eq!(
        request(&media)["document"],
        json!({"id": "meta-1", "caption": "Surat", "filename": "surat.pdf"})
    );
    assert_eq!(media.to_request(&envelope), Err(NotUploaded));
    let template = Content::Template {
        name: "kabar".into(),
        language: "id".into(),
        parameters: vec!["Siti".into()],
        header: Some(TemplateHeader { text: "LAP".into() }),
        buttons: vec![TemplateButton { index: 0, kind: TemplateButtonKind::QuickReply, value: "ya".into() }],
    };
    assert_eq!(
        request(&template)["template"]["components"],
        json!([
            {"type": "header", "parameters": [{"type": "text", "text": "LAP"}]},
            {"type": "body", "parameters": [{"type": "text", "text": "Siti"}]},
            {"type": "button", "sub_type": "quick_reply", "index": "0",
             "parameters": [{"type": "payload", "payload": "ya"}]},
        ])
    );
}

#[test]
fn what_meta_would_refuse_is_refused_by_field() {
    let rows = |count: usize, from: usize| -> Vec<Value> {
        (from..from + count).map(|number| json!({"id": number.to_string(), "title": "Baris"})).collect()
    };
    let list =
        |sections: Value| json!({"type": "list", "text": "Pilih", "button": "Buka", "sections": sections});
    for (content, field) in [
        (json!({"type": "text", "text": "   "}), "text"),
        (json!({"type": "text", "text": "a".repeat(LONGEST_TEXT + 1)}), "text"),
        (json!({"type": "buttons", "text": "a", "buttons": []}), "buttons"),
        (
            json!({"type": "buttons", "text": "a", "buttons": [{"id": "1", "title": "A"}, {"id": "1", "title": "B"}]}),
            "buttons",
        ),
        (
            json!({"type": "buttons", "text": "a", "buttons": [{"id": "1", "title": "lebih dari dua puluh huruf"}]}),
            "buttons[0].title",
        ),
        (list(json!([])), "sections"),
        (list(json!([{"rows": rows(11, 0)}])), "sections[0].rows"),
        (list(json!([{"title": "A", "rows": rows(6, 0)}, {"title": "B", "rows": rows(5, 6)}])), "sections"),
        (list(json!([{"title": "A", "rows": rows(1, 0)}, {"title": "B", "rows": rows(1, 0)}])), "sections"),
        (list(json!([{"title": "A", "rows": rows(1, 0)}, {"rows": rows(1, 1)}])), "sections"),
        (
            list(json!([{"rows": [{"id": "1", "title": "A", "description": "x".repeat(73)}]}])),
            "sections[0].rows[0].description",
        ),
        (json!({"type": "location", "latitude": 91.0, "longitude": 0.0}), "latitude"),
        (json!({"type": "reaction", "message_id": "x", "emoji": "👍👍"}), "emoji"),
        (json!({"type": "template", "name": "Halo", "language": "id"}), "name"),
        (
            json!({"type": "template", "name": "halo", "language": "id", "parameters": ["a\nb"]}),
            "parameters[0]",
        ),
    ] {
        let parsed: Content = serde_json::from_value(content.clone()).unwrap();
        let report = parsed.validate().expect_err(&content.to_string());
        let fields: Vec<String> = report.iter().map(|(path, _)| path.to_string()).collect();
        assert!(fields.iter().any(|found| found == field), "{field} in {fields:?} of {content}");
    }
    for content in [
        list(json!([{"title": "A", "rows": rows(5, 0)}, {"title": "B", "rows": rows(5, 5)}])),
        json!({"type": "reaction", "message_id": "x", "emoji": "👨‍👩‍👧"}),
        json!({"type": "reaction", "message_id": "x", "emoji": ""}),
        json!({"type": "text", "text": "a".repeat(LONGEST_TEXT)}),
    ] {
        let parsed: Content = serde_json::from_value(content.clone()).unwrap();
        parsed.validate().unwrap_or_else(|report| panic!("{content}: {report}"));
    }
}
