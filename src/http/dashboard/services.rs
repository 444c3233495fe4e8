//! Calls to the other services through their HTTP contracts. An outage becomes a 503 that names the service, never an
//! empty list or a zero.

use std::time::Duration;

use actix_web::http::StatusCode;
use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::DashboardState;
use crate::http::guard::INTERNAL_API_KEY;
use crate::http::problem::Problem;

/// How long an officer waits for another service.
const PATIENCE: Duration = Duration::from_secs(8);

/// Where the other services listen, and the key that opens their `/internal` routes.
#[derive(Clone, Debug)]
pub struct ServiceUrls {
    pub channel: Url,
    pub case: Url,
    pub internal_key: SecretString,
}

/// A service that the dashboard asks.
#[derive(Clone, Copy, Debug, strum::Display)]
#[strum(serialize_all = "snake_case")]
pub enum Other {
    Channel,
    Case,
}

/// `GET /internal/{path…}` of a service. `what` names the thing that a 404 says does not exist.
pub async fn get<T: DeserializeOwned>(
    state: &DashboardState,
    service: Other,
    path: &[&str],
    query: &impl Serialize,
    what: &str,
) -> Result<T, Problem> {
    let base = match service {
        Other::Channel => &state.services.channel,
        Other::Case => &state.services.case,
    };
    let mut url = base.clone();
    // Pushing segments escapes them: an id can never become another path.
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().push("internal").extend(path);
    }
    let response = state
        .http
        .get(url)
        .query(query)
        .header(INTERNAL_API_KEY, state.services.internal_key.expose_secret())
        .timeout(PATIENCE)
        .send()
        .await
        .map_err(|error| away(service, &error))?;
    let status = response.status().as_u16();
    match status {
        200 => response.json().await.map_err(|error| away(service, &error)),
        404 => Err(Problem::not_found(what)),
        // What the officer asked for was wrong: the service's own words, which name the field.
        400 | 422 => {
            let problem: Problem = response.json().await.map_err(|error| away(service, &error))?;
            Err(problem)
        }
        _ => {
            tracing::warn!(%service, http.status = status, "another service refused a call");
            Err(unavailable(service))
        }
    }
}

fn away(service: Other, error: &reqwest::Error) -> Problem {
    let kind = if error.is_timeout() {
        "timeout"
    } else if error.is_connect() {
        "connect"
    } else if error.is_decode() {
        "decode"
    } else {
        "other"
    };
    // The error's own words would carry the URL, and with it what was searched for.
    tracing::warn!(%service, kind, "another service could not be asked");
    unavailable(service)
}

fn unavailable(service: Other) -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE)
        .detail(format!("the {service} service does not answer; please try again"))
        .kind("service-unavailable")
        .with("service", service.to_string())
}
