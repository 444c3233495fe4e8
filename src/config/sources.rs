//! The layers a setting can come from, merged with a memory of which layer won.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use figment::providers::{Format, Toml};
use figment::value::{Dict, Map, Num, Tag, Value};
use figment::{Error, Figment, Metadata, Profile, Provider};

use super::Config;

/// The repository's `config.toml`: the defaults, and the list of all keys there are.
const DEFAULTS: &str = include_str!("../../config.toml");
/// What an environment variable must begin with to be a setting.
const PREFIX: &str = "GOVCONNECT_";
/// What it ends with when its value is in a file.
const FILE_ENDING: &str = "_FILE";

/// Why the settings were refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A config file that was named is not there or not readable.
    #[error("{path}: {why}")]
    File { path: PathBuf, why: String },
    /// A key that no setting has.
    #[error("{key}: no such setting (from {source_name}); `govconnect check-config` lists all")]
    Unknown { key: String, source_name: String },
    /// A value of the wrong form, or in conflict with another setting.
    #[error("{key}: {why}")]
    Invalid { key: String, why: String },
    /// A generated secret could not be read or written.
    #[error("{path}: {source}")]
    Secrets { path: PathBuf, source: std::io::Error },
}

/// What comes on top of the defaults.
#[derive(Clone, Debug)]
pub struct Overrides {
    /// `--config FILE`; without it `config.toml` of the working directory is read where there is one.
    pub file: Option<PathBuf>,
    /// Whether to look for `config.toml` in the working directory.
    pub search_working_directory: bool,
    /// The process's environment (only `GOVCONNECT_*` is looked at).
    pub environment: BTreeMap<String, String>,
    /// Flags: key, value, and the flag's name.
    pub flags: Vec<(String, String, String)>,
}

impl Overrides {
    /// Nothing on top: the defaults alone.
    pub fn none() -> Self {
        Overrides {
            file: None,
            search_working_directory: false,
            environment: BTreeMap::new(),
            flags: Vec::new(),
        }
    }

    /// The file named or found, and this process's environment.
    pub fn from_process(file: Option<PathBuf>) -> Self {
        Overrides {
            file,
            search_working_directory: true,
            environment: std::env::vars().filter(|(name, _)| name.starts_with(PREFIX)).collect(),
            flags: Vec::new(),
        }
    }

    /// Adds a command-line flag that sets `key`.
    pub fn flag(mut self, key: &str, value: impl Into<String>, flag: &str) -> Self {
        self.flags.push((key.into(), value.into(), flag.into()));
        self
    }
}

/// All layers merged, still remembering the origin of every value.
#[derive(Clone)]
pub struct Sources {
    figment: Figment,
    keys: Vec<String>,
}

impl Sources {
    /// Merges the layers, refusing keys that no setting has and values that cannot be of the default's type.
    pub fn read(overrides: &Overrides) -> Result<Self, ConfigError> {
        let defaults = Figment::from(Named("default", Toml::string(DEFAULTS)));
        let known = flatten(&defaults);
        let mut figment = defaults;
        if let Some(path) = config_file(overrides)? {
            let layer = Figment::from(Toml::file_exact(&path));
            for (key, _) in flatten_or_refuse(&layer, &path)? {
                if !known.contains_key(&key) {
                    return Err(ConfigError::Unknown { key, source_name: path.display().to_string() });
                }
            }
            figment = figment.merge(Toml::file_exact(&path));
        }
        let from_environment = from_environment(&overrides.environment, &known)?;
        for (key, text, source_name) in from_environment.into_iter().chain(overrides.flags.iter().cloned()) {
            let Some(default) = known.get(&key) else {
                return Err(ConfigError::Unknown { key, source_name });
            };
            let value = parse_like(default, &text).map_err(|why| ConfigError::Invalid {
                key: key.clone(),
                why: format!("{why} (from {source_name})"),
            })?;
            figment = figment.merge(Single { key, value, source_name });
        }
        Ok(Sources { figment, keys: known.into_keys().collect() })
    }

