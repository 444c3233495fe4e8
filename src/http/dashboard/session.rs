//! Signing in and out, one's password, one's own sessions. What a wrong sign-in is told never depends on whether the
//! name exists.

use actix_web::http::StatusCode;
use actix_web::http::header::{RETRY_AFTER, USER_AGENT};
use actix_web::{HttpMessage, HttpRequest, HttpResponse, delete, get, post, put, web};
use garde::Validate;
use jiff::Timestamp;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use super::access::{Permission, SignedIn, permissions, session_end};
use super::token::{self, Claims};
use super::{DashboardState, office, password_problem, store_problem};
use crate::http::extract::{ApiJson, ApiPath};
use crate::http::guard::RequestId;
use crate::http::problem::Problem;
use crate::passwords;
use crate::store::StoreError;
use crate::store::dashboard::activity::{self, Entry};
use crate::store::dashboard::admins::{self, Admin, Role, normalized_username};
use crate::store::dashboard::attempts::{self, Verdict};
use crate::store::dashboard::sessions::{self, LiveSession, NewSession};

/// A name and a password.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SignIn {
    #[garde(length(chars, min = 1, max = 63))]
    username: String,
    #[garde(skip)]
    #[schema(value_type = String, format = Password)]
    password: SecretString,
}

/// The present password and the one to have from now on.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PasswordChange {
    #[garde(skip)]
    #[schema(value_type = String, format = Password)]
    current_password: SecretString,
    #[garde(skip)]
    #[schema(value_type = String, format = Password)]
    new_password: SecretString,
}

/// Who is signed in, and what they may do.
#[derive(Serialize, ToSchema)]
pub struct SessionView {
    admin: AdminView,
    permissions: &'static [Permission],
    /// Until a password of one's own is chosen, nothing else is allowed.
    must_change_password: bool,
    /// When the session ends unless it is used.
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
    /// Whose office this is, and by which clock its dates are shown; absent until it is set up.
    #[schema(required)]
    office: Option<OfficeView>,
}

/// The office, as the pages' head shows it.
#[derive(Serialize, ToSchema)]
pub struct OfficeView {
    name: String,
    /// An IANA zone.
    time_zone: String,
}

/// An officer.
#[derive(Serialize, ToSchema)]
pub struct AdminView {
    admin_id: Uuid,
    username: String,
    display_name: String,
    role: Role,
    unit: Option<String>,
}

/// One's sessions that are in force.
#[derive(Serialize, ToSchema)]
pub struct SessionList {
    items: Vec<ListedSession>,
}

/// A session on some device.
#[derive(Serialize, ToSchema)]
pub struct ListedSession {
    session_id: Uuid,
    /// Browser and system, as far as they can be told.
    device: String,
    address: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    last_used_at: Timestamp,
    /// The session that asks.
    current: bool,
}

