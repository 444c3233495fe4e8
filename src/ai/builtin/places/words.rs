//! The words that places are told with: what opens one, what runs on, and what is never part of one.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use crate::ai::builtin::categories::FAULTS;

/// Words that people use for all sorts of things and seldom as names, counted in the project's examples by
/// `examples/train_builtin`.
pub static ORDINARY: LazyLock<HashSet<&'static str>> =
    LazyLock::new(|| include_str!("../../../../data/builtin/model/ordinary.txt").lines().collect());

/// Words that are as often part of a name.
#[rustfmt::skip]
pub const OF_NAMES: &[&str] = &[
    "baru", "raya", "utama", "indah", "asri", "jaya", "timur", "barat", "utara", "selatan", "tengah", "lama", "tua", "besar", "kecil",
    "serbaguna", "kota", "desa", "negeri", "agung", "besi", "kayu", "gantung", "tol", "induk", "pusat", "hijau", "merah", "putih", "biru",
    "wetan", "kulon", "lor", "kidul", "damai", "makmur", "sejahtera", "mulya", "ikan", "voli", "bola", "futsal", "sayur", "hewan", "ronda",
    "satpam", "kamling", "warga", "bermain", "kidul", "parkir", "balita", "beras", "padi", "haji", "melati", "mawar", "kenanga", "anggrek", "mangga", "rambutan", "jambu",
    "nangka", "durian", "kelapa", "pisang", "salak", "manggis", "pemadam", "pemuda", "pahlawan", "merdeka",
];

#[rustfmt::skip]
pub const LANDMARK_MARKERS: &[&str] = &[
    "depan", "belakang", "samping", "sebelah", "dekat", "seberang", "sekitar", "sekitaran", "pinggir",
    "ujung", "pojok", "antara", "perempatan", "pertigaan", "simpang", "bundaran", "bawah", "atas",
    "sepanjang", "arah", "menuju", "tikungan", "belokan", "tanjakan", "turunan", "pojokan", "pinggiran", "sisi",
    "persimpangan", "tepi", "near", "opposite", "behind", "beside", "along", "outside",
];
#[rustfmt::skip]
pub const AREA_MARKERS: &[&str] = &[
    "perumahan", "komplek", "kampung", "dusun", "dukuh", "desa", "kelurahan", "kecamatan", "blok", "cluster",
    "rusun", "rusunawa", "apartemen", "daerah", "kawasan", "wilayah", "lingkungan", "griya", "puri", "permata",
    "nagari", "jorong", "banjar", "dukuhan", "lembang", "residence", "regency",
];
pub const STREET_MARKERS: &[&str] = &["jalan", "gang", "lorong"];
pub const NUMBER_MARKERS: &[&str] = &["nomor", "rt", "rw", "km", "blok", "gang", "kav", "kavling", "lorong"];
#[rustfmt::skip]
pub const PLACE_NOUNS: &[&str] = &[
    "pasar", "masjid", "musholla", "gereja", "pura", "wihara", "vihara", "sekolah", "sd", "sdn", "sdit",
    "smp", "smpn", "sma", "sman", "smk", "smkn", "mts", "mtsn", "man", "tk", "paud", "kampus", "universitas",
    "puskesmas", "posyandu", "klinik", "apotek", "terminal", "stasiun", "halte", "taman", "lapangan",
    "jembatan", "alun", "tpu", "tps", "pemakaman", "makam", "kuburan", "sungai", "kali", "indomaret",
    "alfamart", "warung", "toko", "minimarket", "spbu", "pom", "bank", "bengkel", "balai", "gor", "stadion",
    "gapura", "pos", "terowongan", "flyover", "ruko", "pabrik", "gudang", "kios", "tugu", "waduk", "embung",
    "kolam", "rumah", "gedung", "kantor", "rs", "rsud", "rsia", "pustu", "polsek", "polres", "koramil", "pesantren",
    "ponpes", "madrasah", "surau", "mi", "ma", "tpq", "kelenteng", "klenteng", "koperasi", "pegadaian", "pangkalan",
    "parkiran", "rel", "perlintasan", "irigasi", "bendungan", "bendung", "danau", "pantai", "dermaga", "pelabuhan",
    "kafe", "cafe", "salon", "fotokopi", "konter", "laundry", "apotik", "bidan", "kost", "kontrakan", "mall", "plaza",
    "hotel", "penginapan", "menara", "tower", "gerbang", "portal", "bunderan", "shelter", "kebun", "sawah", "mushola",
    "counter", "percetakan", "showroom", "pemancingan", "peternakan", "stand", "sanggar", "aula", "pendopo",
    "lahan", "tanah", "kosan", "kos", "lapak", "karaoke", "warkop", "angkringan", "kantin", "rental", "warnet", "panti", "studio",
    "pencucian", "cucian", "depot", "agen", "kandang", "penggilingan", "mebel", "kolong", "halaman", "loket", "wisma", "cuci",
    "mosque", "school", "market", "church", "station", "bridge", "park",
];
/// Things of the public that have a name, or are named by where they are: "halte Sudirman", "taman depan balai desa".
#[rustfmt::skip]
pub const NAMED_THINGS: &[&str] = &[
    "pasar", "halte", "taman", "jembatan", "lapangan", "terminal", "stasiun", "bengkel", "alun", "terowongan",
    "flyover", "masjid", "musholla", "puskesmas", "posyandu", "balai", "gor", "stadion", "pos", "sungai", "kali",
];
/// What follows such a thing without being its name.
#[rustfmt::skip]
pub const KINDS: &[&str] = &[
    "umum", "desa", "kota", "kampung", "warga", "bermain", "baca", "penyeberangan", "kayu", "besi", "beton", "gantung",
    "goyang", "oleng", "reyot", "bobrok", "angker", "sepi", "ramai", "rame", "lama", "baru", "tua", "sempit", "tutup",
    "kebanjiran", "gajebo", "olahraga", "ronda", "kamling", "satpam", "hujan", "tumpah", "kumuh", "semrawut", "pintar",
];
/// Place nouns that say too little when nothing follows.
pub const VAGUE_ALONE: &[&str] = &[
    "rumah", "kantor", "gedung", "warung", "toko", "pos", "bank", "pom", "kampus", "sekolah", "kali",
    "sungai", "kios", "sd", "smp", "sma", "tk",
];
/// What, in front of a person's name, is part of a landmark ("depan rumah pak Budi").
pub const HOUSES: &[&str] =
    &["rumah", "warung", "toko", "kios", "bengkel", "kediaman", "kontrakan", "kost", "kos"];
