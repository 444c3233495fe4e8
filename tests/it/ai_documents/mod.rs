//! Documents as files, against a real PostgreSQL and real reading processes: what is in them, what they may not do, and
//! what is left of them.

mod files;
mod vectors;

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use govconnect::ai::documents::extractor::{Extractor, Limits};
use govconnect::ai::documents::worker::DocumentWorker;
use govconnect::ai::documents::{Documents, FileKind, Upload};
use govconnect::ai::service::AiService;
use govconnect::ids::NodeId;
use govconnect::store::ai::PutOutcome;
use govconnect::store::ai::documents::{self as store, SourceRow};
use sqlx::PgPool;
use uuid::Uuid;

use crate::support::database::TestDatabase;
use files::{docx, paragraph, pdf, table, xlsx};

fn limits() -> Limits {
    Limits { time: Duration::from_secs(60), ..Limits::default() }
}

/// The program itself, as a node would start it.
fn extractor() -> Extractor {
    Extractor::new(PathBuf::from(env!("CARGO_BIN_EXE_govconnect")), limits())
}

struct Desk {
    database: TestDatabase,
    documents: Documents,
    service: AiService,
}

impl Desk {
    async fn open() -> Self {
        let database = TestDatabase::create().await;
        let documents = Documents::new(database.pool.clone(), 20 * 1024 * 1024);
        let service = AiService::new(database.pool.clone(), Duration::from_secs(5));
        Desk { database, documents, service }
    }

    fn pool(&self) -> &PgPool {
        &self.database.pool
    }

    fn worker(&self, extractor: Extractor) -> DocumentWorker {
        DocumentWorker::new(self.pool().clone(), NodeId::new(), extractor, self.documents.queued())
    }

    /// Queues a file and has it worked on.
    async fn read(&self, upload: &Upload) -> SourceRow {
        assert_eq!(self.documents.queue(upload).await.unwrap(), PutOutcome::Stored);
        assert!(self.worker(extractor()).work_once().await.unwrap());
        self.standing(upload.source_id).await
    }

    async fn standing(&self, id: Uuid) -> SourceRow {
        self.service.document(id).await.unwrap().expect("the document is there")
    }

    async fn count(&self, table: &str) -> i64 {
        let statement = format!("SELECT count(*) FROM gc_ai.{table}");
        sqlx::query_scalar(sqlx::AssertSqlSafe(statement)).fetch_one(self.pool()).await.unwrap()
    }
}

fn upload(kind: FileKind, bytes: Vec<u8>) -> Upload {
    Upload {
        source_id: Uuid::now_v7(),
        version: 1,
        kind,
        title: "Panduan".into(),
        kategori: None,
        file_name: format!("panduan.{kind}"),
        bytes,
    }
}

