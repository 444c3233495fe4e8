//! The built web application, inside the binary: hashed assets cached for good, the page itself never. Unknown paths
//! that a browser navigates to get the page (it has its own router); anything else is a plain 404.

use actix_web::http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderValue, IF_NONE_MATCH};
use actix_web::middleware::Compress;
use actix_web::{HttpRequest, HttpResponse, guard, web};
use rust_embed::{EmbeddedFile, RustEmbed};

use super::{DashboardState, access, token};
use crate::http::problem::Problem;

/// What `npm run build` leaves; `build.rs` makes the folder so that the crate compiles without it.
#[derive(RustEmbed)]
#[folder = "$CARGO_MANIFEST_DIR/dashboard/dist"]
struct Built;

const INDEX: &str = "index.html";
/// Vite puts a hash of the content into the names here.
const HASHED: &str = "assets/";
/// First segments of paths that belong to the service, never to the application.
const NOT_PAGES: [&str; 7] = ["api", "internal", "openapi.json", "docs", "metrics", "health", "ready"];

const NOT_BUILT: &str = "<!doctype html><meta charset=utf-8><title>GovConnect</title>\
    <h1>The dashboard has not been built</h1>\
    <p>Run <code>npm ci &amp;&amp; npm run build</code> in <code>dashboard/</code>, then build the binary again.</p>";

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(
        web::resource("/{path:.*}")
            .guard(guard::Any(guard::Get()).or(guard::Head()))
            .wrap(Compress::default())
            .route(web::to(page)),
    );
}

async fn page(
    request: HttpRequest,
    path: web::Path<String>,
    state: web::Data<DashboardState>,
) -> HttpResponse {
    let mut response = find(&request, &path);
    let secure = token::is_secure(&request, state.environment);
    access::add_security_headers(response.headers_mut(), secure);
    response
}

fn find(request: &HttpRequest, path: &str) -> HttpResponse {
    let first = path.split('/').next().unwrap_or_default();
    if NOT_PAGES.contains(&first) {
        return Problem::not_found("page").to_response();
    }
    if path != INDEX
        && let Some(file) = Built::get(path)
    {
        return serve(request, path, &file);
    }
    let navigates = request
        .headers()
        .get(ACCEPT)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.contains("text/html") || (path.is_empty() && value.contains("*/*")));
    if path.starts_with(HASHED) || !navigates {
        return Problem::not_found("page").to_response();
    }
    match Built::get(INDEX) {
        Some(file) => serve(request, INDEX, &file),
        None => HttpResponse::Ok()
            .insert_header((CACHE_CONTROL, "no-store"))
            .insert_header((CONTENT_TYPE, "text/html; charset=utf-8"))
            .body(NOT_BUILT),
    }
}

fn serve(request: &HttpRequest, path: &str, file: &EmbeddedFile) -> HttpResponse {
    let etag = format!("\"{}\"", hex::encode(&file.metadata.sha256_hash()[..16]));
    let caching = if path.starts_with(HASHED) { "public, max-age=31536000, immutable" } else { "no-cache" };
    // A weak comparison: compression on the way may have marked the tag as weak.
    let unchanged = request
        .headers()
        .get(IF_NONE_MATCH)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.split(',').any(|tag| tag.trim().trim_start_matches("W/") == etag));
    let mut response = if unchanged { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    response.insert_header((CACHE_CONTROL, caching)).insert_header((ETAG, etag));
    if unchanged {
        return response.finish();
    }
    let media_type = file.metadata.mimetype();
    let value = if media_type.starts_with("text/") || media_type.ends_with("javascript") {
        format!("{media_type}; charset=utf-8")
    } else {
        media_type.to_owned()
    };
    if let Ok(value) = HeaderValue::from_str(&value) {
        response.insert_header((CONTENT_TYPE, value));
    }
    response.body(file.data.clone().into_owned())
}
