//! What answers when no handler does: 405 with `Allow` where the path exists for other methods, else 404.
//!
//! A handler with `#[get("/x")]` is a resource of its own that simply does not match a `POST`, so actix alone would
//! say 404. The paths and their methods are read from the service's own OpenAPI document.

use actix_web::dev::ResourceDef;
use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};
use utoipa::openapi::OpenApi;
use utoipa::openapi::path::PathItem;

use super::problem::Problem;

/// The documented paths of a service with the methods that each takes.
pub struct KnownPaths(Vec<(ResourceDef, String)>);

impl KnownPaths {
    /// From the service's document.
    pub fn of(api: &OpenApi) -> Self {
        let known =
            api.paths.paths.iter().map(|(path, item)| (ResourceDef::new(path.as_str()), methods(item)));
        KnownPaths(known.collect())
    }

    /// The methods that `path` takes; `None` when there is no such path.
    fn allowed(&self, path: &str) -> Option<&str> {
        self.0.iter().find(|(pattern, _)| pattern.is_match(path)).map(|(_, allowed)| allowed.as_str())
    }
}

fn methods(item: &PathItem) -> String {
    [
        ("GET", item.get.is_some()),
        ("POST", item.post.is_some()),
        ("PUT", item.put.is_some()),
        ("PATCH", item.patch.is_some()),
        ("DELETE", item.delete.is_some()),
    ]
    .into_iter()
    .filter_map(|(method, taken)| taken.then_some(method))
    .collect::<Vec<_>>()
    .join(", ")
}

/// The default service of every listener.
pub async fn nothing_here(request: HttpRequest, known: web::Data<KnownPaths>) -> HttpResponse {
    let Some(allowed) = known.allowed(request.path()) else {
        return Problem::new(StatusCode::NOT_FOUND)
            .detail("there is nothing at this path; /openapi.json lists what there is")
            .to_response();
    };
    let mut response = Problem::new(StatusCode::METHOD_NOT_ALLOWED)
        .detail(format!("this path takes only {allowed}"))
        .to_response();
    if let Ok(value) = HeaderValue::from_str(allowed) {
        response.headers_mut().insert(ALLOW, value);
    }
    response
}
