//! A question as its answer is looked for in a passage (`ai/excerpt.rs`): what was written, what an office would write for
//! it, and what kind of answer is wanted. The search does not know it yet. The words are data (`data/builtin/`):
//! `search.tsv` from everyday to official, `subjects.txt` of what names a matter, `stopwords.txt` of what names none. Pure;
//! knows nothing of what there is to find.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use crate::ai::builtin::{self, normalise};

/// Words of a question that are searched for; more only cost time.
const MOST_WORDS: usize = 16;
/// Plain forms that an informal word is tried as.
const MOST_PLAIN_FORMS: usize = 8;
/// A stem has so many letters at least.
const SHORTEST_STEM: usize = 3;

/// What one word of a question asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// As the citizen wrote it, normalised; none where only the phrase that it begins has a meaning.
    pub word: Option<String>,
    /// What it may be without informal or formal affixes, likeliest first; for words that no document has.
    pub plain_forms: Vec<String>,
    /// What documents write for it.
    pub official: Vec<&'static str>,
    /// It names what the question is about: a passage without it does not answer.
    pub is_subject: bool,
}

/// A question.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Question {
    pub wanted: Vec<Wanted>,
    /// The words of which an answer of the kind that is asked for has some; a list a kind.
    pub answer_words: Vec<&'static [&'static str]>,
}

impl Question {
    /// Reads no more than is understood: whoever sends a book holds up nobody else.
    pub fn of(texts: &[String]) -> Question {
        let mut question = Question::default();
        let texts = builtin::readable(texts);
        let sentences = texts.iter().flat_map(|text| normalise::sentences(text));
        let norms: Vec<String> =
            sentences.flat_map(|sentence| sentence.words).map(|word| word.norm).collect();
        let words: Vec<&str> = norms.iter().flat_map(|norm| norm.split(' ')).collect();
        for (place, word) in words.iter().enumerate() {
            if question.wanted.len() >= MOST_WORDS {
                break;
            }
            let phrase = words.get(place + 1).and_then(|next| LISTS.phrases.get(&(*word, *next)));
            question.want(word, phrase.map_or(&[], Vec::as_slice));
        }
        let asks = |kind: &&AnswerKind| words.iter().any(|word| kind.asked_by.contains(word));
        question.answer_words = ANSWER_KINDS.iter().filter(asks).map(|kind| kind.answered_with).collect();
        question
    }

    fn want(&mut self, word: &str, phrase: &[&'static str]) {
        let searchable = word.chars().count() >= 2 && !LISTS.stop_words.contains(word);
        if self.wanted.iter().any(|wanted| wanted.word.as_deref() == Some(word)) {
            return;
        }
        let mut official = phrase.to_vec();
        if !searchable {
            if !official.is_empty() {
                self.wanted.push(Wanted { word: None, plain_forms: Vec::new(), official, is_subject: false });
            }
            return;
        }
        let plain_forms = plain_forms(word);
        let forms = || std::iter::once(word).chain(plain_forms.iter().map(String::as_str));
        official.extend(forms().find_map(|form| LISTS.official.get(form)).into_iter().flatten());
        let is_subject = forms().any(|form| LISTS.subjects.contains(form));
        self.wanted.push(Wanted { word: Some(word.to_owned()), plain_forms, official, is_subject });
    }

    /// The citizen's own words worth searching for, each once, in order.
    pub fn terms(&self) -> Vec<String> {
        self.wanted.iter().filter_map(|wanted| wanted.word.clone()).collect()
    }
}

/// A kind of answer: who asks for it with these words wants a passage that has some of those.
struct AnswerKind {
    asked_by: &'static [&'static str],
    answered_with: &'static [&'static str],
}

