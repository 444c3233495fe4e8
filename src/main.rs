//! The command line.

use std::sync::Arc;

use clap::{Parser, Subcommand};
use govconnect::simulator::command::{SimulatorArgs, run};

#[derive(Parser)]
#[command(version, about)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Simulator(SimulatorArgs),
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt().init();
    #[expect(clippy::disallowed_methods, reason = "the clock that the simulator is told the time by")]
    let now = Arc::new(jiff::Timestamp::now);
    match CommandLine::parse().command {
        Command::Simulator(arguments) => run(arguments, now).await?,
    }
    Ok(())
}