#[rustfmt::skip]
pub const CORRECTIONS: &[&str] = &[
    "bukan", "salah", "ralat", "maksud", "maksudnya", "koreksi", "ganti", "ubah", "sorry", "eh", "ternyata",
    "seharusnya", "harusnya",
];
pub const TIME_UNITS: &[&str] = &[
    "hari", "minggu", "bulan", "tahun", "jam", "menit", "kali", "orang", "titik", "meter", "lubang", "unit",
    "buah", "rumah", "kk", "tiang", "lampu", "pohon", "cm", "m",
];
/// Words that a place never runs over.
#[rustfmt::skip]
pub const STOPS: &[&str] = &[
    "yang", "ini", "itu", "di", "ke", "dari", "dan", "atau", "serta", "sudah", "belum", "tidak", "ada", "adalah", "banyak", "sering", "selalu", "sangat",
    "sekali", "parah", "tolong", "mohon", "minta", "harap", "karena", "sehingga", "jadi", "menjadi", "buat", "untuk", "dengan", "pada", "saat", "sejak", "hari", "minggu",
    "bulan", "tahun", "tadi", "kemarin", "sekarang", "lagi", "masih", "mau", "ingin", "saya", "kami", "kita", "ku", "warga", "anak", "mobil", "motor", "semua", "sampai",
    "hingga", "terus", "setiap", "kalau", "bisa", "harus", "akan", "apa", "apakah", "kapan", "bagaimana", "kenapa", "berapa", "siapa", "kok", "dong", "ya", "nih", "sih", "deh", "tuh",
    "mas", "kakak", "mbak", "bang", "admin", "bapak", "ibu", "jam", "pukul", "malam", "pagi", "siang", "sore", "besok", "terima", "kasih", "lapor", "laporan", "laporkan",
    "tapi", "jual", "jualan", "juga", "nyala", "menyala", "hidup", "saja", "seperti", "sama", "oleh", "agar", "supaya", "biar", "segera", "cepat", "kondisi", "keadaan", "situ", "sini", "sana", "bukan", "mana", "boleh", "perlu",
    "sekalian", "oh", "eh", "omong", "kira", "tiba", "para", "lalu", "habis", "kena", "cuma", "hanya", "seminggu", "sebulan", "seharian", "berhari", "bertahun", "bermalam",
    "status", "syarat", "cara", "tanya", "butuh", "hampir", "mulai", "kurang", "makin", "semakin", "penuh", "total", "semalam", "is", "are", "has", "have", "the", "and", "since", "for",
    "please", "was", "been", "menutup", "menghalangi", "kabel", "bahaya", "tertutup", "sejumlah", "beberapa", "dalam", "luar", "ukuran", "besar", "kecil", "umum", "rt",
];
/// Things that are broken rather than names of places, unless they follow a landmark's marker or are capitalised.
#[rustfmt::skip]
pub const THINGS: &[&str] = &[
    "lampu", "sampah", "pohon", "got", "selokan", "parit", "air", "aspal", "drainase", "saluran", "jalan", "banjir", "pipa", "pdam", "listrik", "tiang", "trotoar", "lubang",
    "pelayanan", "petugas", "ranting", "dahan", "limbah", "genangan", "gorong", "suara", "musik", "maling", "begal",
];

/// Each list as a bit, for the tagger; a word may be in several.
static CLASSES: LazyLock<HashMap<&'static str, u32>> = LazyLock::new(|| {
    let lists: [&[&'static str]; 15] = [
        STREET_MARKERS,
        AREA_MARKERS,
        LANDMARK_MARKERS,
        NUMBER_MARKERS,
        PLACE_NOUNS,
        NAMED_THINGS,
        KINDS,
        VAGUE_ALONE,
        HOUSES,
        CORRECTIONS,
        TIME_UNITS,
        STOPS,
        THINGS,
        OF_NAMES,
        FAULTS,
    ];
    let mut classes: HashMap<&'static str, u32> = HashMap::new();
    for (bit, list) in lists.into_iter().enumerate() {
        for word in list {
            *classes.entry(word).or_default() |= 1 << bit;
        }
    }
    for word in ORDINARY.iter() {
        *classes.entry(word).or_default() |= 1 << 15;
    }
    classes
});

/// In which of the lists a normalised word is, one bit a list.
pub fn classes(norm: &str) -> u32 {
    CLASSES.get(norm).copied().unwrap_or(0)
}