#[rustfmt::skip]
static ANSWER_KINDS: [AnswerKind; 8] = [
    // How much is it?
    AnswerKind {
        asked_by: &["biaya", "bayar", "ongkos", "tarif", "harga", "uang", "duit", "gratis", "denda", "dibayar", "iuran", "rp"],
        answered_with: &["biaya", "tarif", "gratis", "dipungut", "iuran", "denda", "retribusi", "bayar", "karcis", "rp"],
    },
    // When is it?
    AnswerKind {
        asked_by: &["kapan", "jam", "jadwal", "hari", "buka", "tutup", "pukul"],
        answered_with: &["pukul", "jam", "senin", "selasa", "rabu", "kamis", "jumat", "sabtu", "minggu", "jadwal", "buka"],
    },
    // How long does it take?
    AnswerKind {
        asked_by: &["lama", "selesai", "jadi", "kelar", "hari", "jadinya"],
        answered_with: &["selesai", "hari", "kerja", "jam", "terbit"],
    },
    // What must be brought?
    AnswerKind {
        asked_by: &["syarat", "persyaratan", "bawa", "dibawa", "membawa", "perlu", "berkas", "dokumen", "lampiran", "surat", "butuh", "pakai"],
        answered_with: &["syarat", "membawa", "fotokopi", "melampirkan", "berkas", "dokumen", "surat", "diperlukan"],
    },
    // Where is it?
    AnswerKind {
        asked_by: &["mana", "lokasi", "tempat", "alamat"],
        answered_with: &["loket", "beralamat", "alamat", "kantor", "ruang", "tempat"],
    },
    // Who is to be called?
    AnswerKind {
        asked_by: &["telepon", "hubungi", "kontak", "nomor", "siapa", "lapor", "laporkan", "menelepon"],
        answered_with: &["hubungi", "telepon", "nomor", "menghubungi", "lapor", "whatsapp"],
    },
    // Until when, how many at most?
    AnswerKind {
        asked_by: &["telat", "terlambat", "lambat", "batas", "maksimal"],
        answered_with: &["lambat", "lama", "sebelum", "setelah", "banyak"],
    },
    // Is it allowed?
    AnswerKind {
        asked_by: &["boleh", "bisa", "harus", "wajib"],
        answered_with: &["boleh", "dapat", "wajib", "harus", "tidak"],
    },
];

/// What a word may be without its affixes. Informal ones first ("ngajuin" → "aju", "nyerahin" → "serahkan", "bener" →
/// "benar"), then formal ones, as the lists have stems.
fn plain_forms(word: &str) -> Vec<String> {
    let mut endings: Vec<String> = vec![word.to_owned()];
    for (ending, shortest, instead) in ENDINGS {
        if let Some(stem) = word.strip_suffix(ending).filter(|_| word.len() >= *shortest) {
            endings.extend(instead.iter().map(|instead| format!("{stem}{instead}")));
        }
    }
    let mut forms: Vec<String> = endings.get(1..).unwrap_or_default().to_vec();
    for stem in &endings {
        for (beginning, instead) in BEGINNINGS {
            let Some(rest) = stem.strip_prefix(beginning) else { continue };
            let vowel = rest.starts_with(['a', 'e', 'i', 'o', 'u']);
            if beginning.len() > 1 || vowel {
                forms.extend(instead.iter().map(|instead| format!("{instead}{rest}")));
            }
        }
    }
    let darkened: Vec<String> =
        std::iter::once(word).chain(forms.iter().map(String::as_str)).filter_map(with_a).collect();
    forms.extend(darkened);
    let mut kept: Vec<String> = Vec::new();
    for form in forms {
        if form.len() >= SHORTEST_STEM && form != word && !kept.contains(&form) {
            kept.push(form);
        }
    }
    kept.truncate(MOST_PLAIN_FORMS);
    kept
}

/// "bener", "dateng": an e of the last syllable that is written a.
fn with_a(word: &str) -> Option<String> {
    let (before, after) = word.rsplit_once('e')?;
    let closed = !after.is_empty() && !after.contains(['a', 'i', 'o', 'u']);
    closed.then(|| format!("{before}a{after}"))
}

/// Ending, letters that the word has at least, and what may stand there instead.
const ENDINGS: &[(&str, usize, &[&str])] = &[
    ("in", 6, &["", "kan", "i"]),
    ("kan", 6, &[""]),
    ("an", 6, &[""]),
    ("ku", 5, &[""]),
    // Javanese: "dendane", "syarate", "kerjo".
    ("ne", 6, &[""]),
    ("e", 5, &["", "a"]),
    ("o", 4, &["a"]),
];

