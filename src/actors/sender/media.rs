//! Where the bytes of files to be sent come from. The sender knows only that a file has an id.

use futures::future::BoxFuture;
use uuid::Uuid;

use crate::whatsapp::client::File;

/// Why there are no bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MediaError {
    /// There is no such file, and there will be none.
    #[error("there is no such file")]
    Missing,
    /// The store does not answer; later it may.
    #[error("the media store does not answer")]
    Unavailable,
}

/// The media store as the sender sees it.
pub trait MediaBytes: Send + Sync {
    /// The whole file, at most 100 MB, with its type and a name.
    fn read(&self, media_id: Uuid) -> BoxFuture<'_, Result<File, MediaError>>;
}
