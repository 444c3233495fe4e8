//! A private PostgreSQL for nodes without `database.url`: created once, run as a child of this process on a
//! Unix socket, stopped with it.
//!
//! One process at a time owns a database (a lock held by the operating system, see [`home`]). After a
//! `kill -9` of either process the next start finds and stops what is left, and PostgreSQL replays its log.
//! The server never listens on TCP and never runs as root, and nothing here downloads anything.

mod account;
mod binaries;
mod error;
mod home;
mod launch;
mod leftovers;

use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection};
use tokio::process::Child;
use tokio::time::Instant;

pub use binaries::{POSTGRES_RELEASE, STATE_ROOT, find_binaries};
pub use error::EmbeddedError;
pub use home::create_data_dir;

use account::ServerAccount;
use error::IoContext;
use home::{Home, SocketFolder};
use launch::Watcher;

/// The only role; whoever can open the socket may use it.
const SUPERUSER: &str = "govconnect";

const NEEDED_EXTENSIONS: [&str; 2] = ["vector", "pg_trgm"];

/// Replaying the log after a crash takes a while on a slow disk; nothing is gained by giving up early.
const START_PATIENCE: Duration = Duration::from_secs(300);
const START_POLL_INTERVAL: Duration = Duration::from_millis(30);
const PROGRESS_INTERVAL: Duration = Duration::from_secs(5);

/// A fast shutdown writes a checkpoint first.
const STOP_PATIENCE: Duration = Duration::from_secs(60);

/// How to run the embedded PostgreSQL.
#[derive(Debug, Clone)]
pub struct EmbeddedOptions {
    /// The folder with `bin/`, `lib/` and `share/`, see [`find_binaries`].
    pub binaries: PathBuf,
    /// The data folder of the node; the database goes into `postgres/` and its log into `log/` below it.
    pub data_dir: PathBuf,
    /// Created if it does not exist.
    pub database: String,
    pub durability: Durability,
    pub max_connections: u32,
}

/// What a commit promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Durability {
    /// A committed row survives a power cut.
    Full,
    /// A committed row survives killed processes, but after a power cut the whole database may be
    /// unreadable. For tests only, where it saves most of the time.
    None,
}

/// A running embedded PostgreSQL. Dropped without [`EmbeddedPostgres::stop`], it shuts down by itself soon
/// after, also when this process is killed.
#[derive(Debug)]
pub struct EmbeddedPostgres {
    server: Child,
    watcher: Watcher,
    options: EmbeddedOptions,
    // Dropped in this order: the lock on the database goes last.
    socket: SocketFolder,
    home: Home,
}

impl EmbeddedPostgres {
    /// Starts the server, creating its files and the database where needed, and returns when it answers.
    /// `progress` is told, in plain words, of each step that can take long.
    pub async fn start(
        mut options: EmbeddedOptions,
        progress: impl Fn(&str),
    ) -> Result<EmbeddedPostgres, EmbeddedError> {
        check_database_name(&options.database)?;
        if !binaries::has_programs(&options.binaries) {
            return Err(EmbeddedError::BinariesMissing(vec![options.binaries]));
        }
        options.binaries = options.binaries.canonicalize().while_doing("resolving", &options.binaries)?;

        let home = Home::open(&options.data_dir)?;
        let account = ServerAccount::for_cluster(&home.cluster())?;
        home.check_reachable(&account)?;
        check_binaries_reachable(&options.binaries, &account)?;

        if home.cluster().exists() {
            leftovers::stop_leftovers(&home.cluster(), &progress).await?;
        } else {
            progress("creating the database files (first start only)");
            launch::create_cluster(&home, &account, &options).await?;
        }

        progress("starting the database server");
        let socket = SocketFolder::create(&home, &account)?;
        let log_start = home.log().metadata().map_or(0, |metadata| metadata.len());
        let mut server = launch::start_server(&home, &account, &socket, &options)?;
        let watcher = match Watcher::start(&server, &home.cluster(), &account) {
            Ok(watcher) => watcher,
            Err(error) => {
                // Nothing would end this server with us.
                server.kill().await.while_doing("killing", &options.binaries)?;
                return Err(error);
            }
        };
        let mut postgres = EmbeddedPostgres { server, watcher, options, socket, home };
        postgres.wait_until_ready(log_start, &progress).await?;
        postgres.prepare_database().await?;
        tracing::info!(user = account.name(), folder = %postgres.home.path().display(), "embedded database is ready");
        Ok(postgres)
    }

