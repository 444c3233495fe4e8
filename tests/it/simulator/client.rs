//! The product's own client against the stand-in: files are uploaded and sent as each kind of message.

use std::time::Duration;

use bytes::Bytes;
use govconnect::whatsapp::client::{File, GraphClient};
use govconnect::whatsapp::errors::{CallError, ErrorClass};
use govconnect::whatsapp::outgoing::{Content, Envelope, MediaKind, Recipient};
use serde_json::json;

use super::harness::{Harness, NUMBER, TOKEN};

#[tokio::test]
async fn files_are_uploaded_and_sent_as_what_they_are() {
    let sim = Harness::start().await;
    let client = GraphClient::new(&sim.url(""), "v23.0", TOKEN.into(), Duration::from_secs(5)).unwrap();
    let recipient = Recipient::Phone("6281234567890".into());
    for (kind, mime_type, caption) in [
        (MediaKind::Image, "image/jpeg", Some("Foto jalan")),
        (MediaKind::Video, "video/mp4", Some("Rekaman")),
        (MediaKind::Document, "application/pdf", Some("Surat")),
        (MediaKind::Audio, "audio/ogg; codecs=opus", None),
        (MediaKind::Sticker, "image/webp", None),
    ] {
        let file = File {
            bytes: Bytes::from_static(b"some bytes"),
            mime_type: mime_type.into(),
            filename: "berkas.bin".into(),
        };
        let uploaded = client.upload(NUMBER, &file).await.unwrap();
        let content = Content::Media {
            media_id: uuid::Uuid::nil(),
            kind,
            caption: caption.map(str::to_owned),
            filename: Some("berkas.bin".into()),
        };
        let envelope =
            Envelope { recipient: &recipient, our_id: "id", reply_to: None, uploaded: Some(&uploaded) };
        client.send(NUMBER, &content, &envelope).await.unwrap_or_else(|error| panic!("{kind}: {error}"));
        // An id that Meta does not have is refused, and nothing is sent.
        let unknown = Envelope { uploaded: Some("12345"), ..envelope };
        assert!(matches!(client.send(NUMBER, &content, &unknown).await, Err(CallError::Refused { .. })));
    }
    let refused = File {
        bytes: Bytes::from_static(b"MZ"),
        mime_type: "application/x-msdownload".into(),
        filename: "a.exe".into(),
    };
    let error = client.upload(NUMBER, &refused).await.unwrap_err();
    assert!(matches!(error, CallError::Refused { class: ErrorClass::MessageWrong, .. }), "{error}");
    let wrong = GraphClient::new(&sim.url(""), "v23.0", "guess".into(), Duration::from_secs(5)).unwrap();
    assert!(matches!(
        wrong.upload(NUMBER, &refused).await,
        Err(CallError::Refused { class: ErrorClass::Operator, code: 190, .. })
    ));
    let text = Content::Text { text: "a".into() };
    let to_phone = Envelope { recipient: &recipient, our_id: "id", reply_to: None, uploaded: None };
    assert_eq!(text.to_request(&to_phone).unwrap()["text"], json!({"body": "a", "preview_url": false}));
}
