//! A running simulator, a webhook that answers as told and remembers what it got, and a client.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use bytes::Bytes;
use govconnect::simulator::{Behaviour, Settings, Simulator, start};
use jiff::Timestamp;
use serde_json::{Value, json};

pub const SECRET: &str = "app-secret";
pub const TOKEN: &str = "access-token";
pub const NUMBER: &str = "109876543210001";
pub const SITI: &str = "6281234567801";
const DEADLINE: Duration = Duration::from_secs(10);

#[derive(Clone, Debug)]
pub struct Received {
    pub signature: Option<String>,
    pub raw: Bytes,
    pub body: Value,
}

#[derive(Default)]
struct Webhook {
    received: Mutex<Vec<Received>>,
    /// Answers still to be given before 200.
    refusals: Mutex<Vec<u16>>,
}

pub struct Harness {
    pub simulator: Simulator,
    pub http: reqwest::Client,
    pub now: Arc<Mutex<Timestamp>>,
    webhook: Arc<Webhook>,
    webhook_server: actix_web::dev::ServerHandle,
}

async fn receive(webhook: web::Data<Webhook>, request: HttpRequest, raw: Bytes) -> HttpResponse {
    let signature =
        request.headers().get("x-hub-signature-256").map(|value| value.to_str().unwrap().to_owned());
    let body = serde_json::from_slice(&raw).unwrap_or(Value::Null);
    webhook.received.lock().unwrap().push(Received { signature, raw, body });
    let mut refusals = webhook.refusals.lock().unwrap();
    let status = if refusals.is_empty() { 200 } else { refusals.remove(0) };
    HttpResponse::build(StatusCode::from_u16(status).unwrap()).finish()
}

async fn verify(query: web::Query<std::collections::HashMap<String, String>>) -> HttpResponse {
    if query.get("hub.verify_token").map(String::as_str) == Some("verify-token") {
        HttpResponse::Ok().body(query["hub.challenge"].clone())
    } else {
        HttpResponse::Forbidden().finish()
    }
}

impl Harness {
    pub async fn start() -> Self {
        Self::start_with(Behaviour { webhook_retry_first_ms: 20, ..Behaviour::immediate() }).await
    }

    pub async fn start_with(behaviour: Behaviour) -> Self {
        let webhook = Arc::new(Webhook::default());
        let data = web::Data::from(Arc::clone(&webhook));
        let server = HttpServer::new(move || {
            App::new()
                .app_data(data.clone())
                .route("/hook", web::post().to(receive))
                .route("/hook", web::get().to(verify))
        })
        .workers(1)
        .disable_signals()
        .bind("127.0.0.1:0")
        .unwrap();
        let hook = format!("http://{}/hook", server.addrs()[0]);
        let server = server.run();
        let webhook_server = server.handle();
        tokio::spawn(server);
        let now = Arc::new(Mutex::new("2026-11-23T03:00:00Z".parse().unwrap()));
        let clock = Arc::clone(&now);
        let simulator = start(Settings {
            bind: "127.0.0.1:0".into(),
            public_url: None,
            app_secret: SECRET.into(),
            verify_token: "verify-token".into(),
            access_token: TOKEN.into(),
            phone_number_ids: vec![NUMBER.into(), "109876543210002".into()],
            webhook_url: Some(hook),
            behaviour,
            now: Arc::new(move || *clock.lock().unwrap()),
        })
        .await
        .unwrap();
        let http = reqwest::Client::builder().timeout(DEADLINE).no_proxy().build().unwrap();
        Harness { simulator, http, now, webhook, webhook_server }
    }

    pub async fn stop(self) {
        self.simulator.stop().await;
        self.webhook_server.stop(false).await;
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.simulator.url())
    }

    pub fn received(&self) -> Vec<Received> {
        self.webhook.received.lock().unwrap().clone()
    }

    pub fn refuse_next(&self, statuses: &[u16]) {
        *self.webhook.refusals.lock().unwrap() = statuses.to_vec();
    }

    pub async fn control(&self, path: &str, body: Value) -> Value {
        let (status, answer) = self.try_control(path, body).await;
        assert!(status < 300, "{path}: {status} {answer}");
        answer
    }

    pub async fn try_control(&self, path: &str, body: Value) -> (u16, Value) {
        let response =
            self.http.post(self.url(&format!("/control/{path}"))).json(&body).send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap())
    }

    pub async fn get(&self, path: &str) -> Value {
        self.http.get(self.url(path)).send().await.unwrap().json().await.unwrap()
    }

    /// Siti writes; her wamid.
    pub async fn siti_says(&self, text: &str) -> String {
        let said = self.control("citizens/siti/messages", json!({"message": {"text": {"body": text}}})).await;
        said["wamid"].as_str().unwrap().to_owned()
    }

    pub async fn call_graph(&self, body: &Value) -> reqwest::Result<reqwest::Response> {
        self.http
            .post(self.url(&format!("/v23.0/{NUMBER}/messages")))
            .bearer_auth(TOKEN)
            .json(body)
            .send()
            .await
    }

    /// Sends through the Graph API; HTTP status and answer.
    pub async fn graph(&self, body: &Value) -> (u16, Value) {
        let response = self.call_graph(body).await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap())
    }

    pub async fn send_text(&self, text: &str, opaque: &str) -> (u16, Value) {
        self.graph(&text_to_siti(text, opaque)).await
    }

    /// Entries of the log that match `query`, once there are `count`; fails after the deadline.
    pub async fn log(&self, query: &str, count: usize) -> Vec<Value> {
        let collect = async {
            let mut entries = Vec::new();
            let mut after = 0;
            while entries.len() < count {
                let page = self.get(&format!("/control/log?{query}&after={after}&wait_ms=5000")).await;
                after = page["next"].as_u64().unwrap();
                entries.extend(page["entries"].as_array().unwrap().iter().cloned());
            }
            entries
        };
        tokio::time::timeout(DEADLINE, collect)
            .await
            .unwrap_or_else(|_| panic!("the log never had {count} entries for {query}"))
    }
}

pub fn text_to_siti(text: &str, opaque: &str) -> Value {
    json!({"messaging_product": "whatsapp", "recipient_type": "individual", "to": SITI, "type": "text",
        "text": {"body": text}, "biz_opaque_callback_data": opaque})
}