/// Sign in: sets the session's cookie.
#[utoipa::path(tag = "session", request_body = SignIn, responses(
    (status = 200, body = SessionView),
    (status = 401, description = "the name or the password is wrong", body = Problem),
    (status = 429, description = "too many wrong attempts; `retry_after_s` says how long to wait", body = Problem),
))]
#[post("/session")]
pub async fn sign_in(
    request: HttpRequest,
    state: web::Data<DashboardState>,
    body: ApiJson<SignIn>,
) -> Result<HttpResponse, Problem> {
    let now = state.clock.now();
    let username = normalized_username(&body.username);
    let address = client_address(&request);
    if let Verdict::Wait { until } =
        attempts::begin(&state.pool, &username, &address, now).await.map_err(store_problem)?
    {
        tracing::warn!("a sign-in was refused: too many wrong attempts");
        return Ok(too_many(until, now));
    }
    let account = admins::by_username(&state.pool, &username).await.map_err(store_problem)?;
    let active = account.filter(|account| account.disabled_at.is_none());
    let stored = active.as_ref().map(|account| account.password_hash.as_str());
    let right = passwords::verify(&body.password, stored).await.map_err(password_problem)?;
    let Some(account) = active.filter(|_| right) else {
        tracing::info!("a sign-in failed");
        return Err(Problem::unauthorized("the user name or the password is wrong").kind("wrong-credentials"));
    };

    let session = LiveSession {
        session_id: Uuid::now_v7(),
        admin_id: account.admin_id,
        username: account.username.clone(),
        display_name: account.display_name.clone(),
        role: account.role,
        unit: account.unit.clone(),
        must_change_password: account.must_change_password,
        created_at: now,
        last_used_at: now,
        expires_at: session_end(&state, now, now),
    };
    let claims = Claims::new(session.session_id, now, session.expires_at);
    let begin = async {
        let mut transaction = state.pool.begin().await?;
        attempts::succeeded(&mut transaction, &username, &address, now).await?;
        begin_session(&mut transaction, &request, &session, &claims, now).await?;
        log(&mut transaction, &request, &session, "session.started", now).await?;
        transaction.commit().await?;
        Ok::<_, StoreError>(())
    };
    begin.await.map_err(store_problem)?;
    tracing::info!(admin.id = %session.admin_id, "signed in");
    signed_in(&state, &request, &session, &claims).await
}

/// Who is signed in.
#[utoipa::path(tag = "session", responses((status = 200, body = SessionView), (status = 401, body = Problem)))]
#[get("/session")]
pub async fn current_session(
    state: web::Data<DashboardState>,
    session: SignedIn,
) -> Result<web::Json<SessionView>, Problem> {
    view(&state, &session.0).await.map(web::Json)
}

/// Sign out: ends the session and forgets its cookie.
#[utoipa::path(tag = "session", responses((status = 204), (status = 401, body = Problem)))]
#[delete("/session")]
pub async fn sign_out(
    request: HttpRequest,
    state: web::Data<DashboardState>,
    session: SignedIn,
) -> Result<HttpResponse, Problem> {
    let now = state.clock.now();
    let end = async {
        let mut transaction = state.pool.begin().await?;
        sessions::revoke(&mut transaction, session.0.admin_id, session.0.session_id, now).await?;
        log(&mut transaction, &request, &session.0, "session.ended", now).await?;
        transaction.commit().await?;
        Ok::<_, StoreError>(())
    };
    end.await.map_err(store_problem)?;
    let secure = token::is_secure(&request, state.environment);
    Ok(HttpResponse::NoContent().cookie(token::expired_cookie(secure)).finish())
}

/// Choose a new password: ends all other sessions.
#[utoipa::path(tag = "session", request_body = PasswordChange, responses(
    (status = 200, body = SessionView),
    (status = 422, description = "the present password is wrong, or the new one is too weak", body = Problem),
    (status = 429, body = Problem),
))]
#[put("/session/password")]
pub async fn change_password(
    request: HttpRequest,
    state: web::Data<DashboardState>,
    session: SignedIn,
    body: ApiJson<PasswordChange>,
) -> Result<HttpResponse, Problem> {
    let now = state.clock.now();
    let session = session.0;
    // A stolen session must not become a place to guess the password at leisure.
    let address = client_address(&request);
    if let Verdict::Wait { until } =
        attempts::begin(&state.pool, &session.username, &address, now).await.map_err(store_problem)?
    {
        return Ok(too_many(until, now));
    }
    let account = admins::by_id(&state.pool, session.admin_id).await.map_err(store_problem)?;
    let stored = account.as_ref().map(|account: &Admin| account.password_hash.as_str());
    if !passwords::verify(&body.current_password, stored).await.map_err(password_problem)? {
        return Err(Problem::field("current_password", "is not the present password").kind("wrong-password"));
    }
    passwords::check_choice(&body.new_password, &session.username, &body.current_password)
        .map_err(|weakness| Problem::field("new_password", weakness.to_string()).kind("weak-password"))?;
    let hash = passwords::hash(&body.new_password).await.map_err(password_problem)?;

    let session = LiveSession {
        session_id: Uuid::now_v7(),
        must_change_password: false,
        created_at: now,
        last_used_at: now,
        expires_at: session_end(&state, now, now),
        ..session
    };
    let claims = Claims::new(session.session_id, now, session.expires_at);
    let change = async {
        let mut transaction = state.pool.begin().await?;
        attempts::succeeded(&mut transaction, &session.username, &address, now).await?;
        admins::set_password(&mut transaction, session.admin_id, &hash, false, now).await?;
        sessions::revoke_all(&mut transaction, session.admin_id, now).await?;
        begin_session(&mut transaction, &request, &session, &claims, now).await?;
        log(&mut transaction, &request, &session, "password.changed", now).await?;
        transaction.commit().await?;
        Ok::<_, StoreError>(())
    };
    change.await.map_err(store_problem)?;
    signed_in(&state, &request, &session, &claims).await
}

