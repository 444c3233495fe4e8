//! Who acts. Spawning is in `supervision` only.

pub mod ai;
pub mod case;