    /// The typed settings.
    pub fn extract(&self) -> Result<Config, ConfigError> {
        self.figment.extract().map_err(|error: Error| {
            let first = error.into_iter().next();
            let key = first.as_ref().map(|error| error.path.join(".")).unwrap_or_default();
            let why = first.map(|error| error.kind.to_string()).unwrap_or_default();
            ConfigError::Invalid { key, why }
        })
    }

    /// Every key with its merged value and the name of the layer that it came from, in order.
    pub fn effective(&self) -> Vec<(String, Value, String)> {
        self.keys
            .iter()
            .filter_map(|key| {
                let value = self.figment.find_value(key).ok()?;
                let origin = self.figment.find_metadata(key).map_or_else(String::new, |metadata| {
                    match &metadata.source {
                        Some(figment::Source::File(path)) => path.display().to_string(),
                        _ => metadata.name.to_string(),
                    }
                });
                Some((key.clone(), value, origin))
            })
            .collect()
    }
}

/// What the environment sets: key, text, and where the text is from. A variable whose name ends in `_FILE` names a file that
/// holds the value of the variable without that ending, as containers are handed secrets.
fn from_environment(
    environment: &BTreeMap<String, String>,
    known: &BTreeMap<String, Value>,
) -> Result<Vec<(String, String, String)>, ConfigError> {
    let mut settings = Vec::new();
    for (name, text) in environment {
        let Some(key) = key_of(name) else { continue };
        let of_value = name.strip_suffix(FILE_ENDING).filter(|_| !known.contains_key(&key));
        match of_value.and_then(|of_value| Some((of_value, key_of(of_value)?))) {
            Some((of_value, key)) if known.contains_key(&key) => {
                let refused = |why: String| ConfigError::Invalid { key: key.clone(), why };
                if environment.contains_key(of_value) {
                    return Err(refused(format!("given twice, by {of_value} and by {name}")));
                }
                let value = std::fs::read_to_string(text)
                    .map_err(|error| refused(format!("{text} cannot be read: {error} (from {name})")))?;
                let source_name = format!("{text}, named by {name}");
                settings.push((key, without_last_line_end(value), source_name));
            }
            _ => settings.push((key, text.clone(), name.clone())),
        }
    }
    Ok(settings)
}

/// `database.url` of `GOVCONNECT_DATABASE__URL`.
fn key_of(variable: &str) -> Option<String> {
    Some(variable.strip_prefix(PREFIX)?.to_lowercase().replace("__", "."))
}

/// Editors and `echo` end the last line; a secret does not mean it.
fn without_last_line_end(mut text: String) -> String {
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    text
}

fn config_file(overrides: &Overrides) -> Result<Option<PathBuf>, ConfigError> {
    if let Some(path) = &overrides.file {
        if !path.is_file() {
            return Err(ConfigError::File { path: path.clone(), why: "no such file".into() });
        }
        return Ok(Some(path.clone()));
    }
    let found = Path::new("config.toml");
    Ok((overrides.search_working_directory && found.is_file()).then(|| found.to_path_buf()))
}

fn flatten(figment: &Figment) -> BTreeMap<String, Value> {
    let mut flat = BTreeMap::new();
    if let Ok(data) = figment.data() {
        for dict in data.values() {
            flatten_into(dict, "", &mut flat);
        }
    }
    flat
}

fn flatten_or_refuse(figment: &Figment, path: &Path) -> Result<BTreeMap<String, Value>, ConfigError> {
    figment.data().map_err(|error| ConfigError::File { path: path.to_path_buf(), why: error.to_string() })?;
    Ok(flatten(figment))
}

fn flatten_into(dict: &Dict, prefix: &str, flat: &mut BTreeMap<String, Value>) {
    for (name, value) in dict {
        let key = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        match value {
            Value::Dict(_, inner) => flatten_into(inner, &key, flat),
            other => {
                flat.insert(key, other.clone());
            }
        }
    }
}

