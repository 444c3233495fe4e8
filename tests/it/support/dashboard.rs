//! A dashboard on a free port, and a browser-like caller that keeps its cookie.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use actix_web::web;
use govconnect::admin_command::ensure_first_admin;
use govconnect::bus::Receivers;
use govconnect::bus::in_process::LocalBus;
use govconnect::clock::Clock;
use govconnect::config::Environment;
use govconnect::http::dashboard::{self, DashboardState, ServiceUrls};
use govconnect::http::extract::BodyLimit;
use govconnect::http::guard::InternalKeys;
use govconnect::http::health::Readiness;
use govconnect::http::listener::{Shared, listen};
use govconnect::http_client;
use govconnect::metrics::Metrics;
use reqwest::{Method, StatusCode};
use secrecy::SecretString;
use serde_json::{Value, json};
use sqlx::PgPool;

use super::other_services::{INTERNAL_KEY, OtherServices};

pub const FIRST_PASSWORD: &str = "FirstPassword2345";
pub const OWN_PASSWORD: &str = "sawah hijau di kaki gunung";

pub struct Dashboard {
    pub base: String,
}

/// Serves on `bind` with the first account made.
pub async fn start(pool: &PgPool, clock: Clock, others: &OtherServices, bind: &str) -> Dashboard {
    ensure_first_admin(pool, &clock, &SecretString::from(FIRST_PASSWORD)).await.unwrap();
    let metrics = Metrics::new().unwrap();
    let state = DashboardState {
        pool: pool.clone(),
        clock,
        session_key: "a session key for tests, long enough".into(),
        session_hours: 12,
        environment: Environment::Development,
        services: ServiceUrls {
            channel: others.url.clone(),
            case: others.url.clone(),
            internal_key: INTERNAL_KEY.into(),
        },
        http: http_client::builder(Duration::from_secs(10)).build().unwrap(),
        metrics: metrics.clone(),
    };
    let shared = Shared {
        keys: web::Data::new(InternalKeys::new(&[INTERNAL_KEY.into()])),
        metrics: web::Data::new(metrics),
        readiness: web::Data::new(Readiness {
            pool: pool.clone(),
            draining: Arc::new(AtomicBool::new(false)),
            bus: Arc::new(LocalBus::new(Receivers::default())),
        }),
        body_limit: BodyLimit(64 * 1024),
        shutdown_grace: Duration::from_secs(1),
    };
    let listening = listen(dashboard::service(state), bind.parse().unwrap(), 1, shared).unwrap();
    Dashboard { base: format!("http://{}", listening.address) }
}

/// One browser: keeps the session's cookie and names its origin, as browsers do.
#[derive(Clone)]
pub struct Browser {
    client: reqwest::Client,
    base: String,
    pub cookie: Option<String>,
    pub origin: Option<String>,
    /// What a proxy in front would say of where the request came from.
    pub address: &'static str,
}

pub struct Answer {
    pub status: StatusCode,
    pub headers: reqwest::header::HeaderMap,
    pub body: Value,
}

impl Browser {
    pub fn new(dashboard: &Dashboard) -> Self {
        Self::at(&dashboard.base)
    }

    /// On the page of a dashboard at `base`.
    pub fn at(base: &str) -> Self {
        Browser {
            client: http_client::builder(Duration::from_secs(30)).build().unwrap(),
            base: base.to_owned(),
            cookie: None,
            origin: Some(base.to_owned()),
            address: "203.0.113.7",
        }
    }

    pub async fn send(&mut self, method: Method, path: &str, body: Option<Value>) -> Answer {
        let mut request = self
            .client
            .request(method, format!("{}{path}", self.base))
            .header("x-forwarded-for", self.address)
            .header("user-agent", "Mozilla/5.0 (Windows NT 10.0) Chrome/141.0 Safari/537.36");
        if let Some(cookie) = &self.cookie {
            request = request.header("cookie", cookie);
        }
        if let Some(origin) = &self.origin {
            request = request.header("origin", origin);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        if let Some(set) = headers.get("set-cookie") {
            let pair = set.to_str().unwrap().split(';').next().unwrap().to_owned();
            self.cookie = Some(pair).filter(|pair| !pair.ends_with('='));
        }
        let text = response.text().await.unwrap();
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Answer { status, headers, body }
    }

    pub async fn get(&mut self, path: &str) -> Answer {
        self.send(Method::GET, path, None).await
    }

    pub async fn sign_in(&mut self, username: &str, password: &str) -> Answer {
        let body = json!({ "username": username, "password": password });
        self.send(Method::POST, "/api/session", Some(body)).await
    }

    pub async fn change_password(&mut self, current: &str, new: &str) -> Answer {
        let body = json!({ "current_password": current, "new_password": new });
        self.send(Method::PUT, "/api/session/password", Some(body)).await
    }
}
