//! A service on a free port, and a client that speaks to it as another service would.

use std::sync::Arc;
use std::time::Duration;

use actix_web::web;
use govconnect::bus::Receivers;
use govconnect::bus::in_process::LocalBus;
use govconnect::http::extract::BodyLimit;
use govconnect::http::guard::InternalKeys;
use govconnect::http::health::Readiness;
use govconnect::http::listener::{Listening, Service, Shared, listen};
use govconnect::metrics::Metrics;
use reqwest::header::{HeaderMap, HeaderName};
use reqwest::{Method, StatusCode};
use serde_json::Value;
use sqlx::PgPool;

pub const KEY: &str = "test-key-0123456789";
/// The largest body that services under test read.
pub const BODY_LIMIT: usize = 256 * 1024;

/// A running service with a client.
pub struct TestService {
    base: String,
    client: reqwest::Client,
    _listening: Listening,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Value,
}

impl Answer {
    /// A header's text; empty when absent.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Asserts a problem of that status in the one shape, and returns it.
    #[track_caller]
    pub fn problem(self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{:?}", self.body);
        assert_eq!(self.header("content-type"), "application/problem+json", "{:?}", self.body);
        assert_eq!(self.body["status"], status);
        assert!(self.body["title"].is_string() && self.body["detail"].is_string(), "{:?}", self.body);
        self.body
    }

    /// Asserts a problem that names exactly this field, and returns its message.
    #[track_caller]
    pub fn problem_with_field(self, field: &str) -> String {
        let problem = self.problem(422);
        let errors = problem["errors"].as_array().unwrap();
        assert_eq!(errors.len(), 1, "{problem}");
        assert_eq!(errors[0]["field"], field, "{problem}");
        errors[0]["message"].as_str().unwrap().to_owned()
    }

    /// Asserts success of that status and returns the body.
    #[track_caller]
    pub fn success(self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{:?}", self.body);
        self.body
    }
}

impl TestService {
    /// Must be called inside an actix system.
    pub fn start(service: Service, pool: PgPool) -> Self {
        let shared = Shared {
            keys: web::Data::new(InternalKeys::new(&[KEY.into()])),
            metrics: web::Data::new(Metrics::new().unwrap()),
            readiness: web::Data::new(Readiness {
                pool,
                draining: Arc::default(),
                bus: Arc::new(LocalBus::new(Receivers::default())),
            }),
            body_limit: BodyLimit(BODY_LIMIT),
            shutdown_grace: Duration::from_secs(1),
        };
        let listening = listen(service, "127.0.0.1:0".parse().unwrap(), 1, shared).unwrap();
        let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(30)).build().unwrap();
        TestService { base: format!("http://{}", listening.address), client, _listening: listening }
    }

    /// A request without a key.
    pub fn bare(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base))
    }

    /// A request with the key.
    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.bare(method, path).header("x-internal-api-key", KEY)
    }

    pub async fn get(&self, path: &str) -> Answer {
        send(self.request(Method::GET, path)).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        send(self.request(Method::DELETE, path)).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        send(self.request(Method::POST, path).json(body)).await
    }

    pub async fn put(&self, path: &str, body: &Value) -> Answer {
        send(self.request(Method::PUT, path).json(body)).await
    }

    pub async fn with_header(
        &self,
        method: Method,
        path: &str,
        (name, value): (&'static str, &str),
        body: &Value,
    ) -> Answer {
        send(self.request(method, path).header(HeaderName::from_static(name), value).json(body)).await
    }
}

/// Sends and reads the answer, whose body must be JSON or empty.
pub async fn send(request: reqwest::RequestBuilder) -> Answer {
    let response = request.send().await.expect("the service answers");
    let (status, headers) = (response.status(), response.headers().clone());
    let bytes = response.bytes().await.expect("the body arrives");
    let body = if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).expect("JSON") };
    Answer { status, headers, body }
}
