//! What is broken when, drawn from a seed: one trouble after the other with pauses, some overlapping. Pure.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};

use crate::support::proxy::Direction;

pub const NODES: usize = 3;
/// Twice the time after which a silent node's partitions are taken by others.
pub const FROZEN: Duration = Duration::from_secs(20);
/// The plan's clock stands still meanwhile.
const ROLLING: Duration = Duration::from_millis(100);

/// What a node depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Server {
    Database,
    Broker,
}

/// What a link does to what passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Resets connections and refuses new ones.
    Cut,
    /// Half-open for longer than a lease lasts.
    Hold(Direction),
    HoldAll,
    /// Everything comes later, by up to so much.
    Delay(Duration),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// SIGKILL, and started again.
    Kill(usize),
    /// SIGSTOP, and SIGCONT when others have long taken over.
    Freeze(usize),
    /// SIGTERM in the midst of everything, and started again.
    Stop(usize),
    /// SIGTERM and a new start of one after the other, while all else is well.
    RollingRestart,
    /// `rabbitmqctl stop_app`, and `start_app`.
    BrokerStops,
    BrokerKilled,
    /// SIGKILL to all of PostgreSQL, which replays its log when it comes back.
    DatabaseKilled,
    Link {
        node: usize,
        to: Server,
        how: Fault,
    },
}

impl Trouble {
    /// One of each kind, with what is left to chance.
    fn of_each_kind(random: &mut StdRng) -> Vec<Trouble> {
        let mut node = || random.random_range(0..NODES);
        let mut troubles = vec![
            Trouble::Kill(node()),
            Trouble::Freeze(node()),
            Trouble::Stop(node()),
            Trouble::RollingRestart,
            Trouble::BrokerStops,
            Trouble::BrokerKilled,
            Trouble::DatabaseKilled,
        ];
        for to in [Server::Database, Server::Broker] {
            for how in [
                Fault::Cut,
                Fault::Hold(Direction::ToServer),
                Fault::Hold(Direction::ToClient),
                Fault::HoldAll,
                Fault::Delay(Duration::from_millis(400)),
            ] {
                troubles.push(Trouble::Link { node: node(), to, how });
            }
        }
        troubles
    }

    /// Without the node that it happens to.
    pub fn kind(self) -> String {
        match self {
            Trouble::Kill(_) => "Kill".into(),
            Trouble::Freeze(_) => "Freeze".into(),
            Trouble::Stop(_) => "Stop".into(),
            Trouble::Link { to, how, .. } => format!("{to:?} {how:?}"),
            other => format!("{other:?}"),
        }
    }

    fn lasts(self, random: &mut StdRng) -> Duration {
        let milliseconds = match self {
            Trouble::Kill(_) | Trouble::Stop(_) => 200..3_000,
            Trouble::Freeze(_) => return FROZEN,
            Trouble::RollingRestart => return ROLLING,
            Trouble::BrokerStops => 1_000..6_000,
            Trouble::BrokerKilled | Trouble::DatabaseKilled => 100..3_000,
            Trouble::Link { how: Fault::Cut, .. } => 1_000..6_000,
            Trouble::Link { how: Fault::Hold(_) | Fault::HoldAll, .. } => 11_000..14_000,
            Trouble::Link { how: Fault::Delay(_), .. } => 4_000..8_000,
        };
        Duration::from_millis(random.random_range(milliseconds))
    }

    fn node(self) -> Option<usize> {
        match self {
            Trouble::Kill(node) | Trouble::Freeze(node) | Trouble::Stop(node) => Some(node),
            Trouble::Link { node, .. } => Some(node),
            _ => None,
        }
    }

    /// Whether both at once make no sense: of one node, of one server, or when a node is to start without its database.
    fn excludes(self, other: Trouble) -> bool {
        let either = |is: fn(Trouble) -> bool| is(self) || is(other);
        let both = |is: fn(Trouble) -> bool| is(self) && is(other);
        let is_broker = |trouble: Trouble| matches!(trouble, Trouble::BrokerStops | Trouble::BrokerKilled);
        let is_database = |trouble: Trouble| trouble == Trouble::DatabaseKilled;
        let starts = |trouble: Trouble| matches!(trouble, Trouble::Kill(_) | Trouble::Stop(_));
        (self.node().is_some() && self.node() == other.node())
            || either(|trouble| trouble == Trouble::RollingRestart)
            || both(is_broker)
            || both(is_database)
            || (either(is_database) && either(starts))
    }
}

#[derive(Clone, Copy, Debug)]
pub struct Planned {
    pub trouble: Trouble,
    pub from: Duration,
    pub to: Duration,
}

/// Troubles for so long, in the order in which they begin. Every kind comes before one comes again.
pub fn plan(seed: u64, lasts: Duration) -> Vec<Planned> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut planned: Vec<Planned> = Vec::new();
    let mut from = Duration::from_secs(2);
    let mut bag = Vec::new();
    loop {
        if bag.is_empty() {
            bag = Trouble::of_each_kind(&mut random);
            bag.shuffle(&mut random);
        }
        let Some(trouble) = bag.pop() else { return planned };
        let clash =
            planned.iter().filter(|other| other.trouble.excludes(trouble)).map(|other| other.to).max();
        from = from.max(clash.unwrap_or_default());
        if from >= lasts {
            return planned;
        }
        planned.push(Planned { trouble, from, to: from + trouble.lasts(&mut random) });
        from += Duration::from_millis(random.random_range(300..2_500));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::cluster::chaos::{SECONDS, SEEDS};

    #[test]
    fn the_short_list_of_seeds_brings_every_kind_of_trouble() {
        let came: BTreeSet<String> = SEEDS
            .iter()
            .flat_map(|seed| plan(*seed, Duration::from_secs(SECONDS)))
            .map(|planned| planned.trouble.kind())
            .collect();
        let all: BTreeSet<String> =
            Trouble::of_each_kind(&mut StdRng::seed_from_u64(0)).into_iter().map(Trouble::kind).collect();
        let missing: Vec<_> = all.difference(&came).collect();
        assert!(missing.is_empty(), "{missing:?}");
    }

    #[test]
    fn a_plan_is_the_same_every_time_and_breaks_nothing_twice_at_once() {
        for seed in 0..50 {
            let once = plan(seed, Duration::from_secs(300));
            assert_eq!(format!("{once:?}"), format!("{:?}", plan(seed, Duration::from_secs(300))));
            for (index, one) in once.iter().enumerate() {
                for other in &once[..index] {
                    assert!(other.from <= one.from);
                    assert!(
                        !one.trouble.excludes(other.trouble) || other.to <= one.from,
                        "{one:?} {other:?}"
                    );
                }
            }
        }
    }
}
