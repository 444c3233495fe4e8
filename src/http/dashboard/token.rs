//! The session's cookie: a signed token that names the session, plus a random part of which only the hash is stored.
//!
//! Holding the token proves nothing by itself: every request asks `admin_sessions` as well.

use actix_web::HttpRequest;
use actix_web::cookie::{Cookie, SameSite, time};
use actix_web::http::uri::Scheme;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use rand::RngExt;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::config::Environment;

/// The name without TLS, and with it: browsers keep a `__Host-` cookie only from a secure, exact origin.
const NAME: &str = "govconnect_session";
const SECURE_NAME: &str = "__Host-govconnect_session";
/// Fixed by this service, so that a token made for anything else is refused.
const ISSUER: &str = "govconnect-dashboard";

/// What the token says.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Claims {
    iss: String,
    /// The session's id.
    pub sid: Uuid,
    /// The random part, base64url.
    pub jti: String,
    iat: i64,
    exp: i64,
}

impl Claims {
    /// For a new session.
    pub fn new(session_id: Uuid, now: Timestamp, expires_at: Timestamp) -> Self {
        let random: [u8; 32] = rand::rng().random();
        Claims {
            iss: ISSUER.into(),
            sid: session_id,
            jti: URL_SAFE_NO_PAD.encode(random),
            iat: now.as_second(),
            exp: expires_at.as_second(),
        }
    }

    /// The same session with a later end.
    pub fn renewed(&self, now: Timestamp, expires_at: Timestamp) -> Self {
        Claims { iat: now.as_second(), exp: expires_at.as_second(), ..self.clone() }
    }

    /// What is stored of the random part.
    pub fn token_hash(&self) -> [u8; 32] {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest(&SHA256, self.jti.as_bytes()).as_ref());
        hash
    }

    /// The cookie that carries these claims.
    ///
    /// # Errors
    /// When signing fails, which a key of any length does not cause.
    pub fn cookie(
        &self,
        key: &SecretString,
        secure: bool,
    ) -> Result<Cookie<'static>, jsonwebtoken::errors::Error> {
        let key = EncodingKey::from_secret(key.expose_secret().as_bytes());
        let token = encode(&Header::new(Algorithm::HS256), self, &key)?;
        Ok(bare_cookie(token, secure, time::Duration::seconds(self.exp - self.iat)))
    }
}

/// A cookie that makes the browser forget its token.
pub fn expired_cookie(secure: bool) -> Cookie<'static> {
    bare_cookie(String::new(), secure, time::Duration::ZERO)
}

fn bare_cookie(value: String, secure: bool, max_age: time::Duration) -> Cookie<'static> {
    Cookie::build(if secure { SECURE_NAME } else { NAME }, value)
        .path("/")
        .http_only(true)
        .secure(secure)
        .same_site(SameSite::Strict)
        .max_age(max_age)
        .finish()
}

/// The claims of the request's cookie, if it was signed by `key` and has not ended.
pub fn read(request: &HttpRequest, key: &SecretString, secure: bool, now: Timestamp) -> Option<Claims> {
    let cookie = request.cookie(if secure { SECURE_NAME } else { NAME })?;
    let mut validation = Validation::new(Algorithm::HS256);
    validation.set_issuer(&[ISSUER]);
    // The end is checked below, against our own clock.
    validation.validate_exp = false;
    validation.required_spec_claims = std::iter::once("iss".to_owned()).collect();
    let key = DecodingKey::from_secret(key.expose_secret().as_bytes());
    let claims = decode::<Claims>(cookie.value(), &key, &validation).ok()?.claims;
    (claims.exp > now.as_second()).then_some(claims)
}

/// Whether the browser's side of the connection is encrypted: always taken for granted in production.
pub fn is_secure(request: &HttpRequest, environment: Environment) -> bool {
    let forwarded = request
        .headers()
        .get("x-forwarded-proto")
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.split(',').next().is_some_and(|first| first.trim() == "https"));
    environment == Environment::Production || forwarded || request.uri().scheme() == Some(&Scheme::HTTPS)
}
