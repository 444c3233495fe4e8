//! The calls to the Graph API: sending, and "read" with "typing…". Decides nothing; says how each call ended.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::errors::CallError;
use super::outgoing::{Content, Recipient};
use crate::http_client;

/// A client for one app; cheap to clone.
#[derive(Clone)]
pub struct GraphClient {
    http: reqwest::Client,
    base: String,
    token: SecretString,
}

impl GraphClient {
    /// `graph_url` such as `https://graph.facebook.com`, `version` such as `v23.0`.
    ///
    /// # Errors
    /// When the TLS backend cannot be set up.
    pub fn new(
        graph_url: &str,
        version: &str,
        token: SecretString,
        timeout: Duration,
    ) -> reqwest::Result<Self> {
        let http = http_client::builder(timeout).build()?;
        Ok(GraphClient { http, base: format!("{}/{version}", graph_url.trim_end_matches('/')), token })
    }

    /// Sends one message; gives its `wamid`.
    ///
    /// # Errors
    /// [`CallError`] tells whether Meta refused, was not reached, or may have taken the message.
    pub async fn send(
        &self,
        phone_number_id: &str,
        recipient: &Recipient,
        content: &Content,
        our_id: &str,
    ) -> Result<String, CallError> {
        let answer = self.post_message(phone_number_id, &content.to_request(recipient, our_id)).await?;
        let wamid = answer.pointer("/messages/0/id").and_then(Value::as_str).filter(|id| !id.is_empty());
        wamid.map(str::to_owned).ok_or(CallError::Ambiguous)
    }

    /// Marks a citizen's message as read and shows "typing…" for up to 25 s; free of charge.
    ///
    /// # Errors
    /// As [`GraphClient::send`]; nothing depends on it.
    pub async fn read_and_typing(&self, phone_number_id: &str, wamid: &str) -> Result<(), CallError> {
        let request = json!({"messaging_product": "whatsapp", "status": "read", "message_id": wamid,
            "typing_indicator": {"type": "text"}});
        self.post_message(phone_number_id, &request).await.map(|_| ())
    }

    async fn post_message(&self, phone_number_id: &str, request: &Value) -> Result<Value, CallError> {
        let sent = self
            .http
            .post(format!("{}/{phone_number_id}/messages", self.base))
            .bearer_auth(self.token.expose_secret())
            .json(request)
            .send()
            .await;
        let response = sent.map_err(|error| match error {
            error if error.is_builder() => CallError::Unbuildable(error.without_url().to_string()),
            error if error.is_connect() => CallError::NotSent,
            _ => CallError::Ambiguous,
        })?;
        let status = response.status();
        let body = response.bytes().await.map_err(|_| CallError::Ambiguous)?;
        if !status.is_success() {
            return Err(CallError::from_answer(status.as_u16(), &body));
        }
        serde_json::from_slice(&body).map_err(|_| CallError::Ambiguous)
    }
}