#[actix_web::test]
async fn each_kind_of_file_is_read_and_found() {
    let desk = Desk::open().await;
    let word = docx(&format!(
        "{}{}<w:p><w:r><w:br w:type=\"page\"/></w:r></w:p>{}{}",
        paragraph("Judul1", "Perpustakaan &amp; taman baca"),
        paragraph("", "Buka setiap hari kerja."),
        paragraph("", "Kartu anggota dibuat di meja depan."),
        table(&[&["Layanan", "Biaya", "Lama"], &["Kartu anggota", "Gratis", "1 hari"]]),
    ));
    let sheet = xlsx(
        "Tarif retribusi",
        "A1:C3",
        &[
            ("A1", "Lokasi"),
            ("B1", "Tarif"),
            ("C1", "Satuan"),
            ("A3", "Lapangan futsal"),
            ("B3", "25000"),
            ("C3", "jam"),
        ],
    );
    let page = b"<html><head><title>x</title><script>var rahasia = 1</script></head><body><nav>Beranda</nav>
        <h1>Vaksinasi</h1><h2>Jadwal posyandu</h2><p>Posyandu <b>Melati</b> buka
        tiap Rabu.</p><table><tr><th>Hari</th><th>Imunisasi</th></tr><tr><td>Rabu</td><td>Campak</td></tr></table></body></html>";
    let booklet = pdf(&["Halaman judul", "BAB II Pemakaman\nIzin pemakaman diurus\ndi kantor kelurahan."]);
    for (kind, bytes, question, heading, content, page) in [
        (FileKind::Pdf, booklet, "izin pemakaman", "BAB II Pemakaman", "diurus\ndi kantor", Some(2)),
        (
            FileKind::Docx,
            word,
            "kartu anggota perpustakaan",
            "Perpustakaan & taman baca",
            "Layanan: Kartu anggota; Biaya: Gratis; Lama: 1 hari",
            Some(1),
        ),
        (
            FileKind::Xlsx,
            sheet,
            "tarif lapangan futsal",
            "Tarif retribusi",
            "Lokasi: Lapangan futsal; Tarif: 25000; Satuan: jam",
            None,
        ),
        (
            FileKind::Html,
            page.to_vec(),
            "posyandu melati",
            "Vaksinasi › Jadwal posyandu",
            "Posyandu Melati buka tiap Rabu.",
            None,
        ),
        (
            FileKind::Markdown,
            b"# Banjir\r\n\r\n## Posko\r\n\r\nPosko banjir ada di balai warga.".to_vec(),
            "posko banjir",
            "Banjir › Posko",
            "Posko banjir ada di balai warga.",
            None,
        ),
        (
            FileKind::Text,
            b"Jembatan gantung ditutup sementara.".to_vec(),
            "jembatan gantung",
            "",
            "Jembatan gantung",
            None,
        ),
        (
            FileKind::Faq,
            b"Tanya: Kolam renang buka kapan?\nJawab: Setiap Minggu.".to_vec(),
            "kolam renang",
            "Kolam renang buka kapan?",
            "Setiap Minggu.",
            None,
        ),
    ] {
        let file = upload(kind, bytes);
        let standing = desk.read(&file).await;
        assert_eq!((standing.status.as_str(), standing.error), ("ready", None), "{kind}");
        assert_eq!(standing.file_name.as_deref(), Some(file.file_name.as_str()));
        let found = desk.service.search(question, None, 1).await.unwrap();
        let best = found.first().unwrap_or_else(|| panic!("{kind}: nothing found"));
        assert_eq!(
            (best.source_id, best.heading.as_str(), best.page),
            (file.source_id, heading, page),
            "{kind}: {best:?}"
        );
        assert!(best.content.contains(content), "{kind}: {best:?}");
    }
    for hidden in ["rahasia", "Beranda"] {
        assert!(desk.service.search(hidden, None, 1).await.unwrap().is_empty(), "{hidden}");
    }
    assert_eq!(desk.count("uploads").await, 0);
}

#[actix_web::test]
async fn pages_are_counted_and_a_scanned_document_is_called_so() {
    let desk = Desk::open().await;
    let standing = desk.read(&upload(FileKind::Pdf, pdf(&["Satu", "Dua", "Tiga"]))).await;
    assert_eq!((standing.status.as_str(), standing.pages_done, standing.pages_total), ("ready", 3, Some(3)));

    let standing = desk.read(&upload(FileKind::Pdf, pdf(&["", ""]))).await;
    assert_eq!(standing.status, "failed");
    let error = standing.error.unwrap();
    assert!(error.starts_with("tidak ada teks yang dapat dibaca di 2 halaman"), "{error}");
}

