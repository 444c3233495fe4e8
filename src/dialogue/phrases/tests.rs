//! The voice is kept in everything that can be said.

use super::*;
use crate::dialogue::understanding::{AskedSlot, FIRST_QUOTE_WORDS};

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
                    !lower.split(|character: char| !character.is_alphanumeric()).any(|word| word == banned),
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
        format!(
            "{} {}",
            introduction(Language::Id, "Kantor Kelurahan Sukamaju"),
            quoted(Language::Id, &"kata ".repeat(FIRST_QUOTE_WORDS), "Jadwal, Tempat dan Biaya Layanan")
        ),
    ] {
        assert!(text.split_whitespace().count() <= 60, "{}: {text}", text.split_whitespace().count());
    }
}
