//! Fetching what a citizen sent: an id becomes a link that lives five minutes, the link becomes bytes; both ask for the
//! token. A link is followed only to where Meta keeps files, so that no forged answer can have the token sent, or an
//! address of our own network fetched.

use std::time::Duration;

use reqwest::{Response, StatusCode, Url};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::errors::CallError;
use crate::http_client;

/// No byte for so long: the connection is dead.
const SILENCE: Duration = Duration::from_secs(30);
/// The whole of a download, at most.
pub const DOWNLOAD_DEADLINE: Duration = Duration::from_secs(600);
/// The largest answer about a link that is read.
const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// Where Meta keeps files: these domains and all below them.
const META_DOMAINS: [&str; 4] = ["fbsbx.com", "whatsapp.net", "fbcdn.net", "facebook.com"];

/// What Meta says of a file.
#[derive(Clone, Debug, Deserialize)]
pub struct MediaInfo {
    pub url: String,
    /// In hexadecimal, as everywhere in the answers; webhooks have it in Base64.
    #[serde(default)]
    pub sha256: Option<String>,
    #[serde(default)]
    pub mime_type: Option<String>,
    #[serde(default)]
    pub file_size: Option<u64>,
}

/// Why there are no bytes.
#[derive(Debug, thiserror::Error)]
pub enum MediaError {
    /// The call did not succeed; its class says what to do.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The link has run out: ask for another.
    #[error("the link has run out")]
    LinkExpired,
    /// The link leads somewhere that is not Meta's. It was not followed.
    #[error("the link leads to a host that is not meta's")]
    ForeignHost,
    /// The connection ended before the file did.
    #[error("the download broke off")]
    BrokenOff,
}

/// Fetches files; cheap to clone.
#[derive(Clone)]
pub struct MediaClient {
    http: reqwest::Client,
    base: String,
    token: SecretString,
    /// Besides Meta's: the Graph API of development, which keeps its files itself.
    own: Option<Url>,
}

impl MediaClient {
    /// `graph_url` and `version` as for sending. `trust_graph_url`: links to that very origin are followed too, whatever
    /// it is; for development only.
    ///
    /// # Errors
    /// When the TLS backend cannot be set up.
    pub fn new(
        graph_url: &str,
        version: &str,
        token: SecretString,
        trust_graph_url: bool,
    ) -> reqwest::Result<Self> {
        // The builder follows no redirects: a token must not be carried on to wherever an answer points.
        let http = http_client::builder(DOWNLOAD_DEADLINE).read_timeout(SILENCE).build()?;
        let own = if trust_graph_url { Url::parse(graph_url).ok() } else { None };
        Ok(MediaClient { http, base: format!("{}/{version}", graph_url.trim_end_matches('/')), token, own })
    }

    /// A fresh link to a file, by Meta's id of it.
    ///
    /// # Errors
    /// [`MediaError::Call`]
    pub async fn info(&self, media_id: &str) -> Result<MediaInfo, MediaError> {
        if !is_media_id(media_id) {
            return Err(CallError::Unbuildable("not an id of a file".into()).into());
        }
        let mut response = self.get(&format!("{}/{media_id}", self.base)).await?;
        let status = response.status();
        let mut body = Vec::new();
        while let Some(part) = response.chunk().await.map_err(|_| MediaError::BrokenOff)? {
            if body.len() + part.len() > MAX_ANSWER_BYTES {
                return Err(MediaError::BrokenOff);
            }
            body.extend_from_slice(&part);
        }
        if !status.is_success() {
            return Err(CallError::from_answer(status.as_u16(), &body).into());
        }
        serde_json::from_slice(&body).map_err(|_| CallError::Ambiguous.into())
    }

    /// The bytes behind a link, as they come.
    ///
    /// # Errors
    /// [`MediaError::ForeignHost`] before anything is asked of a host that is not Meta's.
    pub async fn download(&self, url: &str) -> Result<Response, MediaError> {
        let url = Url::parse(url).map_err(|_| MediaError::ForeignHost)?;
        if !self.may_follow(&url) {
            return Err(MediaError::ForeignHost);
        }
        let response = self.get(url.as_str()).await?;
        match response.status() {
            StatusCode::OK => Ok(response),
            StatusCode::NOT_FOUND | StatusCode::GONE | StatusCode::FORBIDDEN => Err(MediaError::LinkExpired),
            status => Err(CallError::from_answer(status.as_u16(), b"").into()),
        }
    }

    async fn get(&self, url: &str) -> Result<Response, CallError> {
        self.http.get(url).bearer_auth(self.token.expose_secret()).send().await.map_err(|error| match error {
            error if error.is_builder() => CallError::Unbuildable(error.without_url().to_string()),
            error if error.is_connect() => CallError::NotSent,
            _ => CallError::Ambiguous,
        })
    }

    fn may_follow(&self, url: &Url) -> bool {
        if self.own.as_ref().is_some_and(|own| own.origin() == url.origin()) {
            return url.username().is_empty() && url.password().is_none();
        }
        let at_meta = |host: &str| {
            META_DOMAINS.iter().any(|domain| {
                host.strip_suffix(domain).is_some_and(|before| before.is_empty() || before.ends_with('.'))
            })
        };
        url.scheme() == "https"
            && url.port().is_none()
            && url.username().is_empty()
            && url.password().is_none()
            && url.domain().is_some_and(at_meta)
    }
}

/// Ids are put into paths, so they have nothing that means something there.
pub fn is_media_id(id: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
    (1..=256).contains(&id.len()) && id.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(graph_url: &str, trust: bool) -> MediaClient {
        MediaClient::new(graph_url, "v23.0", "token".into(), trust).unwrap()
    }

    #[test]
    fn links_are_followed_to_meta_and_nowhere_else() {
        let production = client("https://graph.facebook.com", false);
        for (url, followed) in [
            ("https://lookaside.fbsbx.com/whatsapp_business/attachments/?mid=1", true),
            ("https://mmg.whatsapp.net/x", true),
            ("https://scontent.xx.fbcdn.net/x", true),
            ("http://lookaside.fbsbx.com/x", false),
            ("https://lookaside.fbsbx.com:8443/x", false),
            ("https://user@lookaside.fbsbx.com/x", false),
            ("https://evilfbsbx.com/x", false),
            ("https://fbsbx.com.evil.example/x", false),
            ("https://evil.example/?fbsbx.com", false),
            ("https://127.0.0.1/x", false),
            ("https://[::1]/x", false),
            ("http://169.254.169.254/latest/meta-data", false),
            ("file:///etc/passwd", false),
        ] {
            assert_eq!(production.may_follow(&Url::parse(url).unwrap()), followed, "{url}");
        }
        let development = client("http://127.0.0.1:3010", true);
        for (url, followed) in [
            ("http://127.0.0.1:3010/media-download/1", true),
            ("http://127.0.0.1:3011/media-download/1", false),
            ("http://user:word@127.0.0.1:3010/media-download/1", false),
            ("http://localhost:3010/media-download/1", false),
        ] {
            assert_eq!(development.may_follow(&Url::parse(url).unwrap()), followed, "{url}");
        }
        assert!(
            !client("http://127.0.0.1:3010", false)
                .may_follow(&Url::parse("http://127.0.0.1:3010/x").unwrap())
        );
    }

    #[test]
    fn an_id_that_means_something_in_a_path_is_none() {
        for (id, is_id) in
            [("123456789", true), ("aB_-9", true), ("", false), ("../me", false), ("1?x", false)]
        {
            assert_eq!(is_media_id(id), is_id, "{id}");
        }
    }
}
