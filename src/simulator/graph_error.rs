//! Errors as the Graph API words them. It must never invent a shape of its own: what a client sees here is
//! what it will see of Meta.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, HttpResponseBuilder};
use serde_json::{Value, json};

/// An error of the Graph API: in an answer, or in a `failed` status.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct GraphError {
    pub http_status: u16,
    pub code: i64,
    pub subcode: Option<i64>,
    pub title: String,
    pub details: String,
}

impl GraphError {
    /// The error with Meta's usual HTTP status and title for `code`.
    pub fn new(code: i64, details: impl Into<String>) -> Self {
        let (http_status, title) = describe(code);
        GraphError { http_status, code, subcode: None, title: title.to_owned(), details: details.into() }
    }

    /// A key that Meta does not know, or a body it cannot read.
    pub fn invalid_parameter(details: impl Into<String>) -> Self {
        GraphError::new(100, details)
    }

    /// A required key is absent.
    pub fn missing(path: &str) -> Self {
        GraphError::new(131_008, format!("{path} is required"))
    }

    /// A known key holds something it may not hold.
    pub fn invalid_value(details: impl Into<String>) -> Self {
        GraphError::new(131_009, details)
    }

    /// No such object, or none this token may see.
    pub fn unknown_object(id: &str) -> Self {
        let mut error =
            GraphError::new(100, format!("Unsupported request. Object with ID '{id}' does not exist"));
        error.subcode = Some(33);
        error
    }

    pub fn unauthorized() -> Self {
        GraphError::new(190, "Invalid OAuth access token - Cannot parse access token")
    }

    pub fn to_json(&self) -> Value {
        let mut error = json!({
            "message": format!("(#{}) {}", self.code, self.title),
            "type": "OAuthException",
            "code": self.code,
            "error_data": {"messaging_product": "whatsapp", "details": self.details},
            "fbtrace_id": trace_id(),
        });
        if let Some(subcode) = self.subcode {
            error["error_subcode"] = subcode.into();
        }
        json!({ "error": error })
    }

    /// As an element of `errors` in a `failed` status.
    pub fn to_status_error(&self) -> Value {
        json!({
            "code": self.code,
            "title": self.title,
            "message": self.title,
            "error_data": {"details": self.details},
            "href": "https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes/",
        })
    }
}

/// A JSON answer with any HTTP status, even one a script made up.
pub(super) fn respond(status: u16, body: &Value) -> HttpResponse {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    HttpResponseBuilder::new(status).json(body)
}

fn trace_id() -> String {
    format!("A{}", &uuid::Uuid::new_v4().simple().to_string()[..20])
}

/// HTTP status and title of the codes this project acts on; an unknown code is a plain bad request.
fn describe(code: i64) -> (u16, &'static str) {
    match code {
        0 => (401, "AuthException"),
        1 => (400, "API Unknown"),
        2 => (503, "API Service"),
        3 => (500, "API Method"),
        4 => (429, "API Too Many Calls"),
        10 => (403, "Permission Denied"),
        33 => (400, "Parameter value is not valid"),
        100 => (400, "Invalid parameter"),
        190 => (401, "Access token has expired"),
        200..=299 => (403, "API Permission"),
        368 => (403, "Temporarily blocked for policies violations"),
        80_007 => (429, "Rate limit issues"),
        130_429 => (429, "Rate limit hit"),
        130_472 => (400, "User's number is part of an experiment"),
        130_497 => (403, "Business account is restricted from messaging users in this country"),
        131_000 => (500, "Something went wrong"),
        131_005 => (403, "Access denied"),
        131_008 => (400, "Required parameter is missing"),
        131_009 => (400, "Parameter value is not valid"),
        131_016 => (500, "Service unavailable"),
        131_021 => (400, "Recipient cannot be sender"),
        131_026 => (400, "Message undeliverable"),
        131_030 => (400, "Recipient phone number not in allowed list"),
        131_031 => (403, "Business account has been locked"),
        131_037 => (400, "Display name approval needed"),
        131_042 => (400, "Business eligibility payment issue"),
        131_044 | 131_045 => (500, "Incorrect certificate"),
        131_047 => (400, "Re-engagement message"),
        131_048 => (429, "Spam rate limit hit"),
        131_049 => (400, "Message not delivered to keep the ecosystem healthy"),
        131_050 => (400, "User has stopped marketing messages"),
        131_051 => (400, "Unsupported message type"),
        131_052 => (400, "Media download error"),
        131_053 => (400, "Media upload error"),
        131_056 => (429, "(Business Account, Consumer Account) pair rate limit hit"),
        131_057 => (500, "Account in maintenance mode"),
        131_062 => (400, "Recipient user id is not supported by this message"),
        132_000 => (400, "Number of parameters does not match the expected number of params"),
        132_001 => (404, "Template does not exist"),
        132_005 => (400, "Template hydrated text too long"),
        132_012 => (400, "Template parameter format mismatch"),
        133_004 => (503, "Server temporarily unavailable"),
        133_016 => (429, "Account register deregister rate limit exceeded"),
        _ => (400, "Request refused"),
    }
}
