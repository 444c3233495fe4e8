//! The media store against a stand-in that speaks as much S3 as is used: put, get (also a part), delete, and uploads in
//! parts; and against a folder.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use bytes::Bytes;
use futures::TryStreamExt;
use govconnect::media::spool::{SpoolFolder, Spooled};
use govconnect::media::storage::{MediaStorage, S3Settings, StorageError};

#[derive(Default)]
struct Bucket {
    objects: BTreeMap<String, Bytes>,
    parts: BTreeMap<u32, Bytes>,
    calls: Vec<String>,
    /// Calls that are answered 500 first.
    broken: usize,
}

type Shared = web::Data<Arc<Mutex<Bucket>>>;

async fn s3(request: HttpRequest, body: Bytes, bucket: Shared) -> HttpResponse {
    let mut bucket = bucket.lock().unwrap();
    let signed =
        request.headers().get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let rightly = signed.starts_with("AWS4-HMAC-SHA256 Credential=an-access-key/")
        && signed.contains("/tes-region/s3/aws4_request");
    if !rightly {
        return HttpResponse::Forbidden().finish();
    }
    let path = request.path().to_owned();
    let query: BTreeMap<String, String> =
        web::Query::<BTreeMap<String, String>>::from_query(request.query_string()).unwrap().into_inner();
    bucket.calls.push(format!("{} {path}", request.method()));
    if bucket.broken > 0 {
        bucket.broken -= 1;
        return HttpResponse::InternalServerError().finish();
    }
    match (request.method().as_str(), query.get("partNumber"), query.contains_key("uploads"), query.get("uploadId")) {
        ("POST", None, true, None) => HttpResponse::Ok().body(
            "<InitiateMultipartUploadResult><Bucket>b</Bucket><Key>k</Key><UploadId>u1</UploadId></InitiateMultipartUploadResult>",
        ),
        ("PUT", Some(part), false, Some(_)) => {
            bucket.parts.insert(part.parse().unwrap(), body);
            HttpResponse::Ok().insert_header(("etag", format!("\"{part}\""))).finish()
        }
        ("POST", None, false, Some(_)) => {
            let whole: Vec<u8> = std::mem::take(&mut bucket.parts).into_values().flatten().collect();
            bucket.objects.insert(path, whole.into());
            HttpResponse::Ok().body(
                "<CompleteMultipartUploadResult><ETag>\"e\"</ETag></CompleteMultipartUploadResult>",
            )
        }
        ("PUT", ..) => {
            bucket.objects.insert(path, body);
            HttpResponse::Ok().insert_header(("etag", "\"e\"")).finish()
        }
        ("GET", ..) => match bucket.objects.get(&path) {
            Some(object) => {
                let mut answer = HttpResponse::Ok();
                answer.insert_header(("etag", "\"e\""));
                answer.insert_header(("last-modified", "Mon, 23 Nov 2026 06:00:00 GMT"));
                let range = request.headers().get("range").and_then(|range| range.to_str().ok());
                let Some((first, last)) = range.and_then(|range| range.strip_prefix("bytes=")?.split_once('-')) else {
                    return answer.body(object.clone());
                };
                let (first, last): (usize, usize) = (first.parse().unwrap(), last.parse().unwrap());
                answer.status(actix_web::http::StatusCode::PARTIAL_CONTENT);
                answer.insert_header(("content-range", format!("bytes {first}-{last}/{}", object.len())));
                answer.body(object.slice(first..=last))
            }
            None => HttpResponse::NotFound().finish(),
        },
        ("DELETE", ..) => {
            bucket.objects.remove(&path);
            HttpResponse::NoContent().finish()
        }
        _ => HttpResponse::NotImplemented().finish(),
    }
}

/// The stand-in, and the settings that lead to it.
fn stand_in() -> (Arc<Mutex<Bucket>>, S3Settings) {
    let bucket = Arc::new(Mutex::new(Bucket::default()));
    let shared = bucket.clone();
    let server = HttpServer::new(move || {
        App::new()
            .app_data(web::Data::new(shared.clone()))
            .app_data(web::PayloadConfig::new(64 * 1024 * 1024))
            .default_service(web::to(s3))
    })
    .workers(1)
    .disable_signals()
    .bind(("127.0.0.1", 0))
    .unwrap();
    let endpoint = format!("http://{}", server.addrs()[0]);
    actix_rt::spawn(server.run());
    let settings = S3Settings {
        bucket: "files".into(),
        endpoint,
        region: "tes-region".into(),
        access_key_id: "an-access-key".into(),
        secret_access_key: "a-secret-key".into(),
        path_style: true,
        prefix: "kantor/sukamaju".into(),
    };
    (bucket, settings)
}

