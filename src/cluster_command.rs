//! `govconnect cluster`: the nodes of this installation and who owns what, read from the database, so that it tells also
//! when no node answers.

use std::io::Write;

use clap::{Args, Subcommand};
use sqlx::PgPool;

use crate::cluster::status::ClusterStatus;

/// What is asked.
#[derive(Debug, Args)]
pub struct ClusterArgs {
    #[command(subcommand)]
    command: ClusterCommand,
}

#[derive(Debug, Subcommand)]
enum ClusterCommand {
    /// Nodes, partitions, their owners and epochs, and what waits in them
    Status {
        /// As JSON, the same as GET /internal/cluster
        #[arg(long)]
        json: bool,
    },
}

/// Answers to `output`.
///
/// # Errors
/// The database is away, or `output` takes nothing.
pub async fn run(args: &ClusterArgs, pool: &PgPool, output: &mut impl Write) -> anyhow::Result<()> {
    let ClusterCommand::Status { json } = &args.command;
    let status = ClusterStatus::read(pool).await?;
    match json {
        true => writeln!(output, "{}", serde_json::to_string_pretty(&status)?)?,
        false => write!(output, "{status}")?,
    }
    Ok(())
}
