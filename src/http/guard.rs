//! What stands around every request: a request id, one log line, metrics, problem details for bare errors, and the
//! key that `/internal/*` asks for. Never logs paths with ids, query strings, headers or bodies.

use std::time::Instant;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::error::InternalError;
use actix_web::http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{HttpMessage, web};
use aws_lc_rs::digest::{SHA256, digest};
use secrecy::{ExposeSecret, SecretString};
use subtle::{Choice, ConstantTimeEq};
use tracing::Instrument;
use uuid::Uuid;

use super::problem::{CONTENT_TYPE_PROBLEM, Problem};
use crate::metrics::Metrics;

/// The header that carries a request's id in and out.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The header that `/internal/*` asks for.
pub const INTERNAL_API_KEY: &str = "x-internal-api-key";

/// The id of the present request, for those who call further services on its behalf.
#[derive(Clone, Debug)]
pub struct RequestId(pub String);

/// Which service a listener belongs to; labels logs and metrics.
#[derive(Clone, Copy, Debug)]
pub struct ServiceName(pub &'static str);

/// Gives the request an id, measures it, logs its end, and turns bare errors (404, 405, 413 …) into problem details.
pub async fn observe(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let started = Instant::now();
    let service = request.app_data::<ServiceName>().map_or("unknown", |name| name.0);
    let metrics = request.app_data::<web::Data<Metrics>>().cloned();
    let request_id = incoming_request_id(&request).unwrap_or_else(|| Uuid::now_v7().to_string());
    request.extensions_mut().insert(RequestId(request_id.clone()));
    let method = request.method().clone();
    let span = tracing::info_span!("request", request.id = %request_id, service);

    // No clone of the request may live across this call: routing needs it to itself, or actix panics.
    let outcome = next.call(request).instrument(span.clone()).await;
    let outcome = outcome.map(|response| told_as_problem(response.map_into_boxed_body())).map_err(|error| {
        // A middleware gave up and the request is gone with it; what is left is its error.
        let response = error.error_response();
        let is_problem = has_problem_type(response.headers());
        if is_problem { response } else { bare_problem(response.status()).to_response() }
    });
    let status = match &outcome {
        Ok(response) => response.status(),
        Err(response) => response.status(),
    };
    // The pattern, not the path: paths carry ids of people.
    let pattern = outcome.as_ref().ok().and_then(|response| response.request().match_pattern());
    let route = pattern.unwrap_or_else(|| "unmatched".into());
    let elapsed = started.elapsed();
    if let Some(metrics) = metrics {
        metrics.observe_http(service, method.as_str(), &route, status.as_u16(), elapsed);
    }
    let milliseconds = elapsed.as_secs_f64() * 1e3;
    span.in_scope(|| match status.as_u16() {
        500.. => tracing::warn!(http.method = %method, http.route = %route, http.status = status.as_u16(), ms = milliseconds, "request failed"),
        _ if is_probe(&route) => tracing::trace!(http.method = %method, http.route = %route, http.status = status.as_u16(), ms = milliseconds, "request"),
        _ => tracing::debug!(http.method = %method, http.route = %route, http.status = status.as_u16(), ms = milliseconds, "request"),
    });
    let request_id = HeaderValue::from_str(&request_id).ok();
    match outcome {
        Ok(mut response) => {
            request_id.map(|id| response.headers_mut().insert(REQUEST_ID, id));
            Ok(response)
        }
        Err(mut response) => {
            request_id.map(|id| response.headers_mut().insert(REQUEST_ID, id));
            Err(InternalError::from_response("a middleware gave up", response).into())
        }
    }
}

/// Turns a bare error (404, 405, 413 …) into problem details and leaves everything else alone.
fn told_as_problem(response: ServiceResponse<BoxBody>) -> ServiceResponse<BoxBody> {
    let status = response.status();
    let is_error = status.is_client_error() || status.is_server_error();
    if !is_error || has_problem_type(response.headers()) {
        return response;
    }
    response.into_response(bare_problem(status).to_response())
}

fn is_probe(route: &str) -> bool {
    matches!(route, "/health" | "/ready" | "/metrics")
}

fn has_problem_type(headers: &HeaderMap) -> bool {
    headers
        .get(CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().starts_with(CONTENT_TYPE_PROBLEM.as_bytes()))
}

fn bare_problem(status: actix_web::http::StatusCode) -> Problem {
    let detail = match status.as_u16() {
        404 => "there is nothing at this path; /openapi.json lists what there is",
        405 => "this path does not take that method; /openapi.json lists what it takes",
        413 => "the body is too large",
        500.. => "something went wrong on our side; it has been logged",
        _ => "the request could not be accepted",
    };
    Problem::new(status).detail(detail)
}

/// A caller's id is kept when it is short and harmless.
fn incoming_request_id(request: &ServiceRequest) -> Option<String> {
    let text = request.headers().get(REQUEST_ID)?.to_str().ok()?;
    let harmless = |character: char| character.is_ascii_alphanumeric() || "-_.:".contains(character);
    ((1..=64).contains(&text.len()) && text.chars().all(harmless)).then(|| text.to_owned())
}

/// The keys that open `/internal/*`.
#[derive(Clone)]
pub struct InternalKeys {
    digests: Vec<[u8; 32]>,
}

impl InternalKeys {
    /// From the settings; several may be valid at once.
    pub fn new(keys: &[SecretString]) -> Self {
        InternalKeys { digests: keys.iter().map(|key| sha256(key.expose_secret().as_bytes())).collect() }
    }

    /// Compares with every key, in a time that depends on neither content nor length.
    pub fn accepts(&self, given: &[u8]) -> bool {
        let given = sha256(given);
        let matched = self.digests.iter().fold(Choice::from(0), |matched, key| matched | key.ct_eq(&given));
        bool::from(matched)
    }
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest(&SHA256, bytes).as_ref());
    out
}

/// Wraps every `/internal` scope (the scope, not a path prefix: `/%69nternal` is the same scope).
pub async fn require_internal_key(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let keys = request.app_data::<web::Data<InternalKeys>>().cloned();
    let given = request.headers().get(INTERNAL_API_KEY);
    match (keys, given) {
        (Some(keys), Some(given)) if keys.accepts(given.as_bytes()) => {
            Ok(next.call(request).await?.map_into_boxed_body())
        }
        _ => {
            let problem = Problem::unauthorized(format!("send a valid key in the header {INTERNAL_API_KEY}"));
            Ok(request.into_response(problem.to_response()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_of_several_keys_opens_and_nothing_else_does() {
        let keys = InternalKeys::new(&["first-key".into(), "second-key".into()]);
        assert!(keys.accepts(b"first-key") && keys.accepts(b"second-key"));
        assert!(!keys.accepts(b"") && !keys.accepts(b"first-ke") && !keys.accepts(b"third-key"));
        assert!(!InternalKeys::new(&[]).accepts(b""));
    }
}
