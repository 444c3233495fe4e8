//! What can go wrong with the embedded PostgreSQL, in words that say what to do next.

use std::io;
use std::path::{Path, PathBuf};

/// Why the embedded PostgreSQL could not be started, reached or stopped.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    #[error("{action} {}: {source}", path.display())]
    Io { action: &'static str, path: PathBuf, source: io::Error },

    #[error(
        "no PostgreSQL programs found (looked in {}); run scripts/fetch-postgres, or set \
         database.embedded_binaries to a folder with bin/postgres and bin/initdb, or database.url to \
         a server of your own",
        list(.0)
    )]
    BinariesMissing(Vec<PathBuf>),

    #[error(
        "the PostgreSQL programs in {} cannot be used by the user {user}, who may not enter {}; run \
         scripts/fetch-postgres again as root, or set database.embedded_binaries to a folder open to everyone",
        binaries.display(),
        closed.display()
    )]
    BinariesUnreachable { binaries: PathBuf, closed: PathBuf, user: String },

    #[error(
        "the database files in {} cannot be reached by the user {user}, who may not enter {}; \
         open it with: chmod o+x {}",
        home.display(),
        closed.display(),
        closed.display()
    )]
    DataUnreachable { home: PathBuf, closed: PathBuf, user: String },

    #[error(
        "the database files in {} belong to the user with id {owner}; start as that user, or choose another data \
         folder",
        folder.display()
    )]
    Foreign { folder: PathBuf, owner: u32 },

    #[error(
        "PostgreSQL refuses to run as root and none of the users govconnect, postgres and nobody \
         exists; create one with: useradd --system --no-create-home govconnect"
    )]
    NoUnprivilegedUser,

    #[error(
        "the database in {} is already in use by process {}; stop it first, or choose another data folder",
        data_dir.display(),
        pid.as_deref().unwrap_or("(unknown)")
    )]
    InUse { data_dir: PathBuf, pid: Option<String> },

    #[error("{} is not valid UTF-8; choose another data folder", .0.display())]
    PathNotUtf8(PathBuf),

    #[error("no private folder with a path short enough for the database socket could be made (tried {})", list(.0))]
    NoSocketFolder(Vec<PathBuf>),

    #[error(
        "the database name {0:?} is not allowed: lower-case letters, digits and _ only, at most 63, no digit first"
    )]
    DatabaseName(String),

    #[error("initdb could not create the database files ({status}):\n{output}")]
    Initdb { status: std::process::ExitStatus, output: String },

    #[error(
        "PostgreSQL stopped while starting ({status}); the end of {}:\n{tail}",
        log.display()
    )]
    StoppedWhileStarting { status: std::process::ExitStatus, log: PathBuf, tail: String },

    #[error(
        "PostgreSQL did not accept connections within {seconds} s ({last_error}); the end of {}:\n{tail}",
        log.display()
    )]
    StartTimedOut { seconds: u64, last_error: String, log: PathBuf, tail: String },

    #[error("processes of an earlier PostgreSQL are still running and did not stop: {0:?}")]
    LeftoversRemain(Vec<i32>),

    #[error("PostgreSQL did not stop within {0} s and was killed; it repairs itself at the next start")]
    StopTimedOut(u64),

    #[error("could not prepare the database {database}: {source}")]
    Prepare { database: String, source: sqlx::Error },

    #[error("the PostgreSQL programs lack the extension {0}; run scripts/fetch-postgres")]
    ExtensionMissing(&'static str),
}

fn list(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}

/// Adds to an I/O error what was being done, and to what.
pub(super) trait IoContext<T> {
    fn while_doing(self, action: &'static str, path: &Path) -> Result<T, EmbeddedError>;
}

impl<T> IoContext<T> for io::Result<T> {
    fn while_doing(self, action: &'static str, path: &Path) -> Result<T, EmbeddedError> {
        self.map_err(|source| EmbeddedError::Io { action, path: path.to_owned(), source })
    }
}
