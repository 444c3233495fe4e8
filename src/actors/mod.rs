//! Who acts. Spawning is in `supervision` only.
//!
//! - [`case`]: answers what others ask of the case service

pub mod case;
