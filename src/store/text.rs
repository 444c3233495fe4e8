//! Texts of people on their way into the database: PostgreSQL's `text` and `jsonb` cannot hold NUL.

/// The text with every NUL replaced by U+FFFD; what it said otherwise is kept.
pub fn storable(text: &str) -> String {
    text.replace('\0', "\u{FFFD}")
}

/// The same for a text that may be absent.
pub fn storable_option(text: Option<&str>) -> Option<String> {
    text.map(storable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_nul_is_replaced() {
        assert_eq!(storable("a\0b 🙏\n\u{7}"), "a\u{FFFD}b 🙏\n\u{7}");
        assert_eq!(storable_option(None), None);
    }
}
