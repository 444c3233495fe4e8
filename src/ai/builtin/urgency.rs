//! Whether life or property is in danger now. Missing one is worse than a false alarm, yet "sering banjir" and "dekat
//! pos pemadam kebakaran" must not ring the alarm: a cue speaks for it in a sentence without a look-alike, or in one
//! that also says that it is happening. What was learned from examples weighs the cues and all other words.

use super::learned::{self, Features, Model};
use super::lexicon_danger::{
    self as danger, BODY, CALL, CAUGHT, CURRENT, DESPAIR, DISASTER, FIRE, PERSONS, TALK, VIOLENCE,
};
use super::normalise::{Sentence, sentences};
use crate::dialogue::understanding::Urgency;

/// Words that are looked at for kinds of danger: who is in danger is brief.
const MOST_WORDS: usize = 150;

/// Nobody says these about the past or in general.
#[rustfmt::skip]
const CERTAIN: &[&str] = &[
    "rumah terbakar", "sedang terbakar", "lagi terbakar", "masih terbakar", "sedang kebakaran", "lagi kebakaran", "ada kebakaran", "terjadi kebakaran", "kebakaran besar", "kebakaran hebat",
    "api membesar", "api semakin besar", "api makin besar", "api sudah besar", "api merambat", "ada api besar", "terjebak banjir", "terjebak api", "kejebak banjir", "air masuk rumah", "air sudah masuk rumah", "air masuk ke rumah",
    "air sudah masuk ke rumah", "sepinggang", "sedada", "seleher", "setinggi pinggang", "setinggi dada", "setinggi leher", "selutut", "setinggi lutut", "banjir bandang", "air naik terus", "air terus naik", "banjir naik", "banjir makin tinggi", "banjir semakin tinggi",
    "tolong evakuasi", "butuh evakuasi", "minta evakuasi", "perlu evakuasi", "perahu karet", "ada kecelakaan", "terjadi kecelakaan", "baru kecelakaan", "ada tabrakan", "terjadi tabrakan", "tabrak lari", "korban tergeletak",
    "sedang dipukuli", "lagi dipukuli", "sedang dikeroyok", "lagi dikeroyok", "sedang tawuran", "lagi tawuran", "ada tawuran", "sedang dirampok", "lagi dirampok", "ada rampok", "ada perampokan", "ada begal", "ada maling masuk", "maling masuk",
    "bawa senjata tajam", "bawa sajam", "bawa celurit", "bawa parang", "bawa golok", "mengancam membunuh", "mau dibunuh", "orang tenggelam", "anak tenggelam", "ada yang tenggelam", "hanyut", "terseret arus", "tertimbun", "tertimpa",
    "serangan jantung", "tidak sadarkan diri", "tidak sadar", "pingsan", "sesak napas", "sesak nafas", "kejang", "pendarahan", "butuh ambulans", "panggil ambulans", "minta ambulans", "perlu ambulans", "butuh ambulan", "mau melahirkan",
    "bunuh diri", "gas bocor", "bocor gas", "bau gas", "kesetrum", "tersengat listrik", "tersetrum", "korsleting", "korslet", "meledak", "ledakan", "panggil pemadam", "butuh pemadam", "minta pemadam", "tolong pemadam", "kirim pemadam",
    "keadaan darurat", "kondisi darurat", "ini darurat", "darurat tolong", "tolong darurat", "situasi darurat", "on fire", "there is a fire", "someone is drowning", "need ambulance", "need an ambulance", "trapped", "emergency",
    "disandera", "penculikan", "diculik", "ditusuk", "ditembak", "penembakan", "penusukan", "dibacok", "pembacokan", "pohon menimpa", "menimpa rumah", "menimpa mobil", "menimpa orang", "menimpa warga",
];

