//! What a complaint is about: words → the code of a category. The office's own list decides names and visibility; the
//! codes here are those every office starts with.

use std::ops::Range;

use super::normalise::Sentence;

/// What somebody may call the category "something else".
const OTHERS: &[&str] =
    &["lainnya", "lain", "lain lain", "yang lain", "other", "others", "tidak ada", "bukan semua"];

/// A cue below this says nothing.
const LEAST: f32 = 1.5;

/// Code, and its words with their weight. Nouns that also name places weigh little by themselves.
#[rustfmt::skip]
const CATEGORIES: &[(&str, &[(&str, f32)])] = &[
    ("jalan_rusak", &[
        ("jalan rusak", 3.5), ("jalan berlubang", 3.5), ("jalan lubang", 3.0), ("berlubang", 2.5), ("lubang", 2.0), ("bolong", 1.5), ("aspal", 2.5), ("jalan ambles", 3.5),
        ("jalan amblas", 3.5), ("ambles", 1.5), ("amblas", 1.5), ("jalan retak", 3.0), ("jalan hancur", 3.5), ("jalan jelek", 2.5), ("jalan becek", 2.5), ("jalan bergelombang", 3.0),
        ("paving", 2.5), ("jalan", 1.0), ("rusak", 0.6), ("cor", 1.0), ("dicor", 2.0), ("pothole", 4.0), ("potholes", 4.0), ("road", 1.0), ("damaged road", 3.5), ("broken road", 3.5),
        ("kerusakan jalan", 3.5), ("infrastruktur jalan", 3.0), ("gronjal", 2.0), ("becek", 1.0), ("jalan licin", 2.0), ("polisi tidur", 2.0)]),
    ("lampu_jalan", &[
        ("lampu jalan", 4.5), ("lampu penerangan", 4.0), ("penerangan jalan", 4.5), ("penerangan", 2.0), ("pju", 4.0), ("lampu mati", 3.5), ("lampu padam", 3.5), ("lampu", 2.0),
        ("gelap", 1.5), ("gelap gulita", 2.0), ("street light", 4.5), ("streetlight", 4.5), ("street lights", 4.5), ("street lamp", 4.5), ("lampu gang", 3.5)]),
    ("sampah", &[
        ("sampah", 4.0), ("tps", 1.5), ("tumpukan", 1.0), ("menumpuk", 1.0), ("limbah", 2.0), ("tidak diangkut", 1.5), ("belum diangkut", 1.5), ("garbage", 4.0), ("trash", 4.0),
        ("rubbish", 4.0), ("bau busuk", 1.0), ("popok", 1.5), ("bangkai", 2.0)]),
    ("drainase_banjir", &[
        ("banjir", 3.5), ("kebanjiran", 3.5), ("got", 3.5), ("selokan", 3.5), ("drainase", 3.5), ("saluran air", 3.5), ("saluran", 2.0), ("parit", 3.0), ("gorong", 3.5), ("mampet", 2.0),
        ("tersumbat", 2.0), ("genangan", 3.0), ("tergenang", 3.0), ("menggenang", 3.0), ("meluap", 2.5), ("luapan", 2.5), ("comberan", 3.0), ("rob", 2.0), ("flood", 3.5), ("flooded", 3.5), ("flooding", 3.5),
        ("drain", 3.0), ("sewer", 3.0)]),
    ("air_bersih", &[
        ("pdam", 4.0), ("air bersih", 4.0), ("air mati", 4.0), ("air tidak mengalir", 4.0), ("air tidak keluar", 4.0), ("air belum mengalir", 4.0), ("air tidak jalan", 4.0), ("air keruh", 4.0), ("air kotor", 2.5), ("air bau", 2.5),
        ("air berbau", 3.0), ("air kran", 3.5), ("kran", 2.5), ("keran", 2.5), ("ledeng", 3.5), ("pipa", 2.5), ("pipa bocor", 3.5), ("meteran air", 3.5), ("air macet", 3.5), ("tidak mengalir", 1.0), ("sumur", 2.0),
        ("kekeringan", 2.0), ("air kecil", 3.0), ("air minum", 2.5), ("tap water", 4.0), ("nomor water", 4.0), ("water supply", 4.0)]),
    ("pohon_tumbang", &[
        ("pohon tumbang", 5.0), ("pohon roboh", 5.0), ("pohon", 3.0), ("tumbang", 2.5), ("dahan", 3.0), ("ranting", 3.0), ("pohon rindang", 3.0), ("fallen tree", 5.0), ("tree", 3.0), ("rimbun", 1.5)]),
    ("keamanan_ketertiban", &[
        ("maling", 3.5), ("pencurian", 3.5), ("pencuri", 3.5), ("kemalingan", 3.5), ("dicuri", 3.0), ("begal", 4.0), ("dibegal", 4.0), ("tawuran", 4.0), ("preman", 3.5), ("mabuk", 3.5), ("miras", 3.5), ("narkoba", 4.0), ("judi", 3.5), ("sabung ayam", 3.5),
        ("curanmor", 4.0), ("balap liar", 4.0), ("balapan liar", 4.0), ("parkir liar", 4.0), ("parkir sembarangan", 4.0), ("pedagang kaki lima", 3.0), ("pkl", 2.5), ("pengemis", 3.0), ("gelandangan", 3.0), ("odgj", 3.5), ("orang gila", 3.5),
        ("perkelahian", 3.5), ("berkelahi", 3.5), ("rampok", 3.5), ("perampokan", 4.0), ("dirampok", 4.0), ("tidak aman", 2.5), ("anjing liar", 3.0), ("keamanan", 2.5), ("ketertiban", 2.5), ("kekerasan", 3.0), ("dipukul", 3.0),
        ("dipukuli", 3.0), ("pengeroyokan", 3.5), ("pemalakan", 3.5), ("dipalak", 3.5), ("thief", 3.5), ("robbery", 4.0), ("stolen", 2.5), ("kebakaran", 2.0), ("kecelakaan", 2.0), ("prostitusi", 3.5), ("meresahkan", 1.0), ("gangster", 3.5), ("geng motor", 4.0)]),
    ("kebisingan", &[
        ("bising", 3.5), ("kebisingan", 4.0), ("berisik", 3.5), ("suara keras", 3.5), ("musik keras", 4.0), ("musik", 2.0), ("sound horeg", 4.5), ("sound system", 3.5), ("karaoke", 3.5), ("karaokean", 3.5), ("knalpot", 3.0),
        ("knalpot brong", 4.0), ("dangdutan", 3.0), ("orgen tunggal", 3.0), ("suara", 1.0), ("speaker", 2.5), ("noise", 4.0), ("noisy", 4.0), ("loud music", 4.5), ("petasan", 3.0)]),
    ("pelayanan_administrasi", &[
        ("pelayanan", 2.5), ("pelayanan lambat", 4.0), ("petugas tidak ramah", 4.5), ("tidak ramah", 2.5), ("judes", 2.5), ("galak", 1.5), ("pungli", 4.5), ("pungutan liar", 4.5), ("minta uang", 3.0), ("diminta uang", 3.5), ("diminta bayar", 3.0), ("uang rokok", 3.5),
        ("antri", 2.5), ("antrian", 2.5), ("antrean", 2.5), ("dipersulit", 3.5), ("dipingpong", 3.5), ("ktp", 1.6), ("kk", 1.6), ("akta", 1.6), ("surat", 1.2), ("administrasi", 2.5), ("loket", 2.5), ("e ktp", 1.6), ("calo", 3.5), ("bansos", 2.0), ("pegawai", 1.5)]),
    ("fasilitas_umum", &[
        ("fasilitas umum", 4.0), ("fasum", 4.0), ("taman", 2.0), ("taman bermain", 3.5), ("ayunan", 3.0), ("perosotan", 3.0), ("halte", 3.0), ("jembatan", 3.0), ("jembatan rusak", 4.5), ("trotoar", 3.5), ("wc umum", 4.0), ("toilet umum", 4.0), ("toilet", 2.0),
        ("lapangan", 2.0), ("posyandu", 2.0), ("pos ronda", 3.0), ("bangku taman", 3.5), ("rambu", 3.0), ("lampu merah", 3.5), ("lampu lalu lintas", 4.5), ("traffic light", 4.5), ("zebra cross", 3.5), ("pagar", 1.5), ("balai warga", 2.5), ("guardrail", 3.0), ("sidewalk", 3.5),
        ("bridge", 3.0), ("playground", 3.5), ("tiang listrik", 2.5), ("kabel", 2.0), ("penyeberangan", 2.5)]),
];

