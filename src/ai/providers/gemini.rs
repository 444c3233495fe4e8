//! Gemini's wire format: `POST {base}/v1beta/models/{model}:generateContent` with `responseSchema`, and `embedContent` or
//! `batchEmbedContents` with task type and dimensions. The key goes in a header, never in the address. One attempt a call.

use futures::future::BoxFuture;
use reqwest::header::HeaderName;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::http::{self, Wire};
use super::{
    Answer, EmbedTask, Embedder, EmbedderSettings, Model, ProviderError, Structured, Tokens, unit_vectors,
};

/// Where Google listens.
pub const DEFAULT_BASE_URL: &str = "https://generativelanguage.googleapis.com";
/// Texts of one `batchEmbedContents`, as the API bounds it.
const MOST_TEXTS: usize = 100;
/// Complaints speak of violence and accidents; only what is most probably harmful may be kept back.
const HARMS: [&str; 4] = [
    "HARM_CATEGORY_HARASSMENT",
    "HARM_CATEGORY_HATE_SPEECH",
    "HARM_CATEGORY_SEXUALLY_EXPLICIT",
    "HARM_CATEGORY_DANGEROUS_CONTENT",
];

/// A client; cheap to clone.
#[derive(Clone)]
pub struct Gemini {
    wire: Wire,
}

impl Gemini {
    /// `base_url` such as [`DEFAULT_BASE_URL`].
    ///
    /// # Errors
    /// When the TLS backend cannot be set up or the key cannot be a header.
    pub fn new(base_url: &str, key: &SecretString) -> Result<Self, http::NotBuilt> {
        let header = HeaderName::from_static("x-goog-api-key");
        Ok(Gemini { wire: Wire::new(base_url, header, "", key)? })
    }

    /// Whether the API answers and takes the key: asks for the list of models, which costs nothing.
    ///
    /// # Errors
    /// [`ProviderError`].
    pub async fn probe(&self) -> Result<(), ProviderError> {
        self.wire.get("v1beta/models?pageSize=1").await.map(|_| ())
    }

    async fn generate(&self, model: &str, asked: &Structured) -> Answer {
        let body = generate_request(asked);
        match self.wire.post(&format!("v1beta/{}:generateContent", resource(model)), &body).await {
            Ok(body) => read_generated(&body),
            Err(error) => error.into(),
        }
    }
}

impl Model for Gemini {
    fn answer<'a>(&'a self, model: &'a str, asked: &'a Structured) -> BoxFuture<'a, Answer> {
        Box::pin(self.generate(model, asked))
    }
}

/// `gemini-2.5-flash` → `models/gemini-2.5-flash`; tuned models say `tunedModels/…` themselves.
fn resource(model: &str) -> String {
    if model.contains('/') { model.to_owned() } else { format!("models/{model}") }
}

fn generate_request(asked: &Structured) -> Value {
    let safety: Vec<Value> =
        HARMS.iter().map(|category| json!({"category": category, "threshold": "BLOCK_ONLY_HIGH"})).collect();
    json!({
        "systemInstruction": {"parts": [{"text": asked.instructions}]},
        "contents": [{"role": "user", "parts": [{"text": asked.data}]}],
        "generationConfig": {
            "temperature": 0,
            "maxOutputTokens": asked.most_tokens,
            "responseMimeType": "application/json",
            "responseSchema": gemini_schema(&asked.schema),
        },
        "safetySettings": safety,
    })
}

