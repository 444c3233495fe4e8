//! About a complaint that is being made.

use super::{category_words, either, pin};
use crate::dialogue::state::Draft;
use crate::dialogue::understanding::{AskedSlot, Language};

/// Asks for one missing slot.
pub fn ask(language: Language, slot: AskedSlot) -> String {
    match slot {
        AskedSlot::Deskripsi => either(
            language,
            "Baik, kami bantu catat laporannya. Mohon dijelaskan, apa yang terjadi?",
            "We will take your report. What happened?",
        ),
        AskedSlot::Alamat => either(
            language,
            "Terima kasih. Mohon dibantu lokasinya: nama jalan, RT/RW atau patokan. Bapak/Ibu juga boleh mengirim pin lokasi.",
            "Thank you. Please tell us where it is: street, RT/RW or a landmark. You may also send a location pin.",
        ),
        AskedSlot::Kategori => either(
            language,
            "Laporan ini tentang apa, misalnya jalan, lampu, sampah atau air?",
            "What is the report about, for example road, lights, waste or water?",
        ),
    }
}

/// Asks for a missing slot once more, without thanking for what was not given.
pub fn ask_again(language: Language, slot: AskedSlot) -> String {
    match slot {
        AskedSlot::Deskripsi => either(language, "Mohon dijelaskan, apa yang terjadi?", "What happened?"),
        AskedSlot::Alamat => either(
            language,
            "Mohon dibantu lokasinya: nama jalan, RT/RW, patokan, atau pin lokasi.",
            "Please tell us where it is: street, RT/RW, a landmark or a location pin.",
        ),
        AskedSlot::Kategori => ask(language, slot),
    }
}

/// A draft as far as it was told: what, and where. Never longer than a line or two.
pub fn draft_in_words(language: Language, draft: &Draft) -> String {
    let what = draft.deskripsi.as_deref().map(first_words).unwrap_or_else(|| {
        draft.kategori.as_deref().map(category_words).unwrap_or_else(|| either(language, "laporan", "report"))
    });
    let place = draft.alamat.clone().or_else(|| draft.latitude.map(|_| pin(language)));
    match (place, language) {
        (None, _) => what,
        (Some(place), Language::Id) => format!("{what}, di {place}"),
        (Some(place), Language::En) => format!("{what}, at {place}"),
    }
}

/// A draft that was not gone on with. `draft` in words.
pub fn reminder(language: Language, draft: &str) -> String {
    match language {
        Language::Id => format!("Laporan Bapak/Ibu belum terkirim: {draft}."),
        Language::En => format!("Your report has not been sent yet: {draft}."),
    }
}

/// A bare "yes" that came late, or a button of an older state: how the draft stands.
pub fn draft_shown(language: Language, draft: &str) -> String {
    match language {
        Language::Id => format!("Ini laporan yang belum terkirim: {draft}."),
        Language::En => format!("This report has not been sent yet: {draft}."),
    }
}

/// It looks like one that was filed.
pub fn resembles(language: Language, lap_id: &str) -> String {
    match language {
        Language::Id => format!("Sepertinya ini sama dengan laporan {lap_id}. Apakah kejadian yang sama?"),
        Language::En => format!("This looks like report {lap_id}. Is it the same matter?"),
    }
}

/// The button that says: the same matter.
pub fn same_button(language: Language) -> String {
    either(language, "Ya, sama", "Yes, the same")
}

/// The button that says: another matter.
pub fn another_button(language: Language) -> String {
    either(language, "Bukan, laporan baru", "No, a new report")
}

/// The draft was dropped.
pub fn draft_dropped(language: Language) -> String {
    either(language, "Baik, laporan tidak jadi dikirim.", "The report will not be sent.")
}

/// The first words of a text, a cut shown.
fn first_words(text: &str) -> String {
    const WORDS: usize = 12;
    let words: Vec<&str> = text.split_whitespace().collect();
    match words.len() > WORDS {
        true => format!("{} …", words[..WORDS].join(" ")),
        false => words.join(" "),
    }
}
