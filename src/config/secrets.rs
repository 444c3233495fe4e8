//! Secrets that nobody gave are made once, on the first run, and kept in `data_dir/secrets.toml` with mode 0600.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rand::RngExt;
use secrecy::SecretString;

use super::{Config, ConfigError, is_unset};

/// The file's name inside `data_dir`.
const FILE: &str = "secrets.toml";
/// Length of a generated secret: 40 characters of 62 are about 238 bits.
const LENGTH: usize = 40;

/// Generated once, kept for good; names as in the file.
#[derive(Clone, Debug)]
pub struct Secrets {
    values: BTreeMap<String, String>,
}

impl Secrets {
    /// Reads what is there and makes what is missing.
    ///
    /// # Errors
    /// [`ConfigError::Secrets`] when the file cannot be read or written, or others may read it.
    pub fn load_or_create(data_dir: &Path) -> Result<Self, ConfigError> {
        let path = data_dir.join(FILE);
        let failed = |source: io::Error| ConfigError::Secrets { path: path.clone(), source };
        let mut values = match std::fs::read_to_string(&path) {
            Ok(text) => {
                let mode = std::fs::metadata(&path).map_err(failed)?.permissions().mode();
                if mode & 0o077 != 0 {
                    return Err(failed(io::Error::other(format!(
                        "other users may read it (mode {:o}); run: chmod 600 {}",
                        mode & 0o777,
                        path.display()
                    ))));
                }
                parse(&text).map_err(|why| failed(io::Error::new(io::ErrorKind::InvalidData, why)))?
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => return Err(failed(error)),
        };
        let before = values.len();
        for name in [
            "app_secret",
            "verify_token",
            "access_token",
            "internal_api_key",
            "session_key",
            "admin_password",
        ] {
            let length = if name == "admin_password" { 16 } else { LENGTH };
            values.entry(name.to_owned()).or_insert_with(|| generate(length));
        }
        if values.len() != before {
            write_private(&path, &render(&values)).map_err(failed)?;
        }
        Ok(Secrets { values })
    }

    /// The secret of that name.
    pub fn get(&self, name: &str) -> SecretString {
        SecretString::from(self.values.get(name).cloned().unwrap_or_default())
    }
}

impl Config {
    /// Fills settings that were left empty with generated secrets.
    pub fn with_generated(mut self, secrets: &Secrets) -> Self {
        for (secret, name) in [
            (&mut self.whatsapp.app_secret, "app_secret"),
            (&mut self.whatsapp.verify_token, "verify_token"),
            (&mut self.whatsapp.access_token, "access_token"),
            (&mut self.dashboard.session_key, "session_key"),
            (&mut self.dashboard.first_password, "admin_password"),
        ] {
            if is_unset(secret) {
                *secret = secrets.get(name);
            }
        }
        if self.internal.api_keys.is_empty() {
            self.internal.api_keys = vec![secrets.get("internal_api_key")];
        }
        self
    }
}

/// `.local/data` of the working directory. (The embedded database puts its files elsewhere by itself when the user it
/// runs as cannot enter here.)
pub fn default_data_dir() -> PathBuf {
    std::env::current_dir().unwrap_or_else(|_| PathBuf::from(".")).join(".local/data")
}

fn generate(length: usize) -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789";
    let mut random = rand::rng();
    (0..length).map(|_| char::from(ALPHABET[random.random_range(0..ALPHABET.len())])).collect()
}

/// `name = "value"` a line; values are letters and digits only, so no escaping is needed.
fn render(values: &BTreeMap<String, String>) -> String {
    let mut text =
        String::from("# Generated on the first run. Keep it private; delete a line to have it made anew.\n");
    for (name, value) in values {
        text.push_str(&format!("{name} = \"{value}\"\n"));
    }
    text
}

fn parse(text: &str) -> Result<BTreeMap<String, String>, String> {
    use figment::providers::{Format, Toml};
    figment::Figment::from(Toml::string(text)).extract().map_err(|error| error.to_string())
}

/// Writes beside the file and renames, so that a crash leaves the old or the new one, never half.
fn write_private(path: &Path, text: &str) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let beside = path.with_extension("tmp");
    let mut file =
        std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&beside, path)
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn secrets_are_made_once_private_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let first = Secrets::load_or_create(folder.path()).unwrap();
        let second = Secrets::load_or_create(folder.path()).unwrap();
        assert_eq!(first.get("app_secret").expose_secret(), second.get("app_secret").expose_secret());
        assert_eq!(first.get("app_secret").expose_secret().len(), LENGTH);
        let path = folder.path().join(FILE);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        let error = Secrets::load_or_create(folder.path()).unwrap_err().to_string();
        assert!(error.contains("chmod 600"), "{error}");
    }
}
