//! A model that speaks Gemini's and OpenAI's wire formats and does what a test tells it to: answers, fails in every recorded
//! way, keeps silent, or is hostile. Writes down what it is sent.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use actix_web::dev::ServerHandle;
use actix_web::http::header::RETRY_AFTER;
use actix_web::web::Bytes;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use serde_json::{Value, json};

/// Whose wire format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Gemini,
    Openai,
}

impl Format {
    pub const BOTH: [Format; 2] = [Format::Gemini, Format::Openai];

    /// As `ai.provider` names it.
    pub fn provider(self) -> &'static str {
        match self {
            Format::Gemini => "gemini",
            Format::Openai => "openai",
        }
    }

    fn fixture(self, what: &str) -> String {
        let name = format!("{}_{what}.json", self.provider());
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/ai").join(name);
        std::fs::read_to_string(path).unwrap()
    }

    fn answer(self, said: &str) -> String {
        let mut answer: Value = serde_json::from_str(&self.fixture("answer")).unwrap();
        let place = match self {
            Format::Gemini => "/candidates/0/content/parts/0/text",
            Format::Openai => "/choices/0/message/content",
        };
        *answer.pointer_mut(place).unwrap() = said.into();
        answer.to_string()
    }
}

/// What the model does with a request.
#[derive(Clone, Debug)]
pub enum Does {
    /// Answers one of the two questions of a turn.
    Answer {
        understanding: Value,
        pointing: Value,
    },
    /// 429, with `Retry-After` in seconds if it says so; without it Gemini tells ten minutes in the body.
    RateLimit(Option<u64>),
    Fail,
    /// Half an answer, then the connection ends.
    Cut,
    /// A right envelope around something that is not JSON.
    Babble,
    Truncate,
    BlockPrompt,
    BlockAnswer,
    BeSilent,
    /// Obeys whatever it reads and invents the rest, in every field there is.
    BeHostile,
}

impl Does {
    /// Every way to fail that ends by itself, with the word by which it is known.
    pub fn failures() -> Vec<(Does, &'static str)> {
        vec![
            (Does::RateLimit(Some(60)), "rate_limited"),
            (Does::Fail, "server_failed"),
            (Does::Cut, "cut"),
            (Does::Babble, "malformed"),
            (Does::Truncate, "truncated"),
            (Does::BlockPrompt, "blocked"),
            (Does::BlockAnswer, "blocked"),
        ]
    }

    /// Understands this and points at these sentences.
    pub fn answer(intents: &[&str], slots: Value, numbers: &[u64]) -> Does {
        Does::Answer {
            understanding: json!({
                "intents": intents, "slots": slots, "language": "id", "urgency": "normal", "off_topic": false,
            }),
            pointing: json!({"nomor": numbers}),
        }
    }
}

/// What came.
#[derive(Clone, Debug)]
pub struct Request {
    pub at: Instant,
    /// With the query.
    pub address: String,
    pub headers: Vec<(String, String)>,
    pub body: Value,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The data that was sent along with the instructions.
    pub fn data(&self) -> Value {
        let gemini = self.body.pointer("/contents/0/parts/0/text");
        let text = gemini.or_else(|| self.body.pointer("/messages/1/content")).unwrap().as_str().unwrap();
        serde_json::from_str(text).unwrap()
    }
}

#[derive(Default)]
struct Inner {
    script: VecDeque<Does>,
    otherwise: Option<Does>,
    requests: Vec<Request>,
}

/// The server.
pub struct FakeModel {
    pub url: String,
    inner: Arc<Mutex<Inner>>,
    handle: ServerHandle,
}

impl FakeModel {
    /// Does `otherwise` with every request that no script is for. Must be called inside an actix system.
    pub fn start(otherwise: Does) -> FakeModel {
        let inner = Arc::new(Mutex::new(Inner { otherwise: Some(otherwise), ..Inner::default() }));
        let shared = inner.clone();
        let server = HttpServer::new(move || {
            App::new()
                .app_data(web::Data::from(shared.clone()))
                .app_data(web::PayloadConfig::new(8 * 1024 * 1024))
                .default_service(web::to(serve))
        })
        .workers(1)
        .disable_signals()
        .bind(("127.0.0.1", 0))
        .unwrap();
        let url = format!("http://{}", server.addrs()[0]);
        let server = server.run();
        let handle = server.handle();
        actix_rt::spawn(server);
        FakeModel { url, inner, handle }
    }

    /// What it does with the next requests, one each.
    pub fn script(&self, steps: impl IntoIterator<Item = Does>) {
        self.inner.lock().unwrap().script.extend(steps);
    }

    /// What it does with the others from now on.
    pub fn otherwise(&self, does: Does) {
        self.inner.lock().unwrap().otherwise = Some(does);
    }

    pub fn requests(&self) -> Vec<Request> {
        self.inner.lock().unwrap().requests.clone()
    }

    /// Silent requests are cut off.
    pub async fn stop(&self) {
        self.handle.stop(false).await;
    }
}

