//! What a citizen, an officer and an operator see of a whole node: a real process on a real database, beside a stand-in
//! for Meta that judges what reached it. One file a theme; each test reads as a sentence.

mod conversation;
mod crashes;
mod database_killed;
mod drafts;
mod event_schemas;
mod events;
mod gate;
mod media;
mod meta_faults;
mod models;
mod odd_input;
mod office_phone;
mod outage;
mod panics;
mod people;
mod sending;
mod stopping;
mod supervision;
mod takeover;
mod takeover_race;
