//! Every setting, typed and validated. Nothing else reads the environment or `config.toml`.
//!
//! The defaults are the repository's own `config.toml`, compiled in, so that file can never tell a lie about them.
//! [`load`] layers: defaults → a config file → `GOVCONNECT_SECTION__KEY` (or the file that `…_FILE` names) → flags;
//! unknown keys and impossible combinations are refused, naming the key. Secrets that nobody gave are made by [`secrets`],
//! unless other nodes must have the same ([`nodes`]).

mod ai;
mod media;
mod nodes;
mod office;
mod report;
pub mod secrets;
mod sources;
mod whatsapp;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use crate::passwords;

pub use ai::{Ai, AiProvider, Documents, Embedding, EmbeddingProvider, Price};
pub use media::{Media, MediaStore};
pub use nodes::Services;
pub use office::{Hours, Office};
pub use report::report;
pub use sources::{ConfigError, Overrides, Sources};
pub use whatsapp::{WhatsApp, WindowTemplate};

/// One of the five services; a node runs any set of them.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, strum::Display, strum::EnumIter, strum::EnumString,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Role {
    /// Webhook, conversations, sending, takeover.
    Channel,
    /// Understanding and answers.
    Ai,
    /// Complaints.
    Case,
    /// Notifications.
    Notification,
    /// The officers' web application.
    Dashboard,
}

/// Whether this installation serves real citizens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, strum::Display)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Environment {
    /// The simulator and generated secrets are allowed.
    Development,
    /// Real secrets, no simulator.
    Production,
}