/// Reads `text` as the kind of value that the default is, so that a phone number id stays a string.
fn parse_like(default: &Value, text: &str) -> Result<Value, String> {
    let trimmed = text.trim();
    match default {
        Value::Bool(..) => match trimmed {
            "true" | "1" | "yes" | "on" => Ok(Value::from(true)),
            "false" | "0" | "no" | "off" => Ok(Value::from(false)),
            _ => Err("expected true or false".into()),
        },
        Value::Num(_, Num::F64(_)) => {
            trimmed.parse::<f64>().map(Value::from).map_err(|_| "expected a number".into())
        }
        Value::Num(..) => {
            trimmed.parse::<i64>().map(Value::from).map_err(|_| "expected a whole number".into())
        }
        Value::Array(..) => Ok(Value::from(
            trimmed
                .split(',')
                .map(str::trim)
                .filter(|item| !item.is_empty())
                .map(String::from)
                .collect::<Vec<_>>(),
        )),
        _ => Ok(Value::from(text)),
    }
}

/// A provider under a name of our own.
struct Named<P>(&'static str, P);

impl<P: Provider> Provider for Named<P> {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.0)
    }
    fn data(&self) -> Result<Map<Profile, Dict>, Error> {
        self.1.data()
    }
}

/// One value from the environment or a flag.
struct Single {
    key: String,
    value: Value,
    source_name: String,
}

impl Provider for Single {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.source_name.clone())
    }
    fn data(&self) -> Result<Map<Profile, Dict>, Error> {
        let mut value = self.value.clone();
        let mut names: Vec<&str> = self.key.split('.').collect();
        let first = names.remove(0);
        for name in names.into_iter().rev() {
            value = Value::Dict(Tag::Default, Dict::from([(name.to_owned(), value)]));
        }
        Ok(Map::from([(Profile::Default, Dict::from([(first.to_owned(), value)]))]))
    }
}

#[cfg(test)]
mod tests {
    use super::super::report;
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Sources, ConfigError> {
        let environment = pairs.iter().map(|(name, text)| ((*name).into(), (*text).into())).collect();
        Sources::read(&Overrides { environment, ..Overrides::none() })
    }

    #[test]
    fn a_value_may_be_in_a_file() {
        let folder = tempfile::tempdir().unwrap();
        for (content, value) in [
            ("a token", "a token"),
            ("a token\n", "a token"),
            ("a token\r\n", "a token"),
            ("a token \n\n", "a token \n"),
            ("", ""),
        ] {
            let path = folder.path().join("verify_token");
            std::fs::write(&path, content).unwrap();
            let path = path.to_str().unwrap();
            let sources = read(&[("GOVCONNECT_WHATSAPP__VERIFY_TOKEN_FILE", path)]).unwrap();
            let effective = sources.effective();
            let (_, found, origin) =
                effective.iter().find(|(key, ..)| key == "whatsapp.verify_token").unwrap();
            assert_eq!(found.as_str(), Some(value), "{content:?}");
            assert_eq!(*origin, format!("{path}, named by GOVCONNECT_WHATSAPP__VERIFY_TOKEN_FILE"));
        }
    }

    #[test]
    fn a_file_is_read_as_the_kind_of_value_that_the_setting_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys");
        std::fs::write(&path, "first-key-0123456789,second-key-012345678\n").unwrap();
        let path = path.to_str().unwrap();
        let sources = read(&[("GOVCONNECT_INTERNAL__API_KEYS_FILE", path)]).unwrap();
        assert_eq!(sources.extract().unwrap().internal.api_keys.len(), 2);
        let report = report(&sources);
        let line = report.lines().find(|line| line.starts_with("internal.api_keys")).unwrap();
        assert!(line.contains("********") && line.contains(path), "{line}");
        assert!(!report.contains("first-key"));
    }

    #[test]
    fn a_file_that_cannot_be_had_or_is_not_alone_is_refused_by_its_variable() {
        let name = "GOVCONNECT_WHATSAPP__APP_SECRET_FILE";
        for pairs in [
            vec![(name, "/nowhere/at/all")],
            vec![(name, "")],
            vec![(name, "/dev/null"), ("GOVCONNECT_WHATSAPP__APP_SECRET", "a secret")],
        ] {
            let error = read(&pairs).err().map(|error| error.to_string()).unwrap_or_default();
            assert!(error.starts_with("whatsapp.app_secret") && error.contains(name), "{pairs:?}: {error}");
        }
        let error = read(&[("GOVCONNECT_NONSENSE_FILE", "/dev/null")]).err().unwrap().to_string();
        assert!(error.contains("nonsense_file"), "{error}");
    }
}
