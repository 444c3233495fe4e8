//! Finds and stops processes of an earlier server on the same database files, after a `kill -9` of
//! GovConnect (its server may still be shutting down) or of the server's first process (its children may
//! still hold the shared memory).
//!
//! A process is ours when its command line carries the name of the cluster, which PostgreSQL also puts in
//! the titles of its children. `/proc/PID/cmdline` can be read without privileges, in containers too. Only
//! such processes are ever signalled, and only while the lock on the database is held.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::time::Instant;

use super::error::{EmbeddedError, IoContext};
use super::home::remove_file_if_present;

const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// What to send, and how long to wait for the effect.
const ESCALATION: [(Step, Duration); 4] = [
    // Whoever was told to stop, or lost its parent, usually leaves by itself.
    (Step::Wait, Duration::from_secs(2)),
    (Step::Fast, Duration::from_secs(60)),
    (Step::Immediate, Duration::from_secs(10)),
    (Step::Kill, Duration::from_secs(10)),
];

#[derive(Debug, Clone, Copy)]
enum Step {
    Wait,
    /// A shutdown with a checkpoint, by the first process. Its children must not get this signal: it means
    /// something else to each of them.
    Fast,
    /// Without a checkpoint: the next start replays the log.
    Immediate,
    Kill,
}

/// The `cluster_name` of the server on `cluster`: the same for every path that leads to the folder.
pub(super) fn cluster_name(cluster: &Path) -> Result<String, EmbeddedError> {
    let metadata = std::fs::metadata(cluster).while_doing("looking at", cluster)?;
    Ok(format!("govconnect-{:x}-{:x}", metadata.dev(), metadata.ino()))
}

/// Stops every process of an earlier server on `cluster` and removes a misleading `postmaster.pid`.
pub(super) async fn stop_leftovers(cluster: &Path, progress: &impl Fn(&str)) -> Result<(), EmbeddedError> {
    let name = cluster_name(cluster)?;
    let mut remaining = processes_of(&name)?;
    if !remaining.is_empty() {
        progress("waiting for the database server of an earlier run to stop");
        tracing::warn!(processes = remaining.len(), "an earlier database server is still running");
    }
    for (step, patience) in ESCALATION {
        if remaining.is_empty() {
            break;
        }
        let first = first_process(cluster).filter(|first| remaining.contains(first));
        match (step, first) {
            (Step::Wait, _) | (Step::Fast, None) => {}
            (Step::Fast, Some(first)) => send(&[first], Signal::SIGINT),
            (Step::Immediate, Some(first)) => send(&[first], Signal::SIGQUIT),
            (Step::Immediate, None) => send(&remaining, Signal::SIGQUIT),
            (Step::Kill, _) => send(&remaining, Signal::SIGKILL),
        }
        if matches!(step, Step::Fast) && first.is_none() {
            continue;
        }
        let deadline = Instant::now() + patience;
        while !remaining.is_empty() && Instant::now() < deadline {
            tokio::time::sleep(POLL_INTERVAL).await;
            remaining = processes_of(&name)?;
        }
    }
    if !remaining.is_empty() {
        return Err(EmbeddedError::LeftoversRemain(remaining.iter().map(|pid| pid.as_raw()).collect()));
    }
    remove_misleading_pid_file(&cluster.join("postmaster.pid"))
}

/// The process that started the others, as `postmaster.pid` has it.
fn first_process(cluster: &Path) -> Option<Pid> {
    let content = std::fs::read_to_string(cluster.join("postmaster.pid")).ok()?;
    content.lines().next()?.trim().parse().ok().map(Pid::from_raw)
}

fn send(processes: &[Pid], signal: Signal) {
    for &pid in processes {
        match kill(pid, signal) {
            Ok(()) | Err(Errno::ESRCH) => {}
            Err(errno) => {
                tracing::warn!(pid = pid.as_raw(), %signal, %errno, "could not signal the database server")
            }
        }
    }
}