/// Everything a node is told; see `config.toml` for what each key means and its default.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub environment: Environment,
    pub data_dir: PathBuf,
    pub roles: Vec<Role>,
    pub log: Log,
    pub node: Node,
    pub office: Office,
    pub database: Database,
    pub broker: Broker,
    pub internal: Internal,
    pub services: Services,
    pub channel: Listener,
    pub ai: Ai,
    pub case: Listener,
    pub notification: Listener,
    pub dashboard: Dashboard,
    pub simulator: Simulator,
    pub whatsapp: WhatsApp,
    pub media: Media,
    pub conversation: Conversation,
    pub intake: Intake,
    pub events: Events,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    pub format: LogFormat,
    pub level: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    Text,
    Json,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Node {
    pub shutdown_grace_s: u64,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Database {
    pub url: SecretString,
    pub max_connections: u32,
    pub embedded_binaries: PathBuf,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Broker {
    pub url: SecretString,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Internal {
    pub api_keys: Vec<SecretString>,
    pub max_body_bytes: usize,
}

/// Where a service listens.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listener {
    pub bind: SocketAddr,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dashboard {
    pub bind: SocketAddr,
    pub session_hours: u64,
    pub session_key: SecretString,
    pub first_password: SecretString,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Simulator {
    pub bind: SocketAddr,
    pub enabled: bool,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conversation {
    pub quiet_ms: u64,
    pub greeting_quiet_ms: u64,
    pub max_wait_ms: u64,
    pub max_batch: usize,
    pub sweep_ms: u64,
    pub idle_s: u64,
    pub max_active_per_partition: usize,
    pub restart_budget: u32,
    pub frozen_s: u64,
    pub turn_attempts: i32,
    pub takeover_idle_s: u64,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Intake {
    pub queue: usize,
    pub max_batch_rows: usize,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Events {
    pub poll_ms: u64,
    pub keep_days: i32,
}

/// A loaded configuration with what is said about it: warnings to log, and where each value came from.
pub struct Loaded {
    pub config: Config,
    pub warnings: Vec<String>,
    pub sources: Sources,
}

/// Reads all layers, fills in generated secrets (development) and checks the whole.
///
/// # Errors
/// [`ConfigError`] names the key that is unknown, malformed, missing or in conflict with another.
pub fn load(overrides: &Overrides) -> Result<Loaded, ConfigError> {
    let sources = Sources::read(overrides)?;
    let mut config = sources.extract()?;
    if config.data_dir.as_os_str().is_empty() {
        config.data_dir = secrets::default_data_dir();
    }
    let warnings = validate(&config)?;
    Ok(Loaded { config, warnings, sources })
}

impl Config {
    /// Whether this node runs `role`.
    pub fn has(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }

    /// Whether this node runs the service of that name.
    pub fn has_service(&self, name: &str) -> bool {
        self.roles.iter().any(|role| role.to_string() == name)
    }

    /// The office's time zone; checked at start.
    pub fn time_zone(&self) -> jiff::tz::TimeZone {
        jiff::tz::TimeZone::get(&self.office.time_zone).unwrap_or(jiff::tz::TimeZone::UTC)
    }

    /// How long a stopping node waits for its open work.
    pub fn shutdown_grace(&self) -> Duration {
        Duration::from_secs(self.node.shutdown_grace_s)
    }
}

/// True for a secret that was left empty.
pub fn is_unset(secret: &SecretString) -> bool {
    secret.expose_secret().is_empty()
}

fn refuse(key: &str, why: impl Into<String>) -> ConfigError {
    ConfigError::Invalid { key: key.into(), why: why.into() }
}

/// Numbers that must be at least 1.
fn refuse_zero(values: &[(&str, u64)]) -> Result<(), ConfigError> {
    match values.iter().find(|(_, value)| *value == 0) {
        Some((key, _)) => Err(refuse(key, "must be at least 1")),
        None => Ok(()),
    }
}

/// Shortest key that sessions may be signed with: as long as the hash that signs (RFC 7518 §3.2).
const SHORTEST_SESSION_KEY: usize = 32;

/// Secrets that could be guessed, whoever chose them.
fn refuse_short_secrets(config: &Config) -> Result<(), ConfigError> {
    for (key, secret, shortest) in [
        ("dashboard.session_key", &config.dashboard.session_key, SHORTEST_SESSION_KEY),
        ("dashboard.first_password", &config.dashboard.first_password, passwords::SHORTEST),
    ] {
        if !is_unset(secret) && secret.expose_secret().chars().count() < shortest {
            return Err(refuse(key, format!("must have at least {shortest} characters")));
        }
    }
    Ok(())
}

/// Refuses what cannot work; returns what works but deserves a warning.
fn validate(config: &Config) -> Result<Vec<String>, ConfigError> {
    let mut warnings = Vec::new();
    if config.roles.is_empty() {
        return Err(refuse("roles", "name at least one of channel, ai, case, notification, dashboard"));
    }
    if jiff::tz::TimeZone::get(&config.office.time_zone).is_err() {
        return Err(refuse("office.time_zone", "not an IANA time zone; for example Asia/Jakarta"));
    }
    config.office_hours()?;
    if config.office.name.trim().is_empty() {
        return Err(refuse("office.name", "must not be empty: the bot introduces itself with it"));
    }
    nodes::validate(config)?;
    refuse_short_secrets(config)?;
    config.ai.validate(&mut warnings)?;
    let conversation = &config.conversation;
    if conversation.max_wait_ms < conversation.quiet_ms
        || conversation.max_wait_ms < conversation.greeting_quiet_ms
    {
        return Err(refuse("conversation.max_wait_ms", "must not be shorter than the quiet times"));
    }
    refuse_zero(&[
        ("conversation.max_batch", conversation.max_batch as u64),
        ("conversation.max_active_per_partition", conversation.max_active_per_partition as u64),
        ("intake.queue", config.intake.queue as u64),
        ("intake.max_batch_rows", config.intake.max_batch_rows as u64),
        ("events.poll_ms", config.events.poll_ms),
        ("events.keep_days", u64::try_from(config.events.keep_days).unwrap_or(0)),
        ("database.max_connections", u64::from(config.database.max_connections)),
        ("conversation.sweep_ms", conversation.sweep_ms),
    ])?;
    config.whatsapp.validate()?;
    config.media.validate(&mut warnings)?;
    if conversation.turn_attempts < 1 {
        return Err(refuse("conversation.turn_attempts", "must be at least 1"));
    }
    let patience_ms = conversation.frozen_s.saturating_mul(1000);
    if patience_ms <= config.ai.turn_deadline_ms || patience_ms <= config.whatsapp.call_timeout_ms {
        return Err(refuse(
            "conversation.frozen_s",
            "must be longer than ai.turn_deadline_ms and whatsapp.call_timeout_ms: those may take their time",
        ));
    }
    if config.database.max_connections < 4 {
        return Err(refuse("database.max_connections", "must be at least 4"));
    }
    match config.environment {
        Environment::Production => validate_production(config, &mut warnings)?,
        Environment::Development => {
            warnings
                .push("environment is development: generated secrets and the simulator are allowed".into());
        }
    }
    if conversation.quiet_ms < 500 {
        warnings.push(
            "conversation.quiet_ms is under 500 ms: citizens who write in fragments get several replies"
                .into(),
        );
    }
    Ok(warnings)
}

fn validate_production(config: &Config, warnings: &mut Vec<String>) -> Result<(), ConfigError> {
    if config.simulator.enabled {
        return Err(refuse("simulator.enabled", "the simulator is refused when environment is production"));
    }
    if config.has(Role::Channel) {
        config.whatsapp.validate_production(warnings)?;
    }
    if config.internal.api_keys.is_empty() {
        warnings.push("internal.api_keys is empty: one is generated into data_dir".into());
    }
    if config.internal.api_keys.iter().any(|key| key.expose_secret().len() < 16) {
        return Err(refuse("internal.api_keys", "each key must have at least 16 characters"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(pairs: &[(&str, &str)]) -> Result<Loaded, ConfigError> {
        load(&Overrides {
            environment: pairs.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect(),
            ..Overrides::none()
        })
    }

    const S3: &[(&str, &str)] = &[
        ("GOVCONNECT_MEDIA__STORE", "s3"),
        ("GOVCONNECT_MEDIA__BUCKET", "files"),
        ("GOVCONNECT_MEDIA__REGION", "ap-southeast-3"),
        ("GOVCONNECT_MEDIA__ACCESS_KEY_ID", "an-access-key"),
        ("GOVCONNECT_MEDIA__SECRET_ACCESS_KEY", "a-secret-key"),
    ];

    const OPENAI: &[(&str, &str)] = &[
        ("GOVCONNECT_AI__PROVIDER", "openai"),
        ("GOVCONNECT_AI__API_KEY", "a-key-of-the-provider"),
        ("GOVCONNECT_AI__MODELS", "first,second"),
    ];

    #[test]
    fn a_provider_is_set_whole_and_its_key_is_not_told() {
        let prices =
            [("GOVCONNECT_AI__INPUT_PRICES", "0.3, 0.1"), ("GOVCONNECT_AI__OUTPUT_PRICES", "2.5,0.4")];
        let loaded = with(&[OPENAI, &prices, &[("GOVCONNECT_AI__DAILY_BUDGET", "12.5")]].concat()).unwrap();
        let ai = &loaded.config.ai;
        assert_eq!(ai.output_prices, [Price(2.5), Price(0.4)]);
        assert!((ai.daily_budget - 12.5).abs() < f64::EPSILON);
        let text = report(&loaded.sources);
        assert!(text.contains("first, second") && text.contains("12.5"), "{text}");
        assert!(
            !text.contains("a-key-of-the-provider") && !format!("{ai:?}").contains("a-key-of-the-provider")
        );
    }

    #[test]
    fn a_bucket_is_set_whole_and_its_keys_are_not_told() {
        let loaded =
            with(&[S3, &[("GOVCONNECT_MEDIA__ENDPOINT", "http://s3.example.org:9000")]].concat()).unwrap();
        assert_eq!(loaded.config.media.store, MediaStore::S3);
        assert!(loaded.warnings.iter().any(|warning| warning.contains("media.endpoint")));
        let text = report(&loaded.sources);
        assert!(text.contains("files") && !text.contains("an-access-key") && !text.contains("a-secret-key"));
    }

    #[test]
    fn the_defaults_are_complete_and_valid() {
        let loaded = load(&Overrides::none()).unwrap();
        assert_eq!(loaded.config.conversation.quiet_ms, 3000);
        assert_eq!(loaded.config.roles.len(), 5);
    }

    #[test]
    fn the_environment_overrides_by_section_and_key() {
        let config = with(&[
            ("GOVCONNECT_CONVERSATION__QUIET_MS", "50"),
            ("GOVCONNECT_WHATSAPP__PHONE_NUMBER_ID", "123456"),
            ("GOVCONNECT_INTERNAL__API_KEYS", "first-key-0123456789,second-key-012345678"),
            ("GOVCONNECT_DATA_DIR", "/tmp/somewhere"),
        ])
        .unwrap()
        .config;
        assert_eq!(config.conversation.quiet_ms, 50);
        assert_eq!(config.whatsapp.phone_number_id, "123456");
        assert_eq!(config.internal.api_keys.len(), 2);
        assert_eq!(config.data_dir, PathBuf::from("/tmp/somewhere"));
    }

    #[test]
    fn what_is_unknown_or_impossible_is_refused_by_name() {
        for (pairs, named) in [
            (vec![("GOVCONNECT_CONVERSATION__QUITE_MS", "50")], "conversation.quite_ms"),
            (vec![("GOVCONNECT_NONSENSE", "1")], "nonsense"),
            (vec![("GOVCONNECT_CONVERSATION__QUIET_MS", "soon")], "conversation.quiet_ms"),
            (vec![("GOVCONNECT_CONVERSATION__MAX_WAIT_MS", "10")], "conversation.max_wait_ms"),
            (vec![("GOVCONNECT_OFFICE__TIME_ZONE", "Asia/Bandung")], "office.time_zone"),
            (vec![("GOVCONNECT_OFFICE__HOURS__MONDAY", "8-12")], "office.hours.monday"),
            (vec![("GOVCONNECT_OFFICE__HOLIDAYS", "25 Desember")], "office.holidays"),
            (vec![("GOVCONNECT_ENVIRONMENT", "production")], "whatsapp.app_secret"),
            (vec![("GOVCONNECT_CHANNEL__BIND", "nowhere")], "channel.bind"),
            (vec![("GOVCONNECT_AI__PROVIDER", "gemini")], "ai.models"),
            (vec![("GOVCONNECT_AI__PROVIDER", "clever")], "ai.provider"),
            (vec![("GOVCONNECT_AI__MODELS", "a-model")], "ai.models"),
            (vec![("GOVCONNECT_AI__BASE_URL", "http://127.0.0.1:1/v1")], "ai.base_url"),
            (vec![("GOVCONNECT_AI__PROVIDER", "gemini"), ("GOVCONNECT_AI__MODELS", "a")], "ai.api_key"),
            ([OPENAI, &[("GOVCONNECT_AI__BASE_URL", "nowhere")]].concat(), "ai.base_url"),
            ([OPENAI, &[("GOVCONNECT_AI__INPUT_PRICES", "0.3")]].concat(), "ai.input_prices"),
            ([OPENAI, &[("GOVCONNECT_AI__DAILY_BUDGET", "2.5")]].concat(), "ai.daily_budget"),
            ([OPENAI, &[("GOVCONNECT_AI__CALL_TIMEOUT_MS", "60000")]].concat(), "ai.call_timeout_ms"),
            (vec![("GOVCONNECT_AI__EMBEDDING__PROVIDER", "openai")], "ai.embedding.model"),
            (vec![("GOVCONNECT_WHATSAPP__SEND_TRIES", "0")], "whatsapp.send_tries"),
            (vec![("GOVCONNECT_WHATSAPP__WINDOW_TEMPLATE__NAME", "Buka Lagi")], "whatsapp.window_template"),
            (
                vec![("GOVCONNECT_WHATSAPP__WINDOW_TEMPLATE__ORIGINS", "bot,mayor")],
                "whatsapp.window_template.origins",
            ),
            (vec![("GOVCONNECT_CONVERSATION__FROZEN_S", "20")], "conversation.frozen_s"),
            (vec![("GOVCONNECT_MEDIA__STORE", "tape")], "media.store"),
            (vec![("GOVCONNECT_MEDIA__STORE", "s3")], "media.bucket"),
            (vec![("GOVCONNECT_MEDIA__BUCKET", "files")], "media.bucket"),
            (vec![("GOVCONNECT_MEDIA__CONCURRENCY", "0")], "media.concurrency"),
            ([S3, &[("GOVCONNECT_MEDIA__SECRET_ACCESS_KEY", "")]].concat(), "media.secret_access_key"),
            ([S3, &[("GOVCONNECT_MEDIA__ENDPOINT", "s3.example.org")]].concat(), "media.endpoint"),
            ([S3, &[("GOVCONNECT_MEDIA__ENDPOINT", "ftp://s3.example.org")]].concat(), "media.endpoint"),
            (
                vec![("GOVCONNECT_ENVIRONMENT", "production"), ("GOVCONNECT_SIMULATOR__ENABLED", "true")],
                "simulator.enabled",
            ),
        ] {
            let error = with(&pairs).err().map(|error| error.to_string()).unwrap_or_default();
            assert!(error.contains(named), "{pairs:?} should name {named}, got: {error}");
        }
    }

    #[test]
    fn the_report_names_sources_and_hides_secrets() {
        let loaded = with(&[
            ("GOVCONNECT_WHATSAPP__APP_SECRET", "very-secret-value"),
            ("GOVCONNECT_DATABASE__URL", "postgres://user:hunter2@db/x"),
        ])
        .unwrap();
        let text = report(&loaded.sources);
        assert!(!text.contains("very-secret-value") && !text.contains("hunter2"), "{text}");
        let line = text.lines().find(|line| line.starts_with("whatsapp.app_secret")).unwrap();
        assert!(line.contains("GOVCONNECT_WHATSAPP__APP_SECRET"), "{line}");
        let line = text.lines().find(|line| line.starts_with("conversation.quiet_ms")).unwrap();
        assert!(line.contains("3000") && line.contains("default"), "{line}");
    }
}