    /// How to connect to the database.
    pub fn connect_options(&self) -> PgConnectOptions {
        self.connect_options_for(&self.options.database)
    }

    /// The same as a URL, for `DATABASE_URL`.
    pub fn url(&self) -> String {
        let socket = percent_encoded(&self.socket.path().to_string_lossy());
        format!("postgres:///{}?host={socket}&port={}&user={SUPERUSER}", self.options.database, home::PORT)
    }

    /// The id of the server's first process, while it runs.
    pub fn process_id(&self) -> Option<u32> {
        self.server.id()
    }

    /// Where the database files are: below the data folder, or where a link in it points.
    pub fn folder(&self) -> &Path {
        self.home.path()
    }

    /// Resolves when the server ends without having been asked to. Can be dropped and called again.
    pub async fn exited(&mut self) -> std::io::Result<ExitStatus> {
        self.server.wait().await
    }

    /// Shuts the server down (open connections are ended, committed work is on disk) and waits until it is gone.
    pub async fn stop(mut self) -> Result<(), EmbeddedError> {
        let stopped = self.shut_down().await;
        self.watcher.dismiss().await;
        stopped
    }

    async fn shut_down(&mut self) -> Result<(), EmbeddedError> {
        // Without an id it has ended, and been waited for, already.
        let Some(id) = self.server.id() else { return Ok(()) };
        let program = self.options.binaries.join("bin/postgres");
        kill(Pid::from_raw(id.cast_signed()), Signal::SIGINT)
            .map_err(std::io::Error::from)
            .while_doing("stopping", &program)?;
        match tokio::time::timeout(STOP_PATIENCE, self.server.wait()).await {
            Ok(waited) => waited.while_doing("waiting for", &program).map(|_| ()),
            Err(_elapsed) => {
                self.server.kill().await.while_doing("killing", &program)?;
                Err(EmbeddedError::StopTimedOut(STOP_PATIENCE.as_secs()))
            }
        }
    }

    fn connect_options_for(&self, database: &str) -> PgConnectOptions {
        PgConnectOptions::new_without_pgpass()
            .socket(self.socket.path())
            .port(home::PORT)
            .username(SUPERUSER)
            .database(database)
            .ssl_mode(PgSslMode::Disable)
    }

    async fn wait_until_ready(
        &mut self,
        log_start: u64,
        progress: &impl Fn(&str),
    ) -> Result<(), EmbeddedError> {
        let options = self.connect_options_for("postgres");
        let deadline = Instant::now() + START_PATIENCE;
        let mut next_progress = Instant::now() + PROGRESS_INTERVAL;
        loop {
            let last_error = tokio::select! {
                waited = self.server.wait() => {
                    let status = waited.while_doing("waiting for", &self.options.binaries)?;
                    let log = self.home.log().to_owned();
                    let tail = tail_of(&log, log_start);
                    return Err(EmbeddedError::StoppedWhileStarting { status, log, tail });
                }
                connected = PgConnection::connect_with(&options) => match connected {
                    Ok(connection) => {
                        // Only proves that it answers; how it ends does not matter.
                        drop(connection.close().await);
                        return Ok(());
                    }
                    Err(error) => error.to_string(),
                },
            };
            let now = Instant::now();
            if now >= deadline {
                let log = self.home.log().to_owned();
                let tail = tail_of(&log, log_start);
                return Err(EmbeddedError::StartTimedOut {
                    seconds: START_PATIENCE.as_secs(),
                    last_error,
                    log,
                    tail,
                });
            }
            if now >= next_progress {
                progress("still waiting for the database server (it may be repairing itself after a crash)");
                next_progress = now + PROGRESS_INTERVAL;
            }
            tokio::time::sleep(START_POLL_INTERVAL).await;
        }
    }