/// One's own sessions.
#[utoipa::path(tag = "session", responses((status = 200, body = SessionList)))]
#[get("/sessions")]
pub async fn list_sessions(
    state: web::Data<DashboardState>,
    session: SignedIn,
) -> Result<web::Json<SessionList>, Problem> {
    let listed =
        sessions::list(&state.pool, session.0.admin_id, state.clock.now()).await.map_err(store_problem)?;
    let items = listed
        .into_iter()
        .map(|listed| ListedSession {
            current: listed.session_id == session.0.session_id,
            session_id: listed.session_id,
            device: listed.device,
            address: listed.address,
            created_at: listed.created_at,
            last_used_at: listed.last_used_at,
        })
        .collect();
    Ok(web::Json(SessionList { items }))
}

/// End one of one's own sessions.
#[utoipa::path(tag = "session", params(("session_id" = Uuid, Path)),
    responses((status = 204), (status = 404, body = Problem)))]
#[delete("/sessions/{session_id}")]
pub async fn revoke_session(
    request: HttpRequest,
    state: web::Data<DashboardState>,
    session: SignedIn,
    path: ApiPath<Uuid>,
) -> Result<HttpResponse, Problem> {
    let now = state.clock.now();
    let revoke = async {
        let mut transaction = state.pool.begin().await?;
        let revoked = sessions::revoke(&mut transaction, session.0.admin_id, path.0, now).await?;
        if revoked {
            log(&mut transaction, &request, &session.0, "session.revoked", now).await?;
        }
        transaction.commit().await?;
        Ok::<_, StoreError>(revoked)
    };
    match revoke.await.map_err(store_problem)? {
        true => Ok(HttpResponse::NoContent().finish()),
        false => Err(Problem::not_found("session")),
    }
}

async fn view(state: &DashboardState, session: &LiveSession) -> Result<SessionView, Problem> {
    let office = office::profile(&state.pool).await.map_err(store_problem)?;
    Ok(SessionView {
        admin: AdminView {
            admin_id: session.admin_id,
            username: session.username.clone(),
            display_name: session.display_name.clone(),
            role: session.role,
            unit: session.unit.clone(),
        },
        permissions: permissions(session.role),
        must_change_password: session.must_change_password,
        expires_at: session.expires_at,
        office: office.map(|(profile, _)| OfficeView { name: profile.name, time_zone: profile.time_zone }),
    })
}

async fn signed_in(
    state: &DashboardState,
    request: &HttpRequest,
    session: &LiveSession,
    claims: &Claims,
) -> Result<HttpResponse, Problem> {
    let secure = token::is_secure(request, state.environment);
    let cookie = claims.cookie(&state.session_key, secure).map_err(|error| {
        tracing::error!(%error, "a session token could not be signed");
        Problem::internal()
    })?;
    Ok(HttpResponse::Ok().cookie(cookie).json(view(state, session).await?))
}

