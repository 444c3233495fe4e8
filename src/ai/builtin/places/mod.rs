//! Where something is, in the citizen's own words and spelling.
//!
//! - [`grammar`]: every place that is told, by rules over words
//! - [`tagger`]: the one that is meant, learned from examples; the rules' finding is one of its hints
//! - `words`: the words that both know

pub mod grammar;
pub mod tagger;
mod words;

pub use grammar::{Place, find, opens_names, quoted_whole, rt_rw};