/// Emergencies unless the sentence speaks of habit, past, fear or paper.
#[rustfmt::skip]
const LIKELY: &[&str] = &[
    "kebakaran", "terbakar", "kebanjiran", "banjir", "longsor", "kecelakaan", "tabrakan", "tertabrak", "dipukuli", "dipukul", "dikeroyok", "pengeroyokan", "penganiayaan", "dianiaya", "kdrt", "kekerasan", "tawuran", "begal", "dibegal",
    "perampokan", "dirampok", "rampok", "tenggelam", "pemerkosaan", "diperkosa", "perkosaan", "keracunan", "darurat", "gempa", "puting beliung", "asap tebal", "kobaran api", "si jago merah", "korban jiwa", "banyak korban", "ada korban",
    "pembunuhan", "dibunuh", "fire", "accident", "flood", "flooded", "robbery", "drowning", "orang mengamuk", "ngamuk", "tabung gas", "kabel listrik putus", "kabel putus", "kabel pln putus", "tolong api", "ada api",
];

/// What makes a likely word an unlikely emergency.
#[rustfmt::skip]
const LOOKALIKES: &[&str] = &[
    "sering", "selalu", "setiap", "kadang", "biasa", "langganan", "rawan", "bekas", "pasca", "pernah", "dulu", "kemarin", "yang lalu", "tahun lalu", "minggu lalu", "bulan lalu", "semalam sudah", "mencegah", "pencegahan", "cegah", "antisipasi",
    "mengantisipasi", "sosialisasi", "simulasi", "pelatihan", "penyuluhan", "seminar", "takut", "khawatir", "kuatir", "cemas", "berpotensi", "potensi", "bisa menyebabkan", "bisa mengakibatkan", "bisa bikin", "bisa jadi", "bisa memicu", "dapat menyebabkan", "menyebabkan", "mengakibatkan",
    "penyebab", "agar tidak", "supaya tidak", "biar tidak", "jangan sampai", "sebelum", "tidak terjadi", "musim hujan", "musim", "kalau hujan", "jika hujan", "bila hujan", "pas hujan", "saat hujan", "tiap hujan", "kalau", "jika", "apabila", "bila", "seandainya", "misal",
    "pos pemadam", "pemadam kebakaran", "dinas pemadam", "kantor pemadam", "mobil pemadam", "damkar", "surat keterangan", "surat", "syarat", "prosedur", "bagaimana cara", "cara", "bantuan korban", "korban banjir", "korban kebakaran", "asuransi", "santunan",
    "sudah surut", "sudah padam", "sudah selesai", "sudah ditangani", "hydrant", "hidran", "alat pemadam", "apar", "jalur evakuasi", "nomor darurat", "nomor telepon", "kontak darurat", "tidak ada", "bukan", "bebas banjir", "anti banjir", "data", "jadwal", "program", "berita",
    "film", "proyek", "pengendali banjir", "penanggulangan", "mitigasi", "tugu", "monumen", "jual", "rekening", "lampu darurat", "pintu darurat", "tangga darurat", "unit gawat darurat", "igd", "potensial", "membuat banjir", "jadi banjir", "buat banjir",
    "sampai banjir", "hingga banjir", "often", "always", "every", "last year", "last week", "prevent", "fire station", "fire department", "bisa celaka", "rentan", "bulanan", "tahunan", "belum ada korban",
    "mampet", "tersumbat", "got", "selokan", "drainase", "gorong",
];

/// It is happening: overrides the look-alikes of habit and past.
#[rustfmt::skip]
const NOW: &[&str] = &[
    "sekarang", "saat ini", "barusan", "baru saja", "sedang", "masih berlangsung", "lagi ada", "detik ini", "cepat", "cepetan", "buruan", "right now", "now", "help",
];

/// Look-alikes that even "now" does not override: they are questions and papers.
#[rustfmt::skip]
const NEVER: &[&str] = &[
    "bagaimana cara", "syarat", "surat keterangan", "surat", "jika", "apabila", "seandainya", "simulasi",
    "sosialisasi", "pelatihan", "nomor darurat", "nomor telepon", "kontak darurat", "prosedur",
    "bantuan korban", "takut", "mencegah", "pencegahan",
];

/// How soon somebody must act on this text.
pub fn of(model: &Model, text: &str, sentences: &[Sentence]) -> Urgency {
    let emergency = model.emergency.takes_first(&features(text, sentences));
    if emergency { Urgency::Emergency } else { Urgency::Normal }
}