async fn begin_session(
    connection: &mut PgConnection,
    request: &HttpRequest,
    session: &LiveSession,
    claims: &Claims,
    now: Timestamp,
) -> Result<(), StoreError> {
    let user_agent =
        request.headers().get(USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let new = NewSession {
        session_id: session.session_id,
        admin_id: session.admin_id,
        token_hash: &claims.token_hash(),
        device: &device(user_agent),
        address: Some(&client_address(request)),
        expires_at: session.expires_at,
    };
    sessions::start(connection, &new, now).await
}

async fn log(
    connection: &mut PgConnection,
    request: &HttpRequest,
    session: &LiveSession,
    action: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let request_id = request.extensions().get::<RequestId>().map(|id| id.0.clone());
    let entry = Entry {
        admin_id: Some(session.admin_id),
        username: &session.username,
        action,
        subject: Some(("session", session.session_id.to_string())),
        details: serde_json::json!({}),
        request_id: request_id.as_deref(),
    };
    activity::record(connection, &entry, now).await
}

fn too_many(until: Timestamp, now: Timestamp) -> HttpResponse {
    let seconds = until.duration_since(now).as_secs().max(0) + 1;
    let mut response = Problem::new(StatusCode::TOO_MANY_REQUESTS)
        .detail(format!("too many wrong attempts; please wait {seconds} s"))
        .kind("too-many-attempts")
        .with("retry_after_s", seconds)
        .to_response();
    response.headers_mut().insert(RETRY_AFTER, seconds.into());
    response
}

/// Where the request came from. Behind a proxy (a peer with a private address) it is what that proxy wrote last into
/// `X-Forwarded-For`. Who could forge it gains little: attempts are counted per account as well.
fn client_address(request: &HttpRequest) -> String {
    let Some(peer) = request.peer_addr().map(|peer| peer.ip()) else { return "unknown".into() };
    let is_proxy = match peer {
        std::net::IpAddr::V4(address) => address.is_loopback() || address.is_private(),
        std::net::IpAddr::V6(address) => address.is_loopback() || address.is_unique_local(),
    };
    let forwarded = request
        .headers()
        .get_all("x-forwarded-for")
        .last()
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.rsplit(',').next())
        .and_then(|value| value.trim().parse::<std::net::IpAddr>().ok());
    forwarded.filter(|_| is_proxy).unwrap_or(peer).to_string()
}

/// "Chrome · Windows": enough for people to recognise their own device, and no fingerprint.
fn device(user_agent: &str) -> String {
    let first = |names: &[(&str, &'static str)]| {
        names.iter().find(|(mark, _)| user_agent.contains(mark)).map(|(_, name)| *name)
    };
    // In this order: Edge and Opera also say Chrome, Chrome also says Safari, Android also says Linux.
    let browser = first(&[
        ("Edg", "Edge"),
        ("OPR/", "Opera"),
        ("SamsungBrowser", "Samsung Internet"),
        ("Firefox/", "Firefox"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
    ]);
    let system = first(&[
        ("Android", "Android"),
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Windows", "Windows"),
        ("Mac OS X", "macOS"),
        ("CrOS", "ChromeOS"),
        ("Linux", "Linux"),
    ]);
    match (browser, system) {
        (Some(browser), Some(system)) => format!("{browser} · {system}"),
        (Some(only), None) | (None, Some(only)) => only.into(),
        (None, None) => "?".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_told_apart() {
        for (user_agent, expected) in [
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/141.0 Safari/537.36",
                "Chrome · Windows",
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/141.0 Safari/537.36 Edg/141.0",
                "Edge · Windows",
            ),
            (
                "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 Chrome/141.0 Mobile Safari/537.36",
                "Chrome · Android",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Safari/604.1",
                "Safari · iPhone",
            ),
            ("curl/8.0", "?"),
        ] {
            assert_eq!(device(user_agent), expected);
        }
    }
}
