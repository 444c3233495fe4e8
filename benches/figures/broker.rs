//! The RabbitMQ that nodes share, as `scripts/with-broker` names it, with a virtual host for each group of nodes.

use std::time::Duration;

use anyhow::Context as _;
use reqwest::{Client, Method, Url};
use serde_json::{Value, json};
use uuid::Uuid;

use govconnect::http_client;

/// How long the management may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// A fresh virtual host.
pub struct VirtualHost {
    name: String,
    management: Url,
    url: Url,
}

impl VirtualHost {
    /// Makes it, empty.
    pub async fn create() -> anyhow::Result<Self> {
        let name = format!("bench-{}", Uuid::now_v7().simple());
        let mut url = variable("TEST_BROKER_URL")?;
        url.set_path(&name);
        let host = VirtualHost { name, management: variable("TEST_BROKER_MANAGEMENT_URL")?, url };
        let VirtualHost { name, management, .. } = &host;
        host.call(Method::PUT, &format!("vhosts/{name}"), &json!({})).await?;
        let all = json!({ "configure": ".*", "write": ".*", "read": ".*" });
        host.call(Method::PUT, &format!("permissions/{name}/{}", management.username()), &all).await?;
        Ok(host)
    }

    /// For `broker.url`.
    pub fn url(&self) -> &str {
        self.url.as_str()
    }

    /// Deletes it with all that is in it.
    pub async fn delete(self) -> anyhow::Result<()> {
        self.call(Method::DELETE, &format!("vhosts/{}", self.name), &Value::Null).await
    }

    async fn call(&self, method: Method, path: &str, body: &Value) -> anyhow::Result<()> {
        let client: Client = http_client::builder(PATIENCE).build()?;
        let url = self.management.join(&format!("/api/{path}"))?;
        let answer =
            client.request(method, url).json(body).send().await.context("the broker's management")?;
        answer.error_for_status().with_context(|| format!("the broker refused {path}"))?;
        Ok(())
    }
}

fn variable(name: &str) -> anyhow::Result<Url> {
    let text = std::env::var(name).with_context(|| {
        format!("{name} is not set; scripts/with-broker COMMAND starts a broker and sets it")
    })?;
    text.parse().with_context(|| format!("{name} is not a URL"))
}
