//! Who acts.
//!
//! - [`ai`]: understands turns, so many at once

pub mod ai;
