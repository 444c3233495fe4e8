//! When people of the office answer: several blocks a day, and holidays. Told to citizens as the office set it, never
//! promised by the bot (voice: "official service times only from the office's data").

use std::collections::BTreeMap;
use std::fmt::Write as _;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::understanding::Language;

/// Minutes of a whole day; the end of a block may be here, its start may not.
const DAY_MINUTES: u16 = 24 * 60;

/// One block of a day, in minutes since its midnight by the wall clock; `from < until ≤ 1440`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Block {
    from: u16,
    until: u16,
}

/// Why a text is no block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write a block as \"08:00-12:00\", the end after the start and at most 24:00")]
pub struct NotABlock;

impl std::str::FromStr for Block {
    type Err = NotABlock;

    fn from_str(text: &str) -> Result<Self, NotABlock> {
        let minutes = |clock: &str| -> Result<u16, NotABlock> {
            let (hour, minute) = clock.trim().split_once([':', '.']).ok_or(NotABlock)?;
            let (hour, minute): (u16, u16) =
                (hour.parse().map_err(|_| NotABlock)?, minute.parse().map_err(|_| NotABlock)?);
            (hour <= 24 && minute < 60).then_some(hour * 60 + minute).ok_or(NotABlock)
        };
        let (from, until) = text.split_once(['-', '–']).ok_or(NotABlock)?;
        let block = Block { from: minutes(from)?, until: minutes(until)? };
        (block.from < block.until && block.until <= DAY_MINUTES).then_some(block).ok_or(NotABlock)
    }
}

/// The hours of an office. Without any block they are not known, and nothing is said of them.
#[derive(Clone, Debug, Default)]
pub struct OfficeHours {
    /// Monday first; the blocks of a day in order.
    week: [Vec<Block>; 7],
    /// Days on which nobody answers, with their names.
    holidays: BTreeMap<Date, String>,
    zone: Option<TimeZone>,
}

/// Why it is closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Closed {
    /// Outside the blocks of the day.
    OutsideHours,
    /// A holiday, by its name.
    Holiday(String),
}

impl OfficeHours {
    /// `week`: the blocks of Monday to Sunday, in any order; they count in `zone`.
    pub fn new(mut week: [Vec<Block>; 7], holidays: BTreeMap<Date, String>, zone: TimeZone) -> Self {
        for day in &mut week {
            day.sort_unstable();
        }
        OfficeHours { week, holidays, zone: Some(zone) }
    }

    /// Whether nobody answers now; `None` when somebody does, or when no hours are known.
    pub fn closed(&self, now: Timestamp) -> Option<Closed> {
        if self.week.iter().all(Vec::is_empty) {
            return None;
        }
        let local = now.to_zoned(self.zone());
        if let Some(name) = self.holidays.get(&local.date()) {
            return Some(Closed::Holiday(name.clone()));
        }
        let minute = u16::from(local.hour().unsigned_abs()) * 60 + u16::from(local.minute().unsigned_abs());
        let today = &self.week[usize::from(local.weekday().to_monday_zero_offset().unsigned_abs())];
        let open = today.iter().any(|block| (block.from..block.until).contains(&minute));
        (!open).then_some(Closed::OutsideHours)
    }

    /// The office's zone; UTC when no hours were given.
    pub fn zone(&self) -> TimeZone {
        self.zone.clone().unwrap_or(TimeZone::UTC)
    }

    /// Every block: the day (1 Monday … 7 Sunday), its start and its end as "08:00".
    pub fn blocks(&self) -> impl Iterator<Item = (u8, String, String)> + '_ {
        (1..).zip(&self.week).flat_map(|(day, blocks)| {
            blocks
                .iter()
                .map(move |block| (day, clock(Language::En, block.from), clock(Language::En, block.until)))
        })
    }

    /// Every holiday with its name.
    pub fn holidays(&self) -> impl Iterator<Item = (Date, &str)> {
        self.holidays.iter().map(|(date, name)| (*date, name.as_str()))
    }

    /// "Senin–Kamis 08.00–12.00 dan 13.00–16.00, Jumat 08.00–11.30 WIB": days with the same blocks are told together.
    pub fn in_words(&self, language: Language) -> String {
        let mut words = String::new();
        let mut day = 0;
        while day < 7 {
            let blocks = &self.week[day];
            let last = (day..7).take_while(|other| &self.week[*other] == blocks).last().unwrap_or(day);
            if !blocks.is_empty() {
                if !words.is_empty() {
                    words.push_str(", ");
                }
                words.push_str(day_name(language, day));
                if last > day {
                    // Writing to a String cannot fail.
                    let _ = write!(words, "–{}", day_name(language, last));
                }
                words.push(' ');
                let told: Vec<String> = blocks
                    .iter()
                    .map(|block| format!("{}–{}", clock(language, block.from), clock(language, block.until)))
                    .collect();
                words.push_str(&told.join(if language == Language::Id { " dan " } else { " and " }));
            }
            day = last + 1;
        }
        let _ = write!(words, " {}", zone_name(&self.zone()));
        words
    }
}

