//! The command line: `serve`, `migrate`, `admin`, `cluster`, `bus`, `simulator`, `check-config`, `doctor`, `health`,
//! `extract`, `openapi`, `postgres`.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, Parser, Subcommand};
use govconnect::admin_command::{self, AdminArgs};
use govconnect::bus_command::{self, BusArgs};
use govconnect::clock::Clock;
use govconnect::cluster_command::{self, ClusterArgs};
use govconnect::config::{self, Loaded, Overrides};
use govconnect::extract_command::{self, ExtractArgs};
use govconnect::health_command::{self, HealthArgs};
use govconnect::node::database::Database;
use govconnect::openapi_command::{self, OpenapiArgs};
use govconnect::postgres_command::{self, PostgresArgs};
use govconnect::simulator::command::{self as simulator_command, SimulatorArgs};
use govconnect::{doctor, node, telemetry};

#[derive(Debug, Parser)]
#[command(name = "govconnect", version, about)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run this node's services until stopped
    Serve(ServeArgs),
    /// Bring the database up to date and end
    Migrate(SettingsArgs),
    /// Accounts: create, reset a password, list
    Admin {
        #[command(flatten)]
        settings: SettingsArgs,
        #[command(flatten)]
        admin: AdminArgs,
    },
    /// Nodes, and who owns which partition
    Cluster {
        #[command(flatten)]
        settings: SettingsArgs,
        #[command(flatten)]
        cluster: ClusterArgs,
    },
    /// Messages that could never be dealt with: list, put back, throw away
    Bus {
        #[command(flatten)]
        settings: SettingsArgs,
        #[command(flatten)]
        bus: BusArgs,
    },
    /// Run the stand-in for Meta alone (development only)
    Simulator(SimulatorArgs),
    /// Print the settings in force, secrets masked, and where each came from
    CheckConfig(SettingsArgs),
    /// Look at everything this node depends on and say what is wrong
    Doctor(SettingsArgs),
    /// Ask this node's listeners whether they are ready, and end with 0 or 1: for health checks
    Health {
        #[command(flatten)]
        settings: SettingsArgs,
        #[command(flatten)]
        health: HealthArgs,
    },
    /// Read one file and say what is in it; started by a node for each file
    #[command(hide = true)]
    Extract(ExtractArgs),
    /// Print a service's OpenAPI document
    Openapi(OpenapiArgs),
    /// Run the embedded PostgreSQL alone, or around a command
    Postgres(PostgresArgs),
}

#[derive(Debug, Args)]
struct SettingsArgs {
    /// A config file; without it `config.toml` of the working directory
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Same as data_dir in the config file
    #[arg(long, value_name = "DIR")]
    data_dir: Option<String>,
}

#[derive(Debug, Args)]
struct ServeArgs {
    #[command(flatten)]
    settings: SettingsArgs,
    /// Run the simulator too (development only)
    #[arg(long)]
    simulator: bool,
    /// Same as roles in the config file: names with commas
    #[arg(long)]
    roles: Option<String>,
}

impl SettingsArgs {
    fn overrides(&self) -> Overrides {
        let overrides = Overrides::from_process(self.config.clone());
        match &self.data_dir {
            Some(data_dir) => overrides.flag("data_dir", data_dir.clone(), "--data-dir"),
            None => overrides,
        }
    }
}

impl ServeArgs {
    fn overrides(&self) -> Overrides {
        let mut overrides = self.settings.overrides();
        if self.simulator {
            overrides = overrides.flag("simulator.enabled", "true", "--simulator");
        }
        if let Some(roles) = &self.roles {
            overrides = overrides.flag("roles", roles.clone(), "--roles");
        }
        overrides
    }
}

fn main() -> ExitCode {
    #[cfg(feature = "failpoints")]
    let _armed = govconnect::crash_point::arm();
    let command = CommandLine::parse().command;
    let ended = match &command {
        // Without a runtime and its threads: the process gives up what it does not need.
        Command::Extract(args) => extract_command::run(args),
        _ => start(command),
    };
    match ended {
        Ok(code) => code,
        Err(error) => {
            // The end of the line: there is nobody else to tell.
            drop(writeln!(std::io::stderr(), "govconnect: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// One multi-threaded Tokio runtime for everything; actix's arbiters share it, so that pools and clients live on it.
fn start(command: Command) -> anyhow::Result<ExitCode> {
    let runtime = Arc::new(tokio::runtime::Builder::new_multi_thread().enable_all().build()?);
    govconnect::actors::supervision::share_runtime(runtime.clone());
    let system = actix_rt::System::with_tokio_rt(move || runtime);
    system.block_on(run(command))
}

async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Serve(args) => {
            let Loaded { config, warnings, .. } = config::load(&args.overrides())?;
            telemetry::start(&config.log)?;
            node::serve(config, &warnings).await?;
        }
        Command::Migrate(args) => {
            let loaded = config::load(&args.overrides())?;
            telemetry::start(&loaded.config.log)?;
            Database::open(&loaded.config).await?.close().await;
        }
        Command::Admin { settings, admin } => {
            let loaded = config::load(&settings.overrides())?;
            let database = Database::open_beside(&loaded.config).await?;
            let outcome =
                admin_command::run(&admin, &database.pool, &Clock::system(), &mut std::io::stdout()).await;
            database.close().await;
            outcome?;
        }
        Command::Cluster { settings, cluster } => {
            let loaded = config::load(&settings.overrides())?;
            let database = Database::open_beside(&loaded.config).await?;
            let outcome = cluster_command::run(&cluster, &database.pool, &mut std::io::stdout()).await;
            database.close().await;
            outcome?;
        }
        Command::Bus { settings, bus } => {
            let loaded = config::load(&settings.overrides())?;
            bus_command::run(&bus, &loaded.config.broker.url, &mut std::io::stdout()).await?;
        }
        Command::Simulator(args) => {
            let loaded = config::load(&Overrides::from_process(None))?;
            anyhow::ensure!(
                loaded.config.environment == config::Environment::Development,
                "the simulator is refused when environment is production"
            );
            telemetry::start(&loaded.config.log)?;
            let clock = Clock::system();
            simulator_command::run(args, Arc::new(move || clock.now())).await?;
        }
        Command::CheckConfig(args) => {
            let loaded = config::load(&args.overrides())?;
            let mut output = std::io::stdout();
            output.write_all(config::report(&loaded.sources).as_bytes())?;
            for warning in loaded.warnings {
                writeln!(output, "warning: {warning}")?;
            }
        }
        Command::Doctor(args) => {
            let loaded = config::load(&args.overrides())?;
            return doctor::run(&loaded.config, &mut std::io::stdout()).await;
        }
        Command::Health { settings, health } => {
            let loaded = config::load(&settings.overrides())?;
            return health_command::run(&health, &loaded.config, &mut std::io::stdout()).await;
        }
        Command::Extract(args) => return extract_command::run(&args),
        Command::Openapi(args) => {
            openapi_command::run(&args, &node::services::descriptions(), &mut std::io::stdout())?;
        }
        Command::Postgres(args) => return postgres_command::run(args).await,
    }
    Ok(ExitCode::SUCCESS)
}
