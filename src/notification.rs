//! What a notification is, for everybody who speaks of one: how far it got, and how its text is made.
//!
//! Pure vocabulary: no I/O. Texts come from templates that officers wrote and values that citizens wrote: a value
//! is put in as it is and never read as a template again.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How far a notification got.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    ToSchema,
    strum::Display,
    strum::EnumIter,
    strum::EnumString,
    strum::IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum NotificationStatus {
    /// Written down, not sent.
    Queued,
    /// Meta took it.
    Sent,
    /// It reached the phone.
    Delivered,
    /// It was looked at.
    Read,
    /// It will not arrive.
    Failed,
}

use NotificationStatus::{Delivered, Failed, Queued, Read, Sent};

/// Forwards only. Steps may be skipped, because Meta does not promise every report; what reached the phone cannot
/// fail any more.
const MOVES: [(NotificationStatus, &[NotificationStatus]); 5] = [
    (Queued, &[Sent, Delivered, Read, Failed]),
    (Sent, &[Delivered, Read, Failed]),
    (Delivered, &[Read]),
    (Read, &[]),
    (Failed, &[]),
];

impl NotificationStatus {
    /// The statuses that may follow this one.
    pub fn may_become(self) -> &'static [NotificationStatus] {
        MOVES.iter().find(|(from, _)| *from == self).map_or(&[], |(_, allowed)| allowed)
    }

    /// Whether `next` may follow; staying is no move and is not asked here.
    pub fn allows(self, next: NotificationStatus) -> bool {
        self.may_become().contains(&next)
    }

    /// The name on the wire and in the database.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// Why a template and a set of values do not make a text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    #[error("the template needs a value for {0}")]
    Missing(String),
    #[error("the template has no place for {0}")]
    Unexpected(String),
    #[error("the template has an opening without an end")]
    Malformed,
}

/// Puts the values into the places of a template, written `{{ name }}`; every place needs one and every value a place.
///
/// # Errors
/// [`RenderError`] names what is missing or too much.
pub fn render(template: &str, values: &BTreeMap<String, String>) -> Result<String, RenderError> {
    let mut text = String::with_capacity(template.len());
    let mut unused: Vec<&String> = values.keys().collect();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        let (name, after) = after.split_once("}}").ok_or(RenderError::Malformed)?;
        let name = name.trim();
        let value = values.get(name).ok_or_else(|| RenderError::Missing(name.to_owned()))?;
        unused.retain(|unused| unused.as_str() != name);
        text.push_str(before);
        text.push_str(value);
        rest = after;
    }
    text.push_str(rest);
    match unused.first() {
        Some(name) => Err(RenderError::Unexpected((*name).clone())),
        None => Ok(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
    }

    #[test]
    fn statuses_go_forwards_only() {
        for (from, allowed) in MOVES {
            assert!(allowed.iter().all(|next| *next > from), "{from}");
        }
        assert!(Queued.allows(Read) && Sent.allows(Failed));
        assert!(!Delivered.allows(Sent) && !Read.allows(Failed) && !Failed.allows(Sent));
    }

    #[test]
    fn values_take_their_places_and_are_never_templates_themselves() {
        let text =
            render("{{a}} dan {{ b }}, lagi {{a}}", &values(&[("a", "{{ b }}"), ("b", "🙏")])).unwrap();
        assert_eq!(text, "{{ b }} dan 🙏, lagi {{ b }}");
    }

    #[test]
    fn what_does_not_fit_is_named() {
        for (template, given, expected) in [
            ("{{ a }}", vec![], RenderError::Missing("a".into())),
            ("tanpa", vec![("a", "1")], RenderError::Unexpected("a".into())),
            ("{{ a", vec![("a", "1")], RenderError::Malformed),
        ] {
            assert_eq!(render(template, &values(&given)), Err(expected), "{template}");
        }
    }
}