/// Beginning, and what may stand there instead. Those of one letter only before a vowel.
const BEGINNINGS: &[(&str, &[&str])] = &[
    ("di", &[""]),
    ("nge", &[""]),
    ("ng", &["", "k"]),
    ("ny", &["s", "c"]),
    ("m", &["p"]),
    ("n", &["t"]),
    ("ke", &["", "ter"]),
    ("meng", &["", "k"]),
    ("meny", &["s"]),
    ("mem", &["", "p"]),
    ("men", &["", "t"]),
    ("me", &[""]),
    ("ber", &[""]),
    ("ter", &[""]),
    ("peng", &["", "k"]),
    ("pem", &["", "p"]),
    ("pen", &["", "t"]),
    ("pe", &[""]),
];

/// The files, read once.
struct Lists {
    stop_words: HashSet<&'static str>,
    subjects: HashSet<&'static str>,
    official: HashMap<&'static str, Vec<&'static str>>,
    phrases: HashMap<(&'static str, &'static str), Vec<&'static str>>,
}

static LISTS: LazyLock<Lists> = LazyLock::new(|| {
    let lines = |file: &'static str| file.lines().filter(|line| !line.starts_with('#'));
    let words = |file: &'static str| lines(file).flat_map(str::split_whitespace).collect();
    let mut lists = Lists {
        stop_words: words(include_str!("../../../data/builtin/stopwords.txt")),
        subjects: words(include_str!("../../../data/builtin/subjects.txt")),
        official: HashMap::new(),
        phrases: HashMap::new(),
    };
    for line in lines(include_str!("../../../data/builtin/search.tsv")) {
        let Some((everyday, official)) = line.split_once('\t') else { continue };
        let official = official.split_whitespace().collect();
        match everyday.split_once(' ') {
            Some(phrase) => drop(lists.phrases.insert(phrase, official)),
            None => drop(lists.official.insert(everyday, official)),
        }
    }
    lists
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_become_terms() {
        for (question, expected) in [
            ("Gmn cara bikin KTP yg ilang ya min?", vec!["ktp", "hilang"]),
            ("jam buka kantornya", vec!["jam", "buka", "kantor"]),
            ("apa itu?", vec![]),
            ("ktp KTP k.t.p", vec!["ktp"]),
        ] {
            assert_eq!(Question::of(&[question.to_owned()]).terms(), expected, "{question}");
        }
    }

    #[test]
    fn everyday_words_stand_for_official_ones() {
        for (question, word, official) in [
            ("ongkosnya brp", "ongkos", "biaya"),
            ("mau ngajuin", "ngajuin", "permohonan"),
            ("bapak wafat", "wafat", "kematian"),
            ("dangdutan boleh?", "dangdutan", "keramaian"),
            ("buat surat miskin", "surat", "sktm"),
        ] {
            let question_read = Question::of(&[question.to_owned()]);
            let wanted = question_read.wanted.iter().find(|wanted| wanted.word.as_deref() == Some(word));
            assert!(
                wanted.is_some_and(|wanted| wanted.official.contains(&official)),
                "{question}: {question_read:?}"
            );
        }
    }

    #[test]
    fn informal_words_have_plain_forms() {
        for (word, plain) in [
            ("nyerahin", "serahkan"),
            ("dibenerin", "bener"),
            ("motong", "potong"),
            ("nulis", "tulis"),
            ("bener", "benar"),
            ("dendane", "denda"),
            ("kerjo", "kerja"),
            ("ngajuin", "ajukan"),
        ] {
            let forms = plain_forms(word);
            assert!(forms.iter().any(|form| form == plain), "{word}: {forms:?}");
        }
        assert!(plain_forms("ktp").is_empty());
    }

    #[test]
    fn a_subject_is_told_from_what_is_said_beside_it() {
        let question = Question::of(&["syarat perpanjang paspor kmn ya".to_owned()]);
        let subjects: Vec<_> = question
            .wanted
            .iter()
            .filter(|wanted| wanted.is_subject)
            .filter_map(|wanted| wanted.word.as_deref())
            .collect();
        assert_eq!(subjects, ["paspor"]);
    }

    #[test]
    fn the_lists_are_well_formed() {
        let lines = include_str!("../../../data/builtin/search.tsv").lines();
        let mut seen = HashSet::new();
        for line in lines.filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let (everyday, official) = line.split_once('\t').unwrap_or_default();
            assert!(!official.trim().is_empty() && everyday.split(' ').count() <= 2, "{line}");
            assert!(seen.insert(everyday), "twice: {line}");
        }
    }
}