    async fn prepare_database(&self) -> Result<(), EmbeddedError> {
        let database = &self.options.database;
        let failed = |source| EmbeddedError::Prepare { database: database.clone(), source };
        let mut connection = self.connect_options_for("postgres").connect().await.map_err(failed)?;
        for extension in NEEDED_EXTENSIONS {
            let found: Option<String> =
                sqlx::query_scalar("SELECT name::text FROM pg_available_extensions WHERE name = $1")
                    .bind(extension)
                    .fetch_optional(&mut connection)
                    .await
                    .map_err(failed)?;
            found.ok_or(EmbeddedError::ExtensionMissing(extension))?;
        }
        let existing: Option<String> =
            sqlx::query_scalar("SELECT datname::text FROM pg_database WHERE datname = $1")
                .bind(database)
                .fetch_optional(&mut connection)
                .await
                .map_err(failed)?;
        if existing.is_none() {
            // The name was checked by `check_database_name`.
            let statement = AssertSqlSafe(format!("CREATE DATABASE \"{database}\""));
            sqlx::query(statement).execute(&mut connection).await.map_err(failed)?;
        }
        connection.close().await.map_err(failed)
    }
}

/// How to connect to the server that another process runs for `data_dir`, if there seems to be one: what its
/// `postmaster.pid` says (its fourth line is the port, its fifth the socket's folder).
pub fn running_elsewhere(data_dir: &Path, database: &str) -> Option<PgConnectOptions> {
    let text = std::fs::read_to_string(data_dir.join("postgres/cluster/postmaster.pid")).ok()?;
    let mut lines = text.lines().skip(3).map(str::trim);
    let (port, socket) = (lines.next()?.parse().ok()?, lines.next().filter(|folder| !folder.is_empty())?);
    let options = PgConnectOptions::new_without_pgpass().socket(socket).port(port);
    Some(options.username(SUPERUSER).database(database).ssl_mode(PgSslMode::Disable))
}

fn check_database_name(name: &str) -> Result<(), EmbeddedError> {
    let starts_well = name.starts_with(|first: char| first.is_ascii_lowercase() || first == '_');
    let is_plain = name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if starts_well && is_plain && name.len() <= 63 {
        Ok(())
    } else {
        Err(EmbeddedError::DatabaseName(name.to_owned()))
    }
}

fn check_binaries_reachable(binaries: &Path, account: &ServerAccount) -> Result<(), EmbeddedError> {
    match account.first_closed_folder(&binaries.join("bin"))? {
        None => Ok(()),
        Some(closed) => Err(EmbeddedError::BinariesUnreachable {
            binaries: binaries.to_owned(),
            closed,
            user: account.name().to_owned(),
        }),
    }
}

/// The last lines of `log` written since it was `start` bytes long.
fn tail_of(log: &Path, start: u64) -> String {
    let read = || -> std::io::Result<String> {
        let mut file = std::fs::File::open(log)?;
        // A log that was moved aside meanwhile is shorter: read it whole.
        let start = if file.metadata()?.len() < start { 0 } else { start };
        file.seek(SeekFrom::Start(start))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    match read() {
        Ok(text) => launch::last_lines(&text),
        Err(error) => format!("(could not be read: {error})"),
    }
}

fn percent_encoded(text: &str) -> String {
    use std::fmt::Write;

    text.bytes().fold(String::with_capacity(text.len()), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _infallible = write!(encoded, "%{byte:02X}");
        }
        encoded
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_database_names_are_allowed() {
        let cases = [
            ("govconnect", true),
            ("_test_1", true),
            ("1test", false),
            ("Gov", false),
            ("a\"b", false),
            ("", false),
        ];
        for (name, allowed) in cases {
            assert_eq!(check_database_name(name).is_ok(), allowed, "{name:?}");
        }
    }

    #[test]
    fn a_folder_with_odd_characters_survives_the_url() {
        assert_eq!(percent_encoded("/tmp/a b&c/é"), "/tmp/a%20b%26c/%C3%A9");
    }
}
