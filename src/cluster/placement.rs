//! Which node should own which partition: the same answer on every node that sees the same nodes.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use crate::ids::{NodeId, PARTITIONS, PartitionId};

/// Spreads the partitions over `nodes` by rendezvous hashing, each node with its exact share: `floor(64 / n)`, and one more for
/// the first `64 mod n` by id. Few partitions move when a node comes or goes. Empty without nodes.
pub fn assign(nodes: &BTreeSet<NodeId>) -> BTreeMap<PartitionId, NodeId> {
    let mut room = shares(nodes);
    let mut bids: Vec<(u64, PartitionId, NodeId)> = nodes
        .iter()
        .flat_map(|node| PartitionId::all().map(|partition| (score(*node, partition), partition, *node)))
        .collect();
    bids.sort_unstable_by_key(|bid| Reverse(*bid));
    let mut assigned = BTreeMap::new();
    for (_, partition, node) in bids {
        let Some(left) = room.get_mut(&node).filter(|left| **left > 0) else { continue };
        if let std::collections::btree_map::Entry::Vacant(free) = assigned.entry(partition) {
            free.insert(node);
            *left -= 1;
        }
    }
    assigned
}

/// How many partitions each node is to have.
pub fn shares(nodes: &BTreeSet<NodeId>) -> BTreeMap<NodeId, usize> {
    let partitions = usize::from(PARTITIONS);
    let (each, more) = match nodes.len() {
        0 => (0, 0),
        count => (partitions / count, partitions % count),
    };
    nodes.iter().enumerate().map(|(index, node)| (*node, each + usize::from(index < more))).collect()
}

/// FNV-1a over both, with its bits mixed as SplitMix64 does: neighbouring ids must not score alike.
fn score(node: NodeId, partition: PartitionId) -> u64 {
    let bytes = node.0.as_bytes().iter().chain(&partition.0.to_be_bytes()).copied().collect::<Vec<u8>>();
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nodes(count: usize) -> BTreeSet<NodeId> {
        (0..count).map(|_| NodeId::new()).collect()
    }

    fn spread(assigned: &BTreeMap<PartitionId, NodeId>) -> BTreeMap<NodeId, usize> {
        let mut spread = BTreeMap::new();
        for node in assigned.values() {
            *spread.entry(*node).or_default() += 1;
        }
        spread
    }

    #[test]
    fn every_partition_has_one_node_and_every_node_its_exact_share() {
        assert!(assign(&BTreeSet::new()).is_empty());
        for count in [1, 2, 3, 5, 7, 10, 63, 64] {
            let nodes = nodes(count);
            let assigned = assign(&nodes);
            assert_eq!(assigned.len(), usize::from(PARTITIONS));
            assert_eq!(spread(&assigned), shares(&nodes), "{count}");
        }
        let many = nodes(100);
        assert_eq!(assign(&many).values().collect::<BTreeSet<_>>(), many.iter().take(64).collect());
    }

    #[test]
    fn few_partitions_move_when_a_node_comes_or_goes() {
        for count in [2, 3, 4, 8] {
            let before = nodes(count);
            let mut after = before.clone();
            after.insert(NodeId::new());
            let (old, new) = (assign(&before), assign(&after));
            let moved = old.iter().filter(|(partition, node)| new[partition] != **node).count();
            let least = usize::from(PARTITIONS) / (count + 1);
            assert!(moved >= least && moved <= least * 2 + 4, "{count}: {moved} of at least {least}");
        }
    }
}
