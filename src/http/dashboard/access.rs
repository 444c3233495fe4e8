//! Who may call what: roles are sets of permissions, every `/api` route names what it asks for, and one guard stands
//! before all of them. A route that is missing in [`ROUTES`] is refused for everybody.

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::header::{CACHE_CONTROL, HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN, SET_COOKIE};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::{FromRequest, HttpMessage, HttpRequest, web};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::token::{self, Claims};
use super::{DashboardState, store_problem};
use crate::http::problem::Problem;
use crate::store::dashboard::admins::Role;
use crate::store::dashboard::sessions::{self, LiveSession};

/// One thing that can be allowed.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema, strum::EnumIter, strum::Display,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Permission {
    /// The figures of the day.
    OverviewRead,
    /// Complaints with their reporters.
    ComplaintsRead,
    /// Conversations and what was said in them.
    ConversationsRead,
}

/// What a role may do.
pub const fn permissions(role: Role) -> &'static [Permission] {
    use Permission::{ComplaintsRead, ConversationsRead, OverviewRead};
    match role {
        Role::Superadmin | Role::Admin | Role::Petugas | Role::Viewer => {
            &[OverviewRead, ComplaintsRead, ConversationsRead]
        }
    }
}

/// What a route asks of its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Nothing.
    Public,
    /// A session, even one that must change its password first.
    SignedIn,
    /// A session whose role has the permission.
    Needs(Permission),
}

/// Every route under `/api`: method, pattern, what it asks for.
pub const ROUTES: &[(&str, &str, Access)] = &[
    ("POST", "/api/session", Access::Public),
    ("GET", "/api/session", Access::SignedIn),
    ("DELETE", "/api/session", Access::SignedIn),
    ("PUT", "/api/session/password", Access::SignedIn),
    ("GET", "/api/sessions", Access::SignedIn),
    ("DELETE", "/api/sessions/{session_id}", Access::SignedIn),
    ("GET", "/api/overview", Access::Needs(Permission::OverviewRead)),
    ("GET", "/api/complaints", Access::Needs(Permission::ComplaintsRead)),
    ("GET", "/api/complaints/{complaint_id}", Access::Needs(Permission::ComplaintsRead)),
    ("GET", "/api/complaints/{complaint_id}/updates", Access::Needs(Permission::ComplaintsRead)),
    ("GET", "/api/conversations", Access::Needs(Permission::ConversationsRead)),
    ("GET", "/api/conversations/{conversation_id}/messages", Access::Needs(Permission::ConversationsRead)),
    ("GET", "/api/live-chat/socket", Access::Needs(Permission::ConversationsRead)),
];

/// However busy, a session ends after this long.
pub const LONGEST_SESSION: SignedDuration = SignedDuration::from_hours(24 * 7);
/// The end of a session is moved at most this often.
const RENEW_EVERY: SignedDuration = SignedDuration::from_secs(60);

/// The caller, as the guard found them.
#[derive(Clone, Debug)]
pub struct SignedIn(pub LiveSession);

impl FromRequest for SignedIn {
    type Error = Problem;
    type Future = std::future::Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        std::future::ready(request.extensions().get::<SignedIn>().cloned().ok_or_else(not_signed_in))
    }
}

/// When a session that is used now ends, unless it is used again.
pub fn session_end(state: &DashboardState, created_at: Timestamp, now: Timestamp) -> Timestamp {
    let idle = SignedDuration::from_hours(i64::try_from(state.session_hours).unwrap_or(i64::MAX / 3600));
    let by_idleness = now.saturating_add(idle).unwrap_or(now);
    by_idleness.min(created_at.saturating_add(LONGEST_SESSION).unwrap_or(now))
}

/// Stands before every `/api` request: origin, session, permission; renews the session and adds the security headers.
pub async fn guard(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let Some(state) = request.app_data::<web::Data<DashboardState>>().cloned() else {
        return Ok(request.into_response(Problem::internal().to_response()));
    };
    let secure = token::is_secure(request.request(), state.environment);
    let admitted = admit(&request, &state, secure).await;
    let mut response = match admitted {
        Err(problem) => request.into_response(problem.to_response()),
        Ok(admitted) => {
            let renewed = admitted.as_ref().and_then(|admitted| admitted.renewed.clone());
            if let Some(admitted) = admitted {
                request.extensions_mut().insert(SignedIn(admitted.session));
            }
            let mut response = next.call(request).await?.map_into_boxed_body();
            // A handler that set a cookie itself (signing out, a new password) has the last word.
            if let Some(cookie) = renewed
                && !response.headers().contains_key(SET_COOKIE)
                && let Ok(value) = HeaderValue::from_str(&cookie)
            {
                response.headers_mut().insert(SET_COOKIE, value);
            }
            response
        }
    };
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    add_security_headers(headers, secure);
    Ok(response)
}

struct Admitted {
    session: LiveSession,
    /// A cookie to send along, when the session's end was moved.
    renewed: Option<String>,
}

