//! The office as its settings describe it: hours and holidays as types.

use std::collections::BTreeMap;

use jiff::civil::Date;
use serde::Deserialize;

use super::{Config, ConfigError, refuse};
use crate::dialogue::hours::{Block, OfficeHours};

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Office {
    pub name: String,
    pub time_zone: String,
    pub emergency_numbers: Vec<String>,
    pub holidays: Vec<String>,
    pub hours: Hours,
}

/// Blocks of each day, as "08:00-12:00".
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hours {
    pub monday: Vec<String>,
    pub tuesday: Vec<String>,
    pub wednesday: Vec<String>,
    pub thursday: Vec<String>,
    pub friday: Vec<String>,
    pub saturday: Vec<String>,
    pub sunday: Vec<String>,
}

impl Config {
    /// When people of the office answer.
    ///
    /// # Errors
    /// [`ConfigError`] names the day or holiday that cannot be read.
    pub fn office_hours(&self) -> Result<OfficeHours, ConfigError> {
        let hours = &self.office.hours;
        let days = [
            ("monday", &hours.monday),
            ("tuesday", &hours.tuesday),
            ("wednesday", &hours.wednesday),
            ("thursday", &hours.thursday),
            ("friday", &hours.friday),
            ("saturday", &hours.saturday),
            ("sunday", &hours.sunday),
        ];
        let mut week: [Vec<Block>; 7] = Default::default();
        for (blocks, (day, texts)) in week.iter_mut().zip(days) {
            for text in texts {
                let block = text
                    .parse()
                    .map_err(|error| refuse(&format!("office.hours.{day}"), format!("{text:?}: {error}")))?;
                blocks.push(block);
            }
        }
        let mut holidays = BTreeMap::new();
        for text in &self.office.holidays {
            let (date, name) = text.split_once(' ').unwrap_or((text, ""));
            let date: Date = date.parse().map_err(|_| {
                refuse("office.holidays", format!("{text:?}: write \"2026-12-25 Hari Natal\""))
            })?;
            let name = if name.trim().is_empty() { "hari libur" } else { name.trim() };
            holidays.insert(date, name.to_owned());
        }
        Ok(OfficeHours::new(week, holidays, self.time_zone()))
    }
}
