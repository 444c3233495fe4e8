//! The word lists behind [`super::normalise`], written for this project: slang and abbreviations, the words worth
//! repairing when misspelt, and common words that must never be taken for a misspelling.

/// Informal or abbreviated → plain. One word in; out may be several.
#[rustfmt::skip]
pub const SLANG: &[(&str, &str)] = &[
    // Streets and places
    ("jl", "jalan"), ("jln", "jalan"), ("jlan", "jalan"), ("jalanan", "jalan"), ("gg", "gang"), ("no", "nomor"), ("nmr", "nomor"), ("nmor", "nomor"),
    ("kel", "kelurahan"), ("kec", "kecamatan"), ("ds", "desa"), ("kp", "kampung"), ("kpg", "kampung"), ("dsn", "dusun"),
    ("perum", "perumahan"), ("kompleks", "komplek"), ("blk", "blok"), ("lrg", "lorong"), ("blkg", "belakang"), ("blakang", "belakang"),
    ("dpn", "depan"), ("dkt", "dekat"), ("deket", "dekat"), ("sblh", "sebelah"), ("sebrang", "seberang"),
    ("sbrg", "seberang"), ("mesjid", "masjid"), ("msjid", "masjid"), ("musola", "musholla"), ("mushola", "musholla"), ("musala", "musholla"),
    ("langgar", "musholla"), ("prempatan", "perempatan"), ("ptigaan", "pertigaan"), ("skolah", "sekolah"), ("psr", "pasar"),
    // Persons
    ("sy", "saya"), ("sya", "saya"), ("gue", "saya"), ("gw", "saya"), ("gua", "saya"), ("aku", "saya"), ("aq", "saya"), ("ane", "saya"),
    ("bpk", "bapak"), ("pak", "bapak"), ("pk", "bapak"), ("bu", "ibu"), ("buk", "ibu"), ("kak", "kakak"), ("ka", "kakak"),
    ("min", "kakak"), ("mimin", "admin"), ("adm", "admin"), ("sdr", "saudara"), ("org", "orang"), ("orng", "orang"),
    ("wrga", "warga"), ("tmn", "teman"), ("kmi", "kami"), ("kt", "kita"),
    // Function words
    ("yg", "yang"), ("yng", "yang"), ("dgn", "dengan"), ("dg", "dengan"), ("sm", "sama"), ("ama", "sama"), ("utk", "untuk"), ("buat", "untuk"),
    ("bwt", "untuk"), ("dr", "dari"), ("dri", "dari"), ("krn", "karena"), ("karna", "karena"), ("krna", "karena"), ("gara", "gara"),
    ("kalo", "kalau"), ("klo", "kalau"), ("kl", "kalau"), ("klu", "kalau"), ("jg", "juga"), ("jga", "juga"), ("aja", "saja"), ("aj", "saja"),
    ("sdh", "sudah"), ("udh", "sudah"), ("udah", "sudah"), ("uda", "sudah"), ("dah", "sudah"), ("sdah", "sudah"), ("blm", "belum"),
    ("blum", "belum"), ("belom", "belum"), ("blom", "belum"), ("lg", "lagi"), ("lgi", "lagi"), ("sampe", "sampai"), ("trs", "terus"), ("trus", "terus"),
    ("tp", "tapi"), ("tpi", "tapi"), ("dlm", "dalam"), ("pd", "pada"), ("tdk", "tidak"), ("tak", "tidak"), ("ndak", "tidak"), ("gak", "tidak"),
    ("ga", "tidak"), ("gk", "tidak"), ("g", "tidak"), ("nggak", "tidak"), ("ngga", "tidak"), ("enggak", "tidak"), ("engga", "tidak"),
    ("kagak", "tidak"), ("kaga", "tidak"), ("tidk", "tidak"), ("ora", "tidak"), ("teu", "tidak"), ("bkn", "bukan"), ("jgn", "jangan"),
    ("skrg", "sekarang"), ("skrng", "sekarang"), ("skg", "sekarang"), ("bs", "bisa"), ("bsa", "bisa"), ("bisakah", "bisa"), ("adakah", "ada"),
    ("bolehkah", "boleh"), ("sudahkah", "sudah"), ("hrs", "harus"), ("hrus", "harus"), ("byk", "banyak"), ("bnyk", "banyak"), ("bgt", "sekali"),
    ("banget", "sekali"), ("bngt", "sekali"), ("skali", "sekali"), ("sering2", "sering"), ("srg", "sering"), ("tiap2", "setiap"), ("tiap", "setiap"),
    ("sprti", "seperti"), ("spt", "seperti"), ("kyk", "seperti"), ("kayak", "seperti"), ("gpp", "tidak apa apa"), ("bbrp", "beberapa"),
    ("hr", "hari"), ("mgg", "minggu"), ("mggu", "minggu"), ("bln", "bulan"), ("thn", "tahun"), ("td", "tadi"), ("kmrn", "kemarin"), ("kmren", "kemarin"),
    ("tsb", "tersebut"), ("dll", "dan lain lain"), ("btw", "omong omong"), ("oiya", "oh ya"), ("oya", "oh ya"), ("ohya", "oh ya"),
    // Questions
    ("gmn", "bagaimana"), ("gmna", "bagaimana"), ("gimana", "bagaimana"), ("gimna", "bagaimana"), ("bgmn", "bagaimana"), ("bgmana", "bagaimana"),
    ("piye", "bagaimana"), ("kumaha", "bagaimana"), ("kpn", "kapan"), ("kapankah", "kapan"), ("knp", "kenapa"), ("napa", "kenapa"),
    ("ngapa", "kenapa"), ("mengapa", "kenapa"), ("brp", "berapa"), ("brpa", "berapa"), ("dmn", "di mana"), ("dimana", "di mana"), ("dmna", "di mana"),
    ("kmn", "ke mana"), ("kemana", "ke mana"), ("ap", "apa"), ("pa", "bapak"), ("tau", "tahu"), ("apaan", "apa"), ("siapakah", "siapa"),
    ("nanya", "tanya"), ("tny", "tanya"), ("tnya", "tanya"), ("bertanya", "tanya"), ("menanyakan", "tanya"), ("nanyain", "tanya"), ("tanyain", "tanya"),
    // Asking and doing
    ("tlg", "tolong"), ("tlong", "tolong"), ("tulung", "tolong"), ("mhn", "mohon"), ("mhon", "mohon"), ("mo", "mau"), ("mw", "mau"), ("pgn", "ingin"),
    ("pengen", "ingin"), ("pingin", "ingin"), ("kepengen", "ingin"), ("hendak", "mau"), ("pen", "ingin"), ("ngelapor", "lapor"), ("lapr", "lapor"),
    ("lpr", "lapor"), ("laporin", "laporkan"), ("ngelaporin", "laporkan"), ("melaporkan", "laporkan"), ("melapor", "lapor"), ("ngadu", "mengadu"),
    ("ngaduin", "mengadukan"), ("komplen", "komplain"), ("complain", "komplain"), ("protes", "komplain"), ("nambah", "tambah"), ("nambahin", "tambah"), ("bikin", "buat"),
    ("bkin", "buat"), ("membuat", "buat"), ("gawe", "buat"), ("ngurus", "urus"), ("mengurus", "urus"), ("ngurusin", "urus"), ("pengurusan", "urus"),
    ("benerin", "perbaiki"), ("dibenerin", "diperbaiki"), ("dibenahi", "diperbaiki"), ("dibetulin", "diperbaiki"), ("dibetulkan", "diperbaiki"),
    ("dibaikin", "diperbaiki"), ("betulin", "perbaiki"), ("cancel", "batal"), ("ngebatalin", "batalkan"), ("batalin", "batalkan"),
    ("membatalkan", "batalkan"), ("dibatalin", "dibatalkan"), ("ngobrol", "bicara"), ("ngomong", "bicara"), ("berbicara", "bicara"), ("omong", "bicara"),
    ("inpo", "info"), ("informasi", "info"), ("infonya", "info"), ("progress", "progres"), ("statusnya", "status"),
    ("apdet", "update"), ("apdate", "update"), ("updet", "update"),
    // Problems
    ("rsk", "rusak"), ("rusk", "rusak"), ("lmpu", "lampu"), ("lampune", "lampu"), ("bolong2", "bolong"), 
    ("mampat", "mampet"), ("buntet", "mampet"), ("sampahe", "sampah"), ("numpuk", "menumpuk"), ("numpuk2", "menumpuk"), ("ketabrak", "tertabrak"),
    ("bajir", "banjir"), ("banjr", "banjir"), ("bnjir", "banjir"), ("aer", "air"), ("byar", "mati"),
    ("brisik", "berisik"), ("kenceng", "keras"), ("kobong", "kebakaran"), ("kahuruan", "kebakaran"), ("kebakran", "kebakaran"),
    // Greetings, thanks, assent
    ("asalamualaikum", "assalamualaikum"), ("assalamu", "assalamualaikum"), ("assalammualaikum", "assalamualaikum"),
    ("asalamu", "assalamualaikum"), ("aslm", "assalamualaikum"), ("askum", "assalamualaikum"), ("ass", "assalamualaikum"),
    ("hallo", "halo"), ("helo", "halo"), ("hello", "halo"), ("hai", "halo"), ("hi", "halo"), ("hey", "halo"), ("hei", "halo"), ("hy", "halo"),
    ("mlm", "malam"), ("pgi", "pagi"), ("mksh", "terima kasih"), ("mksih", "terima kasih"), ("makasih", "terima kasih"), ("makasi", "terima kasih"),
    ("mksi", "terima kasih"), ("trims", "terima kasih"), ("trimakasih", "terima kasih"), ("terimakasih", "terima kasih"), ("trmksh", "terima kasih"),
    ("tq", "terima kasih"), ("thx", "terima kasih"), ("thanks", "terima kasih"), ("thank", "terima kasih"), ("tengkyu", "terima kasih"),
    ("tengkiu", "terima kasih"), ("suwun", "terima kasih"), ("nuwun", "terima kasih"), ("nuhun", "terima kasih"), ("hatur", "terima kasih"),
    ("oke", "ok"), ("okey", "ok"), ("okay", "ok"), ("okee", "ok"), ("oce", "ok"), ("sip", "ok"), ("siip", "ok"), ("siap", "ok"), ("y", "ya"),
    ("iya", "ya"), ("iyah", "ya"), ("yes", "ya"), ("yoi", "ya"), ("nggih", "ya"), ("inggih", "ya"), ("muhun", "ya"),
];

