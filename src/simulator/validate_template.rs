//! Template messages: the shape of their components, and, for templates the script has defined, their names and
//! the number of their parameters. Pure.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::fields::Fields;
use super::graph_error::GraphError;
use super::validate::check_media;

/// A template as the business would have had it approved.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Template {
    pub name: String,
    pub language: String,
    /// Text with `{{1}}` or `{{name}}` for its parameters.
    pub body: String,
}

pub(super) fn check(mut content: Fields<'_>, media_ids: &mut Vec<String>) -> Result<(), GraphError> {
    let name = content.text("name", 512)?;
    if !name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_') {
        return Err(GraphError::invalid_value(
            "template.name must be lower case letters, digits and underscores",
        ));
    }
    let mut language = content.object("language")?;
    language.text("code", 16)?;
    if language.optional("policy").is_some() {
        language.one_of("policy", &["deterministic"])?;
    }
    language.finish()?;
    if content.optional("components").is_some() {
        for component in content.objects("components", 0..=10)? {
            check_component(component, media_ids)?;
        }
    }
    content.finish()
}

fn check_component(mut component: Fields<'_>, media_ids: &mut Vec<String>) -> Result<(), GraphError> {
    let kind = component.one_of("type", &["header", "body", "button"])?;
    if kind == "button" {
        component.one_of("sub_type", &["quick_reply", "url", "copy_code"])?;
        component.number("index", 0.0..=9.0)?;
    }
    if component.optional("parameters").is_some() {
        for parameter in component.objects("parameters", 0..=100)? {
            check_parameter(parameter, kind, media_ids)?;
        }
    }
    component.finish()
}

fn check_parameter(
    mut parameter: Fields<'_>,
    component: &str,
    media_ids: &mut Vec<String>,
) -> Result<(), GraphError> {
    let allowed: &[&str] = match component {
        "body" => &["text", "currency", "date_time"],
        "header" => &["text", "image", "video", "document", "location"],
        _ => &["text", "payload", "coupon_code"],
    };
    match parameter.one_of("type", allowed)? {
        "text" => {
            let longest = if component == "header" { 60 } else { 1_024 };
            let text = parameter.text("text", longest)?;
            if text.contains(['\n', '\t']) || text.contains("     ") {
                return Err(GraphError::new(
                    132_012,
                    format!(
                        "{} must not have new lines, tabs or more than four spaces",
                        parameter.path_of("text")
                    ),
                ));
            }
            parameter.optional_text("parameter_name", 60)?;
        }
        "payload" => {
            parameter.text("payload", 128)?;
        }
        "coupon_code" => {
            parameter.text("coupon_code", 20)?;
        }
        "image" => check_media(parameter.object("image")?, "sticker", media_ids)?,
        "video" => check_media(parameter.object("video")?, "sticker", media_ids)?,
        "document" => check_media(parameter.object("document")?, "document", media_ids)?,
        "location" => {
            let mut location = parameter.object("location")?;
            location.number("latitude", -90.0..=90.0)?;
            location.number("longitude", -180.0..=180.0)?;
            location.optional_text("name", 1_000)?;
            location.optional_text("address", 1_000)?;
            location.finish()?;
        }
        "currency" => {
            let mut currency = parameter.object("currency")?;
            currency.text("fallback_value", 64)?;
            currency.text("code", 3)?;
            currency.number("amount_1000", 0.0..=f64::MAX)?;
            currency.finish()?;
        }
        _ => {
            let mut date_time = parameter.object("date_time")?;
            date_time.text("fallback_value", 64)?;
            date_time.finish()?;
        }
    }
    parameter.finish()
}

/// The text the citizen sees, where the template is known. Without any defined template every name is accepted,
/// so that a test need not define what it does not look at.
pub(super) fn render(defined: &[Template], content: &Value) -> Result<Option<String>, GraphError> {
    if defined.is_empty() {
        return Ok(None);
    }
    let name = content["name"].as_str().unwrap_or_default();
    let language = content["language"]["code"].as_str().unwrap_or_default();
    let template =
        defined.iter().find(|template| template.name == name && template.language == language).ok_or_else(
            || GraphError::new(132_001, format!("template name ({name}) does not exist in {language}")),
        )?;
    let empty = Vec::new();
    let parameters = content["components"]
        .as_array()
        .unwrap_or(&empty)
        .iter()
        .find(|component| component["type"] == "body")
        .and_then(|component| component["parameters"].as_array())
        .unwrap_or(&empty);
    let expected = placeholders(&template.body);
    if expected.len() != parameters.len() {
        return Err(GraphError::new(
            132_000,
            format!(
                "body: number of localizable_params ({}) does not match {}",
                parameters.len(),
                expected.len()
            ),
        ));
    }
    let mut text = template.body.clone();
    for (position, parameter) in parameters.iter().enumerate() {
        let number = (position + 1).to_string();
        let placeholder = parameter["parameter_name"].as_str().unwrap_or(&number);
        if !expected.iter().any(|expected| expected == placeholder) {
            return Err(GraphError::new(132_000, format!("body has no parameter named {placeholder}")));
        }
        let value = parameter["text"]
            .as_str()
            .or_else(|| parameter[parameter["type"].as_str()?]["fallback_value"].as_str())
            .unwrap_or_default();
        text = text.replace(&format!("{{{{{placeholder}}}}}"), value);
    }
    Ok(Some(text))
}

/// The names between double braces, each once.
fn placeholders(body: &str) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for part in body.split("{{").skip(1) {
        let Some((name, _)) = part.split_once("}}") else { continue };
        if !names.iter().any(|known| known == name.trim()) {
            names.push(name.trim().to_owned());
        }
    }
    names
}
