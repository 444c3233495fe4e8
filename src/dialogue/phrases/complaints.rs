//! About a complaint that has its number.

use super::either;
use crate::dialogue::understanding::Language;

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

/// The button that changes a complaint.
pub fn edit_button(language: Language) -> String {
    either(language, "Ubah", "Change")
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

/// The button that withdraws a complaint.
pub fn cancel_button(language: Language) -> String {
    either(language, "Batalkan", "Withdraw")
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
