//! Figures as they are measured: a file of JSON for machines, the same as a table for people.

use std::path::Path;

use anyhow::Context as _;
use serde::Serialize;

/// Which side of the goal is the good one.
#[derive(Clone, Copy, Debug)]
pub enum Goal {
    AtLeast(f64),
    AtMost(f64),
    /// Only watched.
    None,
}

impl Goal {
    fn value(self) -> Option<f64> {
        match self {
            Goal::AtLeast(goal) | Goal::AtMost(goal) => Some(goal),
            Goal::None => None,
        }
    }

    fn holds(self, value: f64) -> Option<bool> {
        match self {
            Goal::AtLeast(goal) => Some(value >= goal),
            Goal::AtMost(goal) => Some(value <= goal),
            Goal::None => None,
        }
    }
}

/// One row of `results.json`.
#[derive(Debug, Serialize)]
struct Figure {
    name: String,
    value: f64,
    unit: &'static str,
    goal: Option<f64>,
    holds: Option<bool>,
    against: Option<String>,
}

/// All figures of a run.
#[derive(Debug, Default)]
pub struct Report {
    figures: Vec<Figure>,
}

impl Report {
    /// Adds the median of a figure's rounds. `against`: what it was measured beside in the same run.
    pub fn add(
        &mut self,
        name: impl Into<String>,
        rounds: &[f64],
        unit: &'static str,
        goal: Goal,
        against: Option<&str>,
    ) -> anyhow::Result<()> {
        let name = name.into();
        let value = median(rounds).with_context(|| format!("{name}: nothing was measured"))?;
        self.figures.push(Figure {
            name,
            value: rounded(value, unit),
            unit,
            goal: goal.value(),
            holds: goal.holds(value),
            against: against.map(str::to_owned),
        });
        Ok(())
    }

    /// Writes the file, making its folder.
    pub fn write(&self, path: &Path) -> anyhow::Result<()> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("could not make {}", folder.display()))?;
        }
        let mut text = serde_json::to_string_pretty(&self.figures)?;
        text.push('\n');
        std::fs::write(path, text).with_context(|| format!("could not write {}", path.display()))
    }

    /// The same as lines of text.
    pub fn table(&self) -> String {
        let mut lines = vec![format!(
            "{:<24} {:>12}  {:<11} {:>10}  {:<6} against",
            "figure", "value", "unit", "goal", "holds"
        )];
        for figure in &self.figures {
            let goal = figure.goal.map_or_else(String::new, |goal| goal.to_string());
            let holds = match figure.holds {
                Some(true) => "yes",
                Some(false) => "NO",
                None => "",
            };
            let against = figure.against.as_deref().unwrap_or_default();
            let Figure { name, value, unit, .. } = figure;
            lines.push(
                format!("{name:<24} {value:>12}  {unit:<11} {goal:>10}  {holds:<6} {against}")
                    .trim_end()
                    .to_owned(),
            );
        }
        lines.join("\n")
    }
}

/// The middle of an odd number of rounds, the mean of the two middle ones of an even number.
fn median(rounds: &[f64]) -> Option<f64> {
    let mut sorted = rounds.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        even if even % 2 == 0 => Some(f64::midpoint(sorted[middle - 1], sorted[middle])),
        _ => Some(sorted[middle]),
    }
}

/// Two decimals: more would pretend to a precision that no run has. A share of counted items is exact.
fn rounded(value: f64, unit: &str) -> f64 {
    let places = if unit == "share" { 10_000.0 } else { 100.0 };
    (value * places).round() / places
}
