//! What a node must be told when it is one of several: where the other services are, and what all of them share.

use secrecy::ExposeSecret;
use serde::Deserialize;
use strum::IntoEnumIterator;

use super::{Config, ConfigError, MediaStore, Role, is_unset, refuse};

/// Where the services of other nodes are called. Empty: the listener of this node.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Services {
    pub channel_url: String,
    pub ai_url: String,
    pub case_url: String,
    pub notification_url: String,
}

impl Services {
    /// What is set for a service; `None` is this node's own listener (nobody calls the dashboard).
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] when it is not the URL of a host.
    pub fn url(&self, service: Role) -> Result<Option<reqwest::Url>, ConfigError> {
        let (key, text) = match service {
            Role::Channel => ("services.channel_url", &self.channel_url),
            Role::Ai => ("services.ai_url", &self.ai_url),
            Role::Case => ("services.case_url", &self.case_url),
            Role::Notification => ("services.notification_url", &self.notification_url),
            Role::Dashboard => return Ok(None),
        };
        if text.is_empty() {
            return Ok(None);
        }
        reqwest::Url::parse(text)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
            .map(Some)
            .ok_or_else(|| refuse(key, "not a URL; for example http://channel:3001"))
    }
}

/// Refuses settings under which the nodes would not be one system.
pub(super) fn validate(config: &Config) -> Result<(), ConfigError> {
    for service in Role::iter() {
        config.services.url(service)?;
    }
    if is_unset(&config.broker.url) {
        if !Role::iter().all(|role| config.has(role)) {
            return Err(refuse("roles", "without broker.url one node must run all five roles"));
        }
        return Ok(());
    }
    if !has_scheme(config.broker.url.expose_secret(), &["amqp", "amqps"]) {
        return Err(refuse("broker.url", "not an amqp:// or amqps:// URL"));
    }
    if is_unset(&config.database.url) {
        return Err(refuse(
            "database.url",
            "must be set when broker.url is: the embedded database listens on no port, so no other node could use it",
        ));
    }
    if config.media.store == MediaStore::Local && !config.media.shared {
        return Err(refuse(
            "media.shared",
            "when broker.url is set, every node must reach every file: set media.store to s3, or say with \
             media.shared = true that data_dir/media is one folder shared by all nodes",
        ));
    }
    refuse_unshared_secrets(config)?;
    refuse_unknown_services(config)
}

/// A secret that each node made for itself would differ from the others'.
fn refuse_unshared_secrets(config: &Config) -> Result<(), ConfigError> {
    let of_all = [("internal.api_keys", config.internal.api_keys.is_empty())];
    let of_channel = [
        ("whatsapp.app_secret", is_unset(&config.whatsapp.app_secret)),
        ("whatsapp.verify_token", is_unset(&config.whatsapp.verify_token)),
        ("whatsapp.access_token", is_unset(&config.whatsapp.access_token)),
    ];
    let of_dashboard = [
        ("dashboard.session_key", is_unset(&config.dashboard.session_key)),
        ("dashboard.first_password", is_unset(&config.dashboard.first_password)),
    ];
    let asked = of_all
        .iter()
        .chain(of_channel.iter().filter(|_| config.has(Role::Channel)))
        .chain(of_dashboard.iter().filter(|_| config.has(Role::Dashboard)));
    match asked.into_iter().find(|(_, is_missing)| *is_missing) {
        Some((key, _)) => Err(refuse(
            key,
            "must be set when broker.url is: all nodes share it, so none may generate its own",
        )),
        None => Ok(()),
    }
}

fn refuse_unknown_services(config: &Config) -> Result<(), ConfigError> {
    if !config.has(Role::Dashboard) {
        return Ok(());
    }
    for (service, key) in [(Role::Channel, "services.channel_url"), (Role::Case, "services.case_url")] {
        if !config.has(service) && config.services.url(service)?.is_none() {
            let why = format!("must be set on a node with the dashboard role but without the {service} role");
            return Err(refuse(key, why));
        }
    }
    Ok(())
}

fn has_scheme(url: &str, schemes: &[&str]) -> bool {
    reqwest::Url::parse(url).is_ok_and(|url| schemes.contains(&url.scheme()) && url.has_host())
}

