//! The phone page: static files built into the binary, pictures for it, and a stream that says which phone looks
//! different now. It has no powers of its own; the page speaks through the control API.

use std::convert::Infallible;

use actix_web::http::header;
use actix_web::{HttpResponse, web};
use bytes::Bytes;
use rust_embed::RustEmbed;
use tokio::sync::broadcast::error::RecvError;

use super::problem::Problem;
use super::state::Shared;

#[derive(RustEmbed)]
#[folder = "$CARGO_MANIFEST_DIR/src/simulator/phone/"]
struct Files;

const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
    img-src 'self' blob: data: http: https:; media-src 'self' blob: http: https:; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/", web::get().to(index))
        .route("/health", web::get().to(health))
        .route("/phone/events", web::get().to(events))
        .route("/phone/media/{id}", web::get().to(medium))
        .route("/phone/{file}", web::get().to(file));
}

async fn health() -> HttpResponse {
    HttpResponse::Ok().json(serde_json::json!({"status": "ok"}))
}

async fn index() -> Result<HttpResponse, Problem> {
    serve("index.html")
}

async fn file(name: web::Path<String>) -> Result<HttpResponse, Problem> {
    serve(&name)
}

fn serve(name: &str) -> Result<HttpResponse, Problem> {
    let file = Files::get(name).ok_or_else(|| Problem::not_found("file", name))?;
    Ok(HttpResponse::Ok()
        .content_type(file.metadata.mimetype())
        .insert_header((header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((header::REFERRER_POLICY, "no-referrer"))
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        .body(file.data.into_owned()))
}

/// A file for the page, which has no bearer token. Sandboxed: an uploaded file must not run as a page.
async fn medium(shared: web::Data<Shared>, id: web::Path<String>) -> Result<HttpResponse, Problem> {
    let medium = shared.with_world(|world| world.media.get(&id).cloned());
    let medium = medium.ok_or_else(|| Problem::not_found("medium", &id))?;
    Ok(HttpResponse::Ok()
        .content_type(medium.mime_type)
        .insert_header((header::CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox"))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .body(medium.bytes))
}

/// Server-sent events: the id of a citizen whose phone changed, or `*` for everybody. Ends when the stand-in stops.
async fn events(shared: web::Data<Shared>) -> HttpResponse {
    let changes = shared.changes.subscribe();
    let stopping = shared.stopping.clone();
    let stream = futures::stream::unfold((changes, true), move |(mut changes, first)| {
        let stopping = stopping.clone();
        async move {
            if first {
                // Whoever (re)connects has missed something.
                return Some((event("*"), (changes, false)));
            }
            let changed = match stopping.run_until_cancelled(changes.recv()).await {
                Some(Ok(citizen)) => citizen,
                Some(Err(RecvError::Lagged(_))) => "*".to_owned(),
                Some(Err(RecvError::Closed)) | None => return None,
            };
            Some((event(&changed), (changes, false)))
        }
    });
    HttpResponse::Ok()
        .content_type("text/event-stream")
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .streaming(stream)
}

fn event(citizen: &str) -> Result<Bytes, Infallible> {
    Ok(Bytes::from(format!("data: {citizen}\n\n")))
}
