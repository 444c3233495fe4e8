//! Models of others, behind two traits: one that answers in a given structure, one that turns texts into vectors. Which
//! one is used, and whether any, is set by `[ai]`. What comes back is data to be judged by [`super::grounding`], never
//! words for a citizen.
//!
//! - [`gemini`], [`openai`]: the two wire formats · `http`: what they share
//! - [`calling`], `circuit`: fallback, retries, limits, costs · [`prompt`]: what is asked and in which structure
//! - [`assistance`]: a turn with a model's help

pub mod assistance;
pub mod calling;
mod circuit;
pub mod gemini;
mod http;
pub mod openai;
pub mod prompt;

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use serde_json::Value;

use self::gemini::{Gemini, GeminiEmbedder};
pub use self::http::NotBuilt;
use self::openai::{OpenAi, OpenAiEmbedder};
use crate::config::{self, AiProvider, EmbeddingProvider};

/// Texts become vectors. A call is one attempt, under the client's own time-out; whoever calls decides about another.
pub trait Embedder: Send + Sync {
    /// The model's name, by which vectors of different models are kept apart.
    fn model(&self) -> &str;

    /// Numbers in each vector.
    fn dimensions(&self) -> usize;

    /// One vector of [`Embedder::dimensions`] numbers for each text, in the order of the texts, of length 1.
    ///
    /// # Errors
    /// [`ProviderError`]; [`ProviderError::is_passing`] says whether trying later may help.
    fn embed<'a>(
        &'a self,
        texts: &'a [String],
        task: EmbedTask,
    ) -> BoxFuture<'a, Result<Vec<Vec<f32>>, ProviderError>>;
}

/// What a vector is for; models that tell the two apart find better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmbedTask {
    /// Something to be found.
    Passage,
    /// Something that looks for passages.
    Query,
}

/// Why a model gave no answer that can be used. Never carries what was said, nor a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum ProviderError {
    /// Too many calls; not before so long, if that was told.
    #[error("too many calls")]
    RateLimited { retry_after: Option<Duration> },
    /// The provider's own failure (HTTP 5xx).
    #[error("the provider failed with status {status}")]
    ServerFailed { status: u16, retry_after: Option<Duration> },
    /// The request was refused: wrong key, unknown model, or something in it (HTTP 4xx).
    #[error("refused with status {status}")]
    Refused { status: u16 },
    /// No connection.
    #[error("not reached")]
    Unreachable,
    /// No answer in time.
    #[error("no answer in time")]
    TimedOut,
    /// The connection ended within the answer.
    #[error("the answer was cut off")]
    Cut,
    /// Not in the agreed format.
    #[error("the answer is malformed")]
    Malformed,
    /// The model stopped at its limit of tokens.
    #[error("the answer was too long")]
    Truncated,
    /// Kept back by the provider's or the model's own rules.
    #[error("the answer was blocked")]
    Blocked,
}

impl ProviderError {
    /// The same call may succeed later. A malformed, truncated or blocked answer would come again.
    pub fn is_passing(&self) -> bool {
        matches!(
            self,
            ProviderError::RateLimited { .. }
                | ProviderError::ServerFailed { .. }
                | ProviderError::Unreachable
                | ProviderError::TimedOut
                | ProviderError::Cut
        )
    }

    /// How long the provider asked to be left alone.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            ProviderError::RateLimited { retry_after } | ProviderError::ServerFailed { retry_after, .. } => {
                *retry_after
            }
            _ => None,
        }
    }

    /// One word for metrics and traces.
    pub fn word(&self) -> &'static str {
        self.into()
    }
}

/// Answers in a given structure. A call is one attempt; [`calling::Caller`] decides about others, and bounds its time.
pub trait Model: Send + Sync {
    /// Asks the model of that name.
    fn answer<'a>(&'a self, model: &'a str, asked: &'a Structured) -> BoxFuture<'a, Answer>;
}

/// What a model is asked.
#[derive(Clone, Debug, PartialEq)]
pub struct Structured {
    /// Names the structure for the provider.
    pub name: &'static str,
    /// What is to be done; ours alone, without a word of anybody else.
    pub instructions: &'static str,
    /// What it is to be done with, as JSON; masked already.
    pub data: String,
    /// The JSON Schema of the answer, an object.
    pub schema: Value,
    /// The answer has at most so many tokens.
    pub most_tokens: u32,
}

