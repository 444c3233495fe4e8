//! The folder of one embedded database: its files, its socket, and the lock that says who owns it.
//!
//! ```text
//! DATA_DIR/postgres/            or a link to /var/lib/govconnect/clusters/ID
//!     cluster/                  the database files (0700, owned by the server's account)
//!     socket/                   the Unix socket (0700), unless the path would be too long
//!     owner.lock                held by the GovConnect process that owns the database; its id inside
//! DATA_DIR/log/postgres.log
//! ```
//!
//! Nothing here ever deletes database files, except those of an `initdb` that did not finish.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::unistd::geteuid;
use uuid::Uuid;

use super::account::ServerAccount;
use super::binaries::STATE_ROOT;
use super::error::{EmbeddedError, IoContext};

/// `sun_path` has 108 bytes, the last of them for the closing zero.
const SOCKET_PATH_LIMIT: usize = 107;

/// The port only names the socket file; nothing listens on TCP.
pub(super) const PORT: u16 = 5432;

const UNFINISHED: &str = "cluster.unfinished-";

const LOG_SIZE_TO_ROTATE: u64 = 10 * 1024 * 1024;

/// Makes the data folder, and those above it, if they do not exist: only for us, except that root must let
/// the database server's account through (the files inside carry their own, stricter modes).
pub fn create_data_dir(data_dir: &Path) -> Result<(), EmbeddedError> {
    let mode = if geteuid().is_root() { 0o711 } else { 0o700 };
    DirBuilder::new().recursive(true).mode(mode).create(data_dir).while_doing("creating", data_dir)
}

/// The folder of one database, owned by this process for as long as the value lives.
#[derive(Debug)]
pub(super) struct Home {
    path: PathBuf,
    log: PathBuf,
    _lock: Flock<File>,
}

impl Home {
    /// Opens, or creates, the folder in `data_dir` and takes the lock.
    pub(super) fn open(data_dir: &Path) -> Result<Self, EmbeddedError> {
        create_data_dir(data_dir)?;
        let data_dir = data_dir.canonicalize().while_doing("resolving", data_dir)?;
        if data_dir.to_str().is_none() {
            return Err(EmbeddedError::PathNotUtf8(data_dir));
        }
        let path = open_folder(&data_dir)?;
        check_ours(&path)?;
        let lock = lock(&data_dir, &path.join("owner.lock"))?;
        let log_folder = data_dir.join("log");
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&log_folder)
            .while_doing("creating", &log_folder)?;
        Ok(Self { path, log: log_folder.join("postgres.log"), _lock: lock })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn cluster(&self) -> PathBuf {
        self.path.join("cluster")
    }

    /// A new name for `initdb` to work under before the result is renamed to [`Self::cluster`]: were it the
    /// same every time, an `initdb` that outlived its killed parent could write into the next one's files.
    pub(super) fn new_unfinished_cluster(&self) -> PathBuf {
        self.path.join(format!("{UNFINISHED}{}", Uuid::new_v4().simple()))
    }

    /// Removes what an `initdb` left that did not finish.
    pub(super) fn remove_unfinished_clusters(&self) -> Result<(), EmbeddedError> {
        for entry in std::fs::read_dir(&self.path).while_doing("reading", &self.path)? {
            let entry = entry.while_doing("reading", &self.path)?;
            if entry.file_name().to_string_lossy().starts_with(UNFINISHED)
                && let Err(error) = std::fs::remove_dir_all(entry.path())
            {
                tracing::warn!(path = %entry.path().display(), %error, "could not remove unfinished database files");
            }
        }
        Ok(())
    }

    pub(super) fn log(&self) -> &Path {
        &self.log
    }

    /// The server's log for appending, moved aside first when it has grown large.
    pub(super) fn open_log(&self) -> Result<File, EmbeddedError> {
        if self.log.metadata().is_ok_and(|metadata| metadata.len() > LOG_SIZE_TO_ROTATE) {
            std::fs::rename(&self.log, self.log.with_extension("log.1"))
                .while_doing("renaming", &self.log)?;
        }
        OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(&self.log)
            .while_doing("opening", &self.log)
    }

    /// Fails when `account` cannot reach the database files.
    pub(super) fn check_reachable(&self, account: &ServerAccount) -> Result<(), EmbeddedError> {
        match account.first_closed_folder(&self.path)? {
            None => Ok(()),
            Some(closed) => Err(EmbeddedError::DataUnreachable {
                home: self.path.clone(),
                closed,
                user: account.name().to_owned(),
            }),
        }
    }
}

/// `data_dir/postgres`, resolved. When the server's account cannot enter `data_dir`, as under a closed home
/// of root, a new database is put below [`STATE_ROOT`] and `data_dir/postgres` is a link to it.
fn open_folder(data_dir: &Path) -> Result<PathBuf, EmbeddedError> {
    let entry = data_dir.join("postgres");
    if entry.symlink_metadata().is_err() {
        let account = ServerAccount::for_new_cluster()?;
        match account.first_closed_folder(data_dir)? {
            Some(_) => create_elsewhere(&entry)?,
            None => create_folder(&entry, &account)?,
        }
    }
    entry.canonicalize().while_doing("resolving", &entry)
}

fn create_folder(folder: &Path, account: &ServerAccount) -> Result<(), EmbeddedError> {
    let mode = if account.is_switched() { 0o711 } else { 0o700 };
    DirBuilder::new().recursive(true).mode(mode).create(folder).while_doing("creating", folder)?;
    // Whatever the umask: this folder holds nothing that is not closed itself.
    set_mode(folder, mode)
}