#[actix_web::test]
async fn no_file_hurts_the_node_and_each_is_told_what_is_wrong() {
    let desk = Desk::open().await;
    let blank = vec![b' '; 200 * 1024 * 1024];
    let bomb = files::zip_of(&[("word/document.xml", &blank)]);
    let sheets = files::zip_of(&[("xl/workbook.xml", b"<workbook/>"), ("xl/worksheets/sheet1.xml", &blank)]);
    drop(blank);
    let mut nested = b"%PDF-1.4\n1 0 obj\n".to_vec();
    nested.extend(std::iter::repeat_n(b'[', 200_000));
    let deep = format!("<html><body>{}Isi", "<div>".repeat(2_000));
    for (name, kind, bytes, reason) in [
        ("a package that unpacks to 200 MB", FileKind::Docx, bomb, "terlalu besar"),
        ("a workbook that unpacks to 200 MB", FileKind::Xlsx, sheets, "terlalu besar"),
        (
            "a sheet that claims to be endless",
            FileKind::Xlsx,
            xlsx("S", "A1:XFD1048576", &[("A1", "x"), ("XFD1048576", "y")]),
            "terlalu besar",
        ),
        ("a PDF of 6,000 pages", FileKind::Pdf, files::pdf_of_pages(6_000), "6000 halaman"),
        ("a locked PDF", FileKind::Pdf, files::locked_pdf(), "kata sandi"),
        (
            "a locked Word document",
            FileKind::Docx,
            b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1 rest".to_vec(),
            "kata sandi",
        ),
        ("garbage called PDF", FileKind::Pdf, b"hello".to_vec(), "bukan PDF"),
        (
            "garbage with the mark of a PDF",
            FileKind::Pdf,
            b"%PDF-1.7\n\xFF\x00 garbage".to_vec(),
            "bukan PDF",
        ),
        ("brackets without end", FileKind::Pdf, nested, ""),
        ("garbage called Word", FileKind::Docx, b"hello".to_vec(), "bukan DOCX"),
        ("a package that is no Word document", FileKind::Docx, files::zip_of(&[("x", b"y")]), "bukan DOCX"),
        ("garbage called Excel", FileKind::Xlsx, vec![0; 64], "bukan XLSX"),
        ("nothing but blanks", FileKind::Text, b" \n\n ".to_vec(), "tidak ada teks"),
        ("a picture called text", FileKind::Text, b"\x89PNG\0\0\0".to_vec(), "bukan teks"),
    ] {
        let standing = desk.read(&upload(kind, bytes)).await;
        assert_eq!(standing.status, "failed", "{name}: {standing:?}");
        let error = standing.error.unwrap_or_default();
        assert!(error.contains(reason), "{name}: {error}");
    }
    // These may be read or not, but they end, and the next document is read.
    for (kind, bytes) in [
        (FileKind::Pdf, files::pdf_bomb(600 * 1024 * 1024)),
        (FileKind::Pdf, files::pdf_that_claims(100_000)),
        (FileKind::Html, deep.into_bytes()),
    ] {
        let standing = desk.read(&upload(kind, bytes)).await;
        assert!(["ready", "failed"].contains(&standing.status.as_str()), "{kind}: {standing:?}");
    }
    assert_eq!(desk.count("uploads").await, 0);
    assert_eq!(desk.read(&upload(FileKind::Text, b"Baik.".to_vec())).await.status, "ready");
}

#[actix_web::test]
async fn a_reader_that_crashes_talks_without_end_or_says_nothing_is_ended() {
    let desk = Desk::open().await;
    let folder = tempfile::tempdir().unwrap();
    for (name, script, time, reason) in [
        ("aborts", "kill -ABRT $$", 30, "berhenti"),
        ("fails quietly", "exit 3", 30, "berhenti"),
        ("is cut off", "echo '{\"block\":{\"text\":\"Isi\"}}'", 30, "berhenti"),
        ("speaks nonsense", "echo hello", 30, "berhenti"),
        ("talks without end", "while :; do echo '{\"block\":{\"text\":\"Isi\"}}'; done", 60, "terlalu besar"),
        ("says nothing", "exec /bin/sleep 600", 1, "terlalu lama"),
        ("reads nothing and is ended by its limit", "kill -XCPU $$", 30, "terlalu lama"),
    ] {
        let program = folder.path().join(name.replace(' ', "-"));
        std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        let limits = Limits { time: Duration::from_secs(time), output_bytes: 64 * 1024, ..limits() };
        // More than a pipe holds, so that a reader that does not read holds up its feeder.
        let file = upload(FileKind::Text, vec![b'x'; 1024 * 1024]);
        desk.documents.queue(&file).await.unwrap();
        assert!(desk.worker(Extractor::new(program, limits)).work_once().await.unwrap(), "{name}");
        let standing = desk.standing(file.source_id).await;
        assert_eq!(standing.status, "failed", "{name}: {standing:?}");
        assert!(standing.error.as_deref().unwrap_or_default().contains(reason), "{name}: {standing:?}");
    }
}

