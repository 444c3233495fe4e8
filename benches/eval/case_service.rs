//! The case service of a dialogue, in memory: files, changes, withdraws and lists.

use jiff::Timestamp;

use govconnect::dialogue::answers::Answer;
use govconnect::dialogue::state::Draft;
use govconnect::dialogue::turn::{Amendment, ComplaintFact, Effect, Facts, Lookup};
use govconnect::dialogue::understanding::Urgency;

use crate::data::Filed;

/// A complaint as it stands.
pub struct Complaint {
    lap_id: String,
    kategori: String,
    alamat: String,
    deskripsi: String,
    has_pin: bool,
    photos: usize,
    emergency: bool,
    cancelled: bool,
}

/// One citizen's complaints.
#[derive(Default)]
pub struct CaseService {
    complaints: Vec<Complaint>,
    /// Changes of complaints that were complete.
    pub updated: usize,
}

impl CaseService {
    /// Does what a turn wants done.
    pub fn answer(&mut self, effect: &Effect, now: Timestamp) -> Answer {
        match effect {
            Effect::CreateComplaint(draft) => self.file(draft, now),
            Effect::AmendComplaint { lap_id, amendment, .. } => self.amend(lap_id, amendment),
            Effect::CancelComplaint { lap_id, .. } => self.cancel(lap_id),
        }
    }

    fn file(&mut self, draft: &Draft, now: Timestamp) -> Answer {
        let day = now.strftime("%Y%m%d");
        let lap_id = format!("LAP-{day}-{:03}", self.complaints.len() + 1);
        let complaint = Complaint {
            lap_id: lap_id.clone(),
            kategori: draft.kategori.clone().unwrap_or_else(|| "lainnya".into()),
            alamat: draft.alamat.clone().unwrap_or_default(),
            deskripsi: draft.deskripsi.clone().unwrap_or_default(),
            has_pin: draft.latitude.is_some(),
            photos: draft.media.len(),
            emergency: draft.urgency == Urgency::Emergency,
            cancelled: false,
        };
        let kategori = complaint.kategori.clone();
        self.complaints.push(complaint);
        Answer::Created { lap_id, kategori }
    }

    /// As for a complaint that nobody has looked at yet.
    fn amend(&mut self, lap_id: &str, amendment: &Amendment) -> Answer {
        let lap_id = lap_id.to_owned();
        let Some(complaint) = self.complaints.iter_mut().find(|complaint| complaint.lap_id == lap_id) else {
            return Answer::NotAmended { lap_id };
        };
        // The place of an emergency completes it.
        let complete = !complaint.emergency || !complaint.alamat.is_empty() || complaint.has_pin;
        self.updated += usize::from(complete);
        complaint.kategori = amendment.kategori.clone().unwrap_or_else(|| complaint.kategori.clone());
        complaint.alamat = amendment.alamat.clone().unwrap_or_else(|| complaint.alamat.clone());
        complaint.has_pin |= amendment.pin.is_some();
        complaint.photos += amendment.media.len();
        let (kategori, alamat) = (complaint.kategori.clone(), complaint.alamat.clone());
        Answer::Amended { lap_id, kategori, alamat }
    }

    fn cancel(&mut self, lap_id: &str) -> Answer {
        let lap_id = lap_id.to_owned();
        match self.complaints.iter_mut().find(|complaint| complaint.lap_id == lap_id) {
            Some(complaint) => {
                complaint.cancelled = true;
                Answer::Cancelled { lap_id }
            }
            None => Answer::NotCancelled { lap_id },
        }
    }

    /// What the lookups bring, the latest first.
    pub fn facts(&self, lookups: &[Lookup]) -> Facts {
        let wanted = |complaint: &&Complaint| {
            lookups.iter().any(|lookup| match lookup {
                Lookup::OwnComplaints => true,
                Lookup::Complaint(lap_id) => *lap_id == complaint.lap_id,
            })
        };
        let fact = |complaint: &Complaint| ComplaintFact {
            lap_id: complaint.lap_id.clone(),
            kategori: complaint.kategori.clone(),
            alamat: complaint.alamat.clone(),
            status: if complaint.cancelled { "dibatalkan" } else { "baru" }.into(),
        };
        let complaints = self.complaints.iter().rev().filter(wanted).map(fact).collect();
        Facts { complaints, unavailable: false }
    }

    /// Complaints that were withdrawn.
    pub fn cancelled(&self) -> usize {
        self.complaints.iter().filter(|complaint| complaint.cancelled).count()
    }

    /// Whether exactly these were filed, in any order.
    pub fn holds(&self, expected: &[Filed]) -> bool {
        let mut left: Vec<&Complaint> = self.complaints.iter().collect();
        expected.len() == left.len()
            && expected.iter().all(|filed| {
                let place = left.iter().position(|complaint| fits(complaint, filed));
                place.map(|place| left.remove(place)).is_some()
            })
    }
}

fn fits(complaint: &Complaint, filed: &Filed) -> bool {
    let alamat = complaint.alamat.to_lowercase();
    let deskripsi = complaint.deskripsi.to_lowercase();
    complaint.kategori == filed.kategori
        && filed.alamat_contains.as_ref().is_none_or(|part| alamat.contains(&part.to_lowercase()))
        && filed.deskripsi_contains.iter().all(|part| deskripsi.contains(&part.to_lowercase()))
        && complaint.has_pin == filed.has_pin
        && complaint.photos == filed.photos
        && complaint.emergency == filed.emergency
}
