//! Models of others, behind two traits: one that answers in a given structure, one that turns texts into vectors. Which
//! one is used, and whether any, is set by `[ai]`. What comes back is data to be judged by [`super::grounding`], never
//! words for a citizen.

use std::time::Duration;

use futures::future::BoxFuture;

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