/// Words that cues and categories turn on; a single slip in one of them is repaired.
#[rustfmt::skip]
pub const VOCABULARY: &[&str] = &[
    "lapor", "laporan", "laporkan", "mengadu", "mengadukan", "pengaduan", "keluhan", "komplain", "rusak",
    "kerusakan", "berlubang", "lubang", "lampu", "padam", "sampah", "banjir", "selokan", "drainase",
    "saluran", "tersumbat", "mampet", "menumpuk", "berserakan", "pohon", "tumbang", "genangan", "tergenang",
    "pencurian", "maling", "begal", "tawuran", "berisik", "bising", "pelayanan", "kelurahan", "kecamatan",
    "petugas", "syarat", "persyaratan", "prosedur", "jadwal", "dokumen", "kartu", "keluarga", "penduduk",
    "kelahiran", "kematian", "domisili", "keterangan", "pindah", "usaha", "status", "progres", "perkembangan",
    "riwayat", "batalkan", "dibatalkan", "batal", "kebakaran", "terbakar", "kecelakaan", "tenggelam",
    "hanyut", "perampokan", "darurat", "ambulans", "pemadam", "bagaimana", "kapan", "berapa", "apakah",
    "diperbaiki", "ditangani", "diangkut", "terima", "tolong", "mohon", "jembatan", "trotoar", "perumahan",
    "masjid", "sekolah", "perempatan", "pertigaan", "sekarang", "sebelah", "samping", "belakang",
    "assalamualaikum", "fasilitas", "penerangan", "jalan", "depan", "dekat", "bicara", "disambungkan",
    "meluap", "bantuan",
];

