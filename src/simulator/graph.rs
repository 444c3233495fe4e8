//! The Graph API's routes: `/{version}/{phone_number_id}/messages`, `/{version}/{phone_number_id}/media`,
//! `/{version}/{media_id}` and the download link. It checks the bearer token first and logs every call.

use std::sync::Arc;
use std::time::Duration;

use actix_multipart::Multipart;
use actix_web::body::BodyStream;
use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::{Bytes, BytesMut};
use futures::TryStreamExt;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use subtle::ConstantTimeEq;

use super::faults::{Effect, Side, Subject};
use super::graph_error::{GraphError, respond};
use super::media;
use super::record::{Event, GraphCall};
use super::sending::{self, Reply};
use super::state::Shared;
use super::validate;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    let version = r"/{version:v\d+\.\d+}";
    config
        .route(&format!("{version}/{{number}}/messages"), web::post().to(messages))
        .route(&format!("{version}/{{number}}/media"), web::post().to(upload))
        .route(&format!("{version}/{{media_id}}"), web::get().to(media_url))
        .route(&format!("{version}/{{media_id}}"), web::delete().to(delete_media))
        .route("/media-download/{media_id}", web::get().to(download));
}

type State = web::Data<Shared>;

async fn messages(
    shared: State,
    request: HttpRequest,
    path: web::Path<(String, String)>,
    body: Bytes,
) -> HttpResponse {
    let shared = shared.into_inner();
    let (_, number) = path.into_inner();
    // A body that is not JSON is logged as the text it was.
    let parsed: Result<Value, _> = serde_json::from_slice(&body);
    let logged = parsed
        .as_ref()
        .cloned()
        .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&body).into_owned()));
    let call = authorize(&shared, &request)
        .and_then(|()| known_number(&shared, &number))
        .and_then(|()| {
            parsed.map_err(|error| GraphError::invalid_parameter(format!("The body is not JSON: {error}")))
        })
        .and_then(|value| validate::parse(&value));
    let reply = match call {
        Ok(call) => sending::handle(&shared, &number, call, logged),
        Err(error) => {
            let call = GraphCall { call: "invalid".into(), body: logged, ..about_number(&number) };
            refuse(&shared, call, &error)
        }
    };
    answer(&shared, reply).await
}

/// Turns a decision into what goes over the wire; waits end when the stand-in stops.
async fn answer(shared: &Shared, reply: Reply) -> HttpResponse {
    let pause = |after: Duration| shared.stopping.run_until_cancelled(tokio::time::sleep(after));
    match reply {
        Reply::Answer { status, body } => respond(status, &body),
        Reply::Late { after, status, body } => {
            let _stopped = pause(after).await;
            respond(status, &body)
        }
        Reply::Dropped { after } => {
            let _stopped = pause(after).await;
            broken_connection()
        }
    }
}

/// A body that fails at once makes the server cut the connection, which is what a lost answer looks like.
fn broken_connection() -> HttpResponse {
    let broken = futures::stream::once(async {
        Err::<Bytes, std::io::Error>(std::io::Error::from(std::io::ErrorKind::ConnectionReset))
    });
    HttpResponse::Ok().insert_header((header::CONTENT_TYPE, "application/json")).body(BodyStream::new(broken))
}

fn authorize(shared: &Shared, request: &HttpRequest) -> Result<(), GraphError> {
    let given = request
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "))
        .unwrap_or_default();
    let expected = shared.settings.access_token.expose_secret();
    if bool::from(given.as_bytes().ct_eq(expected.as_bytes())) {
        Ok(())
    } else {
        Err(GraphError::unauthorized())
    }
}

fn known_number(shared: &Shared, number: &str) -> Result<(), GraphError> {
    if shared.settings.phone_number_ids.iter().any(|known| known == number) {
        Ok(())
    } else {
        Err(GraphError::unknown_object(number))
    }
}

fn about_number(number: &str) -> GraphCall {
    GraphCall { phone_number_id: Some(number.to_owned()), ..GraphCall::default() }
}

fn refuse(shared: &Shared, call: GraphCall, error: &GraphError) -> Reply {
    let reply = Reply::Answer { status: error.http_status, body: error.to_json() };
    note(shared, call, &reply, None);
    reply
}

