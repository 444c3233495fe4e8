//! What `govconnect check-config` prints: every setting in force, secrets masked, and where each came from.

use figment::value::{Num, Value};

use super::Sources;

/// Keys whose values are never printed.
const SECRET_ENDINGS: [&str; 9] = [
    "app_secret",
    "verify_token",
    "access_token",
    "api_key",
    "api_keys",
    "password",
    "access_key_id",
    "secret_access_key",
    "session_key",
];

/// One line a setting: `key = value    (origin)`.
pub fn report(sources: &Sources) -> String {
    let rows: Vec<(String, String)> = sources
        .effective()
        .into_iter()
        .map(|(key, value, origin)| (format!("{key} = {}", shown(&key, &value)), origin))
        .collect();
    let width = rows.iter().map(|(left, _)| left.chars().count()).max().unwrap_or_default().min(72);
    rows.into_iter().map(|(left, origin)| format!("{left:<width$}  ({origin})\n")).collect()
}

fn shown(key: &str, value: &Value) -> String {
    let text = plain(value);
    if SECRET_ENDINGS.iter().any(|ending| key.ends_with(ending)) {
        return if text.is_empty() || text == "[]" { "(not set)".into() } else { "********".into() };
    }
    if key.ends_with(".url") {
        return format!("{:?}", without_password(&text));
    }
    match value {
        Value::String(..) => format!("{text:?}"),
        _ => text,
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(_, text) => text.clone(),
        Value::Bool(_, flag) => flag.to_string(),
        Value::Num(_, Num::F64(number)) => number.to_string(),
        Value::Num(_, number) => number.to_i128().map_or_else(|| "?".into(), |number| number.to_string()),
        Value::Array(_, items) => format!("[{}]", items.iter().map(plain).collect::<Vec<_>>().join(", ")),
        _ => String::new(),
    }
}

/// Hides the password of a URL; one that cannot be parsed is hidden whole.
fn without_password(text: &str) -> String {
    if text.is_empty() {
        return String::new();
    }
    match reqwest::Url::parse(text) {
        Ok(mut url) => {
            if url.password().is_some() && url.set_password(Some("********")).is_err() {
                return "********".into();
            }
            url.to_string()
        }
        Err(_) => "********".into(),
    }
}
