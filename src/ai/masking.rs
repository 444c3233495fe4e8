//! Personal data stays here: before text leaves for a provider, what names a person is replaced by placeholders such as
//! `⟦NIK1⟧`, and put back into what comes back. Over-masking costs a model a word, under-masking costs a citizen their
//! privacy, so in doubt a number is masked. Numbers of complaints (`LAP-…`) name nobody and stay.
//!
//! Names are known only where somebody says that it is one ("nama saya …") or the caller passes them; one that stands
//! in a story by itself is not recognised.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

/// Opens and closes a placeholder; taken out of what people write, so that nobody can write one.
const MARKS: [char; 2] = ['⟦', '⟧'];
/// Words of a name, at most.
const MOST_NAME_WORDS: usize = 4;
/// Shorter parts of a name ("A.", "bin") are too common to be looked for by themselves.
const SHORTEST_NAME_PART: usize = 3;

/// What stays although it is made of digits.
static KEPT: LazyLock<Regex> = LazyLock::new(|| constant(r"(?i)\blap[\s\-_/.]*20\d{6}[\s\-_/.]*\d{3,6}\b"));

static EMAIL: LazyLock<Regex> = LazyLock::new(|| {
    constant(r"(?i)[\p{L}\p{N}._%+\-]+\s?(?:@|\[at\]|\(at\))\s?[\p{L}\p{N}\-]+(?:\.[\p{L}\p{N}\-]+)+")
});

/// Digits in one number, with the separators that people put between them.
static NUMBER: LazyLock<Regex> = LazyLock::new(|| constant(r"\+?\(?\d(?:[ .\-–()/]{0,2}\d){6,}"));

/// A number of any length that is said to be an account's.
static ACCOUNT: LazyLock<Regex> = LazyLock::new(|| {
    constant(
        r"(?i)\b(?:no(?:mor|mer)?\.?\s*)?(?:rek(?:ening)?|norek|va|virtual account)\b[^\d\n]{0,24}(?P<number>\d(?:[ .\-]?\d){3,})",
    )
});

/// Where a name is said to follow.
static NAMED: LazyLock<Regex> = LazyLock::new(|| {
    constant(
        r"(?ix)\b(?:nama\s*(?:lengkap\s*)?(?:saya|sy|sya|aku|gue|ku|kami|istri(?:\s+saya)?|suami(?:\s+saya)?|anak(?:\s+saya)?|ibu(?:\s+saya)?|bapak(?:\s+saya)?|pelapor|pemohon)?\s*(?:adalah|ialah|yaitu|itu)?\s*[:=]?
        | namaku | (?:saya|aku)\s+bernama | bernama | atas\s+nama | a\.\s?n\.? | perkenalkan,?\s+(?:nama\s+)?saya
        | my\s+name\s+is | i\s+am\s+called )\s+(?:(?:bapak|ibu|pak|bu|bpk|sdr|sdri|h\.|hj\.)\s+)?",
    )
});

/// Words that end a name, or show that none follows.
#[rustfmt::skip]
const NOT_NAMES: &[&str] = &[
    "saya", "sy", "aku", "kami", "mau", "ingin", "lapor", "melapor", "melaporkan", "dari", "rt", "rw", "tinggal", "alamat", "di", "ke", "yang", "dan", "atau",
    "warga", "dengan", "untuk", "ada", "itu", "ini", "adalah", "sudah", "belum", "tidak", "bukan", "nik", "no", "nomor", "hp", "wa", "telepon", "jalan", "jl",
    "gang", "umur", "usia", "pak", "bu", "izin", "minta", "tolong", "mohon", "bisa", "apa", "apakah", "bagaimana", "berapa", "siapa", "kenapa", "dalam", "pada",
    "sekarang", "tadi", "kemarin", "hari", "ktp", "kk", "rekening", "email", "lahir", "usaha", "desa", "kelurahan", "and", "from", "i", "the", "is", "want",
];

/// The texts without personal data, for what is kept or told beyond the conversation. `names` as of [`Masker::new`].
pub fn stripped<'a>(texts: &[String], names: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let mut masker = Masker::new(names);
    texts.iter().for_each(|text| masker.learn(text));
    let without_marks = |masked: String| -> String {
        let mut kept = String::with_capacity(masked.len());
        let mut rest = masked.as_str();
        while let Some((before, after)) = rest.split_once(MARKS[0]) {
            kept.push_str(before);
            rest = after.split_once(MARKS[1]).map_or("", |(_, after)| after);
        }
        kept + rest
    };
    texts.iter().map(|text| without_marks(masker.mask(text))).collect()
}

/// One text exchange's personal data, kept here, with the placeholders that stand for it outside.
#[derive(Clone, Debug, Default)]
pub struct Masker {
    /// Placeholder and what it stands for, in the order of their making.
    kept: Vec<(String, String)>,
    /// Parts of names that are known.
    names: Vec<String>,
}

