//! What the bot says in a turn: one message, with buttons or without. The actor turns it into WhatsApp's content.

/// One reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    pub text: String,
    pub below: Below,
}

/// What stands below a reply.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Below {
    #[default]
    Nothing,
    /// At most three.
    Buttons(Vec<ReplyButton>),
    /// One tap sends where the citizen is.
    LocationRequest,
}

impl Reply {
    /// Words alone.
    pub fn words(text: String) -> Self {
        Reply { text, below: Below::Nothing }
    }

    /// The buttons below it.
    pub fn buttons(&self) -> &[ReplyButton] {
        match &self.below {
            Below::Buttons(buttons) => buttons,
            Below::Nothing | Below::LocationRequest => &[],
        }
    }
}

/// One button below a reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplyButton {
    /// Comes back when it is tapped.
    pub id: String,
    pub title: String,
}

/// Paragraphs of one message. Short sentences stay on one line, what has lines of its own stands apart.
pub fn join(parts: &[String]) -> String {
    let mut text = String::new();
    let mut before_had_lines = false;
    for part in parts.iter().filter(|part| !part.is_empty()) {
        let has_lines = part.contains('\n');
        if !text.is_empty() {
            text.push_str(if has_lines || before_had_lines { "\n\n" } else { " " });
        }
        text.push_str(part);
        before_had_lines = has_lines;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_run_on_and_lists_stand_apart() {
        assert_eq!(join(&["Halo.".into(), "Saya asisten.".into()]), "Halo. Saya asisten.");
        assert_eq!(join(&["Halo.".into(), "a\nb".into(), "c".into()]), "Halo.\n\na\nb\n\nc");
    }
}
