//! The `[media]` settings: where files of conversations are kept, and how they are fetched.

use secrecy::SecretString;
use serde::Deserialize;

use super::{ConfigError, is_unset, refuse, refuse_zero};

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Media {
    pub store: MediaStore,
    pub shared: bool,
    pub bucket: String,
    pub endpoint: String,
    pub region: String,
    pub access_key_id: SecretString,
    pub secret_access_key: SecretString,
    pub path_style: bool,
    pub prefix: String,
    pub concurrency: usize,
    pub retry_first_ms: u64,
}

/// Where files of conversations are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, strum::Display)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum MediaStore {
    /// A folder of this machine.
    Local,
    /// A bucket.
    S3,
}

impl Media {
    /// Refuses what cannot work; adds what deserves a warning.
    pub(super) fn validate(&self, warnings: &mut Vec<String>) -> Result<(), ConfigError> {
        refuse_zero(&[
            ("media.concurrency", self.concurrency as u64),
            ("media.retry_first_ms", self.retry_first_ms),
        ])?;
        let bucket_settings = [
            ("media.bucket", self.bucket.is_empty()),
            ("media.region", self.region.is_empty()),
            ("media.access_key_id", is_unset(&self.access_key_id)),
            ("media.secret_access_key", is_unset(&self.secret_access_key)),
        ];
        for (key, is_empty) in bucket_settings {
            match self.store {
                MediaStore::S3 if is_empty => return Err(refuse(key, "must be set when media.store is s3")),
                MediaStore::Local if !is_empty => {
                    return Err(refuse(
                        key,
                        "means nothing when media.store is local; set media.store to s3",
                    ));
                }
                MediaStore::S3 | MediaStore::Local => {}
            }
        }
        if self.endpoint.is_empty() {
            return Ok(());
        }
        if self.store == MediaStore::Local {
            return Err(refuse("media.endpoint", "means nothing when media.store is local"));
        }
        let endpoint = reqwest::Url::parse(&self.endpoint).ok().filter(|url| url.has_host());
        match endpoint.as_ref().map(|url| url.scheme()) {
            Some("https") => {}
            Some("http") => {
                warnings.push("media.endpoint is not https: citizens' files travel in the clear".into());
            }
            _ => return Err(refuse("media.endpoint", "not a URL; for example https://s3.example.org")),
        }
        Ok(())
    }
}
