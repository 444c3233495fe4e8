//! The `[ai]` settings: who understands, at which price, and who turns texts into vectors.

use std::net::SocketAddr;

use secrecy::SecretString;
use serde::Deserialize;

use super::{ConfigError, is_unset, refuse, refuse_zero};
use crate::ai::retrieval::Method;

/// The widest vector that an HNSW index of pgvector takes.
const WIDEST_VECTOR: usize = 2_000;
/// Below this the process that reads files cannot even start.
const LEAST_MEMORY_MB: u64 = 256;

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ai {
    pub bind: SocketAddr,
    pub provider: AiProvider,
    pub base_url: String,
    pub api_key: SecretString,
    pub models: Vec<String>,
    pub input_prices: Vec<Price>,
    pub output_prices: Vec<Price>,
    pub daily_budget: f64,
    pub call_timeout_ms: u64,
    pub calls: usize,
    pub circuit_failures: u32,
    pub circuit_pause_ms: u64,
    pub turn_deadline_ms: u64,
    pub concurrency: usize,
    pub retrieval: Method,
    pub embedding: Embedding,
    pub documents: Documents,
}

/// How files are read.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Documents {
    pub max_upload_bytes: usize,
    pub timeout_s: u64,
    pub memory_mb: u64,
}

/// What a million tokens cost. In the environment a list is one of words, so a word that is a number will do.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(try_from = "Written")]
pub struct Price(pub f64);

#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Number(f64),
    Words(String),
}

impl TryFrom<Written> for Price {
    type Error = std::num::ParseFloatError;

    fn try_from(written: Written) -> Result<Self, Self::Error> {
        Ok(Price(match written {
            Written::Number(number) => number,
            Written::Words(words) => words.trim().parse()?,
        }))
    }
}

/// Who understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, strum::Display)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum AiProvider {
    Builtin,
    Gemini,
    Openai,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Embedding {
    pub provider: EmbeddingProvider,
    pub base_url: String,
    pub model: String,
    pub api_key: SecretString,
    pub dimensions: usize,
    pub shortened: bool,
    pub passage_prefix: String,
    pub query_prefix: String,
    pub timeout_ms: u64,
    pub least_similarity: f64,
}

/// Who turns texts into vectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, strum::Display)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum EmbeddingProvider {
    None,
    Gemini,
    Openai,
}

impl Ai {
    /// Refuses what cannot work; adds what works but deserves a warning.
    pub(super) fn validate(&self, warnings: &mut Vec<String>) -> Result<(), ConfigError> {
        refuse_zero(&[
            ("ai.concurrency", self.concurrency as u64),
            ("ai.calls", self.calls as u64),
            ("ai.call_timeout_ms", self.call_timeout_ms),
            ("ai.circuit_failures", u64::from(self.circuit_failures)),
            ("ai.turn_deadline_ms", self.turn_deadline_ms),
            ("ai.embedding.timeout_ms", self.embedding.timeout_ms),
            ("ai.documents.max_upload_bytes", self.documents.max_upload_bytes as u64),
            ("ai.documents.timeout_s", self.documents.timeout_s),
        ])?;
        if self.documents.memory_mb < LEAST_MEMORY_MB {
            let why = format!("must be at least {LEAST_MEMORY_MB}: the reading process itself needs room");
            return Err(refuse("ai.documents.memory_mb", why));
        }
        if self.retrieval != Method::Text && self.embedding.provider == EmbeddingProvider::None {
            return Err(refuse("ai.retrieval", "wants vectors: set ai.embedding.provider, or use text"));
        }
        self.validate_provider(warnings)?;
        self.validate_prices()?;
        self.embedding.validate(warnings)
    }

