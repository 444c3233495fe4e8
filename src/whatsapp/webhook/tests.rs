//! One table for every payload that Meta's documents name, and for those that they do not.

use proptest::prelude::*;
use serde_json::json;

use super::*;

const NUMBER: &str = "100";

fn envelope(field: &str, value: Value) -> Vec<u8> {
    json!({"object": "whatsapp_business_account", "entry": [{"id": "1", "changes": [
        {"field": field, "value": value}]}]})
    .to_string()
    .into_bytes()
}

fn siti() -> Value {
    json!([{"profile": {"name": "Siti", "username": "siti_s"}, "wa_id": "6281", "user_id": "ID.abc"}])
}

fn metadata() -> Value {
    json!({"display_phone_number": "62", "phone_number_id": NUMBER})
}

fn body_of(messages: Value) -> Vec<u8> {
    envelope(
        "messages",
        json!({"messaging_product": "whatsapp", "metadata": metadata(), "contacts": siti(), "messages": messages}),
    )
}

fn one_update(message: Value) -> Update {
    let mut updates = parse(&body_of(json!([message]))).unwrap();
    assert_eq!(updates.len(), 1, "{updates:?}");
    updates.remove(0)
}

fn message_of(update: Update) -> InboundMessage {
    match update {
        Update::Message(message) => *message,
        other => panic!("not a message: {other:?}"),
    }
}

/// `m`essage, `s`tatus, `e`cho, `p`oison, `n`ot handled.
fn letters(updates: &[Update]) -> String {
    updates
        .iter()
        .map(|update| match update {
            Update::Message(_) => 'm',
            Update::Status(_) => 's',
            Update::Echo(_) => 'e',
            Update::Odd(odd) if odd.kind == OddKind::Poison => 'p',
            Update::Odd(_) => 'n',
        })
        .collect()
}

/// A message of this type with this object; `from`, `id` and `timestamp` are as they should be.
fn of_type(kind: &str, object: Value) -> Value {
    json!({"from": "6281", "id": "wamid.1", "timestamp": "1767225600", "type": kind, kind: object})
}

/// Whether the bot may take a turn on it.
fn turn_worthy(message: &InboundMessage) -> bool {
    let evidence = matches!(message.kind.as_str(), "image" | "video" | "document" | "audio");
    crate::dialogue::turn::is_said(&message.kind) && (message.text.is_some() || evidence)
}

