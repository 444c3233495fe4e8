//! What the services' handlers share beyond reading a body: idempotency keys, versions in headers, limits of lists, texts
//! that must say something, and the store's failures as problems.

use actix_web::HttpRequest;
use actix_web::http::header::{ETAG, HeaderValue, IF_MATCH};

use super::problem::Problem;
use crate::complaint::Coordinates;
use crate::store::StoreError;
use crate::store::page::Cursor;

/// The header that makes a repeated creation the same one.
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// How many items a page has when nothing is asked.
pub const DEFAULT_LIMIT: u32 = 20;
/// The most items a page can have.
pub const MAX_LIMIT: u32 = 100;

/// The `Idempotency-Key` of a request, if it has one.
///
/// # Errors
/// 400 when it is empty, longer than 255 or not plain ASCII.
pub fn idempotency_key(request: &HttpRequest) -> Result<Option<String>, Problem> {
    let Some(value) = request.headers().get(IDEMPOTENCY_KEY) else { return Ok(None) };
    let usable =
        |key: &&str| (1..=255).contains(&key.len()) && key.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    match value.to_str().ok().map(str::trim).filter(usable) {
        Some(key) => Ok(Some(key.to_owned())),
        None => Err(Problem::bad_request("Idempotency-Key must be 1 to 255 plain ASCII characters")),
    }
}

/// The versions that `If-Match` accepts (RFC 9110 §13.1.1); none when any will do.
///
/// # Errors
/// 400 when it is not a list of quoted tags.
pub fn if_match(request: &HttpRequest) -> Result<Option<Vec<i64>>, Problem> {
    let mut versions = Vec::new();
    for value in request.headers().get_all(IF_MATCH) {
        let value = value.to_str().unwrap_or_default().trim();
        if value == "*" {
            return Ok(None);
        }
        for tag in value.split(',').map(str::trim) {
            let (weak, quoted) = tag.strip_prefix("W/").map_or((false, tag), |tag| (true, tag));
            let inner = quoted.strip_prefix('"').and_then(|tag| tag.strip_suffix('"')).ok_or_else(|| {
                Problem::bad_request("If-Match must be the ETag as it was given, quotes included")
            })?;
            // Weak tags never match here, nor do tags that are not ours; -1 is no version.
            versions.push(if weak { -1 } else { inner.parse().unwrap_or(-1) });
        }
    }
    Ok(if versions.is_empty() { None } else { Some(versions) })
}

/// The `ETag` header of a version.
pub fn etag(version: i64) -> (actix_web::http::header::HeaderName, HeaderValue) {
    // Digits and quotes are always a valid header value.
    (ETAG, HeaderValue::from_str(&format!("\"{version}\"")).unwrap_or(HeaderValue::from_static("\"\"")))
}

/// Reads a cursor that a client passed back.
///
/// # Errors
/// 422 naming the field.
pub fn cursor(text: Option<&str>) -> Result<Option<Cursor>, Problem> {
    text.map(|text| text.parse().map_err(|error| Problem::field("cursor", format!("{error}")))).transpose()
}

/// A `garde` rule: a text of nothing but blanks says nothing.
pub fn not_blank(text: &str, _: &()) -> garde::Result {
    if text.trim().is_empty() { Err(garde::Error::new("must not be empty")) } else { Ok(()) }
}

/// The same for a text that may be absent.
pub fn not_blank_if_given(text: &Option<String>, context: &()) -> garde::Result {
    text.as_deref().map_or(Ok(()), |text| not_blank(text, context))
}

/// The point that two optional numbers name.
///
/// # Errors
/// 422 naming the half that is missing.
pub fn coordinates(latitude: Option<f64>, longitude: Option<f64>) -> Result<Option<Coordinates>, Problem> {
    Coordinates::from_parts(latitude, longitude)
        .map_err(|missing| Problem::field(missing, "latitude and longitude go together"))
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        store_failure(&error)
    }
}

/// What the caller is told when the store did not do it; the cause is logged here, once.
pub fn store_failure(error: &StoreError) -> Problem {
    match error {
        StoreError::Unavailable(source) => {
            tracing::warn!(error = %source, "database unavailable");
            Problem::unavailable("the database does not answer; ask again later")
        }
        StoreError::Refused(source) | StoreError::Statement(source) => {
            // The server's message may quote values; its code and constraint do not.
            match source.as_database_error() {
                Some(database) => {
                    let code = database.code().unwrap_or_default();
                    let constraint = database.constraint().unwrap_or_default();
                    tracing::error!(sqlstate = %code, constraint, "statement failed");
                }
                None => tracing::error!(error = %source, "statement failed"),
            }
            Problem::internal()
        }
        StoreError::Corrupt(what) => {
            tracing::error!(what, "stored data could not be read");
            Problem::internal()
        }
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn if_match_is_read_as_the_standard_has_it() {
        for (given, read) in [
            ("\"3\"", Ok(Some(vec![3]))),
            ("\"3\", \"4\"", Ok(Some(vec![3, 4]))),
            ("W/\"3\"", Ok(Some(vec![-1]))),
            ("\"abc\"", Ok(Some(vec![-1]))),
            ("*", Ok(None)),
            ("3", Err(400)),
        ] {
            let request = TestRequest::default().insert_header((IF_MATCH, given)).to_http_request();
            assert_eq!(if_match(&request).map_err(|problem| problem.status), read, "{given}");
        }
        assert_eq!(if_match(&TestRequest::default().to_http_request()), Ok(None));
    }

    #[test]
    fn idempotency_keys_are_short_and_plain() {
        for (given, read) in
            [("abc-1", Ok(Some("abc-1".to_owned()))), ("  ", Err(400)), ("kunci-ü", Err(400))]
        {
            let request = TestRequest::default().insert_header((IDEMPOTENCY_KEY, given)).to_http_request();
            assert_eq!(idempotency_key(&request).map_err(|problem| problem.status), read, "{given}");
        }
        let long = "x".repeat(256);
        let request = TestRequest::default().insert_header((IDEMPOTENCY_KEY, long)).to_http_request();
        assert_eq!(idempotency_key(&request).map_err(|problem| problem.status), Err(400));
    }
}