async fn let_claims_run_out(pool: &PgPool) {
    sqlx::query("UPDATE gc_ai.sources SET due_at = now() - interval '1 second' WHERE status = 'processing'")
        .execute(pool)
        .await
        .unwrap();
}

#[actix_web::test]
async fn a_worker_that_dies_half_way_is_replaced_and_changes_nothing_any_more() {
    let desk = Desk::open().await;
    let file = upload(FileKind::Text, b"Isi dokumen pertama.".to_vec());
    desk.documents.queue(&file).await.unwrap();
    let dead = NodeId::new();
    let claimed = store::claim(desk.pool(), dead).await.unwrap().expect("it is due");
    assert!(store::renew(desk.pool(), dead, &claimed, Some((1, 4))).await.unwrap());
    let standing = desk.standing(file.source_id).await;
    assert_eq!(
        (standing.status.as_str(), standing.pages_done, standing.pages_total),
        ("processing", 1, Some(4))
    );
    assert!(!desk.worker(extractor()).work_once().await.unwrap(), "it is claimed");

    let_claims_run_out(desk.pool()).await;
    assert!(desk.worker(extractor()).work_once().await.unwrap());
    assert_eq!(desk.standing(file.source_id).await.status, "ready");
    // The dead one comes back to life.
    assert!(!store::renew(desk.pool(), dead, &claimed, None).await.unwrap());
    assert!(!store::finish(desk.pool(), dead, &claimed, None, 0, &[]).await.unwrap());
    assert!(!store::fail(desk.pool(), dead, &claimed, "late").await.unwrap());
    assert_eq!(desk.standing(file.source_id).await.passages, 1);

    // A node that stops in good order gives back what it has at once.
    let other = upload(FileKind::Text, b"Isi dokumen kedua.".to_vec());
    desk.documents.queue(&other).await.unwrap();
    let stopping = desk.worker(extractor());
    let node = NodeId::new();
    store::claim(desk.pool(), node).await.unwrap().expect("it is due");
    store::release(desk.pool(), node).await.unwrap();
    assert!(stopping.work_once().await.unwrap());
    assert_eq!(desk.standing(other.source_id).await.status, "ready");
}

#[actix_web::test]
async fn a_document_that_takes_its_node_down_again_and_again_is_given_up() {
    let desk = Desk::open().await;
    let file = upload(FileKind::Text, b"Isi.".to_vec());
    desk.documents.queue(&file).await.unwrap();
    for _ in 0..5 {
        store::claim(desk.pool(), NodeId::new()).await.unwrap().expect("it is due");
        let_claims_run_out(desk.pool()).await;
    }
    assert!(desk.worker(extractor()).work_once().await.unwrap());
    let standing = desk.standing(file.source_id).await;
    assert_eq!(standing.status, "failed");
    assert!(standing.error.unwrap().contains("5 kali"));
}

#[actix_web::test]
async fn several_workers_share_the_work() {
    let desk = Desk::open().await;
    for number in 0..8 {
        let file = upload(FileKind::Text, format!("Isi dokumen nomor {number}.").into_bytes());
        desk.documents.queue(&file).await.unwrap();
    }
    let work = |worker: DocumentWorker| async move {
        let mut done = 0;
        while worker.work_once().await.unwrap() {
            done += 1;
        }
        done
    };
    let (one, two) = tokio::join!(work(desk.worker(extractor())), work(desk.worker(extractor())));
    assert_eq!(one + two, 8);
    let ready = store::list(desk.pool(), Some("ready"), None, 100).await.unwrap();
    assert_eq!(ready.items.len(), 8);
}

