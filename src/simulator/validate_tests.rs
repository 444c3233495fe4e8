//! The table of what a send may and may not say.

use serde_json::{Value, json};

use super::validate::{Call, Recipient, parse};

fn send(kind: &str, content: Value) -> Value {
    let mut body = json!({
        "messaging_product": "whatsapp", "recipient_type": "individual", "to": "6281234567801", "type": kind,
    });
    body[kind] = content;
    body
}

fn code(body: &Value) -> Option<i64> {
    parse(body).err().map(|error| error.code)
}

fn buttons(count: usize, id: &str, title: &str) -> Value {
    let buttons: Vec<Value> = (0..count)
        .map(
            |n| json!({"type": "reply", "reply": {"id": format!("{n}{id}"), "title": format!("{n}{title}")}}),
        )
        .collect();
    send("interactive", json!({"type": "button", "body": {"text": "Pilih"}, "action": {"buttons": buttons}}))
}

fn list(sections: usize, rows: usize, row: Value) -> Value {
    let sections: Vec<Value> = (0..sections)
        .map(|section| {
            let rows: Vec<Value> = (0..rows)
                .map(|number| {
                    let mut row = row.clone();
                    row["id"] = format!("{section}-{number}").into();
                    row
                })
                .collect();
            json!({"title": "Bagian", "rows": rows})
        })
        .collect();
    let action = json!({"button": "Lihat", "sections": sections});
    send("interactive", json!({"type": "list", "body": {"text": "Pilih"}, "action": action}))
}

#[test]
fn lengths_are_held_to_the_character() {
    let long = |count: usize| "é".repeat(count);
    let row =
        |title: usize, description: usize| json!({"title": long(title), "description": long(description)});
    let interactive = |body: usize, header: usize, footer: usize| {
        let mut message = buttons(1, "a", "b");
        message["interactive"]["body"]["text"] = long(body).into();
        message["interactive"]["header"] = json!({"type": "text", "text": long(header)});
        message["interactive"]["footer"] = json!({"text": long(footer)});
        message
    };
    let table = [
        ("text", send("text", json!({"body": long(4_096)})), send("text", json!({"body": long(4_097)}))),
        (
            "caption",
            send("image", json!({"id": "1", "caption": long(1_024)})),
            send("image", json!({"id": "1", "caption": long(1_025)})),
        ),
        ("interactive body", interactive(1_024, 60, 60), interactive(1_025, 60, 60)),
        ("interactive header", interactive(1, 60, 1), interactive(1, 61, 1)),
        ("interactive footer", interactive(1, 1, 60), interactive(1, 1, 61)),
        ("buttons", buttons(3, "a", "b"), buttons(4, "a", "b")),
        ("button title", buttons(1, "a", &long(19)), buttons(1, "a", &long(20))),
        ("button id", buttons(1, &long(255), "b"), buttons(1, &long(256), "b")),
        ("list rows in all", list(2, 5, row(1, 1)), list(2, 6, row(1, 1))),
        ("list sections", list(10, 1, row(1, 1)), list(11, 1, row(1, 1))),
        ("row title", list(1, 1, row(24, 1)), list(1, 1, row(25, 1))),
        ("row description", list(1, 1, row(1, 72)), list(1, 1, row(1, 73))),
    ];
    for (name, longest, too_long) in table {
        assert_eq!(code(&longest), None, "{name} at its longest");
        assert_eq!(code(&too_long), Some(131_009), "{name} one too long");
    }
}

