//! The table in `cases.txt`, read line by line, and properties that hold for any text.

use proptest::prelude::*;

use super::*;
use crate::dialogue::understanding::{ContextLine, Speaker};

/// One entry of the table.
#[derive(Debug, Default)]
struct Case {
    line: usize,
    texts: Vec<String>,
    asked_for: Option<AskedSlot>,
    expected: Vec<(String, String)>,
}

/// An utterance (messages of one batch are parted by " ¶ "), then indented lines `key: value · key: value`; "-" means
/// that there must be none. `#` starts a comment.
fn table() -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for (index, line) in include_str!("cases.txt").lines().enumerate() {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(pairs) = line.strip_prefix("    ") {
            let case = cases.last_mut().expect("an utterance comes first");
            for pair in pairs.split(" · ") {
                let (key, value) =
                    pair.split_once(": ").unwrap_or_else(|| panic!("line {}: {pair}", index + 1));
                match (key, value) {
                    ("asked", "alamat") => case.asked_for = Some(AskedSlot::Alamat),
                    ("asked", "kategori") => case.asked_for = Some(AskedSlot::Kategori),
                    ("asked", "deskripsi") => case.asked_for = Some(AskedSlot::Deskripsi),
                    _ => case.expected.push((key.to_owned(), value.trim().to_owned())),
                }
            }
        } else {
            let texts = line.split(" ¶ ").map(|text| text.replace("\\n", "\n")).collect();
            cases.push(Case { line: index + 1, texts, ..Case::default() });
        }
    }
    cases
}

fn actual(understanding: &Understanding, key: &str) -> String {
    let slots = &understanding.slots;
    let or_dash = |slot: &Option<String>| slot.clone().unwrap_or_else(|| "-".into());
    match key {
        "intents" => {
            let names: Vec<String> = understanding.intents.iter().map(ToString::to_string).collect();
            names.join(", ")
        }
        "first" => understanding.intents.first().map(ToString::to_string).unwrap_or_default(),
        "kategori" => or_dash(&slots.kategori),
        "alamat" => or_dash(&slots.alamat),
        "rt_rw" => or_dash(&slots.rt_rw),
        "deskripsi" => or_dash(&slots.deskripsi),
        "lap_id" => or_dash(&slots.lap_id),
        "urgency" => understanding.urgency.to_string(),
        "language" => format!("{:?}", understanding.language).to_lowercase(),
        other => panic!("no such column: {other}"),
    }
}

#[test]
fn every_utterance_of_the_table_is_understood() {
    let cases = table();
    assert!(cases.len() >= 120, "{} cases", cases.len());
    let mut wrong = Vec::new();
    for case in &cases {
        assert!(!case.expected.is_empty(), "line {} expects nothing", case.line);
        let request = UnderstandRequest {
            texts: case.texts.clone(),
            asked_for: case.asked_for,
            ..UnderstandRequest::default()
        };
        let reading = read(&request);
        for (key, expected) in &case.expected {
            let actual = actual(&reading.understanding, key);
            if actual != *expected {
                wrong.push(format!(
                    "line {}: {:?}\n    {key}: expected {expected:?}, got {actual:?}   {:?}",
                    case.line, case.texts, reading.scores
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn the_table_covers_every_intent() {
    use strum::IntoEnumIterator;
    let table = table();
    for intent in Intent::iter() {
        let name = intent.to_string();
        let covered =
            table.iter().filter(|case| case.expected.iter().any(|(_, value)| value.contains(&name))).count();
        assert!(covered >= 4, "{name}: {covered}");
    }
}

#[test]
fn a_long_batch_is_understood_quickly() {
    let text = "jalan rusak di Jl. Melati No. 15, banyak lubang, tolong segera diperbaiki ".repeat(200);
    let request = UnderstandRequest { texts: vec![text], asked_for: None, ..UnderstandRequest::default() };
    let started = std::time::Instant::now();
    let understanding = understand(&request);
    // Unoptimised builds are some twenty times slower than what is shipped.
    assert!(started.elapsed() < std::time::Duration::from_secs(2), "{:?}", started.elapsed());
    assert!(understanding.wants(Intent::CreateComplaint));
}

proptest! {
    #[test]
    fn no_text_is_too_strange(
        texts in prop::collection::vec(any::<String>(), 0..4),
        asked in prop::option::of(prop_oneof![Just(AskedSlot::Alamat), Just(AskedSlot::Kategori), Just(AskedSlot::Deskripsi)]),
    ) {
        check(UnderstandRequest { texts, asked_for: asked, ..UnderstandRequest::default() })?;
    }

    #[test]
    fn no_mixture_of_familiar_words_is_too_strange(
        words in prop::collection::vec(prop_oneof![
            Just("jl."), Just("jalan"), Just("rt"), Just("03"), Just("/"), Just("RW05"), Just("di"), Just("depan"), Just("("), Just(")"), Just(","), Just("."), Just("no"),
            Just("Mawar"), Just("rusak"), Just("banjir"), Just("eh bukan"), Just("LAP-20260102-003"), Just("?"), Just("\n"), Just("saya mau lapor"), Just("gang"), Just("dekat"),
            Just("masjid"), Just("İ"), Just("ﬁ"), Just("terima kasih"), Just("sampai"), Just("blok"), Just("C2"), Just("🙏"), Just("batal"), Just("petugas"),
        ], 0..24),
        asked in prop::option::of(prop_oneof![Just(AskedSlot::Alamat), Just(AskedSlot::Kategori), Just(AskedSlot::Deskripsi)]),
    ) {
        check(UnderstandRequest { texts: vec![words.join(" ")], asked_for: asked, ..UnderstandRequest::default() })?;
    }
}

/// Slots are there or not, never empty, never longer than what was said (joints of parts aside), made of its letters.
#[test]
fn a_number_named_by_the_officer_is_the_one_that_is_asked_for_afterwards() {
    let line = |text: &str| ContextLine { speaker: Speaker::Office, text: text.into() };
    let context = vec![line("Laporan Bapak LAP-20260101-007 sudah saya teruskan."), line("Ada lagi?")];
    let request = UnderstandRequest {
        texts: vec!["cek status laporan saya".into()],
        context,
        ..UnderstandRequest::default()
    };
    assert_eq!(understand(&request).slots.lap_id.as_deref(), Some("LAP-20260101-007"));
    // Named by the citizen, theirs counts; not asked about a complaint, none does.
    let other = UnderstandRequest { texts: vec!["cek status LAP-20260101-001".into()], ..request.clone() };
    assert_eq!(understand(&other).slots.lap_id.as_deref(), Some("LAP-20260101-001"));
    let thanks = UnderstandRequest { texts: vec!["terima kasih".into()], ..request };
    assert_eq!(understand(&thanks).slots.lap_id, None);
}

fn check(request: UnderstandRequest) -> Result<(), TestCaseError> {
    let understanding = understand(&request);
    prop_assert!(!understanding.intents.is_empty());
    let said = request.texts.join("\n");
    let slots = &understanding.slots;
    for slot in [&slots.alamat, &slots.deskripsi].into_iter().flatten() {
        prop_assert!(!slot.trim().is_empty());
        prop_assert!(slot.chars().count() <= said.chars().count() + 2, "{slot:?} from {said:?}");
        prop_assert!(
            slot.chars()
                .filter(|character| character.is_alphanumeric())
                .all(|character| said.contains(character))
        );
    }
    for code in slots.kategori.iter().chain(&slots.rt_rw).chain(&slots.lap_id) {
        prop_assert!(!code.is_empty());
    }
    Ok(())
}
