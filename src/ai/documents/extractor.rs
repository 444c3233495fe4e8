//! Reads a file by a process of its own, so that no file can hurt the node: the process limits itself before it looks at the
//! first byte ([`crate::extract_command`]); what it says is bounded here, and so is its time. Whatever goes wrong with it
//! is a reason for an officer.

use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::Signal;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::time::timeout;

use super::FileKind;
use super::protocol::{Block, Line, Unreadable};

/// What one file may cost.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// From start to end.
    pub time: Duration,
    /// Address space of the process, in mebibytes.
    pub memory_mb: u64,
    /// Bytes that it may say.
    pub output_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { time: Duration::from_secs(120), memory_mb: 1024, output_bytes: 16 * 1024 * 1024 }
    }
}

/// Why nothing came of it.
#[derive(Debug, thiserror::Error)]
pub enum ExtractorError {
    /// The file is at fault; trying again does not help.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// The process could not be started; trying again may help.
    #[error("the reading process could not be started")]
    Start(#[source] std::io::Error),
}

/// Pages read, and pages there are.
pub type Pages = Option<(u32, u32)>;

/// Starts reading processes.
#[derive(Clone, Debug)]
pub struct Extractor {
    program: PathBuf,
    limits: Limits,
}

impl Extractor {
    /// Processes of this very program, also after its file was replaced by a newer one.
    pub fn of_this_program(limits: Limits) -> Self {
        Extractor { program: PathBuf::from("/proc/self/exe"), limits }
    }

    /// Processes of another program that understands `extract`; for tests.
    pub fn new(program: PathBuf, limits: Limits) -> Self {
        Extractor { program, limits }
    }

    /// Reads a file; `progress` is told how far it is. Dropping the future ends the process.
    ///
    /// # Errors
    /// [`ExtractorError`].
    pub async fn extract(
        &self,
        kind: FileKind,
        bytes: &[u8],
        progress: &watch::Sender<Pages>,
    ) -> Result<Vec<Block>, ExtractorError> {
        let mut child = Command::new(&self.program)
            .arg("extract")
            .args(["--kind", &kind.to_string()])
            .args(["--memory-mb", &self.limits.memory_mb.to_string()])
            .args(["--cpu-s", &self.limits.time.as_secs().max(1).to_string()])
            // It is given nothing but the file: no secrets of the environment, no folder, no log.
            .env_clear()
            // Its allocator would reserve all of the address space that it may use, and have none left for anything large.
            .env("MIMALLOC_ARENA_RESERVE", "16MiB")
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(ExtractorError::Start)?;
        let read = timeout(self.limits.time, self.talk(&mut child, bytes, progress)).await;
        match read.unwrap_or(Err(Unreadable::TooSlow.into())) {
            Ok(blocks) => Ok(blocks),
            Err(error) => {
                // It may have ended by itself.
                if let Err(error) = child.kill().await {
                    tracing::debug!(%error, "the reading process was gone already");
                }
                Err(error)
            }
        }
    }

    async fn talk(
        &self,
        child: &mut Child,
        bytes: &[u8],
        progress: &watch::Sender<Pages>,
    ) -> Result<Vec<Block>, ExtractorError> {
        let lost = || ExtractorError::Start(std::io::Error::from(std::io::ErrorKind::BrokenPipe));
        let mut input = child.stdin.take().ok_or_else(lost)?;
        let output = child.stdout.take().ok_or_else(lost)?;
        let feed = async move {
            // A process that has seen enough, or has crashed, closes its end; how it ended tells.
            let fed = input.write_all(bytes).await;
            drop(input);
            fed.is_ok()
        };
        let (_, listened) = tokio::join!(feed, self.listen(output, progress));
        let heard = listened?;
        let status = child.wait().await.map_err(ExtractorError::Start)?;
        match heard {
            Heard { failed: Some(reason), .. } => Err(reason.into()),
            Heard { blocks, ended: true, .. } if status.success() => Ok(blocks),
            _ => Err(reason_of(status).into()),
        }
    }

    async fn listen(
        &self,
        output: impl tokio::io::AsyncRead + Unpin,
        progress: &watch::Sender<Pages>,
    ) -> Result<Heard, ExtractorError> {
        let mut heard = Heard::default();
        let mut output = BufReader::new(output.take(self.limits.output_bytes));
        let mut line = Vec::new();
        loop {
            line.clear();
            let read = output.read_until(b'\n', &mut line).await.map_err(ExtractorError::Start)?;
            if read == 0 {
                // Whether it said all that it had to say is told by its last line.
                return match output.get_ref().limit() {
                    0 => Err(Unreadable::TooLarge.into()),
                    _ => Ok(heard),
                };
            }
            match serde_json::from_slice(&line) {
                Ok(Line::Block(block)) => heard.blocks.push(block),
                Ok(Line::Progress { done, total }) => {
                    progress.send_replace(Some((done, total)));
                }
                Ok(Line::Failed(reason)) => heard.failed = Some(reason),
                Ok(Line::End) => heard.ended = true,
                Err(_) if output.get_ref().limit() == 0 => return Err(Unreadable::TooLarge.into()),
                Err(_) => return Err(Unreadable::Crashed.into()),
            }
        }
    }
}

#[derive(Default)]
struct Heard {
    blocks: Vec<Block>,
    failed: Option<Unreadable>,
    ended: bool,
}

/// What the way in which the process ended means.
fn reason_of(status: ExitStatus) -> Unreadable {
    match status.signal().map(Signal::try_from) {
        // The limit of processor time: first a warning, then the end.
        Some(Ok(Signal::SIGXCPU | Signal::SIGKILL)) => Unreadable::TooSlow,
        _ => Unreadable::Crashed,
    }
}
