//! Refusals of the control API: problem details (RFC 9457) that name the field.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, ResponseError};
use serde::de::DeserializeOwned;
use serde_json::json;

#[derive(Debug, thiserror::Error)]
#[error("{detail}")]
pub(super) struct Problem {
    status: StatusCode,
    field: Option<String>,
    detail: String,
}

impl Problem {
    pub fn invalid(field: &str, detail: impl Into<String>) -> Self {
        let detail = format!("{field}: {}", detail.into());
        Problem { status: StatusCode::BAD_REQUEST, field: Some(field.to_owned()), detail }
    }

    pub fn conflict(field: &str, detail: impl Into<String>) -> Self {
        Problem { status: StatusCode::CONFLICT, ..Problem::invalid(field, detail) }
    }

    pub fn not_found(what: &str, id: &str) -> Self {
        Problem { status: StatusCode::NOT_FOUND, field: None, detail: format!("there is no {what} {id}") }
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        let body = json!({
            "type": "about:blank",
            "title": self.status.canonical_reason().unwrap_or("Error"),
            "status": self.status.as_u16(),
            "detail": self.detail,
            "field": self.field,
        });
        HttpResponse::build(self.status).content_type("application/problem+json").body(body.to_string())
    }
}

/// Reads a JSON body and says where it went wrong. An empty body is an empty object.
pub(super) fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    let body = if body.is_empty() { b"{}" } else { body };
    let mut reader = serde_json::Deserializer::from_slice(body);
    serde_path_to_error::deserialize(&mut reader)
        .map_err(|error| Problem::invalid(&error.path().to_string(), error.inner().to_string()))
}
