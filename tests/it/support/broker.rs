//! A fresh virtual host of the test broker for every test, with the broker's management interface to look and to break.

use std::collections::BTreeSet;

use reqwest::{Method, Url};
use secrecy::SecretString;
use serde_json::{Value, json};
use uuid::Uuid;

use super::private_broker::PrivateBroker;

/// A virtual host of one test; deleted with everything in it at the end.
pub struct TestBroker {
    amqp: Url,
    management: Url,
    host: String,
    /// The host goes with the broker.
    private: bool,
}

impl TestBroker {
    pub async fn create() -> Self {
        Self::at(variable("TEST_BROKER_URL"), variable("TEST_BROKER_MANAGEMENT_URL"), false).await
    }

    /// On a broker of the test's own.
    pub async fn on(broker: &PrivateBroker) -> Self {
        Self::at(broker.amqp(), broker.management(), true).await
    }

    async fn at(amqp: Url, management: Url, private: bool) -> Self {
        let host = format!("test-{}", Uuid::now_v7().simple());
        let broker = TestBroker { amqp, management, host, private };
        let host = &broker.host;
        broker.request(Method::PUT, &format!("vhosts/{host}"), json!({})).await;
        let all = json!({ "configure": ".*", "write": ".*", "read": ".*" });
        let user = broker.management.username();
        broker.request(Method::PUT, &format!("permissions/{host}/{user}"), all).await;
        broker
    }

    /// For a bus.
    pub fn url(&self) -> SecretString {
        let mut url = self.amqp.clone();
        url.set_path(&self.host);
        url.as_str().into()
    }

    /// Makes a queue with arguments that ours do not have.
    pub async fn declare(&self, queue: &str, arguments: Value) {
        let body = json!({ "durable": true, "arguments": arguments });
        self.request(Method::PUT, &format!("queues/{}/{queue}", self.host), body).await;
    }

    /// Has a queue of its own get a copy of what is published.
    pub async fn listen(&self, queue: &str, exchange: &str, key: &str) {
        self.declare(queue, json!({})).await;
        self.bind(queue, exchange, key).await;
    }

    /// Has a queue get a copy of what is published.
    pub async fn bind(&self, queue: &str, exchange: &str, key: &str) {
        let host = &self.host;
        let path = format!("bindings/{host}/e/{exchange}/q/{queue}");
        self.request(Method::POST, &path, json!({ "routing_key": key })).await;
    }

    /// Publishes whatever it is.
    pub async fn publish(&self, exchange: &str, key: &str, properties: Value, payload: &str) {
        let message = json!({
            "properties": properties, "routing_key": key, "payload": payload, "payload_encoding": "string",
        });
        let path = format!("exchanges/{}/{exchange}/publish", self.host);
        let answer = self.request(Method::POST, &path, message).await;
        assert_eq!(answer["routed"], true);
    }

    /// What is in a queue; it stays there.
    pub async fn messages(&self, queue: &str) -> Vec<Value> {
        let ask = json!({ "count": 100, "ackmode": "ack_requeue_true", "encoding": "auto" });
        let answer = self.request(Method::POST, &format!("queues/{}/{queue}/get", self.host), ask).await;
        answer.as_array().expect("a list of messages").clone()
    }

    /// Takes everything out of a queue, in order.
    pub async fn take_all(&self, queue: &str) -> Vec<Value> {
        let ask = json!({ "count": 2000, "ackmode": "ack_requeue_false", "encoding": "auto" });
        let mut all = Vec::new();
        loop {
            let path = format!("queues/{}/{queue}/get", self.host);
            let answer = self.request(Method::POST, &path, ask.clone()).await;
            let some = answer.as_array().expect("a list of messages");
            if some.is_empty() {
                return all;
            }
            all.extend(some.iter().cloned());
        }
    }

    /// A queue as the broker describes it.
    pub async fn queue(&self, queue: &str) -> Value {
        self.request(Method::GET, &format!("queues/{}/{queue}", self.host), Value::Null).await
    }

    /// Cuts every connection; how many there were.
    pub async fn cut(&self) -> usize {
        let connections = self.connections().await;
        self.cut_these(&connections).await;
        connections.len()
    }

    /// The names of the connections that are open.
    pub async fn connections(&self) -> BTreeSet<String> {
        let path = format!("vhosts/{}/connections", self.host);
        let connections = self.request(Method::GET, &path, Value::Null).await;
        let connections = connections.as_array().expect("a list of connections").clone();
        let name = |connection: &Value| connection["name"].as_str().expect("a name").to_owned();
        connections.iter().map(name).collect()
    }

    /// Cuts the connections with these names.
    pub async fn cut_these<'a>(&self, names: impl IntoIterator<Item = &'a String>) {
        for name in names {
            let mut url = self.management.clone();
            url.path_segments_mut().expect("a base").extend(["api", "connections", name]);
            // One that is gone already is as good.
            send(Method::DELETE, url, Value::Null).await;
        }
    }

    async fn request(&self, method: Method, path: &str, body: Value) -> Value {
        request(&self.management, method, path, body).await
    }
}

impl Drop for TestBroker {
    fn drop(&mut self) {
        if self.private {
            return;
        }
        let (management, path) = (self.management.clone(), format!("vhosts/{}", self.host));
        let deleted = std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(request(&management, Method::DELETE, &path, Value::Null));
        })
        .join();
        if !std::thread::panicking() {
            deleted.expect("the test's virtual host is deleted");
        }
    }
}

fn variable(name: &str) -> Url {
    let value = std::env::var(name)
        .unwrap_or_else(|_| panic!("{name} is not set; scripts/with-broker COMMAND sets it"));
    Url::parse(&value).unwrap_or_else(|error| panic!("{name} is not a URL: {error}"))
}

async fn request(management: &Url, method: Method, path: &str, body: Value) -> Value {
    let url = management.join(&format!("/api/{path}")).expect("a path");
    let (status, text) = send(method, url, body).await;
    assert!(status.is_success(), "{path}: {status} {text}");
    if text.is_empty() { Value::Null } else { serde_json::from_str(&text).expect("JSON") }
}

async fn send(method: Method, url: Url, body: Value) -> (reqwest::StatusCode, String) {
    let client = govconnect::http_client::builder(std::time::Duration::from_secs(30)).build().unwrap();
    let answer = client.request(method, url).json(&body).send().await.expect("the management answers");
    let status = answer.status();
    (status, answer.text().await.expect("a body"))
}