#[test]
fn every_type_of_message_is_read_shown_and_judged() {
    const WINDOW: bool = true;
    const TURN: bool = true;
    const NOT: bool = false;
    let many =
        json!((0..7).map(|n| json!({"name": {"formatted_name": format!("K{n}")}})).collect::<Vec<_>>());
    for (kind, object, stored, text, window, turn) in [
        ("text", json!({"body": "halo"}), "text", Some("halo"), WINDOW, TURN),
        ("text", json!({"body": ""}), "text", None, WINDOW, NOT),
        ("text", json!({"body": 5}), "text", None, WINDOW, NOT),
        ("text", json!({}), "text", None, WINDOW, NOT),
        ("text", json!("bukan objek"), "text", None, WINDOW, NOT),
        ("text", json!(null), "text", None, WINDOW, NOT),
        (
            "image",
            json!({"id": "1", "mime_type": "image/jpeg", "caption": "lubang"}),
            "image",
            Some("lubang"),
            WINDOW,
            TURN,
        ),
        ("image", json!({"id": "1"}), "image", None, WINDOW, TURN),
        ("image", json!([]), "image", None, WINDOW, TURN),
        ("video", json!({"id": "1"}), "video", None, WINDOW, TURN),
        (
            "document",
            json!({"id": "1", "filename": "a.pdf", "caption": "surat"}),
            "document",
            Some("surat"),
            WINDOW,
            TURN,
        ),
        ("audio", json!({"id": "1", "voice": true}), "audio", None, WINDOW, TURN),
        ("sticker", json!({"id": "1", "animated": true}), "sticker", None, WINDOW, NOT),
        (
            "location",
            json!({"latitude": -6.2, "longitude": 106.8, "name": "Pasar"}),
            "location",
            Some("Pasar"),
            WINDOW,
            TURN,
        ),
        (
            "location",
            json!({"latitude": -6.2, "longitude": 106.8, "name": "Pasar", "address": "Jl. A"}),
            "location",
            Some("Jl. A"),
            WINDOW,
            TURN,
        ),
        (
            "location",
            json!({"latitude": -6.2, "longitude": 106.8}),
            "location",
            Some("-6.20000, 106.80000"),
            WINDOW,
            TURN,
        ),
        ("location", json!({"latitude": "-6.2", "longitude": null}), "location", None, WINDOW, NOT),
        (
            "contacts",
            json!([{"name": {"formatted_name": "Budi"}}, {"phones": [{"phone": "+62 811"}]}]),
            "contacts",
            Some("Budi, +62 811"),
            WINDOW,
            NOT,
        ),
        ("contacts", many, "contacts", Some("K0, K1, K2, K3, K4 (+2)"), WINDOW, NOT),
        ("contacts", json!({"name": "x"}), "contacts", None, WINDOW, NOT),
        (
            "interactive",
            json!({"type": "button_reply", "button_reply": {"id": "x", "title": "Ubah"}}),
            "interactive",
            Some("Ubah"),
            WINDOW,
            TURN,
        ),
        (
            "interactive",
            json!({"type": "list_reply", "list_reply": {"id": "x", "title": "Jalan", "description": "d"}}),
            "interactive",
            Some("Jalan"),
            WINDOW,
            TURN,
        ),
        (
            "interactive",
            json!({"type": "nfm_reply", "nfm_reply": {"name": "flow", "body": "Sent", "response_json": "{}"}}),
            "interactive",
            Some("Sent"),
            WINDOW,
            TURN,
        ),
        ("interactive", json!(null), "interactive", None, WINDOW, NOT),
        ("button", json!({"text": "Ya", "payload": "y"}), "button", Some("Ya"), WINDOW, TURN),
        ("reaction", json!({"message_id": "w", "emoji": "👍"}), "reaction", Some("👍"), WINDOW, NOT),
        ("reaction", json!({"message_id": "w"}), "reaction", None, WINDOW, NOT),
        ("reaction", json!({"message_id": "w", "emoji": ""}), "reaction", None, WINDOW, NOT),
        (
            "order",
            json!({"catalog_id": "c", "product_items": [{}, {}]}),
            "order",
            Some("2 products"),
            WINDOW,
            NOT,
        ),
        ("order", json!({"catalog_id": "c", "product_items": [{}]}), "order", Some("1 product"), WINDOW, NOT),
        ("order", json!({"catalog_id": "c"}), "order", None, WINDOW, NOT),
        (
            "system",
            json!({"body": "ganti nomor", "type": "user_changed_number"}),
            "system",
            Some("ganti nomor"),
            NOT,
            NOT,
        ),
        ("system", json!({"type": "something_later"}), "system", None, NOT, NOT),
        (
            "edit",
            json!({"original_message_id": "w", "message": {"type": "text", "text": {"body": "baru"}}}),
            "edit",
            Some("baru"),
            WINDOW,
            NOT,
        ),
        (
            "edit",
            json!({"original_message_id": "w", "message": {"type": "image", "image": {"caption": "foto"}}}),
            "edit",
            Some("foto"),
            WINDOW,
            NOT,
        ),
        ("edit", json!({"original_message_id": "w"}), "edit", None, WINDOW, NOT),
        (
            "edit",
            json!({"message": {"type": "edit", "edit": {"message": {"type": "edit"}}}}),
            "edit",
            None,
            WINDOW,
            NOT,
        ),
        ("revoke", json!({"original_message_id": "w"}), "revoke", None, WINDOW, NOT),
        ("revoke", json!({}), "revoke", None, WINDOW, NOT),
        ("unsupported", json!(null), "unsupported", None, WINDOW, NOT),
        ("something_new", json!({"body": "x"}), "unsupported", None, WINDOW, NOT),
    ] {
        let label = format!("{kind} {object}");
        let message = message_of(one_update(of_type(kind, object)));
        assert_eq!(
            (message.kind.as_str(), message.text.as_deref(), message.opens_window, turn_worthy(&message)),
            (stored, text, window, turn),
            "{label}"
        );
        assert_eq!(message.sent_at.as_second(), 1_767_225_600);
        assert_eq!(message.content["type"], kind, "the name that Meta gave is kept");
    }
}