fn note(shared: &Shared, mut call: GraphCall, reply: &Reply, effect: Option<&Effect>) {
    call.fault = effect.map(|effect| effect.name().to_owned());
    if let Reply::Answer { status, body } | Reply::Late { status, body, .. } = reply {
        call.status = Some(*status);
        call.answer = Some(body.clone());
    }
    shared.with_world(|world| world.log(shared.now(), Event::Graph(Box::new(call))));
}

/// Faults and logging around a call about media, whose own work is `work`.
async fn media_call(
    shared: &Shared,
    call: GraphCall,
    work: impl FnOnce(Option<&Effect>) -> Result<Value, GraphError>,
) -> HttpResponse {
    let number = call.phone_number_id.clone().unwrap_or_default();
    let effect = strike(shared, &number, &call.call);
    let reply = sending::refusal(effect.as_ref()).unwrap_or_else(|| {
        match work(effect.as_ref()) {
            Ok(body) => Reply::Answer { status: 200, body },
            Err(error) => Reply::Answer { status: error.http_status, body: error.to_json() },
        }
        .bent_by(effect.as_ref())
    });
    note(shared, call, &reply, effect.as_ref());
    answer(shared, reply).await
}

fn strike(shared: &Shared, number: &str, kind: &str) -> Option<Effect> {
    let subject = Subject { side: Side::Graph, phone_number_id: number, people: &[], kind };
    shared.with_world(|world| world.faults.strike(subject))
}

async fn upload(
    shared: State,
    request: HttpRequest,
    path: web::Path<(String, String)>,
    form: Multipart,
) -> HttpResponse {
    let (_, number) = path.into_inner();
    let call = GraphCall { call: "media_upload".to_owned(), ..about_number(&number) };
    let allowed = authorize(&shared, &request).and_then(|()| known_number(&shared, &number));
    let file = match allowed {
        Ok(()) => read_form(form).await,
        Err(error) => Err(error),
    };
    match file {
        Ok(file) => {
            let body =
                json!({"type": file.mime_type, "file_size": file.bytes.len(), "filename": file.filename});
            media_call(&shared, GraphCall { body, ..call }, |_| {
                let Uploaded { mime_type, filename, bytes } = file;
                let medium = shared.with_world(|world| world.media.add(&mime_type, filename, bytes));
                Ok(json!({"id": medium.id}))
            })
            .await
        }
        Err(error) => {
            let reply = refuse(&shared, call, &error);
            answer(&shared, reply).await
        }
    }
}

struct Uploaded {
    mime_type: String,
    filename: Option<String>,
    bytes: Bytes,
}

/// Reads `file`, `type` and `messaging_product`, and nothing else.
async fn read_form(mut form: Multipart) -> Result<Uploaded, GraphError> {
    let broken = |error: actix_multipart::MultipartError| {
        GraphError::invalid_parameter(format!("The form cannot be read: {error}"))
    };
    let (mut file, mut filename, mut declared, mut product, mut part_type) = (None, None, None, None, None);
    while let Some(mut field) = form.try_next().await.map_err(broken)? {
        let name = field.name().unwrap_or_default().to_owned();
        let mut bytes = BytesMut::new();
        while let Some(chunk) = field.try_next().await.map_err(broken)? {
            if bytes.len() + chunk.len() > media::LARGEST_FILE {
                return Err(GraphError::invalid_parameter("Param file has more than 100 MB"));
            }
            bytes.extend_from_slice(&chunk);
        }
        let text = || String::from_utf8_lossy(&bytes).trim().to_owned();
        match name.as_str() {
            "file" => {
                let disposition = field.content_disposition();
                filename = disposition.and_then(|disposition| disposition.get_filename()).map(str::to_owned);
                part_type = field.content_type().map(ToString::to_string);
                file = Some(bytes.freeze());
            }
            "type" => declared = Some(text()),
            "messaging_product" => product = Some(text()),
            other => return Err(GraphError::invalid_parameter(format!("Unexpected key \"{other}\""))),
        }
    }
    if product.as_deref() != Some("whatsapp") {
        return Err(GraphError::invalid_parameter(
            "The parameter messaging_product is required and must be whatsapp",
        ));
    }
    let bytes = file.ok_or_else(|| GraphError::invalid_parameter("The parameter file is required"))?;
    let mime_type =
        declared.ok_or_else(|| GraphError::invalid_parameter("The parameter type is required"))?;
    if filename.is_none() {
        return Err(GraphError::invalid_parameter("The parameter file must have a file name"));
    }
    let essence = |text: &str| text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if part_type.as_deref().is_some_and(|part| essence(part) != essence(&mime_type)) {
        return Err(GraphError::invalid_parameter(
            "The parameter type differs from the type of the file part",
        ));
    }
    media::check_upload(&mime_type, bytes.len())?;
    Ok(Uploaded { mime_type, filename, bytes })
}

