//! The calls to the Graph API: sending, uploading, and "read" with "typing…". Decides nothing; says how each call ended.

use std::time::Duration;

use bytes::Bytes;
use reqwest::multipart::{Form, Part};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::errors::CallError;
use super::outgoing::{Content, Envelope};
use crate::http_client;

/// 100 MB over a slow line.
const UPLOAD_TIMEOUT: Duration = Duration::from_secs(300);

/// A file to be uploaded.
#[derive(Clone, Debug)]
pub struct File {
    pub bytes: Bytes,
    pub mime_type: String,
    pub filename: String,
}

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
        content: &Content,
        envelope: &Envelope<'_>,
    ) -> Result<String, CallError> {
        let request =
            content.to_request(envelope).map_err(|error| CallError::Unbuildable(error.to_string()))?;
        let answer = self.post_message(phone_number_id, &request).await?;
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

    /// Uploads a file for one number; gives Meta's id of it, which lives 30 days.
    ///
    /// # Errors
    /// As [`GraphClient::send`]; an upload whose answer was lost may simply be made again.
    pub async fn upload(&self, phone_number_id: &str, file: &File) -> Result<String, CallError> {
        let unbuildable = |error: reqwest::Error| CallError::Unbuildable(error.without_url().to_string());
        let length = file.bytes.len() as u64;
        let part = Part::stream_with_length(file.bytes.clone(), length)
            .file_name(file.filename.clone())
            .mime_str(&file.mime_type)
            .map_err(unbuildable)?;
        let form = Form::new()
            .text("messaging_product", "whatsapp")
            .text("type", file.mime_type.clone())
            .part("file", part);
        let request = self
            .http
            .post(format!("{}/{phone_number_id}/media", self.base))
            .multipart(form)
            .timeout(UPLOAD_TIMEOUT);
        let answer = self.call(request).await?;
        let id = answer.get("id").and_then(Value::as_str).filter(|id| !id.is_empty());
        id.map(str::to_owned).ok_or(CallError::Ambiguous)
    }

    async fn post_message(&self, phone_number_id: &str, request: &Value) -> Result<Value, CallError> {
        self.call(self.http.post(format!("{}/{phone_number_id}/messages", self.base)).json(request)).await
    }

    async fn call(&self, request: reqwest::RequestBuilder) -> Result<Value, CallError> {
        let sent = request.bearer_auth(self.token.expose_secret()).send().await;
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