async fn admit(
    request: &ServiceRequest,
    state: &DashboardState,
    secure: bool,
) -> Result<Option<Admitted>, Problem> {
    if !request.method().is_safe() && !is_same_origin(request.headers()) {
        return Err(Problem::forbidden(
            "requests that change something must come from the dashboard's own pages",
        )
        .kind("foreign-origin"));
    }
    let pattern = request.match_pattern();
    let Some(access) = pattern.as_deref().and_then(|pattern| access_of(request.method(), pattern)) else {
        authenticate(request, state, secure).await?;
        return Err(unlisted(pattern.as_deref()));
    };
    if access == Access::Public {
        return Ok(None);
    }
    let admitted = authenticate(request, state, secure).await?;
    if let Access::Needs(permission) = access {
        if admitted.session.must_change_password {
            return Err(
                Problem::forbidden("choose a password of your own first").kind("password-change-required")
            );
        }
        if !permissions(admitted.session.role).contains(&permission) {
            return Err(Problem::forbidden("your role does not allow this")
                .kind("not-allowed")
                .with("permission", permission.to_string()));
        }
    }
    Ok(Some(admitted))
}

/// The answer to what is not in the table: never the handler, even if there should be one.
fn unlisted(pattern: Option<&str>) -> Problem {
    let known = ROUTES.iter().any(|(_, path, _)| Some(*path) == pattern);
    if known {
        return Problem::new(StatusCode::METHOD_NOT_ALLOWED).detail("this path does not take that method");
    }
    Problem::new(StatusCode::NOT_FOUND)
        .detail("there is nothing at this path; /openapi.json lists what there is")
}

/// What the route asks for; `None` when the table does not have it.
pub fn access_of(method: &Method, pattern: &str) -> Option<Access> {
    let method = if method == Method::HEAD { "GET" } else { method.as_str() };
    ROUTES.iter().find(|(verb, path, _)| *verb == method && *path == pattern).map(|(_, _, access)| *access)
}

async fn authenticate(
    request: &ServiceRequest,
    state: &DashboardState,
    secure: bool,
) -> Result<Admitted, Problem> {
    let now = state.clock.now();
    let claims = token::read(request.request(), &state.session_key, secure, now).ok_or_else(not_signed_in)?;
    let session = sessions::find_live(&state.pool, claims.sid, &claims.token_hash(), now)
        .await
        .map_err(store_problem)?
        .ok_or_else(not_signed_in)?;
    let renewed = renew(state, &session, &claims, secure, now).await?;
    Ok(Admitted { session, renewed })
}

async fn renew(
    state: &DashboardState,
    session: &LiveSession,
    claims: &Claims,
    secure: bool,
    now: Timestamp,
) -> Result<Option<String>, Problem> {
    if now.duration_since(session.last_used_at) < RENEW_EVERY {
        return Ok(None);
    }
    let expires_at = session_end(state, session.created_at, now);
    sessions::renew(&state.pool, session.session_id, expires_at, now).await.map_err(store_problem)?;
    let cookie = claims.renewed(now, expires_at).cookie(&state.session_key, secure).map_err(|error| {
        tracing::error!(%error, "a session token could not be signed");
        Problem::internal()
    })?;
    Ok(Some(cookie.to_string()))
}

fn not_signed_in() -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED).detail("please sign in").kind("not-signed-in")
}

/// Browsers send `Origin` with every request that changes something; it must be the host that was asked.
pub(super) fn is_same_origin(headers: &HeaderMap) -> bool {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let (Some(origin), Some(host)) = (text(ORIGIN), text(HOST)) else { return false };
    let authority = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
    authority.is_some_and(|authority| authority.eq_ignore_ascii_case(host))
}

/// What every answer of the dashboard carries. Scripts, styles and calls come from here alone, nothing inline.
pub fn add_security_headers(headers: &mut HeaderMap, secure: bool) {
    const HEADERS: [(&str, &str); 6] = [
        (
            "content-security-policy",
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; \
             connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
        ),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "same-origin"),
        ("permissions-policy", "camera=(), geolocation=(), microphone=(), payment=()"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
    ];
    for (name, value) in HEADERS {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    if secure {
        headers.insert(
            HeaderName::from_static("strict-transport-security"),
            HeaderValue::from_static("max-age=31536000"),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_own_host_is_the_same_origin() {
        for (origin, host, same) in [
            (Some("http://localhost:3000"), Some("localhost:3000"), true),
            (Some("https://kantor.example"), Some("kantor.example"), true),
            (Some("https://kantor.example.evil.example"), Some("kantor.example"), false),
            (Some("http://localhost:3010"), Some("localhost:3000"), false),
            (Some("null"), Some("localhost:3000"), false),
            (None, Some("localhost:3000"), false),
            (Some("http://localhost:3000"), None, false),
        ] {
            let mut headers = HeaderMap::new();
            for (name, value) in [(ORIGIN, origin), (HOST, host)] {
                if let Some(value) = value {
                    headers.insert(name, HeaderValue::from_static(value));
                }
            }
            assert_eq!(is_same_origin(&headers), same, "{origin:?} {host:?}");
        }
    }

    #[test]
    fn every_documented_route_is_in_the_table_and_the_other_way_round() {
        let document = crate::http::listener::openapi(&super::super::description());
        let value = serde_json::to_value(document).unwrap();
        let mut documented: Vec<(String, String)> = Vec::new();
        for (path, methods) in value["paths"].as_object().unwrap() {
            for method in methods.as_object().unwrap().keys().filter(|_| path.starts_with("/api")) {
                documented.push((method.to_uppercase(), path.clone()));
            }
        }
        let mut listed: Vec<(String, String)> =
            ROUTES.iter().map(|(method, path, _)| ((*method).into(), (*path).into())).collect();
        documented.sort();
        listed.sort();
        assert_eq!(documented, listed);
    }
}