/// How an attempt ended. Also a useless answer is paid for.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// An object, not yet judged.
    pub result: Result<Value, ProviderError>,
    pub tokens: Tokens,
}

impl From<ProviderError> for Answer {
    fn from(error: ProviderError) -> Self {
        Answer { result: Err(error), tokens: Tokens::default() }
    }
}

/// Tokens as the provider counts them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tokens {
    pub input: u32,
    pub output: u32,
}

/// What an embedder is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmbedderSettings {
    pub model: String,
    pub dimensions: usize,
    /// Ask the model for `dimensions` numbers where it would give more (OpenAI's format; Gemini is always asked).
    pub shortened: bool,
    /// Written before every passage, for models that want that.
    pub passage_prefix: String,
    /// Written before every query.
    pub query_prefix: String,
    /// For one call of [`Embedder::embed`], however many texts.
    pub timeout: Duration,
}

/// The embedder that the settings ask for; none when none is set.
///
/// # Errors
/// [`NotBuilt`].
pub fn embedder(config: &config::Embedding) -> Result<Option<Arc<dyn Embedder>>, NotBuilt> {
    let settings = EmbedderSettings {
        model: config.model.clone(),
        dimensions: config.dimensions,
        shortened: config.shortened,
        passage_prefix: config.passage_prefix.clone(),
        query_prefix: config.query_prefix.clone(),
        timeout: Duration::from_millis(config.timeout_ms),
    };
    Ok(match config.provider {
        EmbeddingProvider::None => None,
        EmbeddingProvider::Gemini => {
            let client =
                Gemini::new(or_default(&config.base_url, gemini::DEFAULT_BASE_URL), &config.api_key)?;
            Some(Arc::new(GeminiEmbedder::new(client, settings)))
        }
        EmbeddingProvider::Openai => {
            let client =
                OpenAi::new(or_default(&config.base_url, openai::DEFAULT_BASE_URL), &config.api_key)?;
            Some(Arc::new(OpenAiEmbedder::new(client, settings)))
        }
    })
}

/// The model that the settings ask for; none for the builtin.
///
/// # Errors
/// [`NotBuilt`].
pub fn model(config: &config::Ai) -> Result<Option<Arc<dyn Model>>, NotBuilt> {
    Ok(match config.provider {
        AiProvider::Builtin => None,
        AiProvider::Gemini => Some(Arc::new(Gemini::new(
            or_default(&config.base_url, gemini::DEFAULT_BASE_URL),
            &config.api_key,
        )?)),
        AiProvider::Openai => Some(Arc::new(OpenAi::new(
            or_default(&config.base_url, openai::DEFAULT_BASE_URL),
            &config.api_key,
        )?)),
    })
}

/// Whether the provider that is set answers and takes the key, at no cost; none for the builtin.
///
/// # Errors
/// [`ProviderError`], or [`NotBuilt`] as text.
pub async fn probe(config: &config::Ai) -> anyhow::Result<Option<String>> {
    match config.provider {
        AiProvider::Builtin => return Ok(None),
        AiProvider::Gemini => {
            Gemini::new(or_default(&config.base_url, gemini::DEFAULT_BASE_URL), &config.api_key)?
                .probe()
                .await?;
        }
        AiProvider::Openai => {
            OpenAi::new(or_default(&config.base_url, openai::DEFAULT_BASE_URL), &config.api_key)?
                .probe()
                .await?;
        }
    }
    Ok(Some(config.models.join(", ")))
}

fn or_default<'a>(set: &'a str, default: &'a str) -> &'a str {
    if set.is_empty() { default } else { set }
}

/// Checks count and width, and makes each vector's length 1: Gemini's shortened ones come without.
fn unit_vectors(
    mut vectors: Vec<Vec<f32>>,
    count: usize,
    dimensions: usize,
) -> Result<Vec<Vec<f32>>, ProviderError> {
    let right =
        |vector: &Vec<f32>| vector.len() == dimensions && vector.iter().all(|number| number.is_finite());
    if vectors.len() != count || !vectors.iter().all(right) {
        return Err(ProviderError::Malformed);
    }
    for vector in &mut vectors {
        let length = vector.iter().map(|number| f64::from(*number).powi(2)).sum::<f64>().sqrt();
        if length == 0.0 {
            return Err(ProviderError::Malformed);
        }
        vector.iter_mut().for_each(|number| *number = (f64::from(*number) / length) as f32);
    }
    Ok(vectors)
}
