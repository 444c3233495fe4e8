//! `govconnect health`: asks this node's own listeners whether they are ready, as a container's health check. The image has no
//! other program that could.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use futures::future::join_all;
use strum::IntoEnumIterator;

use crate::config::{Config, Role};
use crate::http_client;
use crate::node::ADDRESSES_FILE;

/// How long a listener may take; `/ready` itself gives its dependencies 2 s.
const PATIENCE: Duration = Duration::from_secs(4);

/// What to ask.
#[derive(Clone, Debug, Args)]
pub struct HealthArgs {
    /// Ask this service only, instead of all that this node runs
    #[arg(long, value_name = "NAME", value_parser = service)]
    service: Option<Role>,
    /// Ask only whether the process answers, not whether what it depends on does
    #[arg(long)]
    alive: bool,
}

fn service(name: &str) -> Result<Role, String> {
    name.parse().map_err(|_| {
        let names: Vec<String> = Role::iter().map(|role| role.to_string()).collect();
        format!("name one of {}", names.join(", "))
    })
}

/// Prints one line a listener; fails when any does not answer 200.
///
/// # Errors
/// When the output is closed, or the addresses of the listeners cannot be told.
pub async fn run(args: &HealthArgs, config: &Config, output: &mut impl Write) -> anyhow::Result<ExitCode> {
    let asked: Vec<Role> = match args.service {
        Some(service) => vec![service],
        None => Role::iter().filter(|role| config.has(*role)).collect(),
    };
    let path = if args.alive { "/health" } else { "/ready" };
    // A proxy for the way out has no business on the way to ourselves.
    let client = http_client::builder(PATIENCE).no_proxy().build()?;
    let mut urls = Vec::new();
    for role in asked {
        urls.push(format!("http://{}{path}", address(config, role)?));
    }
    let answers = join_all(urls.iter().map(|url| client.get(url).send())).await;
    let mut healthy = true;
    for (url, answer) in urls.iter().zip(answers) {
        let (word, told) = match answer {
            Ok(answer) if answer.status().is_success() => ("ok  ", String::new()),
            Ok(answer) => {
                let status = answer.status();
                ("FAIL", format!(": HTTP {} {}", status.as_u16(), answer.text().await.unwrap_or_default()))
            }
            Err(error) => ("FAIL", format!(": {:#}", anyhow::Error::new(error.without_url()))),
        };
        healthy &= word != "FAIL";
        writeln!(output, "{word} {url}{told}")?;
    }
    Ok(if healthy { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Where a listener of this node is reached from this machine.
fn address(config: &Config, role: Role) -> anyhow::Result<SocketAddr> {
    let bind = match role {
        Role::Channel => config.channel.bind,
        Role::Ai => config.ai.bind,
        Role::Case => config.case.bind,
        Role::Notification => config.notification.bind,
        Role::Dashboard => config.dashboard.bind,
    };
    if bind.port() != 0 {
        return Ok(reachable(bind));
    }
    // The system chose the port; the node wrote down which.
    let path = config.data_dir.join(ADDRESSES_FILE);
    let text = std::fs::read(&path).with_context(|| format!("{}: is the node up?", path.display()))?;
    let addresses: BTreeMap<String, SocketAddr> =
        serde_json::from_slice(&text).with_context(|| path.display().to_string())?;
    let address = addresses.get(&role.to_string()).copied();
    address.map(reachable).with_context(|| format!("this node runs no {role} service"))
}

/// "All interfaces" is where to listen, not where to call.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
            SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
        });
    }
    address
}
