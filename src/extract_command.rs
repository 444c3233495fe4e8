//! `govconnect extract`: the process that reads one file, for the node that started it and for nobody else.
//!
//! The file comes in on standard input; what is in it leaves on standard output, a JSON line each
//! ([`crate::ai::documents::protocol`]). Before the first byte is looked at, the process gives up what a hostile file could
//! misuse: memory, processor time, files, core dumps. It has no runtime, no settings and no connection.

use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::process::ExitCode;

use clap::Args;
use nix::sys::resource::{Resource, setrlimit};
use nix::unistd::{dup, dup2_stdout};

use crate::ai::documents::FileKind;
use crate::ai::documents::extract::{ExtractError, Sink, extract};
use crate::ai::documents::protocol::{Block, Line, Unreadable};

/// What to read, and what it may cost.
#[derive(Clone, Debug, Args)]
pub struct ExtractArgs {
    /// pdf, docx, xlsx, html, markdown, text or faq
    #[arg(long)]
    kind: FileKind,
    /// Address space, in mebibytes
    #[arg(long, default_value_t = 1024)]
    memory_mb: u64,
    /// Processor time, in seconds
    #[arg(long, default_value_t = 120)]
    cpu_s: u64,
}

/// Reads standard input to its end and says what is in it.
///
/// # Errors
/// When a limit cannot be set, or an end of the pipe is gone. A file that cannot be read is no error: it is said.
pub fn run(args: &ExtractArgs) -> anyhow::Result<ExitCode> {
    limit(args)?;
    let mut said = Said { output: BufWriter::new(take_stdout()?), blocks: 0 };
    let mut bytes = Vec::new();
    std::io::stdin().lock().read_to_end(&mut bytes)?;
    let last = match extract(args.kind, &bytes, &mut said) {
        Ok(()) if said.blocks == 0 => Line::Failed(Unreadable::Empty),
        Ok(()) => Line::End,
        Err(ExtractError::Unreadable(reason)) => Line::Failed(reason),
        Err(ExtractError::Output(error)) => return Err(error.into()),
    };
    said.say(&last)?;
    said.output.flush()?;
    Ok(ExitCode::SUCCESS)
}

fn limit(args: &ExtractArgs) -> nix::Result<()> {
    let memory = args.memory_mb.saturating_mul(1024 * 1024);
    for (resource, soft, hard) in [
        (Resource::RLIMIT_AS, memory, memory),
        // SIGXCPU at the first, SIGKILL at the second.
        (Resource::RLIMIT_CPU, args.cpu_s, args.cpu_s.saturating_add(1)),
        (Resource::RLIMIT_CORE, 0, 0),
        (Resource::RLIMIT_FSIZE, 0, 0),
        (Resource::RLIMIT_NOFILE, 16, 16),
    ] {
        setrlimit(resource, soft, hard)?;
    }
    Ok(())
}

/// Standard output for our lines alone: what a library prints goes nowhere.
fn take_stdout() -> anyhow::Result<File> {
    let ours = dup(std::io::stdout())?;
    dup2_stdout(File::options().write(true).open("/dev/null")?)?;
    Ok(File::from(ours))
}

struct Said {
    output: BufWriter<File>,
    blocks: u64,
}

impl Said {
    fn say(&mut self, line: &Line) -> std::io::Result<()> {
        serde_json::to_writer(&mut self.output, line)?;
        self.output.write_all(b"\n")
    }
}

impl Sink for Said {
    fn block(&mut self, mut block: Block) -> std::io::Result<()> {
        if block.text.trim().is_empty() {
            return Ok(());
        }
        // PostgreSQL's text has no NUL.
        block.text = block.text.trim().replace('\0', "\u{fffd}");
        self.blocks += 1;
        self.say(&Line::Block(block))
    }

    fn progress(&mut self, done: u32, total: u32) -> std::io::Result<()> {
        self.say(&Line::Progress { done, total })?;
        self.output.flush()
    }
}