#[test]
fn a_type_that_is_no_word_and_an_object_that_is_absent_are_unsupported_or_wordless() {
    for (message, stored) in [
        (json!({"from": "6281", "id": "w", "timestamp": "1", "type": 7}), "unsupported"),
        (json!({"from": "6281", "id": "w", "timestamp": "1"}), "unsupported"),
        (json!({"from": "6281", "id": "w", "timestamp": "1", "type": "interactive"}), "interactive"),
        (json!({"from": "6281", "id": "w", "timestamp": "1", "type": "system"}), "system"),
        (
            json!({"from": "6281", "id": "w", "timestamp": "1", "type": "unsupported",
            "errors": [{"code": 131_051, "title": "Message type unknown"}]}),
            "unsupported",
        ),
    ] {
        let read = message_of(one_update(message.clone()));
        assert_eq!((read.kind.as_str(), read.text), (stored, None), "{message}");
    }
}

#[test]
fn times_and_ids_are_read_as_text_and_as_numbers_and_nothing_else() {
    for (id, timestamp, from, letter) in [
        (json!("w"), json!("1767225600"), json!("6281"), 'm'),
        (json!("w"), json!(1_767_225_600), json!(6281), 'm'),
        (json!(7), json!(1_767_225_600_123_i64), json!("6281"), 'm'),
        (json!("w"), json!("1767225600123"), json!("6281"), 'm'),
        (json!(""), json!("1"), json!("6281"), 'p'),
        (json!(null), json!("1"), json!("6281"), 'p'),
        (json!({"a": 1}), json!("1"), json!("6281"), 'p'),
        (json!("w"), json!("soon"), json!("6281"), 'p'),
        (json!("w"), json!(-5), json!("6281"), 'p'),
        (json!("w"), json!(1.5), json!("6281"), 'p'),
        (json!("w"), json!(i64::MIN), json!("6281"), 'p'),
        (json!("w"), json!("253402207200000"), json!("6281"), 'p'),
        (json!("x".repeat(513)), json!("1"), json!("6281"), 'p'),
    ] {
        let label = format!("{id} {timestamp} {from}");
        let message = json!({"id": id, "timestamp": timestamp, "from": from, "type": "text"});
        let updates = parse(&body_of(json!([message]))).unwrap();
        assert_eq!(letters(&updates), letter.to_string(), "{label}");
    }
}

#[test]
fn who_it_is_from_is_taken_from_the_message_and_completed_by_the_contact_that_fits() {
    let names = |phone: Option<&str>, bsuid: Option<&str>, name: Option<&str>| {
        (phone.map(str::to_owned), bsuid.map(str::to_owned), name.map(str::to_owned))
    };
    let two = json!([{"wa_id": "6281", "user_id": "ID.a", "profile": {"name": "A"}},
        {"wa_id": "6282", "user_id": "ID.b", "profile": {"name": "B"}}]);
    for (contacts, from, expected) in [
        (siti(), json!({"from": "6281"}), Some(names(Some("6281"), Some("ID.abc"), Some("Siti")))),
        (siti(), json!({"from_user_id": "ID.abc"}), Some(names(Some("6281"), Some("ID.abc"), Some("Siti")))),
        // The only contact of the only message is its sender, although neither names the other.
        (siti(), json!({"from": "6299"}), Some(names(Some("6299"), Some("ID.abc"), Some("Siti")))),
        (siti(), json!({}), Some(names(Some("6281"), Some("ID.abc"), Some("Siti")))),
        (two.clone(), json!({"from": "6282"}), Some(names(Some("6282"), Some("ID.b"), Some("B")))),
        (two.clone(), json!({"from": "6299"}), Some(names(Some("6299"), None, None))),
        (two, json!({}), None),
        (json!(null), json!({"from": "6281"}), Some(names(Some("6281"), None, None))),
        (json!("nonsense"), json!({"from": "6281"}), Some(names(Some("6281"), None, None))),
        (json!([7, null]), json!({"from": "6281"}), Some(names(Some("6281"), None, None))),
        (json!([]), json!({"from": "nul \u{0}"}), None),
        (json!([]), json!({"from": "9".repeat(257)}), None),
    ] {
        let label = format!("{contacts} {from}");
        let mut message = json!({"id": "w", "timestamp": "1", "type": "text", "text": {"body": "x"}});
        message.as_object_mut().unwrap().extend(from.as_object().unwrap().clone());
        let body = envelope(
            "messages",
            json!({"metadata": metadata(), "contacts": contacts, "messages": [message]}),
        );
        let read = match parse(&body).unwrap().remove(0) {
            Update::Message(message) => {
                Some((message.sender.phone, message.sender.bsuid, message.sender.name))
            }
            _ => None,
        };
        assert_eq!(read, expected, "{label}");
    }
}