fn create_elsewhere(entry: &Path) -> Result<(), EmbeddedError> {
    let clusters = Path::new(STATE_ROOT).join("clusters");
    for folder in [Path::new(STATE_ROOT), &clusters] {
        if !folder.exists() {
            DirBuilder::new().recursive(true).create(folder).while_doing("creating", folder)?;
            set_mode(folder, 0o755)?;
        }
    }
    let folder = clusters.join(Uuid::now_v7().to_string());
    create_folder(&folder, &ServerAccount::for_new_cluster()?)?;
    match std::os::unix::fs::symlink(&folder, entry) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            // Another process was first; use its folder.
            std::fs::remove_dir(&folder).while_doing("removing", &folder)
        }
        Err(error) => Err(error).while_doing("linking", entry),
    }
}

/// Root must not write where somebody else can plant links, and nobody else could write where root can.
fn check_ours(folder: &Path) -> Result<(), EmbeddedError> {
    let owner = folder.metadata().while_doing("looking at", folder)?.uid();
    if owner == geteuid().as_raw() {
        Ok(())
    } else {
        Err(EmbeddedError::Foreign { folder: folder.to_owned(), owner })
    }
}

fn set_mode(path: &Path, mode: u32) -> Result<(), EmbeddedError> {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
        .while_doing("changing the mode of", path)
}

fn lock(data_dir: &Path, path: &Path) -> Result<Flock<File>, EmbeddedError> {
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .mode(0o644)
        .open(path)
        .while_doing("opening", path)?;
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(mut lock) => {
            lock.set_len(0).while_doing("writing", path)?;
            lock.rewind().while_doing("writing", path)?;
            writeln!(lock, "{}", std::process::id()).while_doing("writing", path)?;
            Ok(lock)
        }
        Err((mut file, Errno::EWOULDBLOCK)) => {
            let mut owner = String::new();
            file.read_to_string(&mut owner).while_doing("reading", path)?;
            let pid = Some(owner.trim().to_owned()).filter(|pid| !pid.is_empty());
            Err(EmbeddedError::InUse { data_dir: data_dir.to_owned(), pid })
        }
        Err((_, errno)) => Err(std::io::Error::from(errno)).while_doing("locking", path),
    }
}

/// The private folder of the server's socket; a temporary one is removed with the value.
#[derive(Debug)]
pub(super) struct SocketFolder {
    path: PathBuf,
    is_temporary: bool,
}

impl SocketFolder {
    /// The folder in `home`, or, where that path is too long for a socket, a new one in a short place.
    pub(super) fn create(home: &Home, account: &ServerAccount) -> Result<Self, EmbeddedError> {
        let usual = home.path().join("socket");
        if fits(&usual) {
            if usual.symlink_metadata().is_err() {
                DirBuilder::new().mode(0o700).create(&usual).while_doing("creating", &usual)?;
            }
            set_mode(&usual, 0o700)?;
            account.give(&usual)?;
            // Left by a killed server. The lock is ours and its processes are gone.
            for name in [socket_name(), format!("{}.lock", socket_name())] {
                remove_file_if_present(&usual.join(name))?;
            }
            return Ok(Self { path: usual, is_temporary: false });
        }

        let mut tried = Vec::new();
        for parent in short_parents(account) {
            // A fresh name, and creation fails on an existing one: nobody can have planted it.
            let folder = parent.join(format!("govconnect-{}", Uuid::new_v4().simple()));
            if fits(&folder) && DirBuilder::new().mode(0o700).create(&folder).is_ok() {
                account.give(&folder)?;
                check_private(&folder, account)?;
                return Ok(Self { path: folder, is_temporary: true });
            }
            tried.push(parent);
        }
        Err(EmbeddedError::NoSocketFolder(tried))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for SocketFolder {
    fn drop(&mut self) {
        if self.is_temporary
            && let Err(error) = std::fs::remove_dir_all(&self.path)
        {
            tracing::warn!(path = %self.path.display(), %error, "could not remove the socket folder");
        }
    }
}

fn socket_name() -> String {
    format!(".s.PGSQL.{PORT}")
}

fn fits(folder: &Path) -> bool {
    folder.join(socket_name()).as_os_str().len() <= SOCKET_PATH_LIMIT
}

/// Short places for a socket, the most private first.
fn short_parents(account: &ServerAccount) -> Vec<PathBuf> {
    let mut parents = Vec::new();
    if account.is_switched() {
        parents.push(PathBuf::from("/run"));
    } else if let Some(runtime_dir) = std::env::var_os("XDG_RUNTIME_DIR") {
        parents.push(PathBuf::from(runtime_dir));
    }
    parents.push(PathBuf::from("/tmp"));
    parents
}

fn check_private(folder: &Path, account: &ServerAccount) -> Result<(), EmbeddedError> {
    let metadata = folder.symlink_metadata().while_doing("looking at", folder)?;
    let is_private = metadata.is_dir() && metadata.uid() == account.uid() && metadata.mode() & 0o077 == 0;
    if is_private { Ok(()) } else { Err(EmbeddedError::NoSocketFolder(vec![folder.to_owned()])) }
}

pub(super) fn remove_file_if_present(path: &Path) -> Result<(), EmbeddedError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).while_doing("removing", path)
        }
        _ => Ok(()),
    }
}
