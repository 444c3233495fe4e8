//! The scripting API for citizens: introduce them, speak as them, look at their phones.

use actix_web::{HttpResponse, web};
use bytes::Bytes;
use jiff::SignedDuration;
use serde::Deserialize;
use serde_json::{Value, json};

use super::control::office_number;
use super::people::{Citizen, Introduction};
use super::problem::{Problem, read};
use super::spoken::{self, Echoed, Spoken};
use super::state::Shared;
use super::statuses;

type State = web::Data<Shared>;
type Answer = Result<HttpResponse, Problem>;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/control/citizens", web::get().to(list))
        .route("/control/citizens", web::post().to(introduce))
        .route("/control/citizens/{id}/messages", web::post().to(say))
        .route("/control/citizens/{id}/echoes", web::post().to(echo))
        .route("/control/citizens/{id}/chat", web::get().to(chat))
        .route("/control/citizens/{id}/read", web::post().to(read_chat))
        .route("/control/citizens/{id}/presence", web::post().to(presence))
        .route("/control/citizens/{id}/window", web::post().to(window));
}

async fn list(shared: State) -> Answer {
    shared.with_world(|world| {
        let citizens = world.people.all();
        Ok(HttpResponse::Ok().json(json!({ "citizens": citizens })))
    })
}

async fn introduce(shared: State, body: Bytes) -> Answer {
    let introduction: Introduction = read(&body)?;
    shared.with_world(|world| {
        let citizen = world
            .people
            .introduce(introduction)
            .map_err(|refused| Problem::conflict(refused.field, refused.reason))?;
        let answer = HttpResponse::Created().json(citizen);
        world.changed("*");
        Ok(answer)
    })
}

async fn say(shared: State, id: web::Path<String>, body: Bytes) -> Answer {
    let spoken: Spoken = read(&body)?;
    let shared = shared.into_inner();
    let (wamid, delivery) = shared.with_world(|world| spoken::say_and_post(&shared, world, &id, spoken))?;
    Ok(HttpResponse::Ok().json(json!({"wamid": wamid, "delivery": delivery})))
}

async fn echo(shared: State, id: web::Path<String>, body: Bytes) -> Answer {
    let echoed: Echoed = read(&body)?;
    let shared = shared.into_inner();
    let (wamid, delivery) = shared.with_world(|world| spoken::echo_and_post(&shared, world, &id, echoed))?;
    Ok(HttpResponse::Ok().json(json!({"wamid": wamid, "delivery": delivery})))
}

#[derive(Deserialize)]
struct NumberQuery {
    phone_number_id: Option<String>,
}

async fn chat(shared: State, id: web::Path<String>, query: web::Query<NumberQuery>) -> Answer {
    let number = office_number(&shared, query.into_inner().phone_number_id)?;
    let now = shared.now();
    shared.with_world(|world| {
        let citizen = world.people.get(&id).ok_or_else(|| Problem::not_found("citizen", &id))?;
        let mut answer = match citizen.chats.get(&number) {
            Some(chat) => chat.to_json(now),
            None => super::people::Chat::default().to_json(now),
        };
        answer["citizen"] = json!(citizen);
        answer["phone_number_id"] = number.into();
        Ok(HttpResponse::Ok().json(answer))
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReadChat {
    #[serde(default)]
    phone_number_id: Option<String>,
}

async fn read_chat(shared: State, id: web::Path<String>, body: Bytes) -> Answer {
    let ReadChat { phone_number_id } = read(&body)?;
    let shared = shared.into_inner();
    shared.with_world(|world| {
        must_exist(world.people.get(&id), &id)?;
        let read = statuses::read_chat(&shared, world, &id, phone_number_id.as_deref());
        Ok(HttpResponse::Ok().json(json!({ "read": read })))
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Presence {
    online: bool,
}

async fn presence(shared: State, id: web::Path<String>, body: Bytes) -> Answer {
    let Presence { online } = read(&body)?;
    let shared = shared.into_inner();
    shared.with_world(|world| {
        let citizen = world.people.get_mut(&id).ok_or_else(|| Problem::not_found("citizen", &id))?;
        citizen.online = online;
        if online {
            statuses::come_online(&shared, world, &id);
        }
        world.changed(&id);
        Ok(HttpResponse::Ok().json(json!({ "online": online })))
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Window {
    open: bool,
    /// With `open`: how long from now; absent: 24 hours.
    #[serde(default)]
    seconds: Option<u32>,
    #[serde(default)]
    phone_number_id: Option<String>,
}

async fn window(shared: State, id: web::Path<String>, body: Bytes) -> Answer {
    let Window { open, seconds, phone_number_id } = read(&body)?;
    let number = office_number(&shared, phone_number_id)?;
    let now = shared.now();
    shared.with_world(|world| {
        must_exist(world.people.get(&id), &id)?;
        let Some(chat) = world.chat(&id, &number) else { return Err(Problem::not_found("citizen", &id)) };
        chat.open_window(now);
        if !open {
            chat.window_until = None;
        } else if let Some(seconds) = seconds {
            chat.window_until = now.checked_add(SignedDuration::from_secs(i64::from(seconds))).ok();
        }
        let answer: Value = chat.to_json(now)["window"].clone();
        world.changed(&id);
        Ok(HttpResponse::Ok().json(answer))
    })
}

fn must_exist(citizen: Option<&Citizen>, id: &str) -> Result<(), Problem> {
    citizen.map(|_| ()).ok_or_else(|| Problem::not_found("citizen", id))
}
