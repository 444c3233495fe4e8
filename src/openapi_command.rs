//! `govconnect openapi SERVICE`: the OpenAPI document of a service, as it is committed under `docs/openapi/`.

use std::io::Write;

use clap::Args;

use crate::http::listener::{Service, openapi};

/// Which document to print.
#[derive(Clone, Debug, Args)]
pub struct OpenapiArgs {
    /// channel, ai, case, notification or dashboard
    pub service: String,
}

/// Why there is no document.
#[derive(Debug, thiserror::Error)]
pub enum OpenapiError {
    #[error("there is no service {given:?}; there are: {known}")]
    UnknownService { given: String, known: String },
    #[error("the document could not be written")]
    Json(#[from] serde_json::Error),
    #[error("the document could not be written")]
    Output(#[from] std::io::Error),
}

/// Prints the document of the service that the arguments name.
///
/// # Errors
/// When no such service is among `services`, or the output is closed.
pub fn run(args: &OpenapiArgs, services: &[Service], output: &mut impl Write) -> Result<(), OpenapiError> {
    let Some(service) = services.iter().find(|service| service.name == args.service) else {
        let known = services.iter().map(|service| service.name).collect::<Vec<_>>().join(", ");
        return Err(OpenapiError::UnknownService { given: args.service.clone(), known });
    };
    output.write_all(document(service)?.as_bytes())?;
    Ok(())
}

/// The document as it is committed: indented, keys in order, a line feed at the end.
///
/// # Errors
/// When it cannot be written as JSON.
pub fn document(service: &Service) -> Result<String, serde_json::Error> {
    let mut text = serde_json::to_string_pretty(&serde_json::to_value(openapi(service))?)?;
    text.push('\n');
    Ok(text)
}
