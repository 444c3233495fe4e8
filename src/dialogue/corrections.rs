//! What a message says now: people edit what they wrote, and take it back. Meta's time decides, not the order of arrival.

use jiff::Timestamp;

/// A later word of the writer about one of their messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Correction {
    /// Meta's time.
    pub at: Timestamp,
    pub what: What,
}

/// What the writer did to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// It reads so now; `None` when the new words are not known.
    Edited(Option<String>),
    /// It was taken back.
    Revoked,
}

/// How a message stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    AsWritten,
    /// With these words instead of its own.
    Reworded(String),
    /// Not to be acted upon.
    Withdrawn,
}

/// How a message stands after `corrections`, which may be in any order; of two at the same time the later given counts.
/// What was taken back stays so, whatever else is told of it.
pub fn standing(corrections: &[Correction]) -> Standing {
    if corrections.iter().any(|correction| correction.what == What::Revoked) {
        return Standing::Withdrawn;
    }
    let last = corrections
        .iter()
        .filter_map(|correction| match &correction.what {
            What::Edited(Some(text)) => Some((correction.at, text)),
            _ => None,
        })
        .max_by_key(|(at, _)| *at);
    last.map_or(Standing::AsWritten, |(_, text)| Standing::Reworded(text.clone()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn correction(second: i64, what: What) -> Correction {
        Correction { at: Timestamp::from_second(second).unwrap(), what }
    }

    fn edit(second: i64, text: &str) -> Correction {
        correction(second, What::Edited(Some(text.into())))
    }

    #[test]
    fn the_last_words_count_and_what_was_taken_back_is_gone() {
        for (corrections, expected) in [
            (vec![], Standing::AsWritten),
            (vec![edit(1, "a")], Standing::Reworded("a".into())),
            (vec![edit(2, "b"), edit(1, "a")], Standing::Reworded("b".into())),
            (vec![edit(1, "a"), edit(1, "b")], Standing::Reworded("b".into())),
            (vec![correction(3, What::Edited(None))], Standing::AsWritten),
            (vec![edit(2, "b"), correction(3, What::Edited(None))], Standing::Reworded("b".into())),
            (vec![correction(1, What::Revoked), edit(2, "b")], Standing::Withdrawn),
        ] {
            assert_eq!(standing(&corrections), expected, "{corrections:?}");
        }
    }

    proptest! {
        #[test]
        fn the_order_of_arrival_does_not_matter(
            times in prop::collection::btree_set(0_i64..1000, 0..8),
            revoked in any::<bool>(),
            seed in any::<u64>(),
        ) {
            let mut corrections: Vec<Correction> =
                times.iter().map(|time| edit(*time, &time.to_string())).collect();
            if revoked {
                corrections.push(correction(500, What::Revoked));
            }
            let expected = standing(&corrections);
            let turn = if corrections.is_empty() { 0 } else { (seed % corrections.len() as u64) as usize };
            corrections.rotate_left(turn);
            corrections.reverse();
            prop_assert_eq!(standing(&corrections), expected);
        }
    }
}
