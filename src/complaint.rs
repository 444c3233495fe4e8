//! What a complaint is, for everybody who speaks of one: its statuses and which may follow which.
//!
//! Pure vocabulary: no I/O, imported by dialogue, bus, store and HTTP alike; imports none of them but other vocabulary.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use crate::dialogue::understanding::Urgency;

/// Where a complaint stands. The wire and database names are Indonesian.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    ToSchema,
    strum::Display,
    strum::EnumIter,
    strum::EnumString,
    strum::IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum ComplaintStatus {
    /// Filed, not looked at.
    Baru,
    /// An officer has found it plausible and the office's business.
    Terverifikasi,
    /// Somebody works on it.
    Diproses,
    /// The office waits for an answer of the citizen.
    MenungguWarga,
    /// Dealt with.
    Selesai,
    /// Not taken up, with a reason.
    Ditolak,
    /// Withdrawn by the citizen.
    Dibatalkan,
    /// Handed to another office, which answers for it.
    Diteruskan,
}

use ComplaintStatus::{
    Baru, Dibatalkan, Diproses, Diteruskan, Ditolak, MenungguWarga, Selesai, Terverifikasi,
};

/// Which status may follow which; what is not listed is refused. An office verifies before it works or decides
/// it is done, a finished or refused complaint can be reopened, a withdrawn one cannot.
const MOVES: [(ComplaintStatus, &[ComplaintStatus]); 8] = [
    (Baru, &[Terverifikasi, MenungguWarga, Ditolak, Dibatalkan, Diteruskan]),
    (Terverifikasi, &[Diproses, MenungguWarga, Ditolak, Dibatalkan, Diteruskan]),
    (Diproses, &[MenungguWarga, Selesai, Ditolak, Dibatalkan, Diteruskan]),
    (MenungguWarga, &[Terverifikasi, Diproses, Selesai, Ditolak, Dibatalkan, Diteruskan]),
    (Selesai, &[Diproses]),
    (Ditolak, &[Terverifikasi]),
    (Dibatalkan, &[]),
    (Diteruskan, &[Diproses, Selesai]),
];

impl ComplaintStatus {
    /// The statuses that may follow this one.
    pub fn may_become(self) -> &'static [ComplaintStatus] {
        MOVES.iter().find(|(from, _)| *from == self).map_or(&[], |(_, allowed)| allowed)
    }

    /// Whether `next` may follow; staying is no move and is not asked here.
    pub fn allows(self, next: ComplaintStatus) -> bool {
        self.may_become().contains(&next)
    }

    /// Whether the office still has to do with it itself.
    pub fn is_open(self) -> bool {
        matches!(self, Baru | Terverifikasi | Diproses | MenungguWarga)
    }

    /// The name on the wire and in the database.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// How a complaint reached the office.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    ToSchema,
    strum::EnumString,
    strum::IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum ReportChannel {
    #[default]
    Whatsapp,
    Phone,
    /// The citizen came to the office.
    Desk,
    Other,
}

impl ReportChannel {
    /// The name on the wire and in the database.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// A point on the earth, in degrees (WGS 84).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Coordinates {
    pub latitude: f64,
    pub longitude: f64,
}

impl Coordinates {
    /// Both or none: half a point on the earth is a mistake.
    ///
    /// # Errors
    /// The name of the half that is missing.
    pub fn from_parts(latitude: Option<f64>, longitude: Option<f64>) -> Result<Option<Self>, &'static str> {
        match (latitude, longitude) {
            (Some(latitude), Some(longitude)) => Ok(Some(Coordinates { latitude, longitude })),
            (None, None) => Ok(None),
            (Some(_), None) => Err("longitude"),
            (None, Some(_)) => Err("latitude"),
        }
    }
}

/// Longest texts that are taken, in characters; the errors name the field and the limit.
pub mod limits {
    pub const DESKRIPSI: usize = 10_000;
    pub const ALAMAT: usize = 1_000;
    pub const RT_RW: usize = 32;
    pub const NOTE: usize = 10_000;
    pub const CODE: usize = 48;
    pub const WA_USER_ID: usize = 128;
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use strum::IntoEnumIterator;

    use super::*;

    #[test]
    fn the_table_has_every_status_once_and_no_move_to_itself() {
        let listed: HashSet<_> = MOVES.iter().map(|(from, _)| *from).collect();
        assert_eq!(listed, ComplaintStatus::iter().collect::<HashSet<_>>());
        for (from, allowed) in MOVES {
            assert!(!allowed.contains(&from), "{from} may not follow itself");
            assert_eq!(
                allowed.iter().collect::<HashSet<_>>().len(),
                allowed.len(),
                "{from} names a move twice"
            );
        }
    }

    #[test]
    fn the_way_of_an_ordinary_complaint_is_open_and_short_cuts_are_not() {
        let way = [Baru, Terverifikasi, Diproses, MenungguWarga, Diproses, Selesai];
        assert!(way.windows(2).all(|step| step[0].allows(step[1])));
        for (from, to) in [(Baru, Selesai), (Baru, Diproses), (Terverifikasi, Selesai), (Selesai, Baru)] {
            assert!(!from.allows(to), "{from} → {to}");
        }
        assert!(Dibatalkan.may_become().is_empty());
    }

    #[test]
    fn every_status_is_reached_from_baru() {
        let mut reached = HashSet::from([Baru]);
        let mut open = vec![Baru];
        while let Some(from) = open.pop() {
            open.extend(from.may_become().iter().copied().filter(|next| reached.insert(*next)));
        }
        assert_eq!(reached.len(), ComplaintStatus::iter().count());
    }

    #[test]
    fn the_names_are_the_same_on_the_wire_and_in_the_database() {
        for status in ComplaintStatus::iter() {
            assert_eq!(serde_json::to_value(status).unwrap(), status.as_str());
            assert_eq!(status.as_str().parse::<ComplaintStatus>().unwrap(), status);
        }
        assert_eq!(MenungguWarga.as_str(), "menunggu_warga");
    }
}