#[test]
fn names_that_are_too_long_are_cut_and_huge_texts_are_kept() {
    let body = "x".repeat(100_000);
    let value = json!({"metadata": metadata(),
        "contacts": [{"wa_id": "6281", "profile": {"name": "é".repeat(9_000)}, "parent_user_id": "a b"}],
        "messages": [of_type("text", json!({"body": body}))]});
    let message = message_of(parse(&envelope("messages", value)).unwrap().remove(0));
    assert_eq!(message.sender.name.unwrap().chars().count(), 256);
    assert_eq!(message.sender.parent_bsuid, None);
    assert_eq!(message.text.unwrap().len(), 100_000);
}

#[test]
fn what_meta_tells_of_names_is_read_from_every_way_it_is_told() {
    let names = |phone: Option<&str>, bsuid: Option<&str>| Sender {
        phone: phone.map(str::to_owned),
        bsuid: bsuid.map(str::to_owned),
        ..Sender::default()
    };
    let renamed = |before: Sender, after: Sender| {
        Some(IdentityChange::Renamed { before: Box::new(before), after: Box::new(after) })
    };
    for (message, expected) in [
        (
            json!({"from": "6281", "system": {"type": "user_changed_number", "wa_id": "6282"}}),
            renamed(names(Some("6281"), None), names(Some("6282"), None)),
        ),
        (
            json!({"from": "6281", "system": {"type": "customer_changed_number", "new_wa_id": "6282"}}),
            renamed(names(Some("6281"), None), names(Some("6282"), None)),
        ),
        (
            json!({"from": "6281", "system": {"type": "user_changed_number", "wa_id": "6282", "user_id": "ID.n",
            "previous_user_id": "ID.o"}}),
            renamed(names(Some("6281"), Some("ID.o")), names(Some("6282"), Some("ID.n"))),
        ),
        (
            json!({"system": {"type": "user_changed_user_id", "user_id": "ID.n", "previous_user_id": "ID.o"}}),
            renamed(names(None, Some("ID.o")), names(None, Some("ID.n"))),
        ),
        (
            json!({"from_user_id": "ID.o", "system": {"type": "user_changed_user_id", "user_id": "ID.n"}}),
            renamed(names(None, Some("ID.o")), names(None, Some("ID.n"))),
        ),
        (
            json!({"from": "6281", "system": {"type": "customer_identity_changed", "wa_id": "6281"}}),
            Some(IdentityChange::Replaced),
        ),
        // Half of it is no change; nor is what stays the same.
        (json!({"from": "6281", "system": {"type": "user_changed_number"}}), None),
        (json!({"from": "6281", "system": {"type": "user_changed_number", "wa_id": "6281"}}), None),
        (json!({"from": "6281", "system": {"type": "user_changed_number", "wa_id": {"a": 1}}}), None),
        (json!({"from": "6281", "system": {"type": "something_later", "wa_id": "6282"}}), None),
        (json!({"from": "6281", "system": "nonsense"}), None),
    ] {
        let mut message = message;
        for (key, value) in [("id", "w"), ("timestamp", "1"), ("type", "system")] {
            message[key] = value.into();
        }
        // System messages come without contacts.
        let body = envelope("messages", json!({"metadata": metadata(), "messages": [message]}));
        let read = message_of(parse(&body).unwrap().remove(0));
        assert_eq!(read.identity, expected, "{message}");
        assert!(!read.opens_window);
    }
}

