//! The office's documents over HTTP: taken in as text or as files, read, listed, taken out.

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, HttpResponse, delete, get, post, web};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use futures::future::LocalBoxFuture;
use garde::Validate;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::ai::documents::{Documents, FileKind, Upload};
use crate::ai::service::{AiService, Document};
use crate::http::common::{DEFAULT_LIMIT, MAX_LIMIT, cursor, not_blank, not_blank_if_given, store_failure};
use crate::http::extract::{ApiPath, ApiQuery, BodyLimit, read_json};
use crate::http::problem::Problem;
use crate::store::ai::PutOutcome;
use crate::store::ai::documents::SourceRow;

/// What a body has beside its file, in bytes: the other fields, and a title in escapes.
const BESIDE_THE_FILE: usize = 64 * 1024;

/// A document or knowledge entry to be made searchable: either its text, or its file.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
struct ProcessDocument {
    #[garde(skip)]
    source_id: Uuid,
    /// A higher version replaces a lower one.
    #[garde(range(min = 1))]
    version: i32,
    #[garde(skip)]
    kind: FileKind,
    /// Named to the citizen as the source.
    #[garde(length(chars, min = 1, max = 200), custom(not_blank))]
    title: String,
    /// The text itself; for `text`, `markdown` and `faq`.
    #[garde(length(chars, min = 1, max = 1_000_000), custom(not_blank_if_given))]
    content: Option<String>,
    /// A file of any kind.
    #[garde(dive)]
    upload: Option<UploadedFile>,
    /// Code of a category that it belongs to.
    #[garde(length(chars, min = 1, max = 64))]
    kategori: Option<String>,
}

/// A file within a request.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
struct UploadedFile {
    /// As its owner named it; for people to recognise it.
    #[garde(length(chars, min = 1, max = 255), custom(not_blank))]
    file_name: String,
    /// The bytes in base64 (RFC 4648 §4).
    #[garde(length(bytes, min = 1))]
    data: String,
}

/// [`ProcessDocument`], with room for a file.
pub(super) struct DocumentBody(ProcessDocument);

impl FromRequest for DocumentBody {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let usual = request.app_data::<BodyLimit>().map_or(0, |limit| limit.0);
        let largest = request.app_data::<web::Data<Documents>>().map_or(0, |it| it.max_upload_bytes());
        // Base64 makes four bytes of three.
        let limit = usual.max(largest.div_ceil(3).saturating_mul(4).saturating_add(BESIDE_THE_FILE));
        let body = read_json(request, payload, limit);
        Box::pin(async move { body.await.map(DocumentBody) })
    }
}

/// How a document stands.
#[derive(Debug, Serialize, ToSchema)]
struct DocumentStatus {
    source_id: Uuid,
    version: i32,
    kind: String,
    title: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    kategori: Option<String>,
    /// `queued`, `processing`, `ready` or `failed`.
    status: String,
    /// Why it failed, for an officer.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file_name: Option<String>,
    /// Passages that can be found; while this version is not ready, those of the one before.
    passages: i32,
    /// Characters of the content.
    characters: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pages: Option<PageProgress>,
    /// Passages with a vector of the newest model; absent when vectors are not used.
    #[serde(skip_serializing_if = "Option::is_none")]
    embedded: Option<i64>,
    /// Another document with the very same content; the oldest of several.
    #[serde(skip_serializing_if = "Option::is_none")]
    duplicate_of: Option<Uuid>,
    #[schema(value_type = String, format = DateTime)]
    created_at: jiff::Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: jiff::Timestamp,
}

/// How far the reading of a file is.
#[derive(Debug, Serialize, ToSchema)]
struct PageProgress {
    done: i32,
    total: i32,
}

impl From<SourceRow> for DocumentStatus {
    fn from(row: SourceRow) -> Self {
        DocumentStatus {
            source_id: row.source_id,
            version: row.version,
            kind: row.kind,
            title: row.title,
            kategori: row.kategori,
            status: row.status,
            error: row.error,
            file_name: row.file_name,
            passages: row.passages,
            characters: row.characters,
            pages: row.pages_total.map(|total| PageProgress { done: row.pages_done, total }),
            embedded: row.embedded,
            duplicate_of: row.duplicate_of,
            created_at: row.created_at.to_jiff(),
            updated_at: row.updated_at.to_jiff(),
        }
    }
}