#[actix_web::test]
async fn until_a_new_version_is_read_the_old_one_answers_and_then_nothing_is_left_of_it() {
    let desk = Desk::open().await;
    let first = upload(FileKind::Text, b"Denah lama ada di loket.".to_vec());
    desk.read(&first).await;
    let again = desk.documents.queue(&first).await.unwrap();
    assert_eq!(again, PutOutcome::Unchanged);
    let other = Upload { bytes: b"Lain.".to_vec(), ..first.clone() };
    assert_eq!(desk.documents.queue(&other).await.unwrap(), PutOutcome::Conflict);

    let found = async |words: &str| desk.service.search(words, None, 5).await.unwrap().len();
    let broken = Upload { version: 2, kind: FileKind::Pdf, bytes: b"rusak".to_vec(), ..first.clone() };
    assert_eq!(desk.documents.queue(&broken).await.unwrap(), PutOutcome::Stored);
    assert_eq!((desk.standing(first.source_id).await.status.as_str(), found("denah").await), ("queued", 1));
    assert!(desk.worker(extractor()).work_once().await.unwrap());
    assert_eq!((desk.standing(first.source_id).await.status.as_str(), found("denah").await), ("failed", 1));

    let third = Upload { version: 3, bytes: b"Peta baru ada di meja.".to_vec(), ..first.clone() };
    desk.read(&third).await;
    assert_eq!((found("denah").await, found("peta").await), (0, 1));
    assert_eq!(desk.documents.queue(&first).await.unwrap(), PutOutcome::Stale { current: 3 });

    // Deleted while the next is on its way: neither it nor anything before is left.
    let fourth = Upload { version: 4, bytes: b"Bagan terbaru.".to_vec(), ..first.clone() };
    desk.documents.queue(&fourth).await.unwrap();
    let node = NodeId::new();
    let claimed = store::claim(desk.pool(), node).await.unwrap().expect("it is due");
    assert!(desk.service.delete_document(first.source_id).await.unwrap());
    assert!(!store::renew(desk.pool(), node, &claimed, None).await.unwrap());
    assert!(!store::finish(desk.pool(), node, &claimed, None, 0, &[]).await.unwrap());
    assert!(!desk.worker(extractor()).work_once().await.unwrap());
    for table in ["uploads", "knowledge_vectors", "lexemes", "words"] {
        assert_eq!(desk.count(table).await, 0, "{table}");
    }
    let kept: (String, Option<String>, Option<Vec<u8>>) =
        sqlx::query_as("SELECT title, file_name, content_sha256 FROM gc_ai.sources WHERE source_id = $1")
            .bind(first.source_id)
            .fetch_one(desk.pool())
            .await
            .unwrap();
    assert_eq!(kept, (String::new(), None, None));
}

#[actix_web::test]
async fn the_same_content_under_another_name_is_seen() {
    let desk = Desk::open().await;
    let first = upload(FileKind::Text, b"Isi yang sama.".to_vec());
    assert_eq!(desk.read(&first).await.duplicate_of, None);
    let second = Upload { source_id: Uuid::now_v7(), title: "Lain".into(), ..first.clone() };
    assert_eq!(desk.read(&second).await.duplicate_of, Some(first.source_id));
    assert!(desk.service.delete_document(first.source_id).await.unwrap());
    assert_eq!(desk.standing(second.source_id).await.duplicate_of, None);
}

#[actix_web::test]
async fn how_rare_words_are_stays_true_whatever_is_replaced() {
    let desk = Desk::open().await;
    let text =
        |version, text: &str| Upload { version, bytes: text.into(), ..upload(FileKind::Text, Vec::new()) };
    let mut first = text(1, "Surat pengantar dan surat kuasa.");
    desk.read(&first).await;
    let second = text(1, "Surat pindah.");
    desk.read(&second).await;
    first = Upload { version: 2, bytes: b"Denah rumah.".to_vec(), ..first };
    desk.read(&first).await;
    let differing: Vec<(String,)> = sqlx::query_as(
        "(SELECT lexeme, count(*)::integer FROM gc_ai.knowledge_vectors, unnest(tsv) GROUP BY lexeme
          UNION ALL SELECT '', count(*)::integer FROM gc_ai.knowledge_vectors)
         EXCEPT SELECT lexeme, passages FROM gc_ai.lexemes",
    )
    .fetch_all(desk.pool())
    .await
    .map(|rows: Vec<(String, i32)>| rows.into_iter().map(|(lexeme, _)| (lexeme,)).collect())
    .unwrap();
    assert!(differing.is_empty(), "{differing:?}");
    let words: Vec<String> = sqlx::query_scalar("SELECT word FROM gc_ai.words ORDER BY word")
        .fetch_all(desk.pool())
        .await
        .unwrap();
    assert_eq!(words, ["denah", "panduan", "pindah", "rumah", "surat"]);
}
