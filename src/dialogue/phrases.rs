//! Every sentence that the bot says of its own, in both languages. The rules are linted below: plain words, *saya/kami*,
//! no times of its own, no blame, at most one question, at most 60 words.

use super::state::Draft;
use super::understanding::{AskedSlot, Language};

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

/// The first words of a text, a cut shown.
fn first_words(text: &str) -> String {
    const WORDS: usize = 12;
    let words: Vec<&str> = text.split_whitespace().collect();
    match words.len() > WORDS {
        true => format!("{} …", words[..WORDS].join(" ")),
        false => words.join(" "),
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

/// A button of an older state: how what was filed stands, as far as the conversation knows.
pub fn filed_shown(language: Language, lap_id: &str, kategori: &str, place: &str) -> String {
    let place = if place.is_empty() { String::new() } else { format!(", {place}") };
    match language {
        Language::Id => format!("Ini laporan {lap_id} ({kategori}{place})."),
        Language::En => format!("This is report {lap_id} ({kategori}{place})."),
    }
}

/// A button of something that is not remembered any more.
pub fn button_too_old(language: Language) -> String {
    either(
        language,
        "Tombol itu sudah tidak berlaku. Mohon ditulis apa yang ingin diubah, beserta nomor laporannya.",
        "That button is out of date. Please write what is to be changed, with the number of the report.",
    )
}

/// What is to be changed in what was filed?
pub fn ask_change(language: Language, lap_id: &str) -> String {
    match language {
        Language::Id => format!(
            "Apa yang ingin diubah dari laporan {lap_id}? Silakan tulis lokasi atau keterangan yang benar, atau kirim pin lokasi."
        ),
        Language::En => format!(
            "What is to be changed in report {lap_id}? Please write the right place or details, or send a location pin."
        ),
    }
}

/// The change is in.
pub fn amended(language: Language, lap_id: &str, kategori: &str, place: &str) -> String {
    match language {
        Language::Id => {
            format!("Laporan {lap_id} sudah kami perbarui.\nKategori: {kategori}\nLokasi: {place}")
        }
        Language::En => format!("Report {lap_id} has been changed.\nCategory: {kategori}\nPlace: {place}"),
    }
}

/// What was added is noted; somebody works on it already, so that nothing else is changed.
pub fn noted(language: Language, lap_id: &str) -> String {
    match language {
        Language::Id => format!("Tambahan untuk laporan {lap_id} sudah kami catat untuk petugas."),
        Language::En => format!("Your addition to report {lap_id} is noted for the officer."),
    }
}

/// The report cannot be changed any more.
pub fn not_amended(language: Language, lap_id: &str) -> String {
    match language {
        Language::Id => {
            format!("Laporan {lap_id} tidak dapat diubah lewat sini. Ketik PETUGAS untuk dibantu petugas.")
        }
        Language::En => format!("Report {lap_id} cannot be changed here. Type PETUGAS to reach an officer."),
    }
}

/// Which report is meant?
pub fn which_report(language: Language) -> String {
    either(
        language,
        "Laporan mana yang dimaksud? Mohon sertakan nomornya (LAP-…).",
        "Which report do you mean? Please give its number (LAP-…).",
    )
}

/// It looks like one that was filed.
pub fn resembles(language: Language, lap_id: &str) -> String {
    match language {
        Language::Id => format!("Sepertinya ini sama dengan laporan {lap_id}. Apakah kejadian yang sama?"),
        Language::En => format!("This looks like report {lap_id}. Is it the same matter?"),
    }
}

/// The complaint of an emergency has its number; where it is is not known yet.
pub fn filed_without_place(language: Language, lap_id: &str) -> String {
    match language {
        Language::Id => {
            format!(
                "Laporan darurat dengan nomor {lap_id} sudah diteruskan ke petugas. Mohon kirim lokasinya."
            )
        }
        Language::En => format!(
            "Your emergency report went to our officers under the number {lap_id}. Please send the location."
        ),
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

/// The button that changes a complaint.
pub fn edit_button(language: Language) -> String {
    either(language, "Ubah", "Change")
}

/// The button that says: the same matter.
pub fn same_button(language: Language) -> String {
    either(language, "Ya, sama", "Yes, the same")
}

/// The button that says: another matter.
pub fn another_button(language: Language) -> String {
    either(language, "Bukan, laporan baru", "No, a new report")
}

/// The complaint has its number.
pub fn filed(language: Language, lap_id: &str, kategori: &str, place: &str) -> String {
    match language {
        Language::Id => format!(
            "Laporan sudah kami terima dengan nomor {lap_id}.\nKategori: {kategori}\nLokasi: {place}\nPetugas akan memeriksa laporan ini."
        ),
        Language::En => format!(
            "We have taken your report under the number {lap_id}.\nCategory: {kategori}\nPlace: {place}\nAn officer will look into it."
        ),
    }
}

/// A place given by a pin only.
pub fn pin(language: Language) -> String {
    either(language, "pin lokasi", "location pin")
}

/// The case service refused the complaint: hand over rather than invent.
pub fn not_filed(language: Language) -> String {
    either(
        language,
        "Maaf, laporan belum dapat kami catat. Petugas kami akan membantu Bapak/Ibu di sini.",
        "Sorry, your report could not be taken yet. One of our officers will help you here.",
    )
}

/// Where a complaint stands. `status` is already in words.
pub fn status(language: Language, lap_id: &str, kategori: &str, status: &str) -> String {
    match language {
        Language::Id => format!("Laporan {lap_id} ({kategori}): {status}."),
        Language::En => format!("Report {lap_id} ({kategori}): {status}."),
    }
}

/// No complaint of this number belongs to this person (whether it exists is not told).
pub fn no_such_complaint(language: Language, lap_id: &str) -> String {
    match language {
        Language::Id => {
            format!("Saya tidak menemukan laporan {lap_id} atas nomor ini. Mohon dicek kembali nomornya.")
        }
        Language::En => format!("I found no report {lap_id} under this number. Please check it again."),
    }
}

/// No complaints yet.
pub fn no_complaints(language: Language) -> String {
    either(language, "Belum ada laporan atas nomor ini.", "There are no reports under this number yet.")
}

/// The case service cannot be asked now.
pub fn status_unavailable(language: Language) -> String {
    either(
        language,
        "Maaf, status laporan belum dapat kami tampilkan saat ini. Mohon dicoba lagi nanti.",
        "Sorry, the status cannot be shown right now. Please try again later.",
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

/// The draft was dropped.
pub fn draft_dropped(language: Language) -> String {
    either(language, "Baik, laporan tidak jadi dikirim.", "The report will not be sent.")
}

/// Asks before a filed complaint is withdrawn.
pub fn confirm_cancel(language: Language, lap_id: &str) -> String {
    match language {
        Language::Id => format!("Apakah laporan {lap_id} ingin dibatalkan?"),
        Language::En => format!("Shall report {lap_id} be withdrawn?"),
    }
}

/// It stays as it was filed.
pub fn kept(language: Language, lap_id: &str) -> String {
    match language {
        Language::Id => format!("Baik, laporan {lap_id} tetap kami catat."),
        Language::En => format!("Report {lap_id} stays as it is."),
    }
}

/// Nothing that could be withdrawn.
pub fn nothing_to_cancel(language: Language) -> String {
    either(
        language,
        "Tidak ada laporan yang sedang dibuat. Untuk membatalkan laporan lama, mohon sertakan nomornya.",
        "No report is being made. To withdraw an earlier one, please give its number.",
    )
}

/// It was withdrawn.
pub fn cancelled(language: Language, lap_id: &str) -> String {
    match language {
        Language::Id => format!("Laporan {lap_id} sudah dibatalkan."),
        Language::En => format!("Report {lap_id} has been withdrawn."),
    }
}

/// It cannot be withdrawn any more.
pub fn not_cancelled(language: Language, lap_id: &str) -> String {
    match language {
        Language::Id => format!(
            "Laporan {lap_id} tidak dapat dibatalkan lewat sini. Ketik PETUGAS untuk dibantu petugas."
        ),
        Language::En => {
            format!("Report {lap_id} cannot be withdrawn here. Type PETUGAS to reach an officer.")
        }
    }
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

/// The button that withdraws a complaint.
pub fn cancel_button(language: Language) -> String {
    either(language, "Batalkan", "Withdraw")
}

/// The bot failed several times: an apology and a person.
pub fn apology(language: Language) -> String {
    either(
        language,
        "Maaf, kami mengalami kendala. Percakapan ini kami teruskan ke petugas.",
        "Sorry, we ran into a problem. We are passing this conversation to an officer.",
    )
}

/// A status in the citizen's words.
pub fn status_words(language: Language, status: &str) -> &'static str {
    match (language, status) {
        (Language::Id, "baru") => "sudah kami terima, menunggu pemeriksaan",
        (Language::Id, "terverifikasi") => "sudah diperiksa dan diterima",
        (Language::Id, "diproses") => "sedang ditangani",
        (Language::Id, "menunggu_warga") => "menunggu keterangan dari Bapak/Ibu",
        (Language::Id, "selesai") => "selesai ditangani",
        (Language::Id, "ditolak") => "tidak dapat ditindaklanjuti",
        (Language::Id, "dibatalkan") => "dibatalkan",
        (Language::Id, "diteruskan") => "diteruskan ke instansi yang berwenang",
        (Language::Id, _) => "sedang diperiksa petugas",
        (Language::En, "baru") => "received, waiting to be checked",
        (Language::En, "terverifikasi") => "checked and accepted",
        (Language::En, "diproses") => "being worked on",
        (Language::En, "menunggu_warga") => "waiting for information from you",
        (Language::En, "selesai") => "done",
        (Language::En, "ditolak") => "cannot be taken up",
        (Language::En, "dibatalkan") => "withdrawn",
        (Language::En, "diteruskan") => "forwarded to the authority in charge",
        (Language::En, _) => "being looked at by an officer",
    }
}

/// A category in the citizen's words, from its code.
pub fn category_words(code: &str) -> String {
    code.replace('_', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOURS: &str = "Senin–Kamis 08.00–12.00 dan 13.00–16.00, Jumat 08.00–11.30 WIB";

    /// Everything the bot can say, with plausible fillings.
    fn everything(language: Language) -> Vec<String> {
        let numbers = vec!["Darurat: 112".to_owned(), "Ambulans: 119".to_owned()];
        let lap = "LAP-20260102-003";
        vec![
            introduction(language, "Kantor Kelurahan Sukamaju"),
            greeting(language, true),
            greeting(language, false),
            offer(language),
            not_understood(language),
            off_topic(language),
            not_known(language),
            ask(language, AskedSlot::Alamat),
            ask(language, AskedSlot::Deskripsi),
            ask(language, AskedSlot::Kategori),
            filed(language, lap, "jalan rusak", "Jl. Melati No. 15"),
            not_filed(language),
            status(language, lap, "jalan rusak", status_words(language, "diproses")),
            no_such_complaint(language, lap),
            no_complaints(language),
            status_unavailable(language),
            hand_over(language),
            ask_again(language, AskedSlot::Alamat),
            ask_again(language, AskedSlot::Deskripsi),
            reminder(language, "lampu mati, di Jl. Melati"),
            draft_shown(language, "lampu mati, di Jl. Melati"),
            filed_shown(language, lap, "jalan rusak", "Jl. Melati"),
            button_too_old(language),
            ask_change(language, lap),
            amended(language, lap, "jalan rusak", "Jl. Melati"),
            noted(language, lap),
            not_amended(language, lap),
            which_report(language),
            resembles(language, lap),
            filed_without_place(language, lap),
            voice_note(language),
            forwarded(language),
            limit_reached(language),
            draft_dropped(language),
            confirm_cancel(language, lap),
            nothing_to_cancel(language),
            kept(language, lap),
            cancelled(language, lap),
            not_cancelled(language, lap),
            emergency(language, &numbers),
            apology(language),
            outside_hours(language, HOURS),
            holiday(language, "Hari Natal", HOURS),
            late(language, "09.05 WIB", None),
            late(language, "22 November 09.05 WIB", Some("10.15 WIB")),
            back(language),
            released(language),
        ]
    }

    #[test]
    fn the_voice_is_kept() {
        for language in [Language::Id, Language::En] {
            for text in everything(language) {
                let lower = text.to_lowercase();
                assert!(text.split_whitespace().count() <= 60, "too long: {text}");
                assert!(text.matches('?').count() <= 1, "more than one question: {text}");
                for banned in
                    ["kamu", "anda", "segera", "besok", "salah", "asap", "tomorrow", "immediately", "wrong"]
                {
                    assert!(
                        !lower
                            .split(|character: char| !character.is_alphanumeric())
                            .any(|word| word == banned),
                        "{banned} in: {text}"
                    );
                }
            }
            for title in [cancel_button, edit_button, same_button, another_button] {
                assert!(title(language).chars().count() <= 20);
            }
        }
        assert!(introduction(Language::Id, "X").contains("asisten otomatis"));
        assert!(introduction(Language::Id, "X").contains("PETUGAS"));
    }

    #[test]
    fn a_whole_first_reply_fits_sixty_words() {
        for text in [
            format!("{} {}", introduction(Language::Id, "Kantor Kelurahan Sukamaju"), offer(Language::Id)),
            format!(
                "{} {}",
                introduction(Language::Id, "Kantor Kelurahan Sukamaju"),
                filed(Language::Id, "LAP-20260102-003", "jalan rusak", "Jl. Melati No. 15 RT 03/05")
            ),
            format!(
                "{} {} {}",
                introduction(Language::Id, "Kantor Kelurahan Sukamaju"),
                hand_over(Language::Id),
                outside_hours(Language::Id, HOURS)
            ),
        ] {
            assert!(text.split_whitespace().count() <= 60, "{}: {text}", text.split_whitespace().count());
        }
    }
}
