//! OpenAI's wire format, which vLLM, Ollama and OpenRouter speak as well: `POST {base}/chat/completions` with
//! `response_format` `json_schema`, `POST {base}/embeddings`. One attempt a call.

use futures::future::BoxFuture;
use reqwest::header::AUTHORIZATION;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Value, json};

use super::http::{self, Wire};
use super::{
    Answer, EmbedTask, Embedder, EmbedderSettings, Model, ProviderError, Structured, Tokens, unit_vectors,
};

/// Where OpenAI itself listens.
pub const DEFAULT_BASE_URL: &str = "https://api.openai.com/v1";
/// Texts of one embedding call; servers of one's own often take no more.
const MOST_TEXTS: usize = 64;

/// A client; cheap to clone.
#[derive(Clone)]
pub struct OpenAi {
    wire: Wire,
}

impl OpenAi {
    /// `base_url` such as [`DEFAULT_BASE_URL`]; without a key none is sent, as servers of one's own want none.
    ///
    /// # Errors
    /// When the TLS backend cannot be set up or the key cannot be a header.
    pub fn new(base_url: &str, key: &SecretString) -> Result<Self, http::NotBuilt> {
        Ok(OpenAi { wire: Wire::new(base_url, AUTHORIZATION, "Bearer ", key)? })
    }

    /// Whether the server answers and takes the key: asks for the list of its models, which costs nothing.
    ///
    /// # Errors
    /// [`ProviderError`].
    pub async fn probe(&self) -> Result<(), ProviderError> {
        self.wire.get("models").await.map(|_| ())
    }

    async fn chat(&self, model: &str, asked: &Structured) -> Answer {
        let body = chat_request(model, asked);
        match self.wire.post("chat/completions", &body).await {
            Ok(body) => read_chat(&body),
            Err(error) => error.into(),
        }
    }
}

impl Model for OpenAi {
    fn answer<'a>(&'a self, model: &'a str, asked: &'a Structured) -> BoxFuture<'a, Answer> {
        Box::pin(self.chat(model, asked))
    }
}

fn chat_request(model: &str, asked: &Structured) -> Value {
    let mut request = json!({
        "model": model,
        "messages": [
            {"role": "system", "content": asked.instructions},
            {"role": "user", "content": asked.data},
        ],
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": asked.name, "strict": true, "schema": asked.schema},
        },
    });
    // Models that reason refuse the one spelling and a temperature, all others understand the other.
    if reasons(model) {
        request["max_completion_tokens"] = json!(asked.most_tokens);
        request["reasoning_effort"] = json!("low");
    } else {
        request["max_tokens"] = json!(asked.most_tokens);
        request["temperature"] = json!(0);
    }
    request
}

/// OpenAI's reasoning families, also as OpenRouter names them (`openai/gpt-5-mini`).
fn reasons(model: &str) -> bool {
    let name = model.rsplit('/').next().unwrap_or(model);
    ["o1", "o3", "o4", "gpt-5"].iter().any(|family| name.starts_with(family))
}

#[derive(Deserialize)]
struct Chat {
    #[serde(default)]
    choices: Vec<Choice>,
    #[serde(default)]
    usage: Option<Usage>,
    /// OpenRouter tells failures of those behind it with status 200.
    #[serde(default)]
    error: Option<Value>,
}

#[derive(Deserialize)]
struct Choice {
    #[serde(default)]
    message: Message,
    #[serde(default)]
    finish_reason: Option<String>,
}

#[derive(Default, Deserialize)]
struct Message {
    #[serde(default)]
    content: Option<String>,
    #[serde(default)]
    refusal: Option<String>,
}

#[derive(Clone, Copy, Default, Deserialize)]
struct Usage {
    #[serde(default)]
    prompt_tokens: u32,
    #[serde(default)]
    completion_tokens: u32,
}