#[test]
fn edits_and_revocations_name_their_original() {
    for (kind, object, changes) in [
        ("edit", json!({"original_message_id": "wamid.o"}), Some("wamid.o")),
        ("revoke", json!({"original_message_id": "wamid.o"}), Some("wamid.o")),
        ("revoke", json!({"original_message_id": ""}), None),
        ("revoke", json!({"original_message_id": "x".repeat(513)}), None),
        ("revoke", json!([]), None),
        ("text", json!({"original_message_id": "wamid.o"}), None),
    ] {
        let message = message_of(one_update(of_type(kind, object)));
        assert_eq!(message.changes.as_deref(), changes, "{kind}");
    }
}

#[test]
fn calls_of_citizens_open_the_window_and_others_are_not_handled() {
    for (call, letter) in [
        (
            json!({"id": "wacid.1", "from": "6281", "to": "62", "event": "connect", "direction": "USER_INITIATED",
            "timestamp": "1767225600", "session": {"sdp": "x"}}),
            'm',
        ),
        (
            json!({"id": "wacid.1", "from_user_id": "ID.abc", "event": "terminate", "direction": "USER_INITIATED",
            "timestamp": 1_767_225_600, "duration": 5}),
            'm',
        ),
        (
            json!({"id": "wacid.2", "to": "6281", "event": "connect", "direction": "BUSINESS_INITIATED",
            "timestamp": "1"}),
            'n',
        ),
        (json!({"id": "wacid.2", "from": "6281", "timestamp": "1"}), 'n'),
        (json!({"direction": "USER_INITIATED", "timestamp": "1"}), 'p'),
        (json!(7), 'p'),
    ] {
        let body = envelope("calls", json!({"metadata": metadata(), "calls": [call]}));
        let updates = parse(&body).unwrap();
        assert_eq!(letters(&updates), letter.to_string(), "{call}");
        if let Update::Message(message) = &updates[0] {
            assert_eq!((message.kind.as_str(), message.opens_window), ("call", true));
            assert!(!turn_worthy(message));
        }
    }
}

#[test]
fn echoes_of_the_offices_own_phone_name_whom_they_were_sent_to() {
    let echo = |to: Value| {
        let mut echo = json!({"from": "62", "id": "wamid.e", "timestamp": "1739321024", "type": "text",
            "text": {"body": "Halo, saya petugas"}});
        echo.as_object_mut().unwrap().extend(to.as_object().unwrap().clone());
        envelope("smb_message_echoes", json!({"metadata": metadata(), "message_echoes": [echo]}))
    };
    let updates = parse(&echo(json!({"to": "6281"}))).unwrap();
    let [Update::Echo(read)] = &updates[..] else { panic!("{updates:?}") };
    assert_eq!(read.recipient.phone.as_deref(), Some("6281"));
    assert_eq!((read.kind.as_str(), read.text.as_deref()), ("text", Some("Halo, saya petugas")));
    let updates = parse(&echo(json!({"to_user_id": "ID.abc"}))).unwrap();
    let [Update::Echo(read)] = &updates[..] else { panic!("{updates:?}") };
    assert_eq!(read.recipient.bsuid.as_deref(), Some("ID.abc"));
    assert_eq!(letters(&parse(&echo(json!({}))).unwrap()), "p");
}