#[cfg(test)]
mod tests {
    use super::super::{Loaded, Overrides, load};
    use super::*;

    /// A dashboard among other nodes.
    const DASHBOARD: &[(&str, &str)] = &[
        ("BROKER__URL", "amqp://user:password@rabbitmq:5672/govconnect"),
        ("DATABASE__URL", "postgres://user:password@postgres:5432/govconnect"),
        ("MEDIA__SHARED", "true"),
        ("INTERNAL__API_KEYS", "an-internal-key-of-all-nodes"),
        ("DASHBOARD__SESSION_KEY", "a session key that all dashboards share"),
        ("DASHBOARD__FIRST_PASSWORD", "first password"),
        ("SERVICES__CHANNEL_URL", "http://channel:3001"),
        ("SERVICES__CASE_URL", "http://case:3003"),
        ("ROLES", "dashboard"),
    ];

    fn with(changes: &[(&str, &str)]) -> Result<Loaded, ConfigError> {
        let environment = DASHBOARD
            .iter()
            .chain(changes)
            .map(|(key, value)| (format!("GOVCONNECT_{key}"), (*value).to_owned()))
            .collect();
        load(&Overrides { environment, ..Overrides::none() })
    }

    #[test]
    fn a_node_among_others_knows_where_they_are() {
        let config = with(&[]).unwrap().config;
        let url = |service| config.services.url(service).unwrap().map(String::from);
        assert_eq!(url(Role::Channel).as_deref(), Some("http://channel:3001/"));
        assert_eq!(url(Role::Case).as_deref(), Some("http://case:3003/"));
        assert_eq!(url(Role::Ai), None);
    }

    #[test]
    fn a_node_is_asked_only_for_what_its_roles_use() {
        for (role, extra) in [
            ("case", None),
            ("channel", Some("WHATSAPP__APP_SECRET")),
            ("dashboard,channel,case", Some("WHATSAPP__APP_SECRET")),
        ] {
            let without = [("ROLES", role), ("SERVICES__CHANNEL_URL", ""), ("SERVICES__CASE_URL", "")];
            match extra {
                None => drop(with(&without).map_err(|error| error.to_string()).unwrap()),
                Some(key) => {
                    let error = with(&without).err().unwrap().to_string();
                    assert!(error.starts_with("whatsapp.app_secret"), "{error}");
                    let secrets = [
                        (key, "a-secret"),
                        ("WHATSAPP__VERIFY_TOKEN", "a-token"),
                        ("WHATSAPP__ACCESS_TOKEN", "a-token"),
                    ];
                    let loaded = with(&[&without[..], &secrets].concat());
                    drop(loaded.map_err(|error| error.to_string()).unwrap());
                }
            }
        }
    }

    #[test]
    fn nodes_that_would_not_be_one_system_are_refused_by_name() {
        for (changes, named) in [
            (("BROKER__URL", "http://rabbitmq"), "broker.url"),
            (("BROKER__URL", "rabbitmq:5672"), "broker.url"),
            (("BROKER__URL", ""), "roles"),
            (("DATABASE__URL", ""), "database.url"),
            (("MEDIA__SHARED", "false"), "media.shared"),
            (("INTERNAL__API_KEYS", ""), "internal.api_keys"),
            (("DASHBOARD__SESSION_KEY", ""), "dashboard.session_key"),
            (("DASHBOARD__SESSION_KEY", "short"), "dashboard.session_key"),
            (("DASHBOARD__FIRST_PASSWORD", ""), "dashboard.first_password"),
            (("DASHBOARD__FIRST_PASSWORD", "short"), "dashboard.first_password"),
            (("SERVICES__CHANNEL_URL", ""), "services.channel_url"),
            (("SERVICES__CASE_URL", ""), "services.case_url"),
            (("SERVICES__CASE_URL", "case:3003"), "services.case_url"),
            (("SERVICES__AI_URL", "ftp://ai"), "services.ai_url"),
            (("SERVICES__NOTIFICATION_URL", "notification"), "services.notification_url"),
        ] {
            let error = with(&[changes]).err().map(|error| error.to_string()).unwrap_or_default();
            assert!(error.starts_with(named), "{changes:?} should name {named}, got: {error}");
        }
    }
}
