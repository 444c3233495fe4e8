//! What the office sends: every kind of it, at the pace that Meta allows, whatever Meta answers.

mod contents;
mod dead_letters;
mod errors;
mod numbers;
mod window;

use serde_json::{Value, json};

use crate::support::office::{Office, eventually};
use crate::support::service::Answer;

/// A citizen who has just written and been answered, and their conversation.
async fn chat(office: &Office, citizen: &str) -> String {
    office.citizen(citizen).await;
    office.says(citizen, "halo").await;
    office.replies(citizen, 1).await;
    let id = office.conversation(citizen).await;
    delivered(office, &id, "bot").await;
    id
}

/// Waits until the newest message of an origin is delivered.
async fn delivered(office: &Office, id: &str, origin: &str) -> Value {
    eventually("it is delivered", async || {
        newest(office, id, origin).await.filter(|item| item["status"] == "delivered")
    })
    .await
}

async fn transcript(office: &Office, id: &str) -> Vec<Value> {
    let page = office.get("channel", &format!("/internal/messages?conversation_id={id}&limit=200")).await;
    page["items"].as_array().unwrap().clone()
}

async fn newest(office: &Office, id: &str, origin: &str) -> Option<Value> {
    transcript(office, id).await.into_iter().find(|item| item["origin"] == origin)
}

async fn try_notify(office: &Office, id: &str, content: Value) -> Answer {
    let body = json!({"conversation_id": id, "origin": "notification", "content": content});
    office.post("/internal/messages/send", body).await
}

/// Queues a message of the notification service; gives its id.
async fn notify(office: &Office, id: &str, content: Value) -> String {
    let answer = try_notify(office, id, content).await.success(202);
    answer["message_id"].as_str().unwrap().to_owned()
}

fn text(text: &str) -> Value {
    json!({"type": "text", "text": text})
}

/// A message once it is as expected.
async fn becomes(office: &Office, id: &str, message: &str, accept: impl Fn(&Value) -> bool) -> Value {
    eventually(&format!("{message} is as expected"), async || {
        let items = transcript(office, id).await;
        items.into_iter().find(|item| item["message_id"] == message && accept(item))
    })
    .await
}

async fn has_status(office: &Office, id: &str, message: &str, status: &str) -> Value {
    becomes(office, id, message, |item| item["status"] == status).await
}

/// The number as operators see it.
async fn number(office: &Office) -> Value {
    office.get("channel", "/internal/numbers").await["items"][0].clone()
}

async fn resume(office: &Office) -> Answer {
    let path = format!("/internal/numbers/{}/resume", crate::support::office::NUMBER);
    office.post(&path, json!({})).await
}
