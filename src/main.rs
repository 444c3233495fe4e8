//! The command line.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use govconnect::postgres_command::{self, PostgresArgs};

#[derive(Debug, Parser)]
#[command(name = "govconnect", version, about)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Postgres(PostgresArgs),
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    match CommandLine::parse().command {
        Command::Postgres(args) => postgres_command::run(args).await,
    }
}
