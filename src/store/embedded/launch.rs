//! The commands that create the database files and run the server, and the watcher that ends the server
//! when GovConnect is gone. Nothing here waits for the server or knows how to talk to it.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::process::Stdio;

use tokio::process::{Child, ChildStdin, Command};

use super::account::ServerAccount;
use super::error::{EmbeddedError, IoContext};
use super::home::{Home, PORT, SocketFolder};
use super::leftovers::cluster_name;
use super::{Durability, EmbeddedOptions, SUPERUSER};

/// Creates the database files if they do not exist. Done beside their place and renamed, so a crash half way
/// leaves nothing that looks finished.
pub(super) async fn create_cluster(
    home: &Home,
    account: &ServerAccount,
    options: &EmbeddedOptions,
) -> Result<(), EmbeddedError> {
    home.remove_unfinished_clusters()?;
    let unfinished = home.new_unfinished_cluster();
    DirBuilder::new().mode(0o700).create(&unfinished).while_doing("creating", &unfinished)?;
    account.give(&unfinished)?;

    let mut command = server_command(&options.binaries.join("bin/initdb"), account);
    command
        .arg("--pgdata")
        .arg(&unfinished)
        .args(["--username", SUPERUSER])
        // Whoever can open the socket is let in; only its owner and root can.
        .args(["--auth", "trust"])
        // The built-in locale sorts the same on every machine and after every update of the C library.
        .args(["--encoding", "UTF8", "--locale", "C.UTF-8"])
        .args(["--locale-provider", "builtin", "--builtin-locale", "C.UTF-8"])
        .args(["--text-search-config", "simple", "--no-instructions"])
        .current_dir("/")
        .kill_on_drop(true);
    if options.durability == Durability::None {
        command.arg("--no-sync");
    }
    let initdb = options.binaries.join("bin/initdb");
    let output = command.output().await.while_doing("running", &initdb)?;
    if !output.status.success() {
        let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.push_str(&String::from_utf8_lossy(&output.stderr));
        return Err(EmbeddedError::Initdb { status: output.status, output: last_lines(&text) });
    }

    let cluster = home.cluster();
    std::fs::rename(&unfinished, &cluster).while_doing("renaming", &unfinished)?;
    let folder = std::fs::File::open(home.path()).while_doing("opening", home.path())?;
    folder.sync_all().while_doing("syncing", home.path())
}

/// Starts the server's first process. It writes to the log in `home` from now on.
pub(super) fn start_server(
    home: &Home,
    account: &ServerAccount,
    socket: &SocketFolder,
    options: &EmbeddedOptions,
) -> Result<Child, EmbeddedError> {
    let program = options.binaries.join("bin/postgres");
    let log = home.open_log()?;
    let log_again = log.try_clone().while_doing("opening", home.log())?;
    let cluster = home.cluster();
    let socket_path =
        socket.path().to_str().ok_or_else(|| EmbeddedError::PathNotUtf8(socket.path().to_owned()))?;

    let mut command = server_command(&program, account);
    command.arg("-D").arg(&cluster);
    for (name, value) in fixed_settings(Memory::of_this_machine()) {
        command.arg("-c").arg(format!("{name}={value}"));
    }
    for (name, value) in durability_settings(options.durability) {
        command.arg("-c").arg(format!("{name}={value}"));
    }
    command
        .arg("-c")
        .arg(format!("cluster_name={}", cluster_name(&cluster)?))
        .arg("-c")
        .arg(format!("unix_socket_directories={}", quoted_list_item(socket_path)))
        .arg("-c")
        .arg(format!("max_connections={}", options.max_connections))
        .stdout(Stdio::from(log))
        .stderr(Stdio::from(log_again));
    command.spawn().while_doing("starting", &program)
}

/// Ends the server when GovConnect is gone, in whatever way: a shell that waits for the other end of a pipe
/// to close, which the kernel does for a process killed by signal 9 too, and then asks the server for a fast
/// shutdown, having made sure that the process id still is that server.
#[derive(Debug)]
pub(super) struct Watcher {
    shell: Child,
    /// Closed by dropping it, together with this process at the latest.
    lifeline: Option<ChildStdin>,
}

impl Watcher {
    pub(super) fn start(
        server: &Child,
        cluster: &Path,
        account: &ServerAccount,
    ) -> Result<Self, EmbeddedError> {
        const SCRIPT: &str = r#"read -r _; grep -qaF "cluster_name=$2" "/proc/$1/cmdline" && kill -INT "$1""#;
        let program = Path::new("/bin/sh");
        let mut command = server_command(program, account);
        command
            .args(["-c", SCRIPT, "govconnect-postgres-watcher"])
            .arg(server.id().map(|id| id.to_string()).unwrap_or_default())
            .arg(cluster_name(cluster)?)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut shell = command.spawn().while_doing("starting", program)?;
        let lifeline = shell.stdin.take();
        Ok(Self { shell, lifeline })
    }