/// What is none of the others.
pub const SOMETHING_ELSE: &str = "lainnya";

/// Every code, [`SOMETHING_ELSE`] last.
pub fn codes() -> impl Iterator<Item = &'static str> {
    CATEGORIES.iter().map(|(code, _)| *code).chain([SOMETHING_ELSE])
}

/// Words that say that something is wrong, whatever it is. Also where the name of a place ends.
#[rustfmt::skip]
pub const FAULTS: &[&str] = &[
    "rusak", "kerusakan", "berlubang", "lubang", "bolong", "retak", "pecah", "ambles", "amblas", "ambrol", "roboh", "jebol", "longsor", "mati", "padam", "bocor", "mampet", "tersumbat", "buntu",
    "menumpuk", "tumpukan", "bertumpuk", "berserakan", "berceceran", "bau", "berbau", "kotor", "keruh", "jorok", "banjir", "kebanjiran", "tergenang", "genangan", "menggenang", "meluap", "tumbang", "miring", "patah",
    "dicuri", "kemalingan", "macet", "gelap", "putus", "menjuntai", "mengganggu", "meresahkan", "bising", "berisik", "hancur", "jelek", "becek", "licin", "bergelombang", "maling", "pencurian",
    "begal", "dibegal", "tawuran", "mabuk", "judi", "pungli", "lambat", "lelet", "dipersulit", "dipingpong", "judes", "bahaya", "membahayakan", "berbahaya", "liar", "sembarangan", "kebakaran", "terbakar", "kecelakaan",
    "bermasalah", "terbengkalai", "terlantar", "kobong", "kabur", "karatan", "keropos", "kedip", "berkedip", "pengemis", "odgj", "rampok", "dirampok", "berkelahi", "perkelahian", "balapan", "karaoke", "karaokean", "dangdutan",
    "broken", "damaged", "leaking", "blocked", "overflowing", "smelly", "pothole", "potholes", "flooded", "flooding", "noisy", "loud", "fallen", "stolen", "dirty", "dark",
];

