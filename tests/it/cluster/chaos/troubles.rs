//! Breaks and mends what the plan says, at its time.

use std::time::Duration;

use nix::sys::signal::Signal;
use tokio::time::{Instant, sleep};

use super::plan::{FROZEN, Fault, NODES, Planned, Server, Trouble};
use crate::support::broker::TestBroker;
use crate::support::database::TestDatabase;
use crate::support::nodes::{Nodes, Shape};
use crate::support::office::Office;
use crate::support::private_broker::PrivateBroker;
use crate::support::private_server::PrivateServer;
use crate::support::proxy::Proxy;

/// I10: a drain ends by itself, before the 20 s of grace that would end it.
const CALM_STOP: Duration = Duration::from_secs(15);

/// An office and everything beneath it that can break.
pub struct Town {
    // Dropped first: it works on all the rest.
    pub office: Office,
    database: PrivateServer,
    broker: PrivateBroker,
    links: Vec<(Proxy, Proxy)>,
}

impl Town {
    /// Three whole nodes, each with its own links to a database and a broker.
    pub async fn open(seed: u64, settings: &[(&str, &str)]) -> Self {
        let (database, broker) = tokio::join!(PrivateServer::start(), PrivateBroker::start());
        let mut nodes = Nodes::on(&Shape::Whole { nodes: NODES }, TestBroker::on(&broker).await);
        let broker_url = nodes.settings().into_iter().find(|(key, _)| *key == "BROKER__URL");
        let (_, broker_url) = broker_url.expect("a broker");
        let mut links = Vec::new();
        for number in 0..NODES {
            let (to_database, through) =
                Proxy::before(database.url(), seed.wrapping_add(number as u64)).await;
            nodes.set(number, "DATABASE__URL", &through);
            let (to_broker, through) = Proxy::before(&broker_url, seed.wrapping_sub(number as u64)).await;
            nodes.set(number, "BROKER__URL", &through);
            links.push((to_database, to_broker));
        }
        let office = Office::closed_of(nodes, TestDatabase::on(database.url()).await, settings).await;
        let mut town = Town { office, database, broker, links };
        town.office.start().await;
        town
    }

    /// Everything in the plan, begun and ended. Returns when all is mended.
    pub async fn suffer(&mut self, plan: &[Planned]) {
        let begun = Instant::now();
        let mut frozen = begun;
        let mut steps: Vec<(Duration, bool, Trouble)> = plan
            .iter()
            .flat_map(|planned| [(planned.from, false, planned.trouble), (planned.to, true, planned.trouble)])
            .collect();
        // What ends in that moment ends before anything else begins.
        steps.sort_by_key(|(at, ends, _)| (*at, !*ends));
        for (at, ends, trouble) in steps {
            // The load goes on meanwhile: the moment is the point of the test.
            // A step that takes long (a broker that stops) does not lengthen what is under way beside it.
            sleep(at.saturating_sub(begun.elapsed())).await;
            let second = begun.elapsed().as_secs_f64();
            eprintln!("{second:7.2} {} {trouble:?}", if ends { "ends:  " } else { "begins:" });
            if ends {
                if let Trouble::Freeze(_) = trouble {
                    // A zombie is one only beyond its lease, however late it was made.
                    sleep(FROZEN.saturating_sub(frozen.elapsed())).await;
                }
                self.mend(trouble).await;
            } else {
                self.cause(trouble).await;
                if let Trouble::Freeze(_) = trouble {
                    frozen = Instant::now();
                }
            }
        }
        self.broker.up().await;
        eprintln!("{:7.2} all is mended", begun.elapsed().as_secs_f64());
    }

    async fn cause(&mut self, trouble: Trouble) {
        match trouble {
            Trouble::Kill(node) => self.office.nodes.kill(node).await,
            Trouble::Freeze(node) => self.office.nodes.process(node).signal(Signal::SIGSTOP),
            Trouble::Stop(node) => {
                let (status, took) = self.office.nodes.terminate(node).await;
                eprintln!("        node {node} stopped in {took:?}");
                assert!(status.success(), "I10: node {node} ended with {status} in the midst of troubles");
            }
            Trouble::RollingRestart => {
                self.broker.up().await;
                for node in 0..NODES {
                    let (status, took) = self.office.nodes.terminate(node).await;
                    eprintln!("        node {node} stopped in {took:?}");
                    assert!(
                        status.success() && took < CALM_STOP,
                        "I10: node {node}: {status} after {took:?}"
                    );
                    self.office.start_node(node).await;
                }
            }
            Trouble::BrokerStops => {
                self.broker.up().await;
                self.broker.control("stop_app").await;
            }
            Trouble::BrokerKilled => {
                self.broker.up().await;
                self.broker.kill().await;
            }
            Trouble::DatabaseKilled => self.database.kill().await,
            Trouble::Link { node, to, how } => {
                let link = self.link(node, to);
                match how {
                    Fault::Cut => link.cut(),
                    Fault::Hold(direction) => link.hold(direction),
                    Fault::HoldAll => link.hold_all(),
                    Fault::Delay(most) => link.delay(most),
                }
            }
        }
    }

    async fn mend(&mut self, trouble: Trouble) {
        match trouble {
            Trouble::Kill(node) | Trouble::Stop(node) => self.office.start_node(node).await,
            Trouble::Freeze(node) => self.office.nodes.process(node).signal(Signal::SIGCONT),
            Trouble::RollingRestart => {}
            Trouble::BrokerStops => self.broker.control("start_app").await,
            // It takes its time; the next that wants it waits.
            Trouble::BrokerKilled => self.broker.spawn(),
            Trouble::DatabaseKilled => self.database.start_again().await,
            Trouble::Link { node, to, .. } => self.link(node, to).pass(),
        }
    }

    fn link(&self, node: usize, to: Server) -> &Proxy {
        match to {
            Server::Database => &self.links[node].0,
            Server::Broker => &self.links[node].1,
        }
    }
}
