//! Text out of files. Runs only in the reading process ([`crate::extract_command`]), never in a node: it trusts that
//! whatever a hostile file makes it do (loop, panic, overflow, eat memory) ends that process and nothing else.

mod docx;
mod html;
mod pdf;
mod plain;
mod tables;
mod xlsx;

use super::FileKind;
use super::protocol::{Block, Unreadable};

/// More pages than any office's document has.
pub const MOST_PAGES: u32 = 3000;
/// Bytes that one packed part of a file may have unpacked.
const LARGEST_PART: u64 = 128 * 1024 * 1024;

/// Where a reader puts what it finds.
pub trait Sink {
    /// The next piece. Blank ones are dropped.
    ///
    /// # Errors
    /// When nobody listens any more.
    fn block(&mut self, block: Block) -> std::io::Result<()>;

    /// `done` of `total` pages are read.
    ///
    /// # Errors
    /// As [`Sink::block`].
    fn progress(&mut self, done: u32, total: u32) -> std::io::Result<()>;
}

/// Why reading ended early.
#[derive(Debug, thiserror::Error)]
pub enum ExtractError {
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// Nobody listens any more.
    #[error("the output is closed")]
    Output(#[from] std::io::Error),
}

/// Reads a file of that kind into `sink`.
///
/// # Errors
/// [`ExtractError::Unreadable`] with the reason for an officer.
pub fn extract(kind: FileKind, bytes: &[u8], sink: &mut dyn Sink) -> Result<(), ExtractError> {
    match kind {
        FileKind::Pdf => pdf::extract(bytes, sink),
        FileKind::Docx => docx::extract(bytes, sink),
        FileKind::Xlsx => xlsx::extract(bytes, sink),
        FileKind::Html => html::extract(bytes, sink),
        FileKind::Markdown => plain::markdown(bytes, sink),
        FileKind::Text => plain::text(bytes, sink),
        FileKind::Faq => plain::whole(bytes, sink),
    }
}

fn broken(kind: FileKind) -> Unreadable {
    Unreadable::Broken { expected: kind.to_string().to_uppercase() }
}

/// Runs of blanks and line ends become one space.
fn in_one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