/// Whether this text by itself tells of an emergency; for deciding how long to wait for more.
///
/// Reads the first 2,000 characters: it is asked of every waiting message, and nobody writes that much in danger.
pub fn is_emergency(text: &str) -> bool {
    let head: String = text.chars().take(2000).collect();
    of(Model::shipped(), &head, &sentences(&head)) == Urgency::Emergency
}

/// What the model weighs: the words, and what the lists above found.
pub fn features(text: &str, sentences: &[Sentence]) -> Features {
    let mut rules = [0.0_f32; 8];
    for sentence in sentences {
        let found = cues(sentence);
        let figures = [found.certain, found.likely, found.doubtful, found.now, found.never, found.verdict()];
        for (rule, figure) in rules.iter_mut().zip(figures) {
            *rule = rule.max(f32::from(u8::from(figure)));
        }
    }
    rules[6] = f32::from(u8::from(text.contains('!')));
    rules[7] = f32::from(u8::from(sentences.iter().any(|sentence| sentence.asked)));
    let mut rules = rules.to_vec();
    rules.extend(kinds(sentences));
    Features { hashed: learned::features(sentences), rules }
}

/// Which kinds of danger are told of, and which of them together.
fn kinds(sentences: &[Sentence]) -> Vec<f32> {
    let words: Vec<&str> = sentences
        .iter()
        .flat_map(|sentence| sentence.norm.split_ascii_whitespace())
        .take(MOST_WORDS)
        .collect();
    let told = |stems: &[&str]| {
        stems.iter().any(|stem| match stem.len() {
            // Short stems are in too many words.
            0..=3 => words.contains(stem),
            _ if stem.contains(' ') => sentences.iter().any(|sentence| sentence.has(stem)),
            _ => words.iter().any(|word| word.contains(stem)),
        })
    };
    let dangers = [FIRE, BODY, CAUGHT, VIOLENCE, DISASTER, CURRENT, DESPAIR].map(&told);
    let around = [CALL, PERSONS, danger::ELSEWHEN, TALK].map(told);
    let [call, persons, elsewhen, talk] = around;
    let count = dangers.iter().filter(|danger| **danger).count();
    let any = count >= 1;
    let calm = !elsewhen && !talk;
    let together = [
        any && call,
        any && persons,
        any && call && calm,
        any && persons && calm,
        any && calm,
        any && (elsewhen || talk),
        count >= 2,
        count >= 2 && calm,
        count >= 3,
        dangers[1] && dangers[3],
        persons && dangers[2],
        call && !any,
        words.len() <= 3,
        words.len() <= 3 && any,
        words.len() > 15,
    ];
    let all = dangers.into_iter().chain(around).chain(together);
    all.map(|holds| f32::from(u8::from(holds))).collect()
}

/// What the lists find in a sentence.
struct Cues {
    certain: bool,
    likely: bool,
    doubtful: bool,
    now: bool,
    never: bool,
    /// Certain words, told of another time.
    elsewhen: bool,
}

fn cues(sentence: &Sentence) -> Cues {
    Cues {
        certain: sentence.has_any(CERTAIN),
        likely: sentence.has_any(LIKELY),
        doubtful: sentence.has_any(LOOKALIKES),
        now: sentence.has_any(NOW),
        never: sentence.has_any(NEVER) || (sentence.has("kalau") && sentence.asked),
        elsewhen: sentence.has_any(ELSEWHEN),
    }
}

/// "anak saya pernah tenggelam", "sering ada kecelakaan".
const ELSEWHEN: &[&str] = &[
    "pernah",
    "sering",
    "dulu",
    "rawan",
    "tahun lalu",
    "bekas",
    "bulan lalu",
    "minggu lalu",
    "agar tidak",
    "supaya tidak",
    "jangan sampai",
    "setiap",
];

impl Cues {
    /// What the lists alone would say.
    fn verdict(&self) -> bool {
        if self.never {
            false
        } else if self.certain {
            !self.elsewhen || self.now
        } else {
            self.likely && (!self.doubtful || self.now)
        }
    }
}
