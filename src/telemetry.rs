//! Logs to standard error: JSON for machines, text for people. What is never logged is in CONTRIBUTING.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::fmt;

use crate::config::{ConfigError, Log, LogFormat};

/// What must never be logged, whatever `log.level` says.
const RETURNED_MESSAGES: &str = "lapin::returned_messages=off";

/// Starts logging for this process; a second call changes nothing.
///
/// # Errors
/// `log.level` is not a filter.
pub fn start(settings: &Log) -> Result<(), ConfigError> {
    let filter = EnvFilter::try_new(&settings.level)
        .map_err(|error| ConfigError::Invalid { key: "log.level".into(), why: error.to_string() })?;
    // lapin writes what the broker gave back there, with its body.
    let filter = RETURNED_MESSAGES.parse().map(|silence| filter.add_directive(silence)).map_err(
        |error: ParseError| ConfigError::Invalid { key: "log.level".into(), why: error.to_string() },
    )?;
    let builder = fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = match settings.format {
        LogFormat::Json => {
            builder.json().flatten_event(true).with_current_span(true).with_span_list(false).try_init()
        }
        LogFormat::Text => builder.with_ansi(std::io::stderr().is_terminal()).try_init(),
    };
    // Only tests start several nodes in one process; the first one's settings hold.
    drop(started);
    Ok(())
}
