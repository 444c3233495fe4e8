//! The layers a setting can come from, merged with a memory of which layer won.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use figment::providers::{Format, Toml};
use figment::value::{Dict, Map, Tag, Value};
use figment::{Error, Figment, Metadata, Profile, Provider};

use super::Config;

/// The repository's `config.toml`: the defaults, and the list of all keys there are.
const DEFAULTS: &str = include_str!("../../config.toml");
/// What an environment variable must begin with to be a setting.
const PREFIX: &str = "GOVCONNECT_";

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
        let from_environment = overrides.environment.iter().filter_map(|(name, text)| {
            let key = name.strip_prefix(PREFIX)?.to_lowercase().replace("__", ".");
            Some((key, text.clone(), name.clone()))
        });
        for (key, text, source_name) in from_environment.chain(overrides.flags.iter().cloned()) {
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