fn read_chat(body: &[u8]) -> Answer {
    let Ok(chat) = serde_json::from_slice::<Chat>(body) else { return ProviderError::Malformed.into() };
    let usage = chat.usage.unwrap_or_default();
    let tokens = Tokens { input: usage.prompt_tokens, output: usage.completion_tokens };
    let result = match (chat.choices.into_iter().next(), chat.error) {
        (_, Some(error)) => Err(told_in_body(&error)),
        (None, None) => Err(ProviderError::Malformed),
        (Some(choice), None) => read_choice(choice),
    };
    Answer { result, tokens }
}

fn told_in_body(error: &Value) -> ProviderError {
    match error["code"].as_u64().and_then(|code| u16::try_from(code).ok()) {
        Some(429) => ProviderError::RateLimited { retry_after: None },
        Some(status) if status < 500 => ProviderError::Refused { status },
        status => ProviderError::ServerFailed { status: status.unwrap_or(500), retry_after: None },
    }
}

fn read_choice(choice: Choice) -> Result<Value, ProviderError> {
    match choice.finish_reason.as_deref() {
        Some("length") => return Err(ProviderError::Truncated),
        Some("content_filter") => return Err(ProviderError::Blocked),
        Some("error") => return Err(ProviderError::ServerFailed { status: 500, retry_after: None }),
        _ => {}
    }
    if choice.message.refusal.is_some_and(|refusal| !refusal.is_empty()) {
        return Err(ProviderError::Blocked);
    }
    http::structured(&choice.message.content.unwrap_or_default())
}

/// Vectors by OpenAI's format.
pub struct OpenAiEmbedder {
    client: OpenAi,
    settings: EmbedderSettings,
}

impl OpenAiEmbedder {
    /// Vectors of one model.
    pub fn new(client: OpenAi, settings: EmbedderSettings) -> Self {
        OpenAiEmbedder { client, settings }
    }

    async fn vectors(&self, texts: &[String], task: EmbedTask) -> Result<Vec<Vec<f32>>, ProviderError> {
        let settings = &self.settings;
        // The format has no word for the task; models of the E5 family want it before the text.
        let prefix = match task {
            EmbedTask::Passage => &settings.passage_prefix,
            EmbedTask::Query => &settings.query_prefix,
        };
        let mut vectors = Vec::with_capacity(texts.len());
        for part in texts.chunks(MOST_TEXTS) {
            let input: Vec<String> = part.iter().map(|text| format!("{prefix}{text}")).collect();
            let mut body = json!({"model": settings.model, "input": input, "encoding_format": "float"});
            if settings.shortened {
                body["dimensions"] = json!(settings.dimensions);
            }
            let answer = self.client.wire.post("embeddings", &body).await?;
            vectors.extend(read_embeddings(&answer, part.len())?);
        }
        unit_vectors(vectors, texts.len(), settings.dimensions)
    }
}

impl Embedder for OpenAiEmbedder {
    fn model(&self) -> &str {
        &self.settings.model
    }

    fn dimensions(&self) -> usize {
        self.settings.dimensions
    }

    fn embed<'a>(
        &'a self,
        texts: &'a [String],
        task: EmbedTask,
    ) -> BoxFuture<'a, Result<Vec<Vec<f32>>, ProviderError>> {
        Box::pin(http::within(self.settings.timeout, self.vectors(texts, task)))
    }
}

#[derive(Deserialize)]
struct Embeddings {
    data: Vec<Embedding>,
}

#[derive(Deserialize)]
struct Embedding {
    index: usize,
    embedding: Vec<f32>,
}

/// In the order of the texts: the format numbers them, and does not promise an order.
fn read_embeddings(body: &[u8], expected: usize) -> Result<Vec<Vec<f32>>, ProviderError> {
    let mut data = serde_json::from_slice::<Embeddings>(body).map_err(|_| ProviderError::Malformed)?.data;
    data.sort_by_key(|embedding| embedding.index);
    let numbered = data.iter().enumerate().all(|(place, embedding)| embedding.index == place);
    if data.len() != expected || !numbered {
        return Err(ProviderError::Malformed);
    }
    Ok(data.into_iter().map(|embedding| embedding.embedding).collect())
}
