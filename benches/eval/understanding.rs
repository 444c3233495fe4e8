//! Intents, slots and emergencies, as the built-in understanding reads them, and a model where one is set; and how long the
//! built-in takes.

use std::collections::BTreeMap;
use std::time::Instant;

use strum::IntoEnumIterator as _;

use govconnect::ai::builtin;
use govconnect::dialogue::understanding::{Intent, UnderstandRequest, Understanding, Urgency};

use crate::data::Data;
use crate::reader::Reader;
use crate::report::{Goal, Report};
use crate::{Extent, add_share, say, say_wrong};

/// Judges all of it.
pub async fn judge(data: &Data, extent: Extent, report: &mut Report) -> anyhow::Result<()> {
    for reader in Reader::all()? {
        let mut judged = Judged { reader, read: 0, by_itself: 0 };
        intents(&mut judged, data, extent, report).await?;
        complaints(&mut judged, data, extent, report).await?;
        emergencies(&mut judged, data, extent, report).await?;
        if let Reader::Model { .. } = judged.reader {
            let answered = (judged.by_itself, judged.read);
            add_share(report, &judged.reader.figure("eval.answered"), answered, Goal::None)?;
        }
    }
    time(data, extent, report)
}

/// A reader, and how often it answered by itself.
struct Judged {
    reader: Reader,
    read: usize,
    by_itself: usize,
}

impl Judged {
    async fn understood(&mut self, texts: &[String]) -> Understanding {
        let (understanding, by_itself) = self.reader.read(texts).await;
        self.read += 1;
        self.by_itself += usize::from(by_itself);
        understanding
    }

    fn add(&self, report: &mut Report, name: &str, share: (usize, usize), goal: Goal) -> anyhow::Result<()> {
        add_share(report, &self.reader.figure(name), share, self.reader.goal(goal))
    }
}

fn request(texts: &[String]) -> UnderstandRequest {
    UnderstandRequest { texts: texts.to_vec(), ..UnderstandRequest::default() }
}

/// What was expected beside what was read, counted.
#[derive(Clone, Copy, Default)]
struct Counts {
    both: usize,
    expected: usize,
    read: usize,
}

impl Counts {
    fn f1(self) -> f64 {
        2.0 * self.both as f64 / (self.expected + self.read).max(1) as f64
    }
}

async fn intents(
    judged: &mut Judged,
    data: &Data,
    extent: Extent,
    report: &mut Report,
) -> anyhow::Result<()> {
    let mut counts: BTreeMap<String, Counts> = BTreeMap::new();
    let mut tags: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    let mut wrong = Vec::new();
    let (mut exact, mut language) = (0, 0);
    for utterance in &data.utterances {
        let read = judged.understood(&utterance.texts).await;
        for intent in Intent::iter() {
            let expected = utterance.intents.contains(&intent);
            let found = read.intents.contains(&intent);
            let counts = counts.entry(intent.to_string()).or_default();
            counts.both += usize::from(expected && found);
            counts.expected += usize::from(expected);
            counts.read += usize::from(found);
        }
        let same = Intent::iter().all(|intent| utterance.intents.contains(&intent) == read.wants(intent));
        for tag in &utterance.tags {
            let counted = tags.entry(tag).or_default();
            *counted = (counted.0 + usize::from(same), counted.1 + 1);
        }
        if !same {
            wrong.push(&*utterance.id);
        }
        exact += usize::from(same);
        language += usize::from(read.language == utterance.language);
    }
    let macro_f1 = counts.values().map(|counts| counts.f1()).sum::<f64>() / counts.len().max(1) as f64;
    let over = format!("mean over {} intents, {} utterances", counts.len(), data.utterances.len());
    let (name, goal) = (judged.reader.figure("eval.intent_f1"), judged.reader.goal(Goal::AtLeast(0.90)));
    report.add(name, &[macro_f1], "share", goal, Some(&over))?;
    for (intent, counts) in &counts {
        let Counts { both, expected, read } = *counts;
        let of = format!("{both} of {expected}, {} too many", read - both);
        report.add(
            judged.reader.figure(&format!("eval.f1.{}", intent.to_lowercase())),
            &[counts.f1()],
            "share",
            Goal::None,
            Some(&of),
        )?;
    }
    judged.add(report, "eval.intents_exact", (exact, data.utterances.len()), Goal::None)?;
    judged.add(report, "eval.language", (language, data.utterances.len()), Goal::None)?;
    let told: Vec<String> = tags.iter().map(|(tag, (right, all))| format!("{tag} {right}/{all}")).collect();
    say(&format!("exactly the intents: {}", told.join(", ")));
    say_wrong(extent, "intents", &wrong);
    Ok(())
}

