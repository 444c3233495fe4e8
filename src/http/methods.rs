//! Methods that a path does not take: 405 with `Allow`, not 404.
//!
//! A handler with `#[get("/x")]` is a resource of its own that simply does not match a `POST`; this one, registered after
//! all handlers of the path, catches what is left.

use actix_web::http::header::ALLOW;
use actix_web::{HttpResponse, Resource, web};

use super::problem::Problem;

/// Answers 405 to whatever reaches `path` after its handlers; `allow` is the header's value, such as `GET, POST`.
pub fn only(path: &str, allow: &'static str) -> Resource {
    web::resource(path).default_service(web::to(move || async move {
        let problem = Problem::new(actix_web::http::StatusCode::METHOD_NOT_ALLOWED)
            .detail(format!("this path takes only {allow}"));
        let mut response: HttpResponse = problem.to_response();
        response.headers_mut().insert(ALLOW, actix_web::http::header::HeaderValue::from_static(allow));
        response
    }))
}
