//! Files of conversations for the other services: reading one, and handing one in to be sent. A file is named by our id of
//! it and never by where it is kept.

use actix_web::body::SizedStream;
use actix_web::http::StatusCode;
use actix_web::http::header::{
    ACCEPT_RANGES, ByteRangeSpec, CACHE_CONTROL, CONTENT_RANGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE,
    Charset, ContentDisposition, DispositionParam, DispositionType, ExtendedValue, Header, Range,
    X_CONTENT_TYPE_OPTIONS,
};
use actix_web::{HttpRequest, HttpResponse, get, post, web};
use futures::TryStreamExt;
use garde::Validate;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::ChannelState;
use crate::actors::media::{AddError, OpenError, OpenMedia, Upload};
use crate::http::extract::{ApiPath, ApiQuery};
use crate::http::problem::Problem;
use crate::ids::MediaId;
use crate::media::Kind;
use crate::media::sniff::Refusal;
use crate::media::spool::SpoolError;
use crate::store::text::storable;

/// A file's bytes. `Range` with one range is understood.
#[utoipa::path(security(("internal_api_key" = [])), params(("media_id" = Uuid, Path)), responses(
    (status = 200, description = "the file, with its type; anything but pictures, sound and films as an attachment", content_type = "application/octet-stream"),
    (status = 206, description = "the asked part of it", content_type = "application/octet-stream"),
    (status = 404, description = "no such file", body = Problem, content_type = "application/problem+json"),
    (status = 409, description = "it is still being fetched from Meta", body = Problem, content_type = "application/problem+json"),
    (status = 410, description = "it was refused or could not be fetched; `reason` says why", body = Problem, content_type = "application/problem+json"),
    (status = 416, description = "there is no such part", body = Problem, content_type = "application/problem+json"),
))]
#[get("/media/{media_id}")]
pub(super) async fn get_media(
    request: HttpRequest,
    state: web::Data<ChannelState>,
    id: ApiPath<MediaId>,
) -> Result<HttpResponse, Problem> {
    let file = state.media.open(id.0).await?;
    let part = asked_part(&request, file.size)?;
    let stream = file.read(part.clone()).await.map_err(OpenError::from)?;
    let stream = stream.map_err(|error| {
        // The head is out; the connection is cut, and the reader sees fewer bytes than were told.
        tracing::warn!(%error, "a file broke off while it was read");
        error
    });
    let mut response = match &part {
        Some(part) => {
            let mut response = HttpResponse::PartialContent();
            response.insert_header((
                CONTENT_RANGE,
                format!("bytes {}-{}/{}", part.start, part.end - 1, file.size),
            ));
            response
        }
        None => HttpResponse::Ok(),
    };
    let length = part.map_or(file.size, |part| part.end - part.start);
    Ok(response
        .insert_header((CONTENT_TYPE, file.mime_type.clone()))
        .insert_header(disposition(&file))
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((CONTENT_SECURITY_POLICY, "sandbox; default-src 'none'"))
        .insert_header((CACHE_CONTROL, "private, no-store"))
        .insert_header((ACCEPT_RANGES, "bytes"))
        .body(SizedStream::new(length, stream)))
}

/// The one range that was asked for; none when all is wanted, or several, which are answered with all of it.
fn asked_part(request: &HttpRequest, size: u64) -> Result<Option<std::ops::Range<u64>>, Problem> {
    let Ok(Range::Bytes(ranges)) = Range::parse(request) else { return Ok(None) };
    let [range] = &ranges[..] else { return Ok(None) };
    match ByteRangeSpec::to_satisfiable_range(range, size) {
        Some((first, last)) => Ok(Some(first..last + 1)),
        None => Err(Problem::new(StatusCode::RANGE_NOT_SATISFIABLE)
            .detail("the file has no such part")
            .with("size", size)),
    }
}

/// Shown in place only when a browser cannot be made to run it.
fn disposition(file: &OpenMedia) -> ContentDisposition {
    let shown = ["image/", "audio/", "video/"].iter().any(|safe| file.mime_type.starts_with(safe));
    let name =
        file.filename.clone().unwrap_or_else(|| format!("{}.{}", file.media_id, extension(&file.mime_type)));
    ContentDisposition {
        disposition: if shown { DispositionType::Inline } else { DispositionType::Attachment },
        parameters: vec![DispositionParam::FilenameExt(ExtendedValue {
            charset: Charset::Ext("UTF-8".into()),
            language_tag: None,
            value: name.into_bytes(),
        })],
    }
}