async fn complaints(
    judged: &mut Judged,
    data: &Data,
    extent: Extent,
    report: &mut Report,
) -> anyhow::Result<()> {
    let [mut kategori, mut alamat, mut rt_rw, mut deskripsi] = [0_usize; 4];
    let (mut wrong_kategori, mut wrong_alamat) = (Vec::new(), Vec::new());
    for complaint in &data.complaints {
        let slots = judged.understood(&complaint.texts).await.slots;
        // A complaint without a category is filed as "something else".
        if slots.kategori.as_deref().unwrap_or("lainnya") == complaint.kategori {
            kategori += 1;
        } else {
            wrong_kategori.push(&*complaint.id);
        }
        if bare(slots.alamat.as_deref()) == bare(complaint.alamat.as_deref()) {
            alamat += 1;
        } else {
            wrong_alamat.push(&*complaint.id);
        }
        rt_rw += usize::from(slots.rt_rw == complaint.rt_rw);
        let said = slots.deskripsi.unwrap_or_default().to_lowercase();
        let has = |part: &String| said.contains(&part.to_lowercase());
        deskripsi += usize::from(complaint.deskripsi_contains.iter().all(has));
    }
    let all = data.complaints.len();
    judged.add(report, "eval.kategori", (kategori, all), Goal::AtLeast(0.90))?;
    judged.add(report, "eval.alamat", (alamat, all), Goal::AtLeast(0.80))?;
    judged.add(report, "eval.rt_rw", (rt_rw, all), Goal::None)?;
    judged.add(report, "eval.deskripsi", (deskripsi, all), Goal::None)?;
    say_wrong(extent, "kategori", &wrong_kategori);
    say_wrong(extent, "alamat", &wrong_alamat);
    Ok(())
}

/// The same span, whatever marks and spaces are around it.
fn bare(span: Option<&str>) -> Option<&str> {
    span.map(|span| span.trim_matches(|character: char| !character.is_alphanumeric()))
}

async fn emergencies(
    judged: &mut Judged,
    data: &Data,
    extent: Extent,
    report: &mut Report,
) -> anyhow::Result<()> {
    let (mut seen, mut alarms) = ((0, 0), (0, 0));
    let mut wrong = Vec::new();
    for item in &data.emergencies {
        let read = judged.understood(std::slice::from_ref(&item.text)).await;
        let emergency = read.urgency == Urgency::Emergency;
        let counted = if item.emergency { &mut seen } else { &mut alarms };
        *counted = (counted.0 + usize::from(emergency), counted.1 + 1);
        if emergency != item.emergency {
            wrong.push(&*item.id);
        }
    }
    judged.add(report, "eval.emergency_recall", seen, Goal::AtLeast(0.98))?;
    judged.add(report, "eval.false_alarms", alarms, Goal::AtMost(0.05))?;
    say_wrong(extent, "emergencies", &wrong);
    Ok(())
}

/// Ninety-nine of a hundred calls take no longer than this.
fn time(data: &Data, extent: Extent, report: &mut Report) -> anyhow::Result<()> {
    let utterances = data.utterances.iter().map(|utterance| request(&utterance.texts));
    let complaints = data.complaints.iter().map(|complaint| request(&complaint.texts));
    let requests: Vec<UnderstandRequest> = utterances.chain(complaints).collect();
    let mut rounds = Vec::new();
    for _ in 0..extent.rounds {
        let mut took: Vec<f64> = Vec::with_capacity(requests.len());
        for request in &requests {
            let started = Instant::now();
            std::hint::black_box(builtin::understand(request));
            took.push(started.elapsed().as_secs_f64() * 1000.0);
        }
        took.sort_by(f64::total_cmp);
        rounds.extend(took.get(took.len() * 99 / 100).copied());
    }
    report.add("understand.p99_ms", &rounds, "ms", Goal::AtMost(5.0), None)
}
