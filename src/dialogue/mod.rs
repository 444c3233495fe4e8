//! What a conversation decides: pure functions of (state, input, now). No I/O, no clock, no actix, no tokio.
//!
//! - [`batching`]: when is it the bot's turn?
//! - [`corrections`]: what an edited or withdrawn message says now
//! - [`understanding`]: what the AI service hands in
//! - [`turn`]: one turn: a new state, at most one reply, effects
//! - [`answers`]: what the answer of an effect means
//! - [`buttons`]: what is below a reply, and what a tap means · [`rounds`]: how much is answered
//! - [`reminder`]: the one word about a draft that nobody went on with
//! - [`state`]: what is remembered between turns
//! - [`reply`]: what is said
//! - [`phrases`]: every sentence of the bot, linted against its voice
//! - [`hours`]: when people of the office answer

pub mod answers;
pub mod batching;
pub mod buttons;
pub mod corrections;
pub mod hours;
pub mod phrases;
pub mod reminder;
pub mod reply;
pub mod rounds;
pub mod state;
pub mod turn;
pub mod understanding;