/// "09.05" as Indonesians write it, "09:05" in English.
fn clock(language: Language, minutes: u16) -> String {
    let point = if language == Language::Id { '.' } else { ':' };
    format!("{:02}{point}{:02}", minutes / 60, minutes % 60)
}

/// A moment as the citizen would say it: the time, and the day unless it is today. `09.05 WIB`, `22 November 09.05 WIB`.
pub fn moment(language: Language, at: Timestamp, now: Timestamp, zone: &TimeZone) -> String {
    let (at, now) = (at.to_zoned(zone.clone()), now.to_zoned(zone.clone()));
    let minutes = u16::from(at.hour().unsigned_abs()) * 60 + u16::from(at.minute().unsigned_abs());
    let time = format!("{} {}", clock(language, minutes), zone_name(zone));
    if at.date() == now.date() {
        return time;
    }
    let month = usize::from(at.month().unsigned_abs() - 1);
    let month = match language {
        Language::Id => MONTHS_ID[month],
        Language::En => MONTHS_EN[month],
    };
    format!("{} {month} {time}", at.day())
}

/// What Indonesians call the zones of their country; elsewhere the zone's own name.
fn zone_name(zone: &TimeZone) -> String {
    match zone.iana_name() {
        Some("Asia/Jakarta" | "Asia/Pontianak") => "WIB".into(),
        Some("Asia/Makassar") => "WITA".into(),
        Some("Asia/Jayapura") => "WIT".into(),
        Some(name) => name.into(),
        None => "UTC".into(),
    }
}

fn day_name(language: Language, monday_zero: usize) -> &'static str {
    const ID: [&str; 7] = ["Senin", "Selasa", "Rabu", "Kamis", "Jumat", "Sabtu", "Minggu"];
    const EN: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
    match language {
        Language::Id => ID[monday_zero],
        Language::En => EN[monday_zero],
    }
}

const MONTHS_ID: [&str; 12] = [
    "Januari",
    "Februari",
    "Maret",
    "April",
    "Mei",
    "Juni",
    "Juli",
    "Agustus",
    "September",
    "Oktober",
    "November",
    "Desember",
];
const MONTHS_EN: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn office() -> OfficeHours {
        let blocks = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<Block>>();
        let usual = blocks(&["13:00-16:00", "08:00-12:00"]);
        let friday = blocks(&["08:00-11:30", "13:30-16:30"]);
        let week = [usual.clone(), usual.clone(), usual.clone(), usual, friday, vec![], vec![]];
        let holidays = BTreeMap::from([(jiff::civil::date(2026, 12, 25), "Hari Natal".to_owned())]);
        OfficeHours::new(week, holidays, TimeZone::get("Asia/Jakarta").unwrap())
    }

    fn local(text: &str) -> Timestamp {
        format!("{text}+07:00").parse().unwrap()
    }

    #[test]
    fn blocks_pauses_weekends_and_holidays() {
        let office = office();
        for (at, closed) in [
            ("2026-11-23T08:00:00", None),
            ("2026-11-23T07:59:59", Some(Closed::OutsideHours)),
            ("2026-11-23T12:00:00", Some(Closed::OutsideHours)),
            ("2026-11-23T13:00:00", None),
            ("2026-11-23T16:00:00", Some(Closed::OutsideHours)),
            ("2026-11-27T11:45:00", Some(Closed::OutsideHours)),
            ("2026-11-28T10:00:00", Some(Closed::OutsideHours)),
            ("2026-12-25T10:00:00", Some(Closed::Holiday("Hari Natal".into()))),
            // Still the day before in UTC.
            ("2026-11-24T06:59:00", Some(Closed::OutsideHours)),
        ] {
            assert_eq!(office.closed(local(at)), closed, "{at}");
        }
        assert_eq!(OfficeHours::default().closed(local("2026-11-28T03:00:00")), None, "no hours are known");
    }

    #[test]
    fn hours_are_told_the_way_they_are_written_on_the_door() {
        assert_eq!(
            office().in_words(Language::Id),
            "Senin–Kamis 08.00–12.00 dan 13.00–16.00, Jumat 08.00–11.30 dan 13.30–16.30 WIB"
        );
        assert!(office().in_words(Language::En).starts_with("Monday–Thursday 08:00–12:00 and 13:00–16:00"));
    }

    #[test]
    fn what_is_no_block_is_refused() {
        for text in
            ["", "08:00", "12:00-08:00", "08:00-08:00", "25:00-26:00", "08:60-09:00", "08:00-24:30", "a-b"]
        {
            assert_eq!(text.parse::<Block>(), Err(NotABlock), "{text}");
        }
        assert!("00:00-24:00".parse::<Block>().is_ok() && "08.00 – 12.00".parse::<Block>().is_ok());
    }

    #[test]
    fn a_moment_names_its_day_only_when_it_is_another() {
        let zone = TimeZone::get("Asia/Makassar").unwrap();
        let now = "2026-11-23T01:00:00Z".parse().unwrap();
        let same = "2026-11-22T16:05:00Z".parse().unwrap();
        let before = "2026-11-22T15:59:00Z".parse().unwrap();
        assert_eq!(moment(Language::Id, same, now, &zone), "00.05 WITA");
        assert_eq!(moment(Language::Id, before, now, &zone), "22 November 23.59 WITA");
    }
}