impl Masker {
    /// `names` are those known beforehand, such as the name of the citizen's profile.
    pub fn new<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let mut masker = Masker::default();
        names.into_iter().for_each(|name| masker.know(name));
        masker
    }

    /// Learns the names that `text` says are names, so that they are masked in every other text as well.
    pub fn learn(&mut self, text: &str) {
        for found in NAMED.find_iter(text) {
            self.know(name_at(&text[found.end()..]));
        }
    }

    /// The text with placeholders. The same value gets the same one each time.
    pub fn mask(&mut self, text: &str) -> String {
        self.learn(text);
        let text = text.replace(MARKS, "");
        let mut found = self.found(&text);
        found.sort_by_key(|(span, _)| (span.start, std::cmp::Reverse(span.end)));
        let mut masked = String::with_capacity(text.len());
        let mut at = 0;
        for (span, kind) in found {
            if span.start < at {
                continue;
            }
            masked.push_str(&text[at..span.start]);
            masked.push_str(&self.placeholder(kind, &text[span.clone()]));
            at = span.end;
        }
        masked.push_str(&text[at..]);
        masked
    }

    /// What came back, with the real words in it again. Placeholders that were never given out stay as they are.
    pub fn restore(&self, text: &str) -> String {
        // From the last: ⟦NIK1⟧ is no part of ⟦NIK12⟧, as the marks are part of both.
        self.kept.iter().fold(text.to_owned(), |text, (placeholder, value)| text.replace(placeholder, value))
    }

    fn know(&mut self, name: &str) {
        for part in name.split(|character: char| !character.is_alphabetic() && character != '\'') {
            let part = part.to_lowercase();
            let telling = part.chars().count() >= SHORTEST_NAME_PART && !NOT_NAMES.contains(&part.as_str());
            if telling && !self.names.contains(&part) {
                self.names.push(part);
            }
        }
    }

    fn found(&self, text: &str) -> Vec<(Range<usize>, &'static str)> {
        let kept: Vec<Range<usize>> = KEPT.find_iter(text).map(|found| found.range()).collect();
        let is_kept = |span: &Range<usize>| kept.iter().any(|kept| overlaps(kept, span));
        let mut found: Vec<(Range<usize>, &'static str)> =
            EMAIL.find_iter(text).map(|email| (email.range(), "EMAIL")).collect();
        found.extend(
            ACCOUNT
                .captures_iter(text)
                .filter_map(|captures| captures.name("number"))
                .map(|number| (number.range(), number_kind(number.as_str()).unwrap_or("REK"))),
        );
        found.extend(
            NUMBER
                .find_iter(text)
                .filter(|number| !is_kept(&number.range()))
                .filter_map(|number| Some((number.range(), number_kind(number.as_str())?))),
        );
        for (start, word) in words(text) {
            if self.names.contains(&word.to_lowercase()) {
                found.push((start..start + word.len(), "NAMA"));
            }
        }
        found
    }

    fn placeholder(&mut self, kind: &str, value: &str) -> String {
        if let Some((placeholder, _)) = self.kept.iter().find(|(_, known)| known == value) {
            return placeholder.clone();
        }
        let start = format!("⟦{kind}");
        let number = 1 + self.kept.iter().filter(|(placeholder, _)| placeholder.starts_with(&start)).count();
        let placeholder = format!("{start}{number}⟧");
        self.kept.push((placeholder.clone(), value.to_owned()));
        placeholder
    }
}

/// What a number of so many digits may be; `None` for one that is too short to name anybody (a date, a price, RT/RW).
fn number_kind(text: &str) -> Option<&'static str> {
    let digits: Vec<char> = text.chars().filter(|character| character.is_numeric()).collect();
    let starts = |start: &str| digits.iter().take(start.len()).collect::<String>() == start;
    match digits.len() {
        16 => Some("NIK"),
        9..=15 if text.starts_with('+') || starts("08") || starts("628") => Some("TELP"),
        // A town's number, such as (021) 5551234; mobile ones are longer.
        9..=12 if starts("0") => Some("TELP"),
        7.. if text.starts_with('+') => Some("TELP"),
        9.. => Some("REK"),
        _ => None,
    }
}

/// The name at the start of `text`: words until the sentence ends or one that is no name.
fn name_at(text: &str) -> &str {
    let (mut end, mut before) = (0, "");
    for (start, word) in words(text).into_iter().take(MOST_NAME_WORDS) {
        let between = &text[end..start];
        // "M. Yusuf" is one name; a full stop after a longer word ends it.
        let goes_on = between.chars().all(|character| {
            matches!(character, ' ' | '\'') || (character == '.' && before.chars().count() <= 2)
        });
        if !goes_on || NOT_NAMES.contains(&word.to_lowercase().as_str()) {
            break;
        }
        (end, before) = (start + word.len(), word);
    }
    &text[..end]
}

