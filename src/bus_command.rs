//! `govconnect bus`: the dead letters of the message broker, listed, put back where they were, or thrown away.

use std::io::Write;

use clap::{Args, Subcommand};
use secrecy::SecretString;
use uuid::Uuid;

use crate::bus::Broken;
use crate::bus::rabbitmq::dead_letters::{DeadLetter, DeadLetters, Replay, Which};
use crate::config::is_unset;

/// `govconnect bus …`
#[derive(Clone, Debug, Args)]
pub struct BusArgs {
    #[command(subcommand)]
    pub command: BusCommand,
}

#[derive(Clone, Debug, Subcommand)]
pub enum BusCommand {
    /// Lists messages that could never be dealt with, the oldest first
    List {
        /// At most so many
        #[arg(long, default_value_t = 100)]
        limit: u32,
        /// One JSON object a line
        #[arg(long)]
        json: bool,
        /// With what is in them, which may be a citizen's own words
        #[arg(long)]
        bodies: bool,
    },
    /// Puts them back into the queues where they were
    Replay {
        #[command(flatten)]
        which: WhichArgs,
        /// Calls as well, although nobody waits for their answers any more
        #[arg(long)]
        force: bool,
    },
    /// Throws one away
    Drop {
        /// The id in the list
        #[arg(long, value_name = "UUID")]
        id: Uuid,
    },
}

#[derive(Clone, Debug, Args)]
#[group(required = true, multiple = false)]
pub struct WhichArgs {
    /// The one with this id in the list
    #[arg(long, value_name = "UUID")]
    pub id: Option<Uuid>,
    /// All that are there now
    #[arg(long)]
    pub all: bool,
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    #[error("broker.url is not set: a node without a message broker has no dead letters")]
    NoBroker,
    #[error("there is no dead letter {0}; `govconnect bus list` shows all, unless somebody else is looking")]
    Unknown(Uuid),
    #[error("dead letter {id} is {outcome}{}", hint(.outcome))]
    Kept { id: Uuid, outcome: Replay },
    #[error(transparent)]
    Broker(#[from] Broken),
    #[error("the output is closed")]
    Output(#[from] std::io::Error),
}

/// Does what the arguments say at the broker of `broker.url`.
///
/// # Errors
/// See [`BusError`]; each is fit to be shown.
pub async fn run(args: &BusArgs, broker_url: &SecretString, output: &mut impl Write) -> Result<(), BusError> {
    if is_unset(broker_url) {
        return Err(BusError::NoBroker);
    }
    let letters = DeadLetters::new(broker_url)?;
    match &args.command {
        BusCommand::List { limit, json, bodies } => {
            for letter in letters.list(*limit, *bodies).await? {
                match json {
                    true => writeln!(output, "{}", serde_json::json!(letter))?,
                    false => writeln!(output, "{}", line(&letter))?,
                }
            }
        }
        BusCommand::Replay { which, force } => {
            let which = which.id.map_or(Which::All, Which::One);
            let replayed = letters.replay(which, *force).await?;
            match (which, &replayed[..]) {
                (Which::One(id), []) => return Err(BusError::Unknown(id)),
                (Which::One(id), [(_, outcome)]) if *outcome != Replay::PutBack => {
                    return Err(BusError::Kept { id, outcome: *outcome });
                }
                _ => {}
            }
            for (letter, outcome) in &replayed {
                writeln!(output, "{}\t{outcome}{}", shown(letter.id.as_ref()), hint(outcome))?;
            }
        }
        BusCommand::Drop { id } => match letters.discard(*id).await? {
            Some(letter) => writeln!(output, "{}\tthrown away", line(&letter))?,
            None => return Err(BusError::Unknown(*id)),
        },
    }
    Ok(())
}

/// When, id, queue, kind, message id, reason.
fn line(letter: &DeadLetter) -> String {
    let mut line = [
        shown(letter.at.as_ref()),
        shown(letter.id.as_ref()),
        shown(letter.queue.as_ref()),
        shown(Some(&letter.kind)),
        shown(letter.message_id.as_ref()),
        shown(letter.reason.as_ref()),
    ]
    .join("\t");
    if let Some(body) = &letter.body {
        line.push('\t');
        line.push_str(&shown(Some(body)));
    }
    line
}

/// Fit for a terminal: what others wrote may hold anything.
fn shown(value: Option<&impl ToString>) -> String {
    let Some(value) = value else { return "-".into() };
    value.to_string().chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}

fn hint(outcome: &Replay) -> &'static str {
    match outcome {
        Replay::CallerGone => " (--force puts it back nevertheless)",
        Replay::PutBack | Replay::NowhereToGo | Replay::QueueGone | Replay::QueueRefused => "",
    }
}
