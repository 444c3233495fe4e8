//! Reading requests: JSON, query and path become domain types here, and what is wrong is named by field.

use std::ops::Deref;

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::{FromRequest, HttpRequest, web};
use futures::future::LocalBoxFuture;
use garde::Validate;
use serde::de::DeserializeOwned;

use super::problem::{FieldError, Problem};

/// Largest body that [`ApiJson`] reads, in bytes; put into the app's data by the listener.
#[derive(Clone, Copy, Debug)]
pub struct BodyLimit(pub usize);

/// A JSON body: parsed with the path of what is wrong, then validated by its `garde` rules.
#[derive(Debug)]
pub struct ApiJson<T>(pub T);

impl<T> Deref for ApiJson<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: DeserializeOwned + Validate<Context = ()> + 'static> FromRequest for ApiJson<T> {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let limit = request.app_data::<BodyLimit>().map_or(2 * 1024 * 1024, |limit| limit.0);
        let body = read_json(request, payload, limit);
        Box::pin(async move { body.await.map(ApiJson) })
    }
}

/// Reads a JSON body of at most `limit` bytes, whatever [`BodyLimit`] says.
///
/// # Errors
/// 413 above the limit, 415 for another type, else as [`parse_json`].
pub fn read_json<T: DeserializeOwned + Validate<Context = ()> + 'static>(
    request: &HttpRequest,
    payload: &mut Payload,
    limit: usize,
) -> LocalBoxFuture<'static, Result<T, Problem>> {
    let media_type = request
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .map(|value| value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase());
    let body = web::Payload::from_request(request, payload);
    Box::pin(async move {
        if media_type.as_deref() != Some("application/json") {
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE)
                .detail("send the body as content-type: application/json"));
        }
        let body = body.await.map_err(|_| Problem::bad_request("the body could not be read"))?;
        let bytes = read_body(body, limit).await?;
        parse_json(&bytes)
    })
}

/// Reads a whole body of at most `limit` bytes.
///
/// # Errors
/// 413 above the limit, 400 when the connection broke.
pub async fn read_body(body: web::Payload, limit: usize) -> Result<web::Bytes, Problem> {
    match body.to_bytes_limited(limit).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(_)) => Err(Problem::bad_request("the body ended early")),
        Err(_) => Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE)
            .detail(format!("the body is larger than {limit} bytes"))
            .with("max_bytes", limit)),
    }
}

/// Parses and validates; broken JSON is 400, a field of the wrong type or value 422.
pub fn parse_json<T: DeserializeOwned + Validate<Context = ()>>(bytes: &[u8]) -> Result<T, Problem> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value: T = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        let inner = error.into_inner();
        if inner.is_data() {
            // serde says "unknown field `x`, expected …" and the like; it names types and keys, never values of strings
            // that a citizen wrote, except in "invalid value": cut there.
            let message = inner.to_string();
            let message = message.split(" at line ").next().unwrap_or_default();
            Problem::field(unknown_field(message).unwrap_or(path), without_value(message))
        } else {
            Problem::bad_request(format!(
                "the body is not valid JSON (line {}, column {})",
                inner.line(),
                inner.column()
            ))
        }
    })?;
    deserializer.end().map_err(|_| Problem::bad_request("there is more after the JSON value"))?;
    validated(value)
}

/// Applies the type's own rules.
pub fn validated<T: Validate<Context = ()>>(value: T) -> Result<T, Problem> {
    let Err(report) = value.validate() else { return Ok(value) };
    let mut problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY)
        .detail("the request has fields that cannot be accepted");
    problem.errors = report
        .iter()
        .map(|(path, error)| FieldError { field: path.to_string(), message: error.to_string() })
        .collect();
    Err(problem)
}

/// A query string, read like a JSON body: unknown or malformed parameters are named.
#[derive(Debug)]
pub struct ApiQuery<T>(pub T);

impl<T: DeserializeOwned + Validate<Context = ()> + 'static> FromRequest for ApiQuery<T> {
    type Error = Problem;
    type Future = std::future::Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let parsed = parse_query(request.query_string()).map(ApiQuery);
        std::future::ready(parsed)
    }
}

/// Parses and validates a query string; what is wrong is named by parameter.
fn parse_query<T: DeserializeOwned + Validate<Context = ()>>(query: &str) -> Result<T, Problem> {
    let deserializer = serde_urlencoded::Deserializer::new(form_urlencoded::parse(query.as_bytes()));
    let value = serde_path_to_error::deserialize(deserializer).map_err(|error| {
        let path = Some(error.path().to_string()).filter(|path| path != ".");
        let message = error.into_inner().to_string();
        let field = unknown_field(&message)
            .or_else(|| missing_field(&message))
            .or(path)
            .unwrap_or_else(|| "query".into());
        Problem::field(field, without_value(&message))
    })?;
    validated(value)
}

/// One path parameter that must be of type `T`; anything else is a 404, as such a thing cannot exist.
#[derive(Debug)]
pub struct ApiPath<T>(pub T);

impl<T: DeserializeOwned + 'static> FromRequest for ApiPath<T> {
    type Error = Problem;
    type Future = std::future::Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let parsed = web::Path::<T>::from_request(request, payload)
            .into_inner()
            .map(|path| ApiPath(path.into_inner()))
            .map_err(|_| Problem::not_found("resource"));
        std::future::ready(parsed)
    }
}

fn unknown_field(message: &str) -> Option<String> {
    between_backticks(message.strip_prefix("unknown field ")?)
}

fn missing_field(message: &str) -> Option<String> {
    between_backticks(message.strip_prefix("missing field ")?)
}

fn between_backticks(text: &str) -> Option<String> {
    text.split('`').nth(1).map(str::to_owned)
}

/// Cuts the offending value out of serde's "invalid type: string \"…\", expected …".
fn without_value(message: &str) -> String {
    match (message.find(": string \""), message.rfind("\", expected ")) {
        (Some(start), Some(end)) if start < end => {
            format!("{}: string{}", &message[..start], &message[end + 1..])
        }
        _ => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize, Validate)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        #[garde(length(min = 1))]
        name: String,
        #[garde(dive)]
        inner: Inner,
    }

    #[derive(Debug, Deserialize, Validate)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        #[garde(range(max = 10))]
        count: u32,
    }

    #[test]
    fn problems_name_the_field() {
        for (body, status, field) in [
            (r#"{"name":"a","inner":{"count":"secret words"}}"#, 422, Some("inner.count")),
            (r#"{"name":"a","inner":{"count":11}}"#, 422, Some("inner.count")),
            (r#"{"name":"","inner":{"count":1}}"#, 422, Some("name")),
            (r#"{"name":"a","inner":{"count":1},"extra":1}"#, 422, Some("extra")),
            (r#"{"name":"a""#, 400, None),
            (r#"{"name":"a","inner":{"count":1}} trailing"#, 400, None),
        ] {
            let problem = parse_json::<Sample>(body.as_bytes()).unwrap_err();
            assert_eq!(problem.status, status, "{body}: {problem:?}");
            assert_eq!(
                problem.errors.first().map(|error| error.field.as_str()),
                field,
                "{body}: {problem:?}"
            );
            assert!(!format!("{problem:?}").contains("secret words"), "{problem:?}");
        }
    }

    #[test]
    fn good_json_is_read() {
        let sample: Sample = parse_json(br#"{"name":"a","inner":{"count":1}}"#).unwrap();
        assert_eq!((sample.name.as_str(), sample.inner.count), ("a", 1));
    }
}