/// Common words one slip away from a word of the vocabulary.
#[rustfmt::skip]
pub const PROTECTED: &[&str] = &[
    "sampai", "kelapa", "semarang", "sampan", "sampel", "lapar", "malam", "makan", "dalam", "depan", "papan",
    "belum", "bulan", "kapal", "kabar", "beras", "harga", "warga", "kelahiran", "kematian", "kehilangan",
    "jalur", "jawan", "lubuk", "pasar", "rumah", "tolak", "pindah", "pinda", "bantu", "bantuin", "batas",
    "bayar", "penerang", "peneranga", "sekolahan", "sekarung", "rusun", "rusuk", "pelayan", "salur",
    "laporkan", "dilaporkan", "terbakar", "membakar", "dibakar", "banjar", "bandir", "usahakan", "syariat",
    "kartun", "berapi", "petuga", "saluran", "salurkan", "lembaran", "lampau", "lampung", "melati", "masjid",
    "gerak", "gelap", "siaran", "dokter", "kebakar", "keluarga", "keluargaku", "jembatani", "pertiga",
    "bicarakan", "terimalah", "tolonglah", "mohonlah", "diangkat", "diangkuti", "statis", "statusku",
    "seluruh", "sebelas", "tumbuh", "menunduk", "meletup", "keterangan", "penduduk", "selokan",
];