async fn media_url(shared: State, request: HttpRequest, path: web::Path<(String, String)>) -> HttpResponse {
    let (_, media_id) = path.into_inner();
    let call = about_media("media_url", &media_id);
    media_call(&shared, call, |effect| {
        authorize(&shared, &request)?;
        let medium = shared.with_world(|world| world.media.get(&media_id).cloned());
        let medium = medium.ok_or_else(|| GraphError::unknown_object(&media_id))?;
        let lives = if effect == Some(&Effect::LinkExpired) { -1 } else { media::LINK_SECONDS };
        let expires_at = shared.now().as_second() + lives;
        let secret = shared.settings.app_secret.expose_secret().as_bytes();
        let mut answer = json!({
            "messaging_product": "whatsapp",
            "url": format!("{}{}", shared.public_url, media::download_link(secret, &media_id, expires_at)),
            "mime_type": medium.mime_type,
            "sha256": medium.sha256_hex(),
            "file_size": medium.bytes.len(),
            "id": media_id,
        });
        match effect {
            Some(Effect::ForeignLink { url }) => answer["url"] = url.as_str().into(),
            Some(Effect::Swollen { .. }) => answer["file_size"] = Value::Null,
            _ => {}
        }
        Ok(answer)
    })
    .await
}

async fn delete_media(
    shared: State,
    request: HttpRequest,
    path: web::Path<(String, String)>,
) -> HttpResponse {
    let (_, media_id) = path.into_inner();
    media_call(&shared, about_media("media_delete", &media_id), |_| {
        authorize(&shared, &request)?;
        let removed = shared.with_world(|world| world.media.remove(&media_id));
        if removed { Ok(json!({"success": true})) } else { Err(GraphError::unknown_object(&media_id)) }
    })
    .await
}

fn about_media(call: &str, media_id: &str) -> GraphCall {
    GraphCall { call: call.to_owned(), body: json!({"media_id": media_id}), ..GraphCall::default() }
}

#[derive(serde::Deserialize)]
struct LinkQuery {
    expires: i64,
    hash: String,
}

/// The download itself: anything wrong with the link is 404, a missing token 401, as at Meta.
async fn download(
    shared: State,
    request: HttpRequest,
    path: web::Path<String>,
    query: web::Query<LinkQuery>,
) -> HttpResponse {
    let media_id = path.into_inner();
    let secret = shared.settings.app_secret.expose_secret().as_bytes();
    let now = shared.now().as_second();
    let genuine = media::link_is_valid(secret, &media_id, query.expires, &query.hash, now);
    let medium = shared.with_world(|world| world.media.get(&media_id).cloned()).filter(|_| genuine);
    let status = match (&medium, authorize(&shared, &request)) {
        (_, Err(_)) => 401,
        (None, Ok(())) => 404,
        (Some(_), Ok(())) => 200,
    };
    let effect = strike(&shared, "", "media_download").filter(|_| status == 200);
    let reply = sending::refusal(effect.as_ref())
        .unwrap_or_else(|| Reply::Answer { status, body: Value::Null }.bent_by(effect.as_ref()));
    note(&shared, about_media("media_download", &media_id), &reply, effect.as_ref());
    if let Reply::Late { after, .. } = &reply {
        let _stopped = shared.stopping.run_until_cancelled(tokio::time::sleep(*after)).await;
    }
    match (reply, medium) {
        (Reply::Answer { status: 200, .. } | Reply::Late { status: 200, .. }, Some(medium)) => {
            let mut bytes = medium.bytes.to_vec();
            match effect {
                Some(Effect::Altered) => {
                    if let Some(last) = bytes.last_mut() {
                        *last ^= 1;
                    }
                }
                Some(Effect::Swollen { bytes: more }) => bytes.resize(bytes.len() + more, 0),
                _ => {}
            }
            HttpResponse::Ok().content_type(medium.mime_type).body(bytes)
        }
        (reply, _) => answer(&shared, reply).await,
    }
}

/// For handlers that need the shared state by reference count.
pub(super) fn data(shared: &Arc<Shared>) -> State {
    web::Data::from(Arc::clone(shared))
}
