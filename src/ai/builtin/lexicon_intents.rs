//! The cues behind [`super::intents`]: phrases of normalised words, written for this project.

#[rustfmt::skip]
mod tables {
    pub const PERSON_ALONE: &[&str] = &[
        "petugas", "admin", "operator", "cs", "customer service", "manusia", "orang", "human", "agent", "officer", "petugas dong", "tolong petugas", "minta petugas", "panggil petugas", "admin dong",
        "halo admin", "ada petugas", "ada admin", "ada orang", "ada orang tidak", "ada petugas tidak", "bapak petugas", "ketik petugas", "halo petugas",
    ];
    pub const PERSONS: &[&str] = &["petugas", "admin", "operator", "manusia", "orang", "staf", "staff", "pegawai", "cs", "customer service", "lurah", "camat", "bapak lurah", "human", "officer", "person", "someone", "agent", "pejabat"];
    pub const TALK: &[&str] = &[
        "bicara", "chat", "sambungkan", "disambungkan", "hubungkan", "dihubungkan", "terhubung", "tersambung", "hubungi", "menghubungi", "dihubungi", "telepon", "ditelepon", "konsultasi", "ketemu", "bertemu", "tanya langsung", "minta tolong dibalas",
        "panggilkan", "panggil", "alihkan", "dialihkan", "butuh", "dilayani", "dibantu", "langsung ke", "langsung dengan", "talk", "speak", "connect", "mau ke", "mau sama", "minta ke", "dijawab",
    ];
    pub const NOT_A_CALL: &[&str] = &["orang tua", "orang lain", "orang gila", "orang banyak", "jam kerja", "banyak orang", "orang buang", "nomor petugas sampah", "petugas sampah", "surat"];
    pub const NO_BOT: &[&str] = &["bukan bot", "bukan robot", "jangan bot", "jangan robot", "tidak mau bot", "tidak mau robot", "orang asli", "manusia asli", "orang beneran", "real person", "tidak mau sama bot", "malas sama bot", "capek sama bot"];
    pub const CANCEL: &[&str] = &[
        "batal", "batalkan", "dibatalkan", "pembatalan", "tidak jadi lapor", "tidak jadi laporan", "tidak jadi melapor", "cabut laporan", "tarik laporan", "hapus laporan", "laporan dicabut", "laporan ditarik", "laporan dihapus", "urungkan",
        "mau cabut", "hapus saja laporan", "hapus aduan", "cabut aduan", "tidak usah lapor", "tidak usah dilaporkan", "cancelled", "never mind", "withdraw",
    ];
    pub const HISTORY: &[&str] = &[
        "riwayat", "history", "histori", "daftar laporan", "daftar aduan", "semua laporan saya", "laporan saya apa saja", "laporan apa saja", "laporan yang pernah", "pernah saya laporkan", "sudah saya laporkan apa saja", "list laporan", "laporan saya sebelum",
        "laporan saya yang dulu", "laporan lama saya", "berapa laporan saya", "laporan saya ada berapa", "my reports", "semua aduan saya", "aduan saya apa saja", "lihat laporan saya", "laporan terdahulu",
    ];
    pub const CHANGE: &[&str] = &[
        "tambah", "tambahan", "tambahkan", "menambahkan", "nambah", "nambahin", "update", "ubah", "mengubah", "diubah", "ganti", "mengganti", "diganti", "ralat", "koreksi", "perbarui", "memperbarui", "revisi", "lengkapi", "melengkapi", "susulkan", "menyusulkan", "perbaiki laporan",
        "salah alamat", "salah ketik", "salah tulis", "edit", "add", "change", "correct",
    ];
    pub const CHANGE_STRONG: &[&str] = &[
        "tambahan info", "tambahan keterangan", "info tambahan", "keterangan tambahan", "tambah keterangan", "tambah foto", "tambah info", "update laporan", "ubah laporan", "ralat laporan", "koreksi laporan", "edit laporan", "ganti laporan", "ubah alamat laporan", "revisi laporan",
        "ubah data laporan", "perbaiki laporan", "menambahkan laporan", "melengkapi laporan", "update my report",
    ];
    pub const OWN_COMPLAINT: &[&str] = &[
        "laporan saya", "aduan saya", "pengaduan saya", "keluhan saya", "laporan kami", "aduan kami", "laporan yang", "laporan kemarin", "laporan minggu", "laporan bulan", "laporan tadi", "laporan nomor", "nomor laporan", "laporan lap", "my report", "my complaint", "laporan warga", "laporan itu", "laporan tersebut",
    ];
    pub const OFFERS: &[&str] = &["ini laporan saya", "berikut laporan saya", "laporan saya sebagai berikut", "terima laporan saya", "berikut laporan"];
    pub const STATUS_STRONG: &[&str] = &[
        "status", "progres", "perkembangan", "kelanjutan", "tindak lanjut", "sampai mana", "sampai di mana", "sejauh mana", "sudah ditindaklanjuti", "ditindaklanjuti belum", "sudah diproses", "diproses belum", "sudah ditangani", "ditangani belum", "cek laporan", "lacak laporan", "cek aduan",
        "kabar laporan", "laporan saya bagaimana", "bagaimana laporan", "laporan saya kok", "nasib laporan", "any update", "any news",
    ];
    pub const ALREADY_TOLD: &[&str] = &[
        "sudah lapor", "sudah saya lapor", "sudah saya laporkan", "sudah pernah lapor", "sudah pernah saya lapor", "sudah pernah saya laporkan", "sudah laporkan", "sudah dilaporkan", "saya lapor kemarin", "saya lapor minggu lalu", "kemarin saya lapor", "minggu lalu saya lapor", "yang saya laporkan", "yang saya lapor",
        "yang kemarin saya lapor", "sudah mengadu", "pernah lapor", "yang dilaporkan", "already reported",
    ];
    pub const REPAIRED: &[&str] = &[
        "diperbaiki", "perbaiki", "ditangani", "ditindaklanjuti", "ditindak", "dikerjakan", "selesai", "beres", "diaspal", "dibersihkan", "dikeruk", "diganti", "dipasang", "ditebang", "dinyalakan", "diproses", "dicek", "disurvei", "nyala lagi", "hidup lagi", "mengalir lagi", "be fixed", "fixed", "repaired",
    ];
    pub const REPORT: &[&str] = &[
        "lapor", "laporkan", "mengadu", "mengadukan", "komplain", "keluhan", "aduan", "pengaduan", "mau laporan", "buat laporan", "ajukan laporan", "sampaikan keluhan", "mengeluh", "mengeluhkan", "laporan warga", "report", "complaint", "complain", "wadul",
    ];
    pub const HOW_TO_REPORT: &[&str] = &[
        "cara lapor", "cara laporkan", "cara mengadu", "cara mengadukan", "cara buat laporan", "cara komplain", "bagaimana lapor", "bagaimana laporkan", "bagaimana mengadu", "lapor ke mana", "lapornya ke mana", "mengadu ke mana", "lapor di mana", "lapor kemana", "bisa lapor apa saja", "boleh lapor apa saja",
        "apa saja yang bisa dilaporkan", "laporan bisa", "how to report", "how do i report", "lapor apa saja", "apakah bisa lapor lewat", "bisa lapor lewat", "laporkan ke mana",
    ];
    pub const PLEAS: &[&str] = &[
        "tolong", "mohon", "minta", "harap", "diperbaiki", "perbaiki", "dibersihkan", "diangkut", "ditindak", "ditertibkan", "ditebang", "dirapikan", "dipangkas", "bantu", "segera", "please", "ditegur", "dinyalakan", "dikeruk", "ditambal", "dicek",
    ];
    pub const QUESTION_WORDS: &[&str] = &[
        "apa", "apakah", "bagaimana", "kapan", "berapa", "di mana", "ke mana", "siapa", "kenapa", "bisa tidak", "boleh tidak", "tanya", "apa saja", "ada tidak", "bolehkah", "cara", "jam berapa", "hari apa", "yang mana", "bisakah", "boleh", "perlu tidak", "harus tidak", "minta info", "mau tahu", "pengen tahu", "ingin tahu",
        "what", "when", "where", "how", "who", "which", "why", "can i", "do i", "is there",
    ];
    pub const ADVICE: &[&str] = &[
        "apa yang harus", "harus apa", "harus bagaimana", "bagaimana cara", "bagaimana", "harus ke mana", "harus lapor ke mana", "lapor ke mana", "hubungi siapa", "menghubungi siapa", "siapa yang", "solusi", "apa solusi", "kenapa", "apa penyebab", "apakah ada", "cara mengatasi", "apa sebaiknya", "sebaiknya",
        "ke siapa", "kepada siapa", "what should", "how do", "how can", "apa yang perlu", "apa yang bisa",
    ];
    pub const SERVICE_WORDS: &[&str] = &[
        "syarat", "persyaratan", "prosedur", "cara", "alur", "jam buka", "jam kerja", "jam pelayanan", "jam layanan", "jam operasional", "jam tutup", "jam berapa", "buka jam", "tutup jam", "jadwal", "hari apa", "biaya", "bayar berapa", "gratis", "tarif", "formulir", "dokumen", "berkas", "alamat kantor", "lokasi kantor", "kantor di mana",
        "di mana kantor", "nomor telepon", "nomor kantor", "nomor telpon", "nomor wa", "berapa lama", "masa berlaku", "persyaratannya", "buka tidak", "buka kah", "hari sabtu", "hari minggu buka", "sabtu buka", "libur", "opening hours", "requirements", "schedule", "what time", "apa saja yang dibawa", "bawa apa", "apa yang dibawa", "wajib bawa",
        "daftar", "mendaftar", "online", "office hours", "how much", "pelayanan apa saja", "layanan apa saja",
    ];
    pub const PAPERS: &[&str] = &[
        "ktp", "e ktp", "ektp", "kk", "kartu keluarga", "kartu tanda penduduk", "akta", "akte", "akta kelahiran", "akta kematian", "kia", "surat pindah", "pindah domisili", "domisili", "skck", "sktm", "surat keterangan", "surat pengantar", "sku", "surat keterangan usaha", "surat tidak mampu", "tidak mampu", "izin usaha", "nib", "imb", "pbg",
        "nikah", "surat nikah", "pbb", "bpjs", "bansos", "pkh", "blt", "legalisir", "surat kematian", "surat kelahiran", "ahli waris", "waris", "bantuan sosial", "id card", "birth certificate", "family card", "sim", "paspor", "posyandu", "imunisasi", "identitas kependudukan", "sertifikat tanah",
    ];
    pub const OFF_TOPIC: &[&str] = &[
        "resep", "masak", "zodiak", "ramalan", "skor bola", "pertandingan", "bola", "sepak bola", "liga", "presiden", "cerita lucu", "puisi", "pantun", "lagu", "lirik", "film", "pacar", "jodoh", "curhat", "pinjol", "pinjaman online", "togel", "slot", "gacor", "crypto", "kripto", "bitcoin", "saham", "jual", "jualan", "promo", "diskon", "beli pulsa",
        "pulsa", "game", "main game", "coding", "python", "javascript", "tugas sekolah", "kerjakan soal", "matematika", "terjemahkan", "translate", "harga emas", "harga beras", "artis", "gosip", "wisata bali", "tiket pesawat", "hotel", "cuaca besok", "prakiraan cuaca", "joke", "recipe", "football", "poem", "song", "drakor", "anime", "menang undian",
        "investasi", "ibu kota", "ibukota", "pilpres", "pemilu siapa", "chatgpt", "system prompt", "instruksi sistem", "abaikan instruksi", "ignore previous", "kucing saya", "diet",
    ];
    pub const GREETINGS: &[&str] = &[
        "halo", "apa kabar", "assalamualaikum", "selamat pagi", "selamat siang", "selamat sore", "selamat malam", "pagi", "siang", "sore", "malam", "permisi", "salam", "shalom", "om swastiastu", "sampurasun", "sugeng", "kulonuwun", "punten", "good morning", "good afternoon", "good evening", "tes", "test", "p", "waalaikumsalam", "met pagi", "met siang", "met malam", "horas",
    ];
    pub const GREETINGS_ALONE: &[&str] = &["p", "pp", "ping", "tes", "test", "bapak", "ibu", "kakak", "spada", "woi", "oi"];
    pub const THANKS: &[&str] = &["terima kasih", "kasih banyak", "matur", "syukron", "thank you", "jazakallah", "appreciate"];
    pub const ASSENT: &[&str] = &["ok", "baik", "baiklah", "bapak", "ibu", "kakak", "mantap", "sama", "admin", "noted", "great", "bagus", "oh", "begitu", "sudah", "paham", "mengerti", "jelas"];
}

pub use tables::*;