/// Make a document searchable, in place of its older versions.
///
/// Texts are processed while the request waits: a 200 means that their passages can be found. Files are queued, which is a
/// 202: how they stand is told by `GET /internal/documents/{source_id}`, and until they are read the version before stays
/// searchable. The same version with the same content again changes nothing.
#[utoipa::path(
    tag = "documents",
    security(("internal_api_key" = [])),
    request_body = ProcessDocument,
    responses(
        (status = 200, description = "Searchable", body = DocumentStatus),
        (status = 202, description = "Queued to be read", body = DocumentStatus),
        (status = 409, description = "A newer version is there, or this one with other content", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "The file is too large", body = Problem, content_type = "application/problem+json"),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Failed", body = Problem, content_type = "application/problem+json"),
    )
)]
#[post("/documents/process")]
pub(super) async fn process_document(
    ai: web::Data<AiService>,
    documents: web::Data<Documents>,
    body: DocumentBody,
) -> Result<HttpResponse, Problem> {
    let ProcessDocument { source_id, version, kind, title, content, upload, kategori } = body.0;
    let outcome = match (content, upload) {
        (Some(content), None) => {
            let kind = kind.as_entry().ok_or_else(|| {
                Problem::field(
                    "kind",
                    "files of this kind come as upload; content is for text, markdown and faq",
                )
            })?;
            ai.put_document(&Document { source_id, version, kind, title, content, kategori }).await
        }
        (None, Some(file)) => {
            let bytes = BASE64_STANDARD
                .decode(file.data.as_bytes())
                .map_err(|_| Problem::field("upload.data", "must be base64 with padding"))?;
            let most = documents.max_upload_bytes();
            if bytes.len() > most {
                return Err(Problem::new(actix_web::http::StatusCode::PAYLOAD_TOO_LARGE)
                    .detail(format!("the file is larger than {most} bytes"))
                    .with("max_bytes", most));
            }
            let file_name = file.file_name;
            let upload = Upload { source_id, version, kind, title, kategori, file_name, bytes };
            documents.queue(&upload).await
        }
        (None, None) => return Err(Problem::field("content", "give either content or upload")),
        (Some(_), Some(_)) => return Err(Problem::field("upload", "give either content or upload")),
    };
    match outcome.map_err(|error| store_failure(&error))? {
        PutOutcome::Stored | PutOutcome::Unchanged => {}
        PutOutcome::Stale { current } => {
            return Err(Problem::conflict("a newer version of this document is there or was deleted")
                .kind("stale-version")
                .with("current_version", current));
        }
        PutOutcome::Conflict => {
            return Err(Problem::conflict("this version is there with other content; raise the version")
                .kind("version-reused"));
        }
    }
    let status = find(&ai, source_id).await?;
    if matches!(status.status.as_str(), "queued" | "processing") {
        return Ok(HttpResponse::Accepted().json(status));
    }
    Ok(HttpResponse::Ok().json(status))
}

async fn find(ai: &AiService, source_id: Uuid) -> Result<DocumentStatus, Problem> {
    let row = ai.document(source_id).await.map_err(|error| store_failure(&error))?;
    row.map(DocumentStatus::from).ok_or_else(|| Problem::not_found("document"))
}

/// Read how a document stands.
#[utoipa::path(
    tag = "documents",
    security(("internal_api_key" = [])),
    params(("source_id" = Uuid, Path, description = "The document")),
    responses(
        (status = 200, description = "The document", body = DocumentStatus),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Failed", body = Problem, content_type = "application/problem+json"),
    )
)]
#[get("/documents/{source_id}")]
pub(super) async fn get_document(
    ai: web::Data<AiService>,
    source_id: ApiPath<Uuid>,
) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(find(&ai, source_id.0).await?))
}

/// How a document may stand.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema, strum::IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
enum Standing {
    Queued,
    Processing,
    Ready,
    Failed,
}

/// Which documents.
#[derive(Debug, Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    /// Only those that stand so.
    #[garde(skip)]
    #[param(inline)]
    status: Option<Standing>,
    /// At most so many; 20 when absent.
    #[garde(inner(range(min = 1, max = MAX_LIMIT)))]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    #[garde(skip)]
    cursor: Option<String>,
}

/// One page of documents, newest first.
#[derive(Debug, Serialize, ToSchema)]
struct DocumentList {
    items: Vec<DocumentStatus>,
    /// Pass it as `cursor` for the next page; null on the last.
    next_cursor: Option<String>,
}

/// List documents, newest first.
#[utoipa::path(
    tag = "documents",
    security(("internal_api_key" = [])),
    params(ListQuery),
    responses(
        (status = 200, description = "One page", body = DocumentList),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Failed", body = Problem, content_type = "application/problem+json"),
    )
)]
#[get("/documents")]
pub(super) async fn list_documents(
    documents: web::Data<Documents>,
    query: ApiQuery<ListQuery>,
) -> Result<HttpResponse, Problem> {
    let query = query.0;
    let after = cursor(query.cursor.as_deref())?;
    if after.as_ref().is_some_and(|after| Uuid::parse_str(&after.id).is_err()) {
        return Err(Problem::field("cursor", "not a cursor of this list"));
    }
    let page = documents
        .list(query.status.map(Into::into), after.as_ref(), query.limit.unwrap_or(DEFAULT_LIMIT))
        .await
        .map_err(|error| store_failure(&error))?;
    Ok(HttpResponse::Ok().json(DocumentList {
        items: page.items.into_iter().map(DocumentStatus::from).collect(),
        next_cursor: page.next.map(|cursor| cursor.to_string()),
    }))
}

/// Take a document and its passages out.
#[utoipa::path(
    tag = "documents",
    security(("internal_api_key" = [])),
    params(("source_id" = Uuid, Path, description = "The document")),
    responses(
        (status = 204, description = "Nothing of it is found or kept any more; asking again is harmless"),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Failed", body = Problem, content_type = "application/problem+json"),
    )
)]
#[delete("/documents/{source_id}")]
pub(super) async fn delete_document(
    ai: web::Data<AiService>,
    source_id: ApiPath<Uuid>,
) -> Result<HttpResponse, Problem> {
    ai.delete_document(source_id.0).await.map_err(|error| store_failure(&error))?;
    Ok(HttpResponse::NoContent().finish())
}