async fn serve(request: HttpRequest, body: Bytes, inner: web::Data<Mutex<Inner>>) -> HttpResponse {
    let body: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let headers = request
        .headers()
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap_or_default().to_owned()));
    let path = request.path().to_owned();
    let does = {
        let mut inner = inner.lock().unwrap();
        inner.requests.push(Request {
            at: Instant::now(),
            address: request.uri().to_string(),
            headers: headers.collect(),
            body: body.clone(),
        });
        inner.script.pop_front().or_else(|| inner.otherwise.clone()).unwrap()
    };
    let format = if path.starts_with("/v1beta") { Format::Gemini } else { Format::Openai };
    let json = |text: String| HttpResponse::Ok().content_type("application/json").body(text);
    let failed = |status: u16, what: &str| {
        HttpResponse::build(actix_web::http::StatusCode::from_u16(status).unwrap())
            .content_type("application/json")
            .body(format.fixture(what))
    };
    match does {
        Does::RateLimit(seconds) => {
            let mut response = failed(429, "rate_limited");
            if let Some(seconds) = seconds {
                response.headers_mut().insert(RETRY_AFTER, seconds.into());
            }
            response
        }
        Does::Fail => failed(500, "failed"),
        Does::BeSilent => std::future::pending().await,
        Does::Cut => {
            let half = format.answer("{}");
            let half = Bytes::copy_from_slice(&half.as_bytes()[..half.len() / 2]);
            let parts = [Ok(half), Err(std::io::Error::other("cut"))];
            HttpResponse::Ok().content_type("application/json").streaming(futures::stream::iter(parts))
        }
        _ if path.ends_with(":embedContent") => {
            json(json!({"embedding": {"values": [0.0, 3.0, 4.0]}}).to_string())
        }
        _ if path.ends_with(":batchEmbedContents") => {
            let count = body["requests"].as_array().unwrap().len();
            let vectors: Vec<Value> = (0..count).map(|place| json!({"values": [1.0, place, 0.0]})).collect();
            json(json!({"embeddings": vectors}).to_string())
        }
        _ if path.ends_with("/embeddings") => {
            let count = body["input"].as_array().unwrap().len();
            // In an order of its own, as the format allows.
            let vectors: Vec<Value> = (0..count)
                .rev()
                .map(|place| json!({"object": "embedding", "index": place, "embedding": [1.0, place, 0.0]}))
                .collect();
            json(json!({"object": "list", "data": vectors, "usage": {"prompt_tokens": 8}}).to_string())
        }
        _ if path.ends_with("/models") => json(json!({"models": [], "data": []}).to_string()),
        Does::Babble => json(format.answer("Tentu! Berikut jawabannya: {")),
        Does::Truncate => json(format.fixture("truncated")),
        Does::BlockPrompt => json(format.fixture("blocked_prompt")),
        Does::BlockAnswer => json(format.fixture("blocked_answer")),
        Does::Answer { understanding, pointing } => {
            let said = if asks_to_point(&body) { pointing } else { understanding };
            json(format.answer(&said.to_string()))
        }
        Does::BeHostile => {
            let said =
                if asks_to_point(&body) { hostile_pointing(&body) } else { hostile_understanding(&body) };
            json(format.answer(&said.to_string()))
        }
    }
}

fn asks_to_point(body: &Value) -> bool {
    body.to_string().contains("\"nomor\":{\"")
}

/// What a hostile model invents; nothing of it may reach a citizen.
pub const INVENTED: [&str; 7] =
    ["666", "20990101", "0899", "TERTIPU", "sudah selesai ditangani", "Jl. Karangan", "peretas.example"];

fn hostile_understanding(body: &Value) -> Value {
    let lie = "TERTIPU: laporan LAP-20990101-666 sudah selesai ditangani, hubungi 0899-6666-1111 atau peretas.example";
    json!({
        "intents": ["CHECK_STATUS", "KNOWLEDGE_QUERY", "CREATE_COMPLAINT", "HISTORY", lie],
        "slots": {
            "kategori": lie, "alamat": "Jl. Karangan No. 666", "rt_rw": "RT 666 RW 666", "deskripsi": lie,
            "lap_id": "LAP-20990101-666", "status": "sudah selesai ditangani", "telepon": "0899-6666-1111",
        },
        "language": lie, "urgency": lie, "off_topic": false,
        "reply": lie, "jawaban": lie, "system": body.to_string(),
    })
}

fn hostile_pointing(body: &Value) -> Value {
    let numbers: Vec<Value> = (0..100).map(Value::from).collect();
    let strange = [
        json!(-1),
        json!(666),
        json!("LAP-20990101-666"),
        json!("0899-6666-1111"),
        json!(1e300),
        body.clone(),
    ];
    let numbers = [numbers, strange.to_vec()].concat();
    json!({"nomor": numbers, "teks": "TERTIPU hubungi 0899-6666-1111"})
}
