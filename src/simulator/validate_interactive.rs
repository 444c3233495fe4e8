//! The interactive messages this project may send: reply buttons, lists, a link button, a request for the
//! citizen's location. Pure.

use super::fields::Fields;
use super::graph_error::GraphError;
use super::validate::check_media;

const LONGEST_BODY: usize = 1_024;
const LONGEST_HEADER: usize = 60;
const LONGEST_FOOTER: usize = 60;
const LONGEST_BUTTON: usize = 20;
const LONGEST_BUTTON_ID: usize = 256;
const LONGEST_ROW_ID: usize = 200;
const LONGEST_ROW_TITLE: usize = 24;
const LONGEST_ROW_DESCRIPTION: usize = 72;
const MOST_ROWS: usize = 10;

pub(super) fn check(mut content: Fields<'_>, media_ids: &mut Vec<String>) -> Result<(), GraphError> {
    let kind = content.one_of("type", &["button", "list", "cta_url", "location_request_message"])?;
    let mut body = content.object("body")?;
    body.text("text", LONGEST_BODY)?;
    body.finish()?;
    if kind != "location_request_message" {
        if let Some(header) = content.optional_object("header")? {
            check_header(header, kind, media_ids)?;
        }
        if let Some(mut footer) = content.optional_object("footer")? {
            footer.text("text", LONGEST_FOOTER)?;
            footer.finish()?;
        }
    }
    let action = content.object("action")?;
    match kind {
        "button" => check_buttons(action)?,
        "list" => check_list(action)?,
        "cta_url" => check_link(action)?,
        _ => check_location_request(action)?,
    }
    content.finish()
}

fn check_header(mut header: Fields<'_>, kind: &str, media_ids: &mut Vec<String>) -> Result<(), GraphError> {
    let allowed: &[&str] = if kind == "list" { &["text"] } else { &["text", "image", "video", "document"] };
    match header.one_of("type", allowed)? {
        "text" => {
            header.text("text", LONGEST_HEADER)?;
        }
        "image" => check_media(header.object("image")?, "sticker", media_ids)?,
        "video" => check_media(header.object("video")?, "sticker", media_ids)?,
        _ => check_media(header.object("document")?, "document", media_ids)?,
    }
    header.finish()
}

fn check_buttons(mut action: Fields<'_>) -> Result<(), GraphError> {
    let mut ids = Vec::new();
    let mut titles = Vec::new();
    for mut button in action.objects("buttons", 1..=3)? {
        button.one_of("type", &["reply"])?;
        let mut reply = button.object("reply")?;
        unique(&mut ids, reply.text("id", LONGEST_BUTTON_ID)?, &reply.path_of("id"))?;
        unique(&mut titles, reply.text("title", LONGEST_BUTTON)?, &reply.path_of("title"))?;
        reply.finish()?;
        button.finish()?;
    }
    action.finish()
}

fn check_list(mut action: Fields<'_>) -> Result<(), GraphError> {
    action.text("button", LONGEST_BUTTON)?;
    let sections = action.objects("sections", 1..=10)?;
    let several = sections.len() > 1;
    let mut ids = Vec::new();
    for mut section in sections {
        let title = section.optional_text("title", LONGEST_ROW_TITLE)?;
        if several && title.is_none() {
            return Err(GraphError::missing(&section.path_of("title")));
        }
        for mut row in section.objects("rows", 1..=MOST_ROWS)? {
            unique(&mut ids, row.text("id", LONGEST_ROW_ID)?, &row.path_of("id"))?;
            row.text("title", LONGEST_ROW_TITLE)?;
            row.optional_text("description", LONGEST_ROW_DESCRIPTION)?;
            row.finish()?;
        }
        section.finish()?;
    }
    if ids.len() > MOST_ROWS {
        return Err(GraphError::invalid_value(format!(
            "interactive.action.sections have {} rows, at most {MOST_ROWS} allowed in all",
            ids.len()
        )));
    }
    action.finish()
}

fn check_link(mut action: Fields<'_>) -> Result<(), GraphError> {
    action.one_of("name", &["cta_url"])?;
    let mut parameters = action.object("parameters")?;
    parameters.text("display_text", LONGEST_BUTTON)?;
    let url = parameters.text("url", 2_000)?;
    if !url.starts_with("https://") && !url.starts_with("http://") {
        return Err(GraphError::invalid_value("interactive.action.parameters.url must be a URL"));
    }
    parameters.finish()?;
    action.finish()
}

fn check_location_request(mut action: Fields<'_>) -> Result<(), GraphError> {
    action.one_of("name", &["send_location"])?;
    action.finish()
}

fn unique<'a>(seen: &mut Vec<&'a str>, text: &'a str, path: &str) -> Result<(), GraphError> {
    if seen.contains(&text) {
        return Err(GraphError::invalid_value(format!("{path} is used twice")));
    }
    seen.push(text);
    Ok(())
}
