//! Which events somebody wants, written as AMQP's topic exchanges have it, so that one node and several mean the same.

/// Words with dots between them; `*` stands for one word, `#` for any number of them, also none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicPattern(&'static str);

impl TopicPattern {
    /// A pattern such as `whatsapp.message.#`.
    pub const fn new(pattern: &'static str) -> Self {
        TopicPattern(pattern)
    }

    /// As a broker is told of it.
    pub fn as_str(&self) -> &'static str {
        self.0
    }

    /// Whether an event with this routing key is wanted.
    pub fn matches(&self, routing_key: &str) -> bool {
        let pattern: Vec<&str> = self.0.split('.').collect();
        let words: Vec<&str> = routing_key.split('.').collect();
        fits(&pattern, &words)
    }
}

fn fits(pattern: &[&str], words: &[&str]) -> bool {
    match (pattern, words) {
        ([], []) => true,
        (["#", rest @ ..], _) => (0..=words.len()).any(|skipped| fits(rest, &words[skipped..])),
        (["*", rest @ ..], [_, words @ ..]) => fits(rest, words),
        ([word, rest @ ..], [first, words @ ..]) if word == first => fits(rest, words),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_mean_what_they_mean_to_an_amqp_broker() {
        for (pattern, routing_key, wanted) in [
            ("whatsapp.message.sent", "whatsapp.message.sent", true),
            ("whatsapp.message.sent", "whatsapp.message.status", false),
            ("whatsapp.message.sent", "whatsapp.message", false),
            ("whatsapp.message", "whatsapp.message.sent", false),
            ("whatsapp.message.#", "whatsapp.message.sent", true),
            ("whatsapp.message.#", "whatsapp.message.sent.again", true),
            ("whatsapp.message.#", "whatsapp.message", true),
            ("whatsapp.message.#", "whatsapp", false),
            ("whatsapp.message.#", "whatsapp.messages.sent", false),
            ("whatsapp.*.sent", "whatsapp.message.sent", true),
            ("whatsapp.*.sent", "whatsapp.sent", false),
            ("whatsapp.*.sent", "whatsapp.a.b.sent", false),
            ("*", "whatsapp", true),
            ("*", "whatsapp.message", false),
            ("#", "whatsapp.message.sent", true),
            ("#", "", true),
            ("#.sent", "sent", true),
            ("#.sent", "whatsapp.message.sent", true),
            ("#.sent", "whatsapp.message.sent.twice", false),
            ("govconnect.#.ended", "govconnect.takeover.ended", true),
            ("govconnect.#.ended", "govconnect.ended", true),
            ("govconnect.#.*", "govconnect", false),
            ("govconnect.#.*", "govconnect.ai.reply", true),
            ("#.#", "a", true),
            ("Govconnect.#", "govconnect.ai", false),
        ] {
            assert_eq!(TopicPattern::new(pattern).matches(routing_key), wanted, "{pattern} {routing_key}");
        }
    }
}
