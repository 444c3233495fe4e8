//! Every sentence that the bot says of its own, in both languages. The rules are linted in its tests: plain words, *saya/kami*,
//! no times of its own, no blame, at most one question, at most 60 words.

mod complaints;
mod drafts;
#[cfg(test)]
mod tests;

use super::understanding::Language;

pub use complaints::*;
pub use drafts::*;

/// Why officers find a conversation of voice notes in their queue.
pub const TO_BE_HEARD: &str = "perlu didengar";

/// Why officers find a conversation in danger in their queue. The bot goes on serving it.
pub const EMERGENCY: &str = "emergency";

/// What an officer reads in a complaint to which a photo was sent later.
pub const PHOTO_SENT: &str = "Pelapor mengirim foto atau berkas di percakapan.";

/// What an officer reads as the place of an emergency until it is told.
pub const PLACE_UNKNOWN: &str = "Lokasi belum diketahui";

/// Picks by language.
fn either(language: Language, indonesian: &str, english: &str) -> String {
    match language {
        Language::Id => indonesian.to_owned(),
        Language::En => english.to_owned(),
    }
}

/// The first words of the first reply: what is speaking, how to reach a person, and privacy.
pub fn introduction(language: Language, office: &str) -> String {
    match language {
        Language::Id => format!(
            "Saya asisten otomatis {office}. Ketik PETUGAS untuk berbicara dengan petugas. Pesan ini disimpan hanya untuk melayani Bapak/Ibu."
        ),
        Language::En => format!(
            "I am the automated assistant of {office}. Type PETUGAS to reach a person. Messages are kept only to serve you."
        ),
    }
}

/// Answers a greeting that was given.
pub fn greeting(language: Language, islamic: bool) -> String {
    match (language, islamic) {
        (_, true) => "Waalaikumsalam.".into(),
        (Language::Id, false) => "Halo.".into(),
        (Language::En, false) => "Hello.".into(),
    }
}

/// What the bot can do, after a greeting or something it did not understand.
pub fn offer(language: Language) -> String {
    either(
        language,
        "Saya bisa membantu laporan warga, status laporan, dan informasi layanan. Apa yang bisa kami bantu?",
        "I can help with reports, the status of a report, and information on services. How can we help?",
    )
}

/// Something was not understood.
pub fn not_understood(language: Language) -> String {
    either(language, "Maaf, saya belum memahami maksud Bapak/Ibu.", "Sorry, I did not understand that.")
}

/// Nothing that the office does.
pub fn off_topic(language: Language) -> String {
    either(
        language,
        "Maaf, saya hanya melayani urusan kantor ini, seperti laporan warga dan informasi layanan.",
        "Sorry, I only serve matters of this office, such as reports and information on services.",
    )
}

/// The bot does not know, and says so.
pub fn not_known(language: Language) -> String {
    either(
        language,
        "Saya belum punya informasinya. Ketik PETUGAS bila ingin ditanyakan ke petugas kami.",
        "I do not have that information yet. Type PETUGAS to ask one of our officers.",
    )
}

/// A quoted answer with its source.
pub fn quoted(language: Language, text: &str, source: &str) -> String {
    match language {
        Language::Id => format!("{text}\n(Sumber: {source})"),
        Language::En => format!("{text}\n(Source: {source})"),
    }
}

/// A voice note came alone.
pub fn voice_note(language: Language) -> String {
    either(
        language,
        "Pesan suara sudah kami terima dan akan didengarkan petugas. Bila berkenan, mohon ditulis singkat.",
        "We got your voice message; an officer will listen to it. If you like, please write it in short.",
    )
}

/// A message that goes from hand to hand.
pub fn forwarded(language: Language) -> String {
    either(
        language,
        "Pesan berantai tidak kami catat sebagai laporan. Bila Bapak/Ibu mengalaminya, mohon ceritakan kejadiannya.",
        "We do not file forwarded messages. If it happened to you, please tell us in your own words.",
    )
}

/// The limit of turns an hour is reached.
pub fn limit_reached(language: Language) -> String {
    either(
        language,
        "Pesan Bapak/Ibu kami simpan dan akan dibaca petugas. Asisten otomatis berhenti menjawab untuk sementara.",
        "Your messages are kept and an officer will read them. The automated assistant pauses for a while.",
    )
}

/// A person was asked for.
pub fn hand_over(language: Language) -> String {
    either(
        language,
        "Baik, percakapan ini kami teruskan ke petugas. Petugas akan membalas di sini.",
        "We are passing this conversation to an officer, who will reply here.",
    )
}

/// Danger: numbers first.
pub fn emergency(language: Language, numbers: &[String]) -> String {
    let numbers = numbers.join("\n");
    match language {
        Language::Id => format!("Bila ada bahaya, hubungi:\n{numbers}"),
        Language::En => format!("If there is danger, call:\n{numbers}"),
    }
}

/// A person is called while nobody is there. `hours` in words.
pub fn outside_hours(language: Language, hours: &str) -> String {
    match language {
        Language::Id => format!("Saat ini di luar jam layanan petugas ({hours})."),
        Language::En => format!("It is outside our officers' hours ({hours})."),
    }
}

/// A person is called on a holiday.
pub fn holiday(language: Language, name: &str, hours: &str) -> String {
    match language {
        Language::Id => format!("Hari ini libur ({name}). Petugas melayani {hours}."),
        Language::En => format!("Today is a holiday ({name}). Our officers' hours are {hours}."),
    }
}

/// Messages came late; they were written at `from`, or from then to `until`.
pub fn late(language: Language, from: &str, until: Option<&str>) -> String {
    match (language, until) {
        (Language::Id, None) => format!("Maaf, pesan Bapak/Ibu pukul {from} baru dapat kami balas."),
        (Language::Id, Some(until)) => {
            format!("Maaf, pesan Bapak/Ibu pukul {from} sampai {until} baru dapat kami balas.")
        }
        (Language::En, None) => format!("Sorry, we can only answer your message of {from} now."),
        (Language::En, Some(until)) => {
            format!("Sorry, we can only answer your messages of {from} to {until} now.")
        }
    }
}

/// After an officer: the machine speaks again.
pub fn back(language: Language) -> String {
    either(
        language,
        "Percakapan kembali dilayani asisten otomatis.",
        "You are talking to the automated assistant again.",
    )
}

/// The officer has been away; the conversation went back to the bot by itself.
pub fn released(language: Language) -> String {
    either(
        language,
        "Percakapan kembali dilayani asisten otomatis. Ketik PETUGAS untuk berbicara dengan petugas lagi.",
        "You are talking to the automated assistant again. Type PETUGAS to reach an officer again.",
    )
}

/// The bot failed several times: an apology and a person.
pub fn apology(language: Language) -> String {
    either(
        language,
        "Maaf, kami mengalami kendala. Percakapan ini kami teruskan ke petugas.",
        "Sorry, we ran into a problem. We are passing this conversation to an officer.",
    )
}
