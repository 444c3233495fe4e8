//! GovConnect: citizens write to their office on WhatsApp; an actor system answers, files complaints
//! and hands over to people. `ARCHITECTURE.md` tells the story of a message.

pub mod simulator;
