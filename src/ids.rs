//! Identifiers as types, so that a person can never be passed where a conversation is meant.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// A fresh id; version 7, so ids sort by the time they were made.
            #[expect(clippy::new_without_default, reason = "a default id would be a random one: surprising")]
            pub fn new() -> Self {
                Self(Uuid::now_v7())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }

        impl From<Uuid> for $name {
            fn from(id: Uuid) -> Self {
                Self(id)
            }
        }
    };
}

uuid_id!(
    /// A citizen as we know them; the key of everything that belongs to a person.
    PersonId
);
uuid_id!(
    /// One person talking with one of the office's numbers.
    ConversationId
);
uuid_id!(
    /// A message of ours in either direction; outbound it rides in `biz_opaque_callback_data`.
    MessageId
);
uuid_id!(
    /// A complaint being collected; becomes the idempotency key of its creation.
    DraftId
);
uuid_id!(
    /// An effect in another service, kept in `gc_channel.calls` until it is answered.
    CallId
);
uuid_id!(
    /// One process of GovConnect, from start to end.
    NodeId
);

/// How many partitions conversations are spread over; fixed for the life of an installation (DESIGN §3.3).
pub const PARTITIONS: u16 = 64;

/// One of the [`PARTITIONS`] shares of all conversations; a node owns it by lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
pub struct PartitionId(pub u16);

impl PartitionId {
    /// The partition a conversation belongs to: FNV-1a over the id's 16 bytes, modulo [`PARTITIONS`].
    /// Stored with the conversation; changing this function must not move what exists.
    pub fn of(conversation: ConversationId) -> Self {
        let hash = conversation.0.as_bytes().iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        // The low bits of FNV-1a are its weakest; fold the high half in.
        PartitionId(((hash ^ (hash >> 32)) % u64::from(PARTITIONS)) as u16)
    }

    /// All partitions in order.
    pub fn all() -> impl Iterator<Item = PartitionId> {
        (0..PARTITIONS).map(PartitionId)
    }

    /// As the database keeps it.
    pub fn as_i16(self) -> i16 {
        self.0 as i16
    }
}

impl fmt::Display for PartitionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "p{:02}", self.0)
    }
}

/// The fencing number of a partition's ownership: higher wins, an older one can neither commit nor claim (I4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Epoch(pub i64);

/// The version of a conversation; every change of it adds one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Version(pub i64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_are_stable_and_evenly_used() {
        let id: ConversationId = "018f3c2e-0000-7000-8000-000000000001".parse().unwrap();
        assert_eq!(PartitionId::of(id), PartitionId::of(id));
        let mut counts = [0_u32; PARTITIONS as usize];
        for _ in 0..64_000 {
            counts[usize::from(PartitionId::of(ConversationId::new()).0)] += 1;
        }
        assert!(counts.iter().all(|count| (800..1200).contains(count)), "{counts:?}");
    }
}
