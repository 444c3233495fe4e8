//! The sample office: a made-up *kelurahan* with a few documents, for a first start without anything of one's own.
//! For development only; never loaded over what an office has put in or deleted itself.

use figment::Figment;
use figment::providers::{Format, Toml};
use rust_embed::RustEmbed;
use serde::Deserialize;
use sqlx::PgPool;
use uuid::Uuid;

use crate::ai::chunking::DocumentKind;
use crate::ai::service::{Document, put_document};
use crate::store::{StoreError, ai as store};

#[derive(RustEmbed)]
#[folder = "$CARGO_MANIFEST_DIR/samples/office"]
struct Files;

/// Why the sample office was not loaded.
#[derive(Debug, thiserror::Error)]
pub enum SampleError {
    /// A file of the sample is missing or not UTF-8: a mistake in the repository.
    #[error("the sample office has no readable file {0}")]
    File(String),
    /// The profile cannot be read: a mistake in the repository.
    #[error("the sample office's profile.toml is wrong")]
    Profile(#[source] Box<figment::Error>),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// `samples/office/profile.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sample {
    pub office: Office,
    pub knowledge: Vec<Knowledge>,
}

/// What the office says of itself, beyond the settings.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Office {
    pub address: String,
}

/// One document of the sample.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Knowledge {
    pub source_id: Uuid,
    pub version: i32,
    pub title: String,
    /// A Markdown file in `samples/office/knowledge/`.
    pub file: String,
    pub kategori: Option<String>,
}

/// What loading did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoadedSamples {
    /// Documents put in now.
    pub added: usize,
    /// Documents that were there, or had been deleted by somebody.
    pub left_alone: usize,
}

/// Reads the sample office's profile.
///
/// # Errors
/// [`SampleError::File`] or [`SampleError::Profile`]: the repository itself is wrong.
pub fn profile() -> Result<Sample, SampleError> {
    Figment::from(Toml::string(&text("profile.toml")?))
        .extract()
        .map_err(|error| SampleError::Profile(Box::new(error)))
}

/// Puts the sample's documents in where they were never put before. Doing it again changes nothing.
///
/// # Errors
/// [`SampleError`]; what was put in before stays.
pub async fn load(pool: &PgPool) -> Result<LoadedSamples, SampleError> {
    let mut loaded = LoadedSamples { added: 0, left_alone: 0 };
    for knowledge in profile()?.knowledge {
        if store::knows_source(pool, knowledge.source_id).await? {
            loaded.left_alone += 1;
            continue;
        }
        let document = Document {
            source_id: knowledge.source_id,
            version: knowledge.version,
            kind: DocumentKind::Markdown,
            title: knowledge.title,
            content: text(&format!("knowledge/{}", knowledge.file))?,
            kategori: knowledge.kategori,
        };
        put_document(pool, &document).await?;
        loaded.added += 1;
    }
    Ok(loaded)
}

fn text(path: &str) -> Result<String, SampleError> {
    let file = Files::get(path).ok_or_else(|| SampleError::File(path.to_owned()))?;
    String::from_utf8(file.data.into_owned()).map_err(|_| SampleError::File(path.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    #[test]
    fn the_sample_is_whole() {
        let sample = profile().unwrap();
        let listed: Vec<String> =
            sample.knowledge.iter().map(|entry| format!("knowledge/{}", entry.file)).collect();
        for path in &listed {
            assert!(text(path).unwrap().len() > 100, "{path}");
        }
        for path in Files::iter().filter(|path| path.starts_with("knowledge/")) {
            assert!(listed.iter().any(|known| *known == *path), "{path} is not in profile.toml");
        }
    }

    #[test]
    fn the_hours_of_the_settings_are_those_of_the_document() {
        let config = config::load(&config::Overrides::none()).unwrap().config;
        let hours = config.office_hours().unwrap();
        let document = text("knowledge/jadwal-pelayanan.md").unwrap();
        assert_eq!(hours.blocks().count(), 5);
        for (_, from, until) in hours.blocks() {
            let told = format!("{from}–{until}").replace(':', ".");
            assert!(document.contains(&told), "{told}");
        }
    }
}
