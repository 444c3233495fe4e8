//! What the two wire formats share: one HTTP call with its failures sorted, bounded answers, and reading the JSON that a
//! model wrote. Never puts a key or a text into an error.

use std::future::Future;
use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::{DATE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use tokio::time::timeout;

use super::ProviderError;
use crate::http_client;

/// Above every time-out that may be set: the callers have shorter ones of their own.
const LONGEST_CALL: Duration = Duration::from_secs(120);
/// Largest answer that is read: a hundred vectors of 3,072 numbers are about 4 MB.
const LARGEST_ANSWER: usize = 16 * 1024 * 1024;

/// A client could not be made.
#[derive(Debug, thiserror::Error)]
pub enum NotBuilt {
    #[error("the key has characters that a header cannot have")]
    Key,
    #[error(transparent)]
    Client(#[from] reqwest::Error),
}

/// Calls to one server with one key. Cheap to clone.
#[derive(Clone)]
pub(super) struct Wire {
    http: reqwest::Client,
    base: String,
}

impl Wire {
    /// The key goes into `header` behind `before`; an empty one goes nowhere.
    pub(super) fn new(
        base_url: &str,
        header: HeaderName,
        before: &str,
        key: &SecretString,
    ) -> Result<Self, NotBuilt> {
        let mut headers = HeaderMap::new();
        if !key.expose_secret().is_empty() {
            let value = format!("{before}{}", key.expose_secret());
            let mut value = HeaderValue::from_str(&value).map_err(|_| NotBuilt::Key)?;
            value.set_sensitive(true);
            headers.insert(header, value);
        }
        let http = http_client::builder(LONGEST_CALL).default_headers(headers).build()?;
        Ok(Wire { http, base: base_url.trim_end_matches('/').to_owned() })
    }

    pub(super) async fn get(&self, path: &str) -> Result<Vec<u8>, ProviderError> {
        read(self.http.get(format!("{}/{path}", self.base))).await
    }

    pub(super) async fn post(&self, path: &str, body: &Value) -> Result<Vec<u8>, ProviderError> {
        read(self.http.post(format!("{}/{path}", self.base)).json(body)).await
    }
}

async fn read(request: reqwest::RequestBuilder) -> Result<Vec<u8>, ProviderError> {
    let mut response = request.send().await.map_err(|error| match error {
        error if error.is_connect() => ProviderError::Unreachable,
        error if error.is_timeout() => ProviderError::TimedOut,
        _ => ProviderError::Cut,
    })?;
    let (status, headers) = (response.status(), response.headers().clone());
    let mut body = Vec::new();
    while let Some(part) = response.chunk().await.map_err(|_| ProviderError::Cut)? {
        if body.len() + part.len() > LARGEST_ANSWER {
            return Err(ProviderError::Malformed);
        }
        body.extend_from_slice(&part);
    }
    if status.is_success() { Ok(body) } else { Err(failed(status, &headers, &body)) }
}

fn failed(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> ProviderError {
    let retry_after = || retry_after(headers).or_else(|| retry_delay(body));
    match status.as_u16() {
        429 => ProviderError::RateLimited { retry_after: retry_after() },
        408 => ProviderError::TimedOut,
        status if status >= 500 => ProviderError::ServerFailed { status, retry_after: retry_after() },
        // A redirect is one as well: it is not followed, so that the key goes nowhere else.
        status => ProviderError::Refused { status },
    }
}

/// `Retry-After` in seconds or as a date (RFC 9110 §10.2.3), which is measured by the server's own `Date`, and OpenAI's
/// finer `retry-after-ms`.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    if let Some(millis) = text("retry-after-ms").and_then(|text| text.parse().ok()) {
        return Some(Duration::from_millis(millis));
    }
    let told = text(RETRY_AFTER.as_str())?;
    if let Ok(seconds) = told.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let moment = |text| jiff::fmt::rfc2822::parse(text).ok().map(|moment| moment.timestamp());
    let pause = moment(told)?.duration_since(moment(text(DATE.as_str())?)?);
    Some(Duration::try_from(pause).unwrap_or_default())
}

/// Gemini tells it in the body, as `google.rpc.RetryInfo` with `"retryDelay": "34.07s"`.
fn retry_delay(body: &[u8]) -> Option<Duration> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let details = body.pointer("/error/details")?.as_array()?;
    let told = details.iter().find_map(|detail| detail["retryDelay"].as_str())?;
    let seconds: f64 = told.strip_suffix('s')?.parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

/// A call that ends in time or as [`ProviderError::TimedOut`].
pub(super) async fn within<T>(
    limit: Duration,
    call: impl Future<Output = Result<T, ProviderError>>,
) -> Result<T, ProviderError> {
    timeout(limit, call).await.unwrap_or(Err(ProviderError::TimedOut))
}

/// The object that a model wrote; small models put it into a fence however they are asked.
pub(super) fn structured(text: &str) -> Result<Value, ProviderError> {
    let text = text.trim();
    let text = text.strip_prefix("```json").or_else(|| text.strip_prefix("```")).unwrap_or(text);
    let text = text.strip_suffix("```").unwrap_or(text);
    match serde_json::from_str(text.trim()) {
        Ok(value @ Value::Object(_)) => Ok(value),
        _ => Err(ProviderError::Malformed),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_time_to_wait_is_read_in_every_form() {
        for (name, text, expected) in [
            ("retry-after", "7", Some(7_000)),
            ("retry-after", "Fri, 02 Jan 2026 03:04:35 GMT", Some(30_000)),
            ("retry-after", "Fri, 02 Jan 2026 03:00:00 GMT", Some(0)),
            ("retry-after-ms", "250", Some(250)),
            ("retry-after", "soon", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(DATE, HeaderValue::from_static("Fri, 02 Jan 2026 03:04:05 GMT"));
            headers.insert(name, HeaderValue::from_static(text));
            let expected = expected.map(Duration::from_millis);
            assert_eq!(retry_after(&headers), expected, "{name}: {text}");
        }
        let body = json!({"error": {"details": [{"@type": "x"}, {"retryDelay": "34.5s"}]}});
        assert_eq!(retry_delay(body.to_string().as_bytes()), Some(Duration::from_millis(34_500)));
        assert_eq!(retry_delay(b"<html>"), None);
    }

    #[test]
    fn only_an_object_is_an_answer() {
        let object = Ok(json!({"a": 1}));
        for text in ["{\"a\":1}", " {\"a\": 1}\n", "```json\n{\"a\":1}\n```", "```{\"a\":1}```"] {
            assert_eq!(structured(text), object, "{text}");
        }
        for text in ["", "[1]", "1", "{\"a\":", "Sure! {\"a\":1}", "null"] {
            assert_eq!(structured(text), Err(ProviderError::Malformed), "{text}");
        }
    }
}