fn processes_of(cluster_name: &str) -> Result<Vec<Pid>, EmbeddedError> {
    let proc = Path::new("/proc");
    let mut found = Vec::new();
    for entry in std::fs::read_dir(proc).while_doing("reading", proc)? {
        let entry = entry.while_doing("reading", proc)?;
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else {
            continue;
        };
        // A process may end while we look, then there is nothing to read.
        let Ok(command_line) = std::fs::read(entry.path().join("cmdline")) else { continue };
        if is_server(&command_line, cluster_name) {
            found.push(Pid::from_raw(pid));
        }
    }
    Ok(found)
}

/// The first process has its arguments (`cluster_name=NAME` among them), the others a title:
/// `postgres: NAME: checkpointer`.
fn is_server(command_line: &[u8], cluster_name: &str) -> bool {
    let command_line = String::from_utf8_lossy(command_line);
    if let Some(title) = command_line.strip_prefix("postgres: ") {
        return title.strip_prefix(cluster_name).is_some_and(|rest| rest.starts_with(": "));
    }
    let mut arguments = command_line.split('\0');
    let is_postgres = arguments.next().is_some_and(|program| program.ends_with("/postgres"));
    is_postgres && arguments.any(|argument| argument.strip_prefix("cluster_name=") == Some(cluster_name))
}

/// PostgreSQL refuses to start while the process named in `postmaster.pid` lives, whatever it is; after a
/// restart of the machine or container that number easily belongs to something else.
fn remove_misleading_pid_file(path: &Path) -> Result<(), EmbeddedError> {
    let Ok(content) = std::fs::read_to_string(path) else { return Ok(()) };
    let Some(pid) = content.lines().next().and_then(|line| line.trim().parse::<i32>().ok()) else {
        // Cut short by a crash: PostgreSQL would call it bogus and refuse.
        return remove_file_if_present(path);
    };
    let Ok(command_line) = std::fs::read(format!("/proc/{}/cmdline", pid.abs())) else { return Ok(()) };
    let may_be_a_server = String::from_utf8_lossy(&command_line)
        .split('\0')
        .next()
        .is_some_and(|program| program.starts_with("postgres:") || program.ends_with("postgres"));
    if may_be_a_server {
        // Someone started a server on these files by hand; PostgreSQL itself judges, and says so.
        return Ok(());
    }
    tracing::warn!(pid, "removing a postmaster.pid that names an unrelated process");
    remove_file_if_present(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_processes_of_the_same_cluster_are_recognised() {
        let cases: [(&[u8], bool); 8] = [
            (b"/opt/pg/bin/postgres\0-D\0/data\0-c\0cluster_name=govconnect-1-a\0", true),
            (b"postgres: govconnect-1-a: checkpointer \0\0", true),
            (b"postgres: govconnect-1-a: govconnect govconnect [local] idle", true),
            (b"/opt/pg/bin/postgres\0-D\0/data\0-c\0cluster_name=govconnect-1-ab\0", false),
            (b"postgres: govconnect-1-ab: checkpointer ", false),
            (b"postgres: checkpointer ", false),
            (b"/bin/sh\0-c\0watch\0cluster_name=govconnect-1-a\0", false),
            (b"", false),
        ];
        for (command_line, expected) in cases {
            assert_eq!(
                is_server(command_line, "govconnect-1-a"),
                expected,
                "{}",
                String::from_utf8_lossy(command_line)
            );
        }
    }

    #[test]
    fn a_pid_file_is_kept_unless_it_misleads() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("postmaster.pid");
        let cases = [
            (format!("{}\n/data\n", std::process::id()), false, "names this test"),
            (String::from("\n"), false, "is cut short"),
            (String::from("2147483646\n/data\n"), true, "names no process"),
        ];
        for (content, kept, what) in cases {
            std::fs::write(&path, content).expect("write the file");
            remove_misleading_pid_file(&path).expect("judge the file");
            assert_eq!(path.exists(), kept, "a postmaster.pid that {what}");
        }
    }
}