fn extension(mime_type: &str) -> &'static str {
    match mime_type {
        "image/jpeg" => "jpg",
        "image/png" => "png",
        "image/webp" => "webp",
        "video/mp4" => "mp4",
        "video/3gpp" => "3gp",
        "audio/ogg" => "ogg",
        "audio/mpeg" => "mp3",
        "audio/mp4" => "m4a",
        "audio/aac" => "aac",
        "audio/amr" => "amr",
        "application/pdf" => "pdf",
        "text/plain" => "txt",
        _ => "bin",
    }
}

impl From<OpenError> for Problem {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Unknown => Problem::not_found("file"),
            OpenError::NotReady => Problem::conflict("the file is still being fetched; ask again later")
                .kind("not-ready")
                .with("state", "pending"),
            OpenError::GivenUp { state, reason } => Problem::new(StatusCode::GONE)
                .detail("the file is not kept, and will not be")
                .kind("media-not-kept")
                .with("state", state)
                .with("reason", reason),
            OpenError::Storage(error) => {
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                tracing::error!(%error, cause, "a stored file cannot be read");
                Problem::unavailable("the media store does not give the file; ask again later")
            }
            OpenError::Store(error) => error.into(),
        }
    }
}

/// What is handed in.
#[derive(Debug, Deserialize, IntoParams, Validate)]
#[serde(deny_unknown_fields)]
pub(super) struct UploadQuery {
    /// The name that the citizen sees, of a document.
    #[garde(length(chars, min = 1, max = 255))]
    filename: Option<String>,
    /// What it is to be sent as; without it, what files of its type usually are.
    #[garde(skip)]
    #[param(inline)]
    kind: Option<Kind>,
}

/// A file that can be sent.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct UploadAnswer {
    media_id: MediaId,
    kind: Kind,
    /// As its content was found to be.
    mime_type: String,
    /// In bytes, after metadata was taken out of a photo.
    size: u64,
    /// In hexadecimal.
    sha256: String,
}

/// Takes a file that an officer wants to send: the bytes as the body, their type as the content type. It is kept for a
/// day unless it is sent.
#[utoipa::path(security(("internal_api_key" = [])), params(UploadQuery), request_body(content = String, content_type = "application/octet-stream", description = "the file itself, with its own content type"), responses(
    (status = 201, body = UploadAnswer),
    (status = 413, description = "larger than WhatsApp carries for this kind", body = Problem, content_type = "application/problem+json"),
    (status = 415, description = "no content type, or content that this kind may not have; `reason` says why", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "it could not be stored", body = Problem, content_type = "application/problem+json"),
))]
#[post("/media")]
pub(super) async fn upload_media(
    request: HttpRequest,
    mut body: web::Payload,
    state: web::Data<ChannelState>,
    query: ApiQuery<UploadQuery>,
) -> Result<HttpResponse, Problem> {
    let declared = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let declared = declared.filter(|declared| !declared.is_empty()).ok_or_else(|| {
        Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE)
            .detail("send the file as the body, with its own content-type")
    })?;
    let kind = query.0.kind.unwrap_or_else(|| Kind::natural(declared));
    let mut bytes = state.media.gather(kind).await.map_err(|error| disk(&error))?;
    while let Some(part) = body.try_next().await.map_err(|_| Problem::bad_request("the body ended early"))? {
        bytes.write(&part).await.map_err(|error| match error {
            SpoolError::TooLarge => refused(Refusal::TooLarge, kind),
            SpoolError::Disk(error) => disk(&error),
        })?;
    }
    let upload = Upload {
        bytes,
        kind,
        declared: declared.to_owned(),
        filename: query.0.filename.as_deref().map(storable),
    };
    let file = state.media.add(upload).await.map_err(|error| match error {
        AddError::Refused(refusal) => refused(refusal, kind),
        AddError::Unavailable => Problem::unavailable("the file could not be stored; send it again later"),
    })?;
    Ok(HttpResponse::Created().json(UploadAnswer {
        media_id: file.media_id,
        kind,
        mime_type: file.mime_type,
        size: file.size,
        sha256: file.sha256,
    }))
}

fn disk(error: &std::io::Error) -> Problem {
    tracing::error!(%error, "the spool folder cannot be used");
    Problem::unavailable("the file could not be stored; send it again later")
}

fn refused(refusal: Refusal, kind: Kind) -> Problem {
    let status = match refusal {
        Refusal::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        _ => StatusCode::UNSUPPORTED_MEDIA_TYPE,
    };
    Problem::new(status)
        .detail(format!("the file cannot be sent as {kind}: {refusal}"))
        .kind("media-refused")
        .with("reason", refusal.code())
        .with("max_bytes", kind.max_bytes())
}