async fn spooled(folder: &std::path::Path, bytes: &[u8]) -> Spooled {
    let mut writer = SpoolFolder::open(folder).unwrap().create(u64::MAX).await.unwrap();
    writer.write(bytes).await.unwrap();
    writer.finish().await.unwrap()
}

async fn read(
    storage: &MediaStorage,
    key: &str,
    range: Option<std::ops::Range<u64>>,
) -> Result<Vec<u8>, StorageError> {
    let parts: Vec<Bytes> = storage.read(key, range).await?.try_collect().await?;
    Ok(parts.concat())
}

async fn keeps_and_forgets(storage: &MediaStorage) {
    let folder = tempfile::tempdir().unwrap();
    // One call, and three parts.
    for size in [11, 17 * 1024 * 1024] {
        let bytes: Vec<u8> = (0..size).map(|index| (index % 251) as u8).collect();
        let key = MediaStorage::new_key();
        let mut file = spooled(folder.path(), &bytes).await;
        storage.put(&key, &mut file).await.unwrap();
        assert!(read(storage, &key, None).await.unwrap() == bytes, "{size} bytes come back");
        assert_eq!(read(storage, &key, Some(3..7)).await.unwrap(), bytes[3..7]);
        storage.delete(&key).await.unwrap();
        storage.delete(&key).await.unwrap();
        assert!(matches!(read(storage, &key, None).await, Err(StorageError::Missing)));
    }
    storage.probe().await.unwrap();
}

#[actix_rt::test]
async fn a_bucket_keeps_files_whole_and_in_parts_under_its_prefix_and_forgets_them() {
    let (bucket, settings) = stand_in();
    let storage = MediaStorage::s3(&settings).unwrap();
    keeps_and_forgets(&storage).await;
    let bucket = bucket.lock().unwrap();
    assert!(bucket.objects.is_empty(), "nothing is left");
    assert!(bucket.calls.iter().all(|call| call.contains("/files/kantor/sukamaju/")), "{:?}", bucket.calls);
    let told = format!("{storage:?} {} {settings:?}", storage.description());
    assert!(told.contains("files") && !told.contains("a-secret-key"), "{told}");
}

#[actix_rt::test]
async fn a_bucket_that_stumbles_is_asked_again_and_one_that_stays_away_is_an_error() {
    let (bucket, settings) = stand_in();
    let storage = MediaStorage::s3(&settings).unwrap();
    let folder = tempfile::tempdir().unwrap();
    bucket.lock().unwrap().broken = 1;
    storage.put("aa/one", &mut spooled(folder.path(), b"bytes").await).await.unwrap();
    bucket.lock().unwrap().broken = 100;
    let failed = storage.put("aa/two", &mut spooled(folder.path(), b"bytes").await).await;
    assert!(matches!(failed, Err(StorageError::Failed(_))), "{failed:?}");
    bucket.lock().unwrap().broken = 0;
    assert_eq!(read(&storage, "aa/one", None).await.unwrap(), b"bytes");
    let forged = MediaStorage::s3(&S3Settings { access_key_id: "another".into(), ..settings }).unwrap();
    assert!(forged.probe().await.is_err(), "who is not let in is told so");
}

#[tokio::test]
async fn a_folder_keeps_files_and_what_an_upload_left_begun_goes_with_its_key() {
    let folder = tempfile::tempdir().unwrap();
    let storage = MediaStorage::local(&folder.path().join("media")).unwrap();
    keeps_and_forgets(&storage).await;
    let begun = folder.path().join("media/aa");
    std::fs::create_dir_all(&begun).unwrap();
    for name in ["file#1", "file", "file2#1"] {
        std::fs::write(begun.join(name), b"x").unwrap();
    }
    storage.delete("aa/file").await.unwrap();
    let left: Vec<_> = std::fs::read_dir(&begun).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["file2#1"]);
}
