//! Stand-ins for the case and channel services, answering their contracts from memory; the dashboard cannot tell.

use std::sync::{Arc, Mutex};

use actix_web::dev::ServerHandle;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use reqwest::Url;
use serde_json::{Value, json};

pub const INTERNAL_KEY: &str = "test-internal-key-0123456789";

/// What the stand-ins know; tests change it while they run.
#[derive(Clone, Default)]
pub struct World(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    complaints: Vec<Value>,
    conversations: Vec<Value>,
    messages: Vec<Value>,
    /// Queries that were asked, to see what was passed on.
    asked: Vec<String>,
    broken: bool,
}

impl World {
    fn with<T>(&self, act: impl FnOnce(&mut Inner) -> T) -> T {
        act(&mut self.0.lock().unwrap())
    }

    pub fn add_complaint(&self, complaint: Value) {
        self.with(|inner| inner.complaints.insert(0, complaint));
    }

    pub fn add_conversation(&self, conversation: Value) {
        self.with(|inner| inner.conversations.insert(0, conversation));
    }

    pub fn add_message(&self, message: Value) {
        self.with(|inner| inner.messages.insert(0, message));
    }

    /// Both services answer nonsense from now on.
    pub fn break_down(&self) {
        self.with(|inner| inner.broken = true);
    }

    pub fn asked(&self) -> Vec<String> {
        self.with(|inner| inner.asked.clone())
    }
}

pub struct OtherServices {
    pub url: Url,
    pub world: World,
    handle: ServerHandle,
}

impl OtherServices {
    pub async fn stop(&self) {
        self.handle.stop(false).await;
    }
}

/// Both services behind one address; must be called inside an actix system.
pub fn start(world: World) -> OtherServices {
    let shared = world.clone();
    let server = HttpServer::new(move || {
        App::new()
            .app_data(web::Data::new(shared.clone()))
            .route("/internal/complaints", web::get().to(complaints))
            .route("/internal/complaints/stats", web::get().to(stats))
            .route("/internal/complaints/{id}", web::get().to(complaint))
            .route("/internal/complaints/{id}/updates", web::get().to(updates))
            .route("/internal/conversations", web::get().to(conversations))
            .route("/internal/messages", web::get().to(messages))
    })
    .workers(1)
    .disable_signals()
    .bind(("127.0.0.1", 0))
    .unwrap();
    let url = format!("http://{}", server.addrs()[0]).parse().unwrap();
    let server = server.run();
    let handle = server.handle();
    actix_rt::spawn(server);
    OtherServices { url, world, handle }
}

fn answer(
    request: &HttpRequest,
    world: &World,
    respond: impl FnOnce(&Inner) -> HttpResponse,
) -> HttpResponse {
    let key = request.headers().get("x-internal-api-key").and_then(|key| key.to_str().ok());
    if key != Some(INTERNAL_KEY) {
        return HttpResponse::Unauthorized().finish();
    }
    world.with(|inner| {
        inner.asked.push(format!("{}?{}", request.path(), request.query_string()));
        if inner.broken { HttpResponse::Ok().body("<html>gateway</html>") } else { respond(inner) }
    })
}

/// Pages by offset: the cursor is the number of items already seen.
fn page(request: &HttpRequest, items: Vec<Value>) -> HttpResponse {
    let query =
        web::Query::<std::collections::HashMap<String, String>>::from_query(request.query_string()).unwrap();
    let number = |name: &str, otherwise: usize| {
        query.get(name).and_then(|text| text.parse().ok()).unwrap_or(otherwise)
    };
    let (start, limit) = (number("cursor", 0), number("limit", 50));
    let next = (start + limit < items.len()).then(|| (start + limit).to_string());
    let items: Vec<Value> = items.into_iter().skip(start).take(limit).collect();
    HttpResponse::Ok().json(json!({ "items": items, "next_cursor": next }))
}

async fn complaints(request: HttpRequest, world: web::Data<World>) -> HttpResponse {
    let query =
        web::Query::<std::collections::HashMap<String, String>>::from_query(request.query_string()).unwrap();
    if query.get("status").is_some_and(|status| status == "unknown") {
        return HttpResponse::UnprocessableEntity().json(json!({
            "type": "about:blank", "title": "Unprocessable Entity", "status": 422,
            "errors": [{ "field": "status", "message": "no such status" }],
        }));
    }
    answer(&request, &world, |inner| {
        let matches = |item: &&Value| {
            ["status", "kategori"]
                .iter()
                .all(|name| query.get(*name).is_none_or(|value| item[*name] == **value))
                && query
                    .get("q")
                    .is_none_or(|words| item.to_string().to_lowercase().contains(&words.to_lowercase()))
        };
        page(&request, inner.complaints.iter().filter(matches).cloned().collect())
    })
}

async fn complaint(request: HttpRequest, world: web::Data<World>, id: web::Path<String>) -> HttpResponse {
    answer(&request, &world, |inner| {
        match inner.complaints.iter().find(|item| item["complaint_id"] == *id.as_str()) {
            Some(found) => HttpResponse::Ok().json(found),
            None => HttpResponse::NotFound().finish(),
        }
    })
}

/// Every complaint was filed by its citizen and nothing happened since.
async fn updates(request: HttpRequest, world: web::Data<World>, id: web::Path<String>) -> HttpResponse {
    answer(&request, &world, |inner| {
        match inner.complaints.iter().find(|item| item["complaint_id"] == *id.as_str()) {
            Some(found) => HttpResponse::Ok().json(json!({ "next_cursor": null, "items": [{
                "update_id": uuid::Uuid::now_v7(), "version": 1, "actor_kind": "citizen", "actor_id": null,
                "from_status": null, "to_status": found["status"], "changes": {}, "note": null,
                "visibility": "public", "created_at": found["created_at"],
            }] })),
            None => HttpResponse::NotFound().finish(),
        }
    })
}

async fn stats(request: HttpRequest, world: web::Data<World>) -> HttpResponse {
    answer(&request, &world, |inner| {
        let count = |name: &str| {
            let mut counts = std::collections::BTreeMap::<String, i64>::new();
            for item in &inner.complaints {
                *counts.entry(item[name].as_str().unwrap_or_default().to_owned()).or_default() += 1;
            }
            counts
        };
        HttpResponse::Ok().json(json!({
            "total": inner.complaints.len(),
            "today": inner.complaints.len(),
            "by_status": count("status"),
            "by_kategori": count("kategori"),
        }))
    })
}

async fn conversations(request: HttpRequest, world: web::Data<World>) -> HttpResponse {
    answer(&request, &world, |inner| page(&request, inner.conversations.clone()))
}

async fn messages(request: HttpRequest, world: web::Data<World>) -> HttpResponse {
    let query =
        web::Query::<std::collections::HashMap<String, String>>::from_query(request.query_string()).unwrap();
    let conversation = query.get("conversation_id").cloned().unwrap_or_default();
    answer(&request, &world, |inner| {
        if !inner.conversations.iter().any(|item| item["conversation_id"] == *conversation) {
            return HttpResponse::NotFound().finish();
        }
        let of_it = |item: &&Value| item["conversation_id"] == *conversation;
        page(&request, inner.messages.iter().filter(of_it).cloned().collect())
    })
}