/// The same in several words.
#[rustfmt::skip]
const FAULT_PHRASES: &[&str] = &[
    "tidak menyala", "tidak nyala", "tidak hidup", "tidak mengalir", "tidak keluar", "tidak jalan", "tidak lancar", "tidak diangkut", "belum diangkut", "tidak diambil", "belum diambil", "belum mengalir",
    "tidak berfungsi", "tidak ramah", "tidak terurus", "tidak dirawat", "tidak terawat", "tidak aman", "lama sekali", "minta uang", "diminta uang", "diminta bayar", "uang rokok", "belum jadi", "tidak pernah diangkut",
    "tidak ada lampu", "suara keras", "musik keras", "not working", "not collected", "nomor water", "out of order", "buang sampah",
    "sound horeg", "knalpot brong", "balap liar", "parkir liar", "geng motor", "anjing liar", "orang gila", "buntu", "mau roboh", "mau tumbang", "air kecil",
];

/// How clearly the words speak of each category, and where first; in the order of the list.
fn cues(sentences: &[Sentence]) -> impl Iterator<Item = (&'static str, f32, usize)> {
    CATEGORIES.iter().map(move |(code, cues)| {
        let mut score = 0.0;
        let mut first = usize::MAX;
        for (order, sentence) in sentences.iter().enumerate() {
            for (phrase, weight) in *cues {
                if sentence.has(phrase) {
                    score += weight;
                    first = first.min(order * 10_000 + sentence.norm.find(phrase).unwrap_or(0));
                }
            }
        }
        (*code, score, first)
    })
}

/// How clearly the words speak of each category, in a fixed order.
pub fn scores(sentences: &[Sentence]) -> impl Iterator<Item = f32> {
    cues(sentences).map(|(_, score, _)| score)
}

/// The category that the words speak of, with how clearly; the first named wins a tie.
pub fn classify(sentences: &[Sentence]) -> Option<(&'static str, f32)> {
    let mut best: Option<(&'static str, f32, usize)> = None;
    for (code, score, first) in cues(sentences) {
        let better =
            best.is_none_or(|(_, most, earliest)| score > most || (score == most && first < earliest));
        if score >= LEAST && better {
            best = Some((code, score, first));
        }
    }
    best.map(|(code, score, _)| (code, score))
}

/// The answer to "which category?": a category's words, or "something else".
pub fn answered(sentences: &[Sentence]) -> Option<&'static str> {
    if sentences.iter().any(|sentence| sentence.is_any(OTHERS)) {
        return Some("lainnya");
    }
    let bare = |sentence: &Sentence| {
        CATEGORIES.iter().map(|(code, _)| *code).find(|code| code.replace('_', " ") == sentence.norm.trim())
    };
    sentences.iter().find_map(bare).or_else(|| classify(sentences).map(|(code, _)| code)).or_else(|| {
        sentences.iter().find_map(|sentence| match sentence.norm.trim() {
            "jalan" => Some("jalan_rusak"),
            "air" => Some("air_bersih"),
            "keamanan" | "ketertiban" => Some("keamanan_ketertiban"),
            _ => None,
        })
    })
}

/// Whether a sentence says that something is wrong.
pub fn tells_fault(sentence: &Sentence) -> bool {
    sentence.words.iter().any(|word| FAULTS.contains(&word.norm.as_str())) || sentence.has_any(FAULT_PHRASES)
}

/// The sentences without the words inside `spans`: "depan taman" must not make it about the park.
pub fn outside(sentences: &[Sentence], spans: &[Range<usize>]) -> Vec<Sentence> {
    sentences.iter().map(|sentence| sentence.without(spans)).collect()
}
