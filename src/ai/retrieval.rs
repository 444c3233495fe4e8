//! A question finds the passages of the office's documents that fit it. Quotes, never writes: what does not reach the
//! threshold is not an answer, and then the honest answer is that we do not know.

use sqlx::PgPool;

use super::builtin::{self, normalise};
use crate::dialogue::understanding::Passage;
use crate::store::StoreError;
use crate::store::ai::{self as store, FoundPassage};

/// Below this a passage has too little of the question in it.
pub const THRESHOLD: f64 = 0.55;
/// Passages that answer a question, at most.
pub const PASSAGES: i64 = 3;
/// Terms of a question that are searched for; more only cost time.
const MOST_TERMS: usize = 16;

/// The words of a question worth searching for, normalised, each once, in order. Reads no more than is understood:
/// whoever sends a book holds up nobody else.
pub fn terms(texts: &[String]) -> Vec<String> {
    let mut terms: Vec<String> = Vec::new();
    let texts = builtin::readable(texts);
    let sentences = texts.iter().flat_map(|text| normalise::sentences(text));
    for word in sentences.flat_map(|sentence| sentence.words) {
        for part in word.norm.split(' ') {
            let searchable = part.chars().count() >= 2 && !STOP_WORDS.contains(&part);
            if searchable && !terms.iter().any(|term| term == part) && terms.len() < MOST_TERMS {
                terms.push(part.to_owned());
            }
        }
    }
    terms
}

/// The best passages, best first, also those under the threshold; for search pages and traces.
///
/// # Errors
/// As [`StoreError`].
pub async fn search(
    pool: &PgPool,
    texts: &[String],
    kategori: Option<&str>,
    limit: i64,
) -> Result<Vec<FoundPassage>, StoreError> {
    store::search(pool, &terms(texts), kategori, limit).await
}

/// The passages that answer, best first; empty when nothing fits well enough.
pub fn fitting(found: &[FoundPassage]) -> Vec<Passage> {
    found
        .iter()
        .filter(|passage| passage.score >= THRESHOLD)
        .map(|passage| Passage {
            source_title: passage.source_title.clone(),
            text: passage.content.clone(),
            score: passage.score as f32,
        })
        .collect()
}

/// Words that carry no topic, normalised. PostgreSQL's `indonesian` configuration comes without a list.
#[rustfmt::skip]
const STOP_WORDS: &[&str] = &[
    "yang", "di", "ke", "dari", "dan", "atau", "untuk", "dengan", "pada", "adalah", "ini", "itu", "saya", "kami", "kita", "anda", "dia", "mereka", "bapak", "ibu", "kakak", "mas", "mbak", "bang", "admin",
    "apa", "apakah", "berapa", "bagaimana", "cara", "kapan", "kenapa", "siapa", "mana", "saja", "ya", "dong", "sih", "nih", "deh", "kok", "kah", "lah", "tolong", "mohon", "maaf", "permisi", "halo", "selamat", "pagi", "siang", "sore", "malam",
    "assalamualaikum", "alaikum", "wr", "wb", "mau", "ingin", "akan", "bisa", "boleh", "harus", "perlu", "tidak", "belum", "sudah", "ada", "jika", "kalau", "supaya", "agar", "karena", "tapi", "juga", "lagi", "sekali", "sangat",
    "tanya", "info", "tahu", "kasih", "terima", "ok", "baik", "oh", "eh", "omong", "sekalian", "dulu", "nanti", "tentang", "soal", "mengenai", "terkait", "seperti", "sama", "dalam", "oleh", "buat", "membuat", "urus", "mengurus",
    "cari", "minta", "gara", "kira", "tuh", "mulai", "punya", "orang", "semua", "para", "hal", "begitu", "banyak", "lain", "jadi", "yaitu", "secara", "lewat", "pakai", "dapat", "pun", "kan", "aja", "biasa", "sebagai", "tersebut", "warga",
    "the", "is", "are", "my", "to", "an", "of", "for", "in", "on", "at", "and", "what", "how", "when", "where", "do", "can", "please", "want", "need", "it", "there", "does", "get", "have",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_become_terms() {
        for (question, expected) in [
            ("Gmn cara bikin KTP yg ilang ya min?", vec!["ktp", "ilang"]),
            ("jam buka kantornya", vec!["jam", "buka", "kantor"]),
            ("apa itu?", vec![]),
            ("ktp KTP k.t.p", vec!["ktp"]),
        ] {
            assert_eq!(terms(&[question.to_owned()]), expected, "{question}");
        }
    }
}
