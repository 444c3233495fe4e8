//! Identifiers as types, so that a person can never be passed where a conversation is meant.

use std::fmt;
use std::str::FromStr;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};
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
    /// A file of a conversation, in either direction.
    MediaId
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Epoch(pub i64);

/// The version of a conversation; every change of it adds one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Version(pub i64);

/// The number of a complaint, `LAP-YYYYMMDD-NNN`: the office's local day and the count of that day, three digits
/// that grow when a day has more. Read leniently (citizens type it), written strictly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LapId {
    day: Date,
    number: u32,
}

/// What was given is not a complaint's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a complaint number; they look like LAP-20260102-003")]
pub struct InvalidLapId;

impl LapId {
    /// Numbers have at most six digits.
    const MAX_NUMBER: u32 = 999_999;

    /// The `number`th complaint of `day`, counted from 1.
    ///
    /// # Errors
    /// When the number is 0 or has more than six digits, or the year more than four.
    pub fn new(day: Date, number: u32) -> Result<Self, InvalidLapId> {
        let fits = (1..=Self::MAX_NUMBER).contains(&number) && (0..=9999).contains(&day.year());
        if fits { Ok(LapId { day, number }) } else { Err(InvalidLapId) }
    }

    /// The office's local day on which it was given.
    pub fn day(self) -> Date {
        self.day
    }

    /// Its place among the complaints of that day, from 1.
    pub fn number(self) -> u32 {
        self.number
    }
}

impl fmt::Display for LapId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = (self.day.year(), self.day.month(), self.day.day());
        write!(f, "LAP-{year:04}{month:02}{day:02}-{:03}", self.number)
    }
}

impl FromStr for LapId {
    type Err = InvalidLapId;

    /// Case, spaces and the kind of dash do not matter, nor whether the parts are joined at all.
    fn from_str(text: &str) -> Result<Self, InvalidLapId> {
        if text.len() > 64 {
            return Err(InvalidLapId);
        }
        let separators = |character: char| {
            character.is_whitespace() || "-\u{2010}\u{2011}\u{2012}\u{2013}\u{2014}_/.".contains(character)
        };
        let bare: String = text.chars().filter(|character| !separators(*character)).collect();
        let digits = bare
            .get(..3)
            .filter(|prefix| prefix.eq_ignore_ascii_case("LAP"))
            .and_then(|_| bare.get(3..))
            .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
            .ok_or(InvalidLapId)?;
        let (day, number) = digits.split_at_checked(8).ok_or(InvalidLapId)?;
        let part =
            |range| day.get(range).and_then(|digits: &str| digits.parse::<i16>().ok()).ok_or(InvalidLapId);
        let (month, day_of_month) = (part(4..6)? as i8, part(6..8)? as i8);
        let day = Date::new(part(0..4)?, month, day_of_month).map_err(|_| InvalidLapId)?;
        LapId::new(day, number.parse().map_err(|_| InvalidLapId)?)
    }
}

impl TryFrom<String> for LapId {
    type Error = InvalidLapId;
    fn try_from(text: String) -> Result<Self, InvalidLapId> {
        text.parse()
    }
}

impl PartialSchema for LapId {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .pattern(Some("^LAP-[0-9]{8}-[0-9]{3,6}$"))
            .examples(["LAP-20260102-003"])
            .build()
            .into()
    }
}

impl ToSchema for LapId {}

impl From<LapId> for String {
    fn from(id: LapId) -> String {
        id.to_string()
    }
}

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

    #[test]
    fn complaint_numbers_are_read_leniently_and_written_strictly() {
        for (given, read) in [
            ("LAP-20260102-003", "LAP-20260102-003"),
            (" lap-20260102-003\n", "LAP-20260102-003"),
            ("Lap 20260102 3", "LAP-20260102-003"),
            ("lap20260102003", "LAP-20260102-003"),
            ("LAP\u{2013}20260102\u{2014}1000", "LAP-20260102-1000"),
            ("LAP-20240229-999999", "LAP-20240229-999999"),
        ] {
            assert_eq!(given.parse::<LapId>().unwrap().to_string(), read, "{given:?}");
        }
        for refused in [
            "",
            "LAP",
            "LAP-20260102",
            "LAP-20260102-",
            "LAP-20260102-000",
            "LAP-20260230-001",
            "LAP-20261301-001",
            "LAP-2026010-001",
            "TKT-20260102-001",
            "LAP-20260102-1000000",
            "LAP-20260102-99999999999",
            "LÀP-20260102-001",
            "LAP-20260102-٠٠١",
            "é",
            "LAP-20260102-001; DROP TABLE",
        ] {
            assert_eq!(refused.parse::<LapId>(), Err(InvalidLapId), "{refused:?}");
        }
    }

    #[test]
    fn complaint_numbers_sort_as_they_were_given() {
        let read = |text: &str| text.parse::<LapId>().unwrap();
        assert!(read("LAP-20260102-999") < read("LAP-20260102-1000"));
        assert!(read("LAP-20260102-1000") < read("LAP-20260103-001"));
    }
}