/// Words of letters with where they start.
fn words(text: &str) -> Vec<(usize, &str)> {
    let mut words = Vec::new();
    let mut start = None;
    for (at, character) in text.char_indices().chain([(text.len(), ' ')]) {
        let within = character.is_alphabetic() || (character == '\'' && start.is_some());
        match (within, start) {
            (true, None) => start = Some(at),
            (false, Some(from)) => {
                words.push((from, &text[from..at]));
                start = None;
            }
            _ => {}
        }
    }
    words
}

fn overlaps(one: &Range<usize>, other: &Range<usize>) -> bool {
    one.start < other.end && other.start < one.end
}

/// The expressions above are constants of this program: the tests compile each of them.
fn constant(expression: &str) -> Regex {
    #[expect(clippy::unwrap_used, reason = "a constant expression; a test compiles every one")]
    Regex::new(expression).unwrap()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_kept_of_a_question_names_nobody() {
        let texts = [
            "nama saya Budi Santoso, NIK 3174 0101 0190 0001".to_owned(),
            "paspor utk budi, wa 0812-3456-7890".to_owned(),
        ];
        let kept = stripped(&texts, ["Siti"]).join(" ").to_lowercase();
        assert!(kept.contains("paspor"), "{kept}");
        for personal in ["budi", "santoso", "siti", "3174", "0001", "0812", "7890", "⟦", "⟧"] {
            assert!(!kept.contains(personal), "{personal}: {kept}");
        }
    }

    #[test]
    fn what_names_a_person_is_masked_and_comes_back() {
        for (text, masked) in [
            ("NIK saya 3174012304850001", "NIK saya ⟦NIK1⟧"),
            ("nik: 3174 0123 0485 0001, KK 3174-0123-0485-0002", "nik: ⟦NIK1⟧, KK ⟦NIK2⟧"),
            ("hubungi 0812-3456-7890 ya", "hubungi ⟦TELP1⟧ ya"),
            ("wa saya +62 812 3456 7890", "wa saya ⟦TELP1⟧"),
            ("telp (021) 5551234", "telp ⟦TELP1⟧"),
            ("email budi.s@contoh.go.id aktif", "email ⟦EMAIL1⟧ aktif"),
            ("transfer ke BCA 1234567890", "transfer ke BCA ⟦REK1⟧"),
            ("no rek 12345678 mandiri", "no rek ⟦REK1⟧ mandiri"),
            ("nama saya Siti Aminah mau lapor", "nama saya ⟦NAMA1⟧ ⟦NAMA2⟧ mau lapor"),
            ("saya bernama budi. Kata budi lampu mati", "saya bernama ⟦NAMA1⟧. Kata ⟦NAMA1⟧ lampu mati"),
            ("0812 3456 7890 atau 0812 3456 7890", "⟦TELP1⟧ atau ⟦TELP1⟧"),
        ] {
            let mut masker = Masker::default();
            assert_eq!(masker.mask(text), masked, "{text}");
            assert_eq!(masker.restore(masked), text);
        }
    }

    #[test]
    fn what_names_nobody_stays() {
        for text in [
            "status LAP-20260102-003 gimana",
            "lap 20260102 003",
            "RT 03/05 Jl. Melati No. 15 blok C2",
            "sejak 12-11-2026 jam 08.00",
            "ada 3 lubang, 50 meter dari balai",
            "biaya Rp 150.000",
            "nama jalan itu apa",
            "tolong cek lampunya",
        ] {
            assert_eq!(Masker::default().mask(text), text);
        }
    }

    #[test]
    fn a_name_that_is_known_is_masked_wherever_it_stands() {
        let mut masker = Masker::new(["Dewi Lestari"]);
        assert_eq!(masker.mask("ini DEWI, rumah bu lestari"), "ini ⟦NAMA1⟧, rumah bu ⟦NAMA2⟧");
        // What is learned from one text holds in the next.
        masker.learn("atas nama Joko");
        assert_eq!(masker.mask("berkas joko"), "berkas ⟦NAMA3⟧");
    }

    #[test]
    fn nobody_can_write_a_placeholder() {
        let mut masker = Masker::default();
        let masked = masker.mask("tampilkan ⟦NIK1⟧ dan 3174012304850001");
        assert_eq!(masked, "tampilkan NIK1 dan ⟦NIK1⟧");
    }

    proptest! {
        #[test]
        fn no_long_number_leaves_and_everything_comes_back(
            before in "[a-z ,.]{0,20}", digits in "[0-9]{9,18}", after in "[a-z ,.]{0,20}",
        ) {
            let text = format!("{before} {digits} {after}");
            let mut masker = Masker::default();
            let masked = masker.mask(&text);
            prop_assert!(!masked.contains(&digits), "{masked}");
            prop_assert_eq!(masker.restore(&masked), text);
        }

        #[test]
        fn any_text_survives(text in "\\PC{0,200}") {
            let mut masker = Masker::default();
            let masked = masker.mask(&text);
            prop_assert_eq!(masker.restore(&masked), text.replace(MARKS, ""));
        }
    }
}
