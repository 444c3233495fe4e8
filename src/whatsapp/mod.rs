//! WhatsApp's Cloud API: what Meta sends, what it takes, and what its errors mean. No SQL, no actors.
//!
//! - [`signature`]: is this body really from Meta?
//! - [`webhook`]: a body becomes updates; strict in what is kept, lenient in what is read
//! - [`outgoing`]: content becomes requests within Meta's lengths
//! - [`errors`]: error codes become what to do
//! - [`client`]: the calls to the Graph API
//! - [`media`]: fetching what citizens sent

pub mod client;
pub mod errors;
pub mod media;
pub mod outgoing;
pub mod signature;
pub mod webhook;