#[test]
fn one_malformed_element_does_not_cost_the_others() {
    let body = envelope(
        "messages",
        json!({"metadata": {"phone_number_id": NUMBER},
        "messages": [{"from": "6281", "id": "a", "timestamp": "1", "type": "text", "text": {"body": "x"}},
            {"from": "6281", "timestamp": "1", "type": "text"}, "nonsense", 7, {"id": "c", "timestamp": "1"},
            {"from": "6281", "id": "b", "timestamp": "1", "type": "text", "text": {"body": "y"}}],
        "statuses": [{"id": "a", "status": "read", "timestamp": "2"}, {"status": "read"}],
        "errors": [{"code": 131_000, "title": "x"}]}),
    );
    assert_eq!(letters(&parse(&body).unwrap()), "mppppmspn");
}

#[test]
fn what_is_not_dealt_with_is_kept_apart_from_what_cannot_be_read() {
    let good = || of_type("text", json!({"body": "x"}));
    for (field, value, expected) in [
        ("account_update", json!({"event": "DISABLED_UPDATE"}), "n"),
        ("message_template_status_update", json!({}), "n"),
        ("phone_number_quality_update", json!(null), "n"),
        ("", json!({}), "n"),
        ("messages", json!({"metadata": metadata(), "errors": [{"code": 1}, {"code": "x"}, 5]}), "nnn"),
        ("messages", json!({"metadata": metadata(), "errors": "x"}), "p"),
        ("messages", json!({"metadata": metadata(), "something_later": [1]}), "n"),
        ("messages", json!({"metadata": metadata(), "messages": []}), ""),
        ("messages", json!({"metadata": metadata(), "messages": null, "statuses": null}), "n"),
        ("messages", json!({"metadata": metadata(), "messages": good()}), "p"),
        (
            "messages",
            json!({"metadata": metadata(), "messages": "x", "statuses": [{"id": "a", "status": "read", "timestamp": "1"}]}),
            "ps",
        ),
        ("messages", json!({"metadata": {}, "messages": [good()]}), "p"),
        ("messages", json!({"metadata": "x", "messages": [good()]}), "p"),
        ("messages", json!({"messages": [good()]}), "p"),
        ("messages", json!({"metadata": {"phone_number_id": 100}, "contacts": 5, "messages": [good()]}), "m"),
        ("messages", json!("x"), "p"),
    ] {
        let updates = parse(&envelope(field, value.clone())).unwrap();
        assert_eq!(letters(&updates), expected, "{field} {value}");
    }
    for (body, expected) in [
        (json!({"entry": [5]}), "p"),
        (json!({"entry": [{"id": "1"}]}), "n"),
        (json!({"entry": [{"changes": 5}]}), "p"),
        (json!({"entry": [{"changes": [5, {"field": "messages"}, {"field": 7, "value": {}}]}]}), "ppn"),
        (json!({"entry": []}), ""),
    ] {
        assert_eq!(letters(&parse(body.to_string().as_bytes()).unwrap()), expected, "{body}");
    }
}

#[test]
fn a_piece_that_was_put_aside_is_read_again_with_its_surroundings() {
    let body = envelope(
        "messages",
        json!({"metadata": metadata(), "contacts": siti(),
        "messages": [{"id": "w", "timestamp": "soon", "type": "text", "text": {"body": "halo"}}]}),
    );
    let updates = parse(&body).unwrap();
    let [Update::Odd(odd)] = &updates[..] else { panic!("{updates:?}") };
    assert_eq!((odd.kind, odd.piece), (OddKind::Poison, Piece::Message));
    // As if a later version read this time.
    let raw = String::from_utf8(odd.raw.clone()).unwrap().replace("soon", "1767225600");
    let again = parse_piece(odd.piece, odd.phone_number_id.as_deref(), &odd.contacts, raw.as_bytes());
    let message = message_of(again.into_iter().next().unwrap());
    assert_eq!((message.phone_number_id.as_str(), message.text.as_deref()), (NUMBER, Some("halo")));
    assert_eq!(message.sender.name.as_deref(), Some("Siti"));
    assert!(parse_piece(Piece::Change, None, &Value::Null, b"not json").is_empty());
}

#[test]
fn nul_is_replaced_in_text_and_kept_in_the_raw_bytes() {
    let message = message_of(one_update(of_type("text", json!({"body": "a\u{0}b"}))));
    assert_eq!(message.text.as_deref(), Some("a\u{FFFD}b"));
    assert!(!message.content.to_string().contains("\\u0000"));
    assert!(String::from_utf8(message.raw).unwrap().contains("\\u0000"));
}

