//! `govconnect postgres`: the embedded database without GovConnect, for developers and tests.
//!
//! `govconnect postgres --data-dir DIR -- COMMAND` runs COMMAND with `DATABASE_URL` set, passes signals and
//! the exit code on, and stops the server afterwards. Without a command it runs until Ctrl-C.

use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{ExitCode, ExitStatus};

use anyhow::Context;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};

use crate::store::embedded::{Durability, EmbeddedOptions, EmbeddedPostgres, find_binaries};

/// Start the embedded PostgreSQL alone and run a command with `DATABASE_URL` set.
#[derive(Debug, clap::Args)]
pub struct PostgresArgs {
    /// Where the database is kept; created if it does not exist.
    #[arg(long)]
    data_dir: PathBuf,

    /// The folder with PostgreSQL's bin/, lib/ and share/. Found by itself after scripts/fetch-postgres.
    #[arg(long, env = "GOVCONNECT_DATABASE__EMBEDDED_BINARIES")]
    binaries: Option<PathBuf>,

    /// The database to create.
    #[arg(long, default_value = "govconnect")]
    database: String,

    /// "none" is fast and loses data in a power cut: for tests.
    #[arg(long, value_enum, default_value_t = Durability::Full)]
    durability: Durability,

    #[arg(long, default_value_t = 100)]
    max_connections: u32,

    /// The command to run. Without one the server runs until Ctrl-C.
    #[arg(last = true)]
    command: Vec<OsString>,
}

/// Runs the subcommand and returns the exit code of the command.
pub async fn run(args: PostgresArgs) -> anyhow::Result<ExitCode> {
    // Before anything is started, so that an early signal is not lost.
    let mut signals = Signals::listen()?;
    let options = EmbeddedOptions {
        binaries: find_binaries(args.binaries.as_deref())?,
        data_dir: args.data_dir,
        database: args.database,
        durability: args.durability,
        max_connections: args.max_connections,
    };
    let mut postgres = EmbeddedPostgres::start(options, |step| say(&format!("postgres: {step}"))).await?;

    let outcome = match args.command.split_first() {
        Some((program, arguments)) => run_command(program, arguments, &mut postgres, &mut signals).await,
        None => run_until_signal(&mut postgres, &mut signals).await,
    };
    let stopped = postgres.stop().await;
    let code = outcome?;
    stopped?;
    Ok(code)
}

async fn run_until_signal(
    postgres: &mut EmbeddedPostgres,
    signals: &mut Signals,
) -> anyhow::Result<ExitCode> {
    say(&format!("postgres: ready at {}", postgres.url()));
    tokio::select! {
        _ = signals.next() => Ok(ExitCode::SUCCESS),
        status = postgres.exited() => Err(server_ended(status)),
    }
}

async fn run_command(
    program: &OsString,
    arguments: &[OsString],
    postgres: &mut EmbeddedPostgres,
    signals: &mut Signals,
) -> anyhow::Result<ExitCode> {
    let url = postgres.url();
    let mut child = Command::new(program)
        .args(arguments)
        .env("DATABASE_URL", &url)
        .env("TEST_DATABASE_URL", &url)
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("could not run {}", program.display()))?;
    loop {
        tokio::select! {
            status = child.wait() => return Ok(code_of(status?)),
            signal = signals.next() => forward(signal, &child),
            status = postgres.exited() => {
                forward(Signal::SIGTERM, &child);
                child.wait().await?;
                return Err(server_ended(status));
            }
        }
    }
}

/// A terminal gives Ctrl-C to the whole foreground group, the command included: once is enough.
fn forward(signal: Signal, child: &Child) {
    if signal == Signal::SIGINT && std::io::stdin().is_terminal() {
        return;
    }
    // Without an id it has ended already.
    let Some(id) = child.id() else { return };
    if let Err(errno) = kill(Pid::from_raw(id.cast_signed()), signal) {
        tracing::warn!(%signal, %errno, "could not pass the signal on");
    }
}

/// The shell's convention: 128 and the signal for a command that was killed.
fn code_of(status: ExitStatus) -> ExitCode {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1);
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}

fn server_ended(status: std::io::Result<ExitStatus>) -> anyhow::Error {
    match status {
        Ok(status) => anyhow::anyhow!("the database server ended by itself ({status}); its log says why"),
        Err(error) => anyhow::anyhow!(error).context("the database server could not be watched"),
    }
}

struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    hang_up: tokio::signal::unix::Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.interrupt.recv() => Signal::SIGINT,
            _ = self.terminate.recv() => Signal::SIGTERM,
            _ = self.hang_up.recv() => Signal::SIGHUP,
        }
    }
}

/// Progress goes to standard error, so that the output of the command stays its own.
fn say(line: &str) {
    // Nobody left to read it: the work goes on.
    let _unread = writeln!(std::io::stderr(), "{line}");
}
