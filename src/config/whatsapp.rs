//! The `[whatsapp]` settings: the office's number at Meta, and how fast and how often is sent to it.

use secrecy::SecretString;
use serde::Deserialize;

use super::{ConfigError, is_unset, refuse, refuse_zero};
use crate::whatsapp::outgoing::Content;

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WhatsApp {
    pub app_secret: SecretString,
    pub verify_token: SecretString,
    pub access_token: SecretString,
    pub phone_number_id: String,
    pub graph_url: String,
    pub graph_version: String,
    pub send_per_s: u32,
    pub pair_burst: u32,
    pub pair_refill_ms: u64,
    pub send_tries: i32,
    pub retry_first_ms: u64,
    pub circuit_pause_ms: u64,
    pub spam_pause_ms: u64,
    pub account_pause_ms: u64,
    pub call_timeout_ms: u64,
    pub max_webhook_bytes: usize,
    pub window_template: WindowTemplate,
}

/// What goes in place of a message that the closed 24 h window kept back.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WindowTemplate {
    /// Empty: nothing.
    pub name: String,
    pub language: String,
    pub origins: Vec<String>,
}

impl WindowTemplate {
    /// The message that it is.
    pub fn content(&self) -> Content {
        Content::Template {
            name: self.name.clone(),
            language: self.language.clone(),
            parameters: Vec::new(),
            header: None,
            buttons: Vec::new(),
        }
    }
}

impl WhatsApp {
    /// Refuses what cannot work.
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        if self.phone_number_id.trim().is_empty() {
            return Err(refuse("whatsapp.phone_number_id", "must name the office's number"));
        }
        if !self.graph_url.is_empty() && reqwest::Url::parse(&self.graph_url).is_err() {
            return Err(refuse("whatsapp.graph_url", "not a URL; for example https://graph.facebook.com"));
        }
        refuse_zero(&[
            ("whatsapp.send_per_s", u64::from(self.send_per_s)),
            ("whatsapp.call_timeout_ms", self.call_timeout_ms),
            ("whatsapp.pair_burst", u64::from(self.pair_burst)),
            ("whatsapp.pair_refill_ms", self.pair_refill_ms),
            ("whatsapp.send_tries", u64::try_from(self.send_tries).unwrap_or(0)),
            ("whatsapp.retry_first_ms", self.retry_first_ms),
            ("whatsapp.circuit_pause_ms", self.circuit_pause_ms),
            ("whatsapp.spam_pause_ms", self.spam_pause_ms),
            ("whatsapp.account_pause_ms", self.account_pause_ms),
        ])?;
        validate_window_template(&self.window_template)
    }

    /// Refuses what would not do for real citizens; adds what deserves a warning.
    pub(super) fn validate_production(&self, warnings: &mut Vec<String>) -> Result<(), ConfigError> {
        for (key, secret) in [
            ("whatsapp.app_secret", &self.app_secret),
            ("whatsapp.verify_token", &self.verify_token),
            ("whatsapp.access_token", &self.access_token),
        ] {
            if is_unset(secret) {
                return Err(refuse(key, "must be set when environment is production"));
            }
        }
        if self.graph_url.is_empty() {
            return Err(refuse("whatsapp.graph_url", "must be set when environment is production"));
        }
        if !self.graph_url.starts_with("https://") {
            warnings.push("whatsapp.graph_url is not https: the access token travels in the clear".into());
        }
        Ok(())
    }
}

fn validate_window_template(template: &WindowTemplate) -> Result<(), ConfigError> {
    if let Some(unknown) =
        template.origins.iter().find(|origin| !["bot", "officer", "notification"].contains(&origin.as_str()))
    {
        let why = format!("\"{unknown}\" is none of bot, officer, notification");
        return Err(refuse("whatsapp.window_template.origins", why));
    }
    if template.name.is_empty() {
        return Ok(());
    }
    let content = template.content();
    garde::Validate::validate(&content)
        .map_err(|report| refuse("whatsapp.window_template", report.to_string().trim().replace('\n', ", ")))
}