    /// Lets the watcher go, the server having stopped.
    pub(super) async fn dismiss(mut self) {
        drop(self.lifeline.take());
        if let Err(error) = self.shell.wait().await {
            tracing::warn!(%error, "could not wait for the watcher of the database server");
        }
    }
}

/// A command with the server's account, an empty environment (`PG*` and `LC_*` would change what the server
/// does) and a process group of its own, so that Ctrl-C reaches GovConnect alone, which drains first.
fn server_command(program: &Path, account: &ServerAccount) -> Command {
    let mut command = Command::new(program);
    command
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .env("LC_ALL", "C.UTF-8")
        .env("TZ", "UTC")
        .stdin(Stdio::null())
        .current_dir("/")
        .process_group(0);
    account.apply_to(&mut command);
    command
}

/// What of the machine's memory the server reckons with, in MB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Memory {
    /// Pages of its own.
    buffers: u64,
    /// What the kernel keeps for it as well.
    cached: u64,
}

impl Memory {
    /// Of the machine, or of the container that this process is confined to.
    fn of_this_machine() -> Self {
        let machine = nix::sys::sysinfo::sysinfo().map_or(0, |info| info.ram_total());
        let confined = std::fs::read_to_string("/sys/fs/cgroup/memory.max").ok();
        Self::of(machine, confined.as_deref())
    }

    /// An eighth for the server: GovConnect and whatever else is there need theirs. `confined` is what cgroups say, bytes
    /// or `max`.
    fn of(machine: u64, confined: Option<&str>) -> Self {
        const MB: u64 = 1 << 20;
        let confined = confined.and_then(|limit| limit.trim().parse().ok()).unwrap_or(u64::MAX);
        let memory = machine.min(confined) / MB;
        Memory { buffers: (memory / 8).clamp(128, 2048), cached: (memory / 2).max(512) }
    }
}

/// Settings for a machine that does other things too. Given on the command line, they win over
/// `postgresql.conf`; what is not listed can be tuned there.
fn fixed_settings(memory: Memory) -> [(&'static str, String); 21] {
    let fixed = |value: &str| value.to_owned();
    [
        ("listen_addresses", fixed("")),
        ("port", PORT.to_string()),
        ("unix_socket_permissions", fixed("0700")),
        ("shared_buffers", format!("{}MB", memory.buffers)),
        ("effective_cache_size", format!("{}MB", memory.cached)),
        ("work_mem", fixed("8MB")),
        ("maintenance_work_mem", fixed("64MB")),
        ("random_page_cost", fixed("1.1")),
        ("jit", fixed("off")),
        ("min_wal_size", fixed("80MB")),
        ("max_wal_size", fixed("2GB")),
        ("checkpoint_timeout", fixed("15min")),
        // This build knows only pglz, which costs more time than the writing of what it saves: after a checkpoint the intake
        // was three times slower with it.
        ("wal_compression", fixed("off")),
        ("timezone", fixed("UTC")),
        ("log_timezone", fixed("UTC")),
        ("logging_collector", fixed("off")),
        ("log_destination", fixed("stderr")),
        ("log_line_prefix", fixed("%m [%p] ")),
        // Details and statements of errors can carry phone numbers and message text.
        ("log_error_verbosity", fixed("terse")),
        ("log_min_error_statement", fixed("panic")),
        ("log_statement", fixed("none")),
    ]
}

/// `synchronous_commit` stays on either way: without `fsync` it costs next to nothing, and committed rows
/// then survive a killed server in tests too.
fn durability_settings(durability: Durability) -> [(&'static str, &'static str); 3] {
    let value = match durability {
        Durability::Full => "on",
        Durability::None => "off",
    };
    [("fsync", value), ("full_page_writes", value), ("synchronous_commit", "on")]
}

/// An item of a list setting such as `unix_socket_directories`.
fn quoted_list_item(item: &str) -> String {
    format!("\"{}\"", item.replace('"', "\"\""))
}

/// The last lines of `text`, enough to see why something failed.
pub(super) fn last_lines(text: &str) -> String {
    const LINES: usize = 20;
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_takes_a_modest_share_of_what_there_is() {
        const GIB: u64 = 1 << 30;
        for (machine, confined, buffers, cached) in [
            (0, None, 128, 512),
            (GIB / 2, None, 128, 512),
            (4 * GIB, Some("max\n"), 512, 2048),
            (64 * GIB, None, 2048, 32 * 1024),
            (64 * GIB, Some("2147483648\n"), 256, 1024),
        ] {
            assert_eq!(Memory::of(machine, confined), Memory { buffers, cached }, "{machine} {confined:?}");
        }
    }
}