/// Our JSON Schema in Gemini's own dialect: upper-case types, `nullable` for a type that may be null, no
/// `additionalProperties`.
fn gemini_schema(schema: &Value) -> Value {
    let Value::Object(fields) = schema else { return schema.clone() };
    let mut told = Map::new();
    for (key, value) in fields {
        match (key.as_str(), value) {
            ("additionalProperties", _) => {}
            ("type", Value::String(name)) => {
                told.insert("type".into(), json!(name.to_uppercase()));
            }
            ("type", Value::Array(names)) => {
                let name = names.iter().filter_map(Value::as_str).find(|name| *name != "null");
                told.insert("type".into(), json!(name.unwrap_or("string").to_uppercase()));
                told.insert("nullable".into(), json!(true));
            }
            ("properties", Value::Object(properties)) => {
                let properties =
                    properties.iter().map(|(name, property)| (name.clone(), gemini_schema(property)));
                told.insert("properties".into(), Value::Object(properties.collect()));
            }
            ("items", items) => {
                told.insert("items".into(), gemini_schema(items));
            }
            // In this dialect every value of an enumeration is text.
            ("enum", Value::Array(values)) => {
                let values: Vec<&Value> = values.iter().filter(|value| value.is_string()).collect();
                told.insert("enum".into(), json!(values));
            }
            _ => {
                told.insert(key.clone(), value.clone());
            }
        }
    }
    Value::Object(told)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Generated {
    #[serde(default)]
    candidates: Vec<Candidate>,
    #[serde(default)]
    prompt_feedback: Option<PromptFeedback>,
    #[serde(default)]
    usage_metadata: Usage,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Candidate {
    #[serde(default)]
    content: Content,
    #[serde(default)]
    finish_reason: Option<String>,
}

#[derive(Default, Deserialize)]
struct Content {
    #[serde(default)]
    parts: Vec<Part>,
}

#[derive(Deserialize)]
struct Part {
    #[serde(default)]
    text: String,
    /// The model's thinking, which is no part of the answer.
    #[serde(default)]
    thought: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PromptFeedback {
    #[serde(default)]
    block_reason: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Usage {
    #[serde(default)]
    prompt_token_count: u32,
    #[serde(default)]
    candidates_token_count: u32,
    /// Thinking is paid for as output.
    #[serde(default)]
    thoughts_token_count: u32,
}

fn read_generated(body: &[u8]) -> Answer {
    let Ok(generated) = serde_json::from_slice::<Generated>(body) else {
        return ProviderError::Malformed.into();
    };
    let usage = generated.usage_metadata;
    let tokens = Tokens {
        input: usage.prompt_token_count,
        output: usage.candidates_token_count.saturating_add(usage.thoughts_token_count),
    };
    let blocked = generated.prompt_feedback.is_some_and(|feedback| feedback.block_reason.is_some());
    let result = match generated.candidates.into_iter().next() {
        _ if blocked => Err(ProviderError::Blocked),
        None => Err(ProviderError::Malformed),
        Some(candidate) => read_candidate(&candidate),
    };
    Answer { result, tokens }
}

fn read_candidate(candidate: &Candidate) -> Result<Value, ProviderError> {
    match candidate.finish_reason.as_deref() {
        Some("STOP") => {
            let said = candidate.content.parts.iter().filter(|part| !part.thought);
            http::structured(&said.map(|part| part.text.as_str()).collect::<String>())
        }
        Some("MAX_TOKENS") => Err(ProviderError::Truncated),
        // SAFETY, RECITATION, BLOCKLIST, PROHIBITED_CONTENT, SPII, LANGUAGE, and what may be added.
        Some(_) => Err(ProviderError::Blocked),
        None => Err(ProviderError::Malformed),
    }
}

/// Vectors by Gemini's format.
pub struct GeminiEmbedder {
    client: Gemini,
    settings: EmbedderSettings,
}

impl GeminiEmbedder {
    /// Vectors of one model.
    pub fn new(client: Gemini, settings: EmbedderSettings) -> Self {
        GeminiEmbedder { client, settings }
    }

    async fn vectors(&self, texts: &[String], task: EmbedTask) -> Result<Vec<Vec<f32>>, ProviderError> {
        let settings = &self.settings;
        let resource = resource(&settings.model);
        let (task, prefix) = match task {
            EmbedTask::Passage => ("RETRIEVAL_DOCUMENT", &settings.passage_prefix),
            EmbedTask::Query => ("RETRIEVAL_QUERY", &settings.query_prefix),
        };
        let request = |text: &String| {
            json!({
                "model": resource,
                "content": {"parts": [{"text": format!("{prefix}{text}")}]},
                "taskType": task,
                "outputDimensionality": settings.dimensions,
            })
        };
        if let [text] = texts {
            let path = format!("v1beta/{resource}:embedContent");
            let body = self.client.wire.post(&path, &request(text)).await?;
            let one = serde_json::from_slice::<One>(&body).map_err(|_| ProviderError::Malformed)?;
            return unit_vectors(vec![one.embedding.values], 1, settings.dimensions);
        }
        let mut vectors = Vec::with_capacity(texts.len());
        for part in texts.chunks(MOST_TEXTS) {
            let requests: Vec<Value> = part.iter().map(request).collect();
            let path = format!("v1beta/{resource}:batchEmbedContents");
            let body = self.client.wire.post(&path, &json!({"requests": requests})).await?;
            let many = serde_json::from_slice::<Many>(&body).map_err(|_| ProviderError::Malformed)?;
            if many.embeddings.len() != part.len() {
                return Err(ProviderError::Malformed);
            }
            vectors.extend(many.embeddings.into_iter().map(|embedding| embedding.values));
        }
        unit_vectors(vectors, texts.len(), settings.dimensions)
    }
}

impl Embedder for GeminiEmbedder {
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
struct One {
    embedding: Values,
}

#[derive(Deserialize)]
struct Many {
    embeddings: Vec<Values>,
}

#[derive(Deserialize)]
struct Values {
    values: Vec<f32>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_is_told_in_geminis_dialect() {
        let schema = json!({
            "type": "object", "additionalProperties": false, "required": ["a", "b"],
            "properties": {
                "a": {"type": ["string", "null"], "enum": ["x", null]},
                "b": {"type": "array", "items": {"type": "integer"}},
            },
        });
        assert_eq!(
            gemini_schema(&schema),
            json!({
                "type": "OBJECT", "required": ["a", "b"],
                "properties": {
                    "a": {"type": "STRING", "nullable": true, "enum": ["x"]},
                    "b": {"type": "ARRAY", "items": {"type": "INTEGER"}},
                },
            })
        );
    }
}