#[test]
fn a_body_that_is_no_envelope_is_an_error_without_its_words() {
    for body in [&b"not json"[..], b"{}", b"[]", b"{\"entry\":5}", b"{\"entry\":[]", b"\xff\xfe"] {
        let error = parse(body).unwrap_err().to_string();
        assert!(!error.contains("not json"), "{error}");
    }
}

#[test]
fn the_numbers_of_one_body_are_kept_apart() {
    let change = |number: &str, id: &str| {
        json!({"field": "messages", "value": {"metadata": {"phone_number_id": number}, "messages": [
            {"from": "6281", "id": id, "timestamp": "1", "type": "text", "text": {"body": "x"}}]}})
    };
    let body = json!({"entry": [{"id": "1", "changes": [change("100", "a"), change("200", "b")]},
        {"id": "2", "changes": [change("300", "c"), {"field": "account_update", "value": {}}]}]})
    .to_string();
    let numbers: Vec<String> = parse(body.as_bytes())
        .unwrap()
        .into_iter()
        .filter_map(|update| match update {
            Update::Message(message) => Some(message.phone_number_id),
            _ => None,
        })
        .collect();
    assert_eq!(numbers, ["100", "200", "300"]);
}

/// Any JSON, with the keys of the payloads among its keys.
fn any_json() -> impl Strategy<Value = Value> {
    let key = prop_oneof![
        4 => prop::sample::select(vec![
            "id", "from", "from_user_id", "timestamp", "type", "text", "body", "system", "edit", "message", "revoke",
            "original_message_id", "location", "latitude", "longitude", "contacts", "order", "product_items",
            "interactive", "reaction", "context", "wa_id", "user_id", "status", "errors", "direction", "to",
        ]).prop_map(str::to_owned),
        1 => ".{0,8}",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(|number| json!(number)),
        "\\PC{0,12}".prop_map(Value::from),
        Just(json!("a\u{0}b")),
        prop::sample::select(vec![
            "text",
            "system",
            "edit",
            "user_changed_number",
            "1767225600",
            "6281",
            "order"
        ])
        .prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((key.clone(), inner), 0..8)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn no_element_panics_or_costs_its_neighbours(
        odd in any_json(),
        field in prop::sample::select(vec!["messages", "smb_message_echoes", "calls"]),
    ) {
        let first = json!({"from": "6281", "to": "6281", "direction": "USER_INITIATED", "id": "first",
            "timestamp": "1", "type": "text", "text": {"body": "x"}});
        let mut last = first.clone();
        last["id"] = "last".into();
        let list = json!([first, odd, last]);
        let value = json!({"metadata": metadata(), "contacts": odd, "messages": list, "message_echoes": list,
            "calls": list, "statuses": [odd, {"id": "s", "status": "read", "timestamp": "1"}]});
        let updates = parse(&envelope(field, value)).unwrap();
        let ids: Vec<&str> = updates
            .iter()
            .filter_map(|update| match update {
                Update::Message(message) => Some(message.wamid.as_str()),
                Update::Echo(echo) => Some(echo.wamid.as_str()),
                _ => None,
            })
            .collect();
        prop_assert_eq!(ids.first(), Some(&"first"));
        prop_assert_eq!(ids.last(), Some(&"last"));
        // Nothing vanishes: what is not filed is kept.
        prop_assert!(updates.len() >= 3);
        for update in &updates {
            let stored = match update {
                Update::Message(message) => message.content.to_string(),
                Update::Echo(echo) => echo.content.to_string(),
                _ => continue,
            };
            prop_assert!(!stored.contains("\\u0000"));
        }
    }

    #[test]
    fn no_body_panics(body in any_json()) {
        let _ = parse(body.to_string().as_bytes());
        let _ = parse(json!({"entry": body}).to_string().as_bytes());
        let _ = parse(json!({"entry": [{"changes": body}]}).to_string().as_bytes());
    }
}