#[test]
fn what_is_wrong_decides_the_code() {
    let without = |key: &str| {
        let mut body = send("text", json!({"body": "halo"}));
        body.as_object_mut().unwrap().remove(key);
        body
    };
    let with = |key: &str, value: Value| {
        let mut body = send("text", json!({"body": "halo"}));
        body[key] = value;
        body
    };
    let table = [
        ("no recipient", without("to"), 131_008),
        ("no product", without("messaging_product"), 131_008),
        ("no type", without("type"), 131_008),
        ("no object", without("text"), 131_008),
        ("unknown key", with("colour", "red".into()), 100),
        ("unknown key inside", send("text", json!({"body": "halo", "bold": true})), 100),
        ("two recipients", with("recipient", "ID.abc".into()), 100),
        ("a number that is none", with("to", "0812-abc".into()), 131_009),
        ("null", with("biz_opaque_callback_data", Value::Null), 131_009),
        ("empty text", send("text", json!({"body": "  "})), 131_009),
        ("unknown type", send("poll", json!({})), 131_051),
        ("id and link", send("image", json!({"id": "1", "link": "https://a.b/c"})), 100),
        ("neither id nor link", send("image", json!({})), 100),
        ("caption on audio", send("audio", json!({"id": "1", "caption": "x"})), 100),
        ("off the globe", send("location", json!({"latitude": 91, "longitude": 0})), 131_009),
        ("a contact without a name", send("contacts", json!([{"phones": []}])), 131_008),
        ("a template without language", send("template", json!({"name": "a"})), 131_008),
        ("a body that is no object", json!([1]), 100),
    ];
    for (name, body, expected) in table {
        assert_eq!(code(&body), Some(expected), "{name}");
    }
}

#[test]
fn two_buttons_may_not_share_an_id_or_a_title() {
    let button = |id: &str, title: &str| json!({"type": "reply", "reply": {"id": id, "title": title}});
    let message = |buttons: Value| {
        send("interactive", json!({"type": "button", "body": {"text": "x"}, "action": {"buttons": buttons}}))
    };
    assert_eq!(code(&message(json!([button("a", "Ya"), button("b", "Tidak")]))), None);
    assert_eq!(code(&message(json!([button("a", "Ya"), button("a", "Tidak")]))), Some(131_009));
    assert_eq!(code(&message(json!([button("a", "Ya"), button("b", "Ya")]))), Some(131_009));
}

#[test]
fn every_kind_has_a_form_that_is_accepted() {
    let parameters = json!([{"type": "text", "text": "LAP-20261123-001"}]);
    let table = [
        send("text", json!({"body": "halo", "preview_url": false})),
        send("image", json!({"link": "https://example.org/a.jpg", "caption": "a"})),
        send("document", json!({"id": "1", "filename": "surat.pdf"})),
        send("audio", json!({"id": "1", "voice": true})),
        send("sticker", json!({"id": "1"})),
        send("location", json!({"latitude": "-6.9", "longitude": 107.6, "name": "Kantor"})),
        send(
            "contacts",
            json!([{"name": {"formatted_name": "A", "first_name": "A"}, "phones": [{"phone": "1"}]}]),
        ),
        send("reaction", json!({"message_id": "wamid.x", "emoji": ""})),
        send(
            "interactive",
            json!({"type": "location_request_message", "body": {"text": "Di mana?"},
            "action": {"name": "send_location"}}),
        ),
        send(
            "interactive",
            json!({"type": "cta_url", "body": {"text": "Buka"}, "action": {"name": "cta_url",
            "parameters": {"display_text": "Buka", "url": "https://example.org"}}}),
        ),
        send(
            "template",
            json!({"name": "lap_selesai", "language": {"code": "id"},
            "components": [{"type": "body", "parameters": parameters}]}),
        ),
    ];
    for body in table {
        assert_eq!(parse(&body).err(), None, "{body}");
    }
}

#[test]
fn a_person_without_a_number_is_reached_by_bsuid() {
    let body = json!({"messaging_product": "whatsapp", "recipient": "ID.7c2f0b54", "type": "text",
        "text": {"body": "halo"}, "biz_opaque_callback_data": "ours", "context": {"message_id": "wamid.q"}});
    let Ok(Call::Send(outgoing)) = parse(&body) else { panic!("refused") };
    assert_eq!(outgoing.recipient, Recipient::UserId("ID.7c2f0b54".into()));
    assert_eq!(outgoing.opaque.as_deref(), Some("ours"));
    assert_eq!(outgoing.reply_to.as_deref(), Some("wamid.q"));
}

#[test]
fn the_read_receipt_may_carry_the_typing_indicator_and_nothing_else() {
    let read = json!({"messaging_product": "whatsapp", "status": "read", "message_id": "wamid.x",
        "typing_indicator": {"type": "text"}});
    assert_eq!(parse(&read).ok(), Some(Call::Read { wamid: "wamid.x".into(), typing: true }));
    let mut strange = read.clone();
    strange["to"] = "6281234567801".into();
    assert_eq!(code(&strange), Some(100));
}