    fn validate_provider(&self, warnings: &mut Vec<String>) -> Result<(), ConfigError> {
        if self.provider == AiProvider::Builtin {
            if !self.models.is_empty() {
                return Err(refuse("ai.models", "ai.provider is builtin, which has no models"));
            }
            if !self.base_url.is_empty() {
                return Err(refuse("ai.base_url", "ai.provider is builtin, which calls nobody"));
            }
            if !is_unset(&self.api_key) {
                warnings.push("ai.api_key is set, but ai.provider is builtin: it is not used".into());
            }
            return Ok(());
        }
        if self.models.is_empty() || self.models.iter().any(|model| model.trim().is_empty()) {
            return Err(refuse("ai.models", "must name at least one model of ai.provider"));
        }
        let elsewhere = self.provider == AiProvider::Openai && !self.base_url.is_empty();
        if is_unset(&self.api_key) && !elsewhere {
            return Err(refuse("ai.api_key", format!("must be set when ai.provider is {}", self.provider)));
        }
        check_url("ai.base_url", &self.base_url, warnings)?;
        if self.call_timeout_ms > self.turn_deadline_ms {
            return Err(refuse("ai.call_timeout_ms", "must not be longer than ai.turn_deadline_ms"));
        }
        Ok(())
    }

    fn validate_prices(&self) -> Result<(), ConfigError> {
        for (key, prices) in
            [("ai.input_prices", &self.input_prices), ("ai.output_prices", &self.output_prices)]
        {
            if !prices.is_empty() && prices.len() != self.models.len() {
                return Err(refuse(key, "must have a price for each of ai.models, or none"));
            }
            if prices.iter().any(|Price(price)| !price.is_finite() || *price < 0.0) {
                return Err(refuse(key, "prices must not be negative"));
            }
        }
        if !self.daily_budget.is_finite() || self.daily_budget < 0.0 {
            return Err(refuse("ai.daily_budget", "must not be negative"));
        }
        if self.daily_budget > 0.0 && (self.input_prices.is_empty() || self.output_prices.is_empty()) {
            let why =
                "needs ai.input_prices and ai.output_prices: without them nothing is known of what is spent";
            return Err(refuse("ai.daily_budget", why));
        }
        Ok(())
    }
}

impl Embedding {
    fn validate(&self, warnings: &mut Vec<String>) -> Result<(), ConfigError> {
        if !(self.least_similarity > 0.0 && self.least_similarity <= 1.0) {
            return Err(refuse("ai.embedding.least_similarity", "must be above 0 and at most 1"));
        }
        if self.provider == EmbeddingProvider::None {
            if !self.model.is_empty() {
                return Err(refuse(
                    "ai.embedding.model",
                    "ai.embedding.provider is none, which has no model",
                ));
            }
            return Ok(());
        }
        if self.model.trim().is_empty() {
            return Err(refuse("ai.embedding.model", "must name the model"));
        }
        if !(1..=WIDEST_VECTOR).contains(&self.dimensions) {
            let why = format!("must be the numbers in a vector of the model, 1 to {WIDEST_VECTOR}");
            return Err(refuse("ai.embedding.dimensions", why));
        }
        let elsewhere = self.provider == EmbeddingProvider::Openai && !self.base_url.is_empty();
        if is_unset(&self.api_key) && !elsewhere {
            let why = format!("must be set when ai.embedding.provider is {}", self.provider);
            return Err(refuse("ai.embedding.api_key", why));
        }
        check_url("ai.embedding.base_url", &self.base_url, warnings)
    }
}

/// Empty, or the URL of a host; over an open line the key can be read on the way.
fn check_url(key: &str, text: &str, warnings: &mut Vec<String>) -> Result<(), ConfigError> {
    if text.is_empty() {
        return Ok(());
    }
    let url = reqwest::Url::parse(text)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
        .ok_or_else(|| refuse(key, "not a URL; for example http://127.0.0.1:11434/v1"))?;
    let here = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    if url.scheme() == "http" && !here {
        warnings.push(format!("{key} is http: texts and the key can be read on the way"));
    }
    Ok(())
}
