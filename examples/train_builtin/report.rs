//! How well held out examples are read by the whole builtin: the figures to tune by.

use std::collections::BTreeMap;

use strum::IntoEnumIterator as _;

use govconnect::ai::builtin::learned::Model;
use govconnect::ai::builtin::{read_with, slots};
use govconnect::dialogue::understanding::{Intent, UnderstandRequest, Understanding, Urgency};

use crate::data::{Data, fold_of, for_intents, judged_once};
use crate::thresholds::f1;

/// Right and all, of what was written for training and of what judged once.
#[derive(Default)]
struct Shares([(usize, usize); 2]);

impl Shares {
    fn add(&mut self, id: &str, right: bool) {
        let counts = &mut self.0[usize::from(judged_once(id))];
        *counts = (counts.0 + usize::from(right), counts.1 + 1);
    }

    fn print(&self, name: &str) {
        let share =
            |(right, all): (usize, usize)| format!("{:.3} of {all}", right as f32 / all.max(1) as f32);
        println!("{name:<26} written {}, judged once {}", share(self.0[0]), share(self.0[1]));
    }
}

/// A name, and which examples are meant by their ids.
type Kind = (&'static str, fn(&str) -> bool);

/// Prints all figures; the text of what was read wrongly before them when asked.
pub fn print(data: &Data, models: &[Model], list_wrong: bool) {
    let read = |id: &str, text: &str| {
        let texts = text.split('\n').map(str::to_owned).collect();
        let request = UnderstandRequest { texts, ..UnderstandRequest::default() };
        read_with(&models[fold_of(id) as usize], &request).understanding
    };
    let wrong = |line: String| {
        if list_wrong {
            println!("{line}");
        }
    };
    intents(data, &read, &wrong);
    kategori(data, &read, &wrong);
    alamat(data, models, &wrong);
    let (mut seen, mut alarms) = (Shares::default(), Shares::default());
    for example in &data.emergency {
        let emergency = read(&example.id, &example.text).urgency == Urgency::Emergency;
        (if example.emergency { &mut seen } else { &mut alarms }).add(&example.id, emergency);
        if emergency != example.emergency {
            wrong(format!("{} emergency {}: {}", example.id, example.emergency, example.text));
        }
    }
    seen.print("emergencies seen");
    alarms.print("false alarms");
}

fn intents(data: &Data, read: &impl Fn(&str, &str) -> Understanding, wrong: &impl Fn(String)) {
    let readings: Vec<Vec<Intent>> =
        data.intents.iter().map(|example| read(&example.id, &example.text).intents).collect();
    let kinds: [Kind; 2] =
        [("written", |id| for_intents(id) && !judged_once(id)), ("judged once", |id| id.starts_with("u-"))];
    for (name, of_kind) in kinds {
        let mut figures = Vec::new();
        for intent in Intent::iter() {
            let pairs = data.intents.iter().zip(&readings).filter(|(example, _)| of_kind(&example.id));
            figures.push(f1(
                pairs.map(|(example, read)| (example.intents.contains(&intent), read.contains(&intent)))
            ));
        }
        let each: Vec<String> =
            Intent::iter().zip(&figures).map(|(intent, f1)| format!("{intent} {f1:.3}")).collect();
        println!(
            "intents, {name}: macro-F1 {:.3}; {}",
            figures.iter().sum::<f32>() / figures.len() as f32,
            each.join(", ")
        );
    }
    for (example, read) in data.intents.iter().zip(&readings) {
        let same =
            read.len() == example.intents.len() && read.iter().all(|intent| example.intents.contains(intent));
        if !same {
            wrong(format!("{} {:?} read {read:?}: {}", example.id, example.intents, example.text));
        }
    }
}

fn kategori(data: &Data, read: &impl Fn(&str, &str) -> Understanding, wrong: &impl Fn(String)) {
    let mut all = Shares::default();
    let mut each: BTreeMap<&str, Shares> = BTreeMap::new();
    for example in &data.kategori {
        // A complaint without a category is filed as "something else".
        let kategori =
            read(&example.id, &example.text).slots.kategori.unwrap_or_else(|| "lainnya".to_owned());
        let right = kategori == example.kategori;
        all.add(&example.id, right);
        each.entry(&example.kategori).or_default().add(&example.id, right);
        if !right {
            wrong(format!("{} {} read {kategori}: {}", example.id, example.kategori, example.text));
        }
    }
    for (name, shares) in &each {
        shares.print(name);
    }
    all.print("kategori");
}

/// The same span, whatever marks are around it.
fn bare(span: Option<&str>) -> Option<&str> {
    span.map(|span| span.trim_matches(|character: char| !character.is_alphanumeric()))
}

fn alamat(data: &Data, models: &[Model], wrong: &impl Fn(String)) {
    let mut all = Shares::default();
    for example in &data.places {
        let read = slots::place(&models[fold_of(&example.id) as usize].places, &example.text).alamat;
        let right = bare(read.as_deref()) == bare(example.alamat.as_deref());
        all.add(&example.id, right);
        if !right {
            wrong(format!("{} {:?} read {read:?}: {}", example.id, example.alamat, example.text));
        }
    }
    all.print("alamat, the same span");
}
