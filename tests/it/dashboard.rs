//! The dashboard's API as a browser meets it.

use std::sync::atomic::{AtomicU32, Ordering};

use govconnect::admin_command;
use govconnect::clock::Clock;
use govconnect::http::dashboard::access::{Access, ROUTES, permissions};
use govconnect::http::dashboard::office::{OfficeProfile, ensure_profile};
use govconnect::store::dashboard::admins::Role;
use jiff::{SignedDuration, Timestamp};
use reqwest::{Method, StatusCode};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use strum::IntoEnumIterator;
use uuid::Uuid;

use crate::support::dashboard::{Browser, Dashboard, FIRST_PASSWORD, OWN_PASSWORD, start};
use crate::support::database::TestDatabase;
use crate::support::other_services::{self, OtherServices, World};

const NOW: &str = "2026-11-23T03:00:00Z";

struct Office {
    database: TestDatabase,
    clock: Clock,
    others: OtherServices,
    dashboard: Dashboard,
}

impl Office {
    async fn open() -> Self {
        let database = TestDatabase::create().await;
        let clock = Clock::fixed(NOW.parse().unwrap());
        let others = other_services::start(World::default());
        let dashboard = start(&database.pool, clock.clone(), &others, "127.0.0.1:0").await;
        Office { database, clock, others, dashboard }
    }

    fn browser(&self) -> Browser {
        Browser::new(&self.dashboard)
    }

    /// A browser whose officer has chosen a password.
    async fn officer(&self) -> Browser {
        let mut browser = self.browser();
        assert_eq!(browser.sign_in("admin", FIRST_PASSWORD).await.status, StatusCode::OK);
        assert_eq!(browser.change_password(FIRST_PASSWORD, OWN_PASSWORD).await.status, StatusCode::OK);
        browser
    }

    fn pass(&self, time: SignedDuration) {
        self.clock.set(self.clock.now().checked_add(time).unwrap());
    }

    async fn actions(&self) -> Vec<String> {
        sqlx::query_scalar("SELECT action FROM gc_dashboard.activity_logs ORDER BY seq")
            .fetch_all(&self.database.pool)
            .await
            .unwrap()
    }
}

fn complaint(number: u32, status: &str) -> Value {
    json!({
        "complaint_id": format!("LAP-20261123-{number:03}"), "person_id": Uuid::now_v7(), "wa_user_id": "6281200000001",
        "kategori": "jalan_rusak", "alamat": "Jl. Melati No. 15", "rt_rw": null, "deskripsi": "banyak lubang",
        "status": status, "urgency": "normal", "created_at": NOW, "updated_at": NOW, "version": 1, "a_later_field": 1,
    })
}

fn conversation(holder: Option<&str>, waiting_since: Option<&str>, parked: Option<&str>) -> Value {
    json!({
        "conversation_id": Uuid::now_v7(), "person_id": Uuid::now_v7(), "wa_user_id": "6281200000001",
        "display_name": "Ibu Siti", "mode": if holder.is_some() { "human" } else { "bot" }, "holder": holder, "waiting_since": waiting_since, "last_message_at": NOW, "last_text": "Halo",
        "unprocessed": 0, "parked": parked,
    })
}

#[actix_rt::test]
async fn the_first_password_opens_nothing_but_the_choice_of_another() {
    let office = Office::open().await;
    let mut browser = office.browser();

    let session = browser.sign_in(" Admin ", FIRST_PASSWORD).await;
    assert_eq!(session.status, StatusCode::OK);
    assert_eq!(session.body["must_change_password"], true);
    assert_eq!(session.body["admin"]["role"], "superadmin");
    let cookie = session.headers["set-cookie"].to_str().unwrap();
    for attribute in ["HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=43200"] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    assert!(!cookie.contains("Secure"), "{cookie}");

    let refused = browser.get("/api/complaints").await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert_eq!(refused.body["type"], "urn:govconnect:problem:password-change-required");

    for (current, new, field) in [
        ("not the first one", OWN_PASSWORD, "current_password"),
        (FIRST_PASSWORD, "short", "new_password"),
        (FIRST_PASSWORD, FIRST_PASSWORD, "new_password"),
        (FIRST_PASSWORD, "administrator!", "new_password"),
    ] {
        let refused = browser.change_password(current, new).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{:?}", refused.body);
        assert_eq!(refused.body["errors"][0]["field"], field);
        office.pass(SignedDuration::from_secs(30));
    }

    let changed = browser.change_password(FIRST_PASSWORD, OWN_PASSWORD).await;
    assert_eq!(changed.status, StatusCode::OK, "{:?}", changed.body);
    assert_eq!(changed.body["must_change_password"], false);
    assert_eq!(browser.get("/api/complaints").await.status, StatusCode::OK);
    assert_eq!(office.browser().sign_in("admin", FIRST_PASSWORD).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(office.actions().await, ["admin.created", "session.started", "password.changed"]);
}

#[actix_rt::test]
async fn a_changed_password_ends_the_other_sessions() {
    let office = Office::open().await;
    let mut thief = office.browser();
    thief.sign_in("admin", FIRST_PASSWORD).await;
    let mut officer = office.officer().await;
    assert_eq!(thief.get("/api/session").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(officer.get("/api/session").await.status, StatusCode::OK);
}

#[actix_rt::test]
async fn wrong_sign_ins_do_not_tell_which_names_exist() {
    let office = Office::open().await;
    let mut browser = office.browser();
    let wrong_password = browser.sign_in("admin", "a wrong password").await;
    let unknown_name = browser.sign_in("nobody", "a wrong password").await;
    assert_eq!(wrong_password.status, StatusCode::UNAUTHORIZED);
    assert_eq!(wrong_password.body, unknown_name.body);
    for username in ["admin", "nobody"] {
        let statuses = [browser.sign_in(username, "b").await, browser.sign_in(username, "c").await];
        assert!(statuses.iter().all(|answer| answer.status == StatusCode::UNAUTHORIZED));
        browser.sign_in(username, "d").await;
        let waits = browser.sign_in(username, "e").await;
        assert_eq!(waits.status, StatusCode::TOO_MANY_REQUESTS, "{username}");
        assert!(waits.headers.contains_key("retry-after"));
    }
}

#[actix_rt::test]
async fn guessing_locks_the_guesser_and_not_the_office_behind_the_same_address() {
    let office = Office::open().await;
    let password =
        admin_command::create(&office.database.pool, &office.clock, "siti", None, Role::Petugas, None)
            .await
            .unwrap();
    let mut guesser = office.browser();
    for _ in 0..4 {
        guesser.sign_in("admin", "a guess").await;
    }
    // Even the right password waits now, from this address …
    assert_eq!(guesser.sign_in("admin", FIRST_PASSWORD).await.status, StatusCode::TOO_MANY_REQUESTS);
    // … but a colleague behind it does not, nor the owner elsewhere.
    assert_eq!(office.browser().sign_in("siti", password.expose_secret()).await.status, StatusCode::OK);
    let mut owner = office.browser();
    owner.address = "198.51.100.4";
    assert_eq!(owner.sign_in("admin", FIRST_PASSWORD).await.status, StatusCode::OK);
    office.pass(SignedDuration::from_secs(2));
    assert_eq!(guesser.sign_in("admin", FIRST_PASSWORD).await.status, StatusCode::OK);
}

#[actix_rt::test]
async fn guessing_from_everywhere_locks_the_account_but_not_for_its_owner() {
    let office = Office::open().await;
    let mut owner = office.browser();
    assert_eq!(owner.sign_in("admin", FIRST_PASSWORD).await.status, StatusCode::OK);
    let addresses: Vec<&'static str> = (1..=30).map(|last| &*format!("192.0.2.{last}").leak()).collect();
    let mut last = StatusCode::OK;
    for address in addresses {
        let mut guesser = office.browser();
        guesser.address = address;
        last = guesser.sign_in("admin", "a guess").await.status;
    }
    assert_eq!(last, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(owner.sign_in("admin", FIRST_PASSWORD).await.status, StatusCode::OK);
}

#[actix_rt::test]
async fn guesses_at_once_get_no_more_tries_than_in_a_row() {
    let office = Office::open().await;
    let tried = AtomicU32::new(0);
    let guesses = (0..24).map(|_| async {
        if office.browser().sign_in("admin", "a guess").await.status == StatusCode::UNAUTHORIZED {
            tried.fetch_add(1, Ordering::SeqCst);
        }
    });
    futures::future::join_all(guesses).await;
    // Three free ones and the one that starts the wait.
    assert_eq!(tried.load(Ordering::SeqCst), 4);
}

#[actix_rt::test]
async fn changes_need_the_dashboards_own_origin() {
    let office = Office::open().await;
    for origin in [None, Some("http://evil.example"), Some("null")] {
        let mut browser = office.browser();
        browser.origin = origin.map(str::to_owned);
        let refused = browser.sign_in("admin", FIRST_PASSWORD).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{origin:?}");
        assert_eq!(refused.body["type"], "urn:govconnect:problem:foreign-origin");
    }
    let mut officer = office.officer().await;
    officer.origin = Some("http://evil.example".into());
    assert_eq!(officer.send(Method::DELETE, "/api/session", None).await.status, StatusCode::FORBIDDEN);
    assert_eq!(officer.get("/api/session").await.status, StatusCode::OK);
}

#[actix_rt::test]
async fn sessions_end_by_time_sign_out_revocation_and_reset() {
    let office = Office::open().await;
    let mut officer = office.officer().await;

    // Used every few hours it lives on, but no longer than a week.
    let mut hours = 0;
    loop {
        office.pass(SignedDuration::from_hours(6));
        hours += 6;
        let answer = officer.get("/api/session").await;
        if answer.status != StatusCode::OK {
            break;
        }
        assert!(answer.headers.contains_key("set-cookie"), "renewed after {hours} h");
    }
    assert_eq!(hours, 7 * 24);

    assert_eq!(officer.sign_in("admin", OWN_PASSWORD).await.status, StatusCode::OK);
    office.pass(SignedDuration::from_hours(12));
    assert_eq!(officer.get("/api/session").await.status, StatusCode::UNAUTHORIZED, "unused for 12 hours");

    officer.sign_in("admin", OWN_PASSWORD).await;
    let mut phone = office.browser();
    phone.sign_in("admin", OWN_PASSWORD).await;
    let list = officer.get("/api/sessions").await.body;
    let other = list["items"].as_array().unwrap().iter().find(|item| item["current"] == false).unwrap();
    assert_eq!(
        (other["device"].as_str(), other["address"].as_str()),
        (Some("Chrome · Windows"), Some("203.0.113.7"))
    );
    let path = format!("/api/sessions/{}", other["session_id"].as_str().unwrap());
    assert_eq!(officer.send(Method::DELETE, &path, None).await.status, StatusCode::NO_CONTENT);
    assert_eq!(officer.send(Method::DELETE, &path, None).await.status, StatusCode::NOT_FOUND);
    assert_eq!(phone.get("/api/session").await.status, StatusCode::UNAUTHORIZED);

    let kept = officer.clone();
    assert_eq!(officer.send(Method::DELETE, "/api/session", None).await.status, StatusCode::NO_CONTENT);
    assert_eq!(officer.cookie, None);
    assert_eq!(kept.clone().get("/api/session").await.status, StatusCode::UNAUTHORIZED, "the token is dead");

    officer.sign_in("admin", OWN_PASSWORD).await;
    admin_command::reset_password(&office.database.pool, &office.clock, "ADMIN").await.unwrap();
    assert_eq!(officer.get("/api/session").await.status, StatusCode::UNAUTHORIZED);
}

#[actix_rt::test]
async fn forged_and_altered_tokens_are_refused() {
    let office = Office::open().await;
    let officer = office.officer().await;
    let cookie = officer.cookie.clone().unwrap();
    let (name, token) = cookie.split_once('=').unwrap();
    let parts: Vec<&str> = token.split('.').collect();
    let (header, claims) = (parts[0], parts[1]);
    for forged in [
        format!("{header}.{claims}."),
        format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{claims}."),
        format!("{header}.{claims}.{}", "A".repeat(43)),
        String::from("nonsense"),
    ] {
        let mut browser = office.browser();
        browser.cookie = Some(format!("{name}={forged}"));
        assert_eq!(browser.get("/api/session").await.status, StatusCode::UNAUTHORIZED, "{forged}");
    }
}

#[actix_rt::test]
async fn every_route_asks_every_role_for_what_the_table_says() {
    let office = Office::open().await;
    office.others.world.add_complaint(complaint(1, "baru"));
    let talk = conversation(None, None, None);
    office.others.world.add_conversation(talk.clone());
    for role in Role::iter() {
        let name = format!("an.{role}");
        let pool = &office.database.pool;
        let password = admin_command::create(pool, &office.clock, &name, None, role, None).await.unwrap();
        for (method, pattern, access) in ROUTES {
            let path = pattern
                .replace("{complaint_id}", "LAP-20261123-001")
                .replace("{conversation_id}", talk["conversation_id"].as_str().unwrap())
                .replace("{session_id}", &Uuid::now_v7().to_string());
            let method: Method = method.parse().unwrap();
            let body = (method == Method::PUT || method == Method::POST).then(|| json!({ "nothing": 1 }));

            let nobody = office.browser().send(method.clone(), &path, body.clone()).await.status;
            assert_eq!(
                nobody == StatusCode::UNAUTHORIZED,
                *access != Access::Public,
                "{method} {path}: {nobody}"
            );

            let mut browser = office.browser();
            browser.sign_in(&name, password.expose_secret()).await;
            let first = browser.send(method.clone(), &path, body.clone()).await.status;
            let needs_own_password = matches!(access, Access::Needs(_));
            assert_eq!(first == StatusCode::FORBIDDEN, needs_own_password, "{role} {method} {path}: {first}");

            sqlx::query("UPDATE gc_dashboard.admin_users SET must_change_password = false")
                .execute(pool)
                .await
                .unwrap();
            browser.sign_in(&name, password.expose_secret()).await;
            let answer = browser.send(method.clone(), &path, body).await.status;
            let allowed = match access {
                Access::Needs(permission) => permissions(role).contains(permission),
                Access::Public | Access::SignedIn => true,
            };
            assert_eq!(answer != StatusCode::FORBIDDEN, allowed, "{role} {method} {path}: {answer}");
            sqlx::query("UPDATE gc_dashboard.admin_users SET must_change_password = true")
                .execute(pool)
                .await
                .unwrap();
        }
    }
}

#[actix_rt::test]
async fn complaints_and_conversations_come_from_their_services() {
    let office = Office::open().await;
    let world = &office.others.world;
    for (number, status) in [(1, "baru"), (2, "diproses"), (3, "selesai")] {
        world.add_complaint(complaint(number, status));
    }
    let talk = conversation(Some("Budi"), Some(NOW), None);
    world.add_conversation(talk.clone());
    world.add_conversation(conversation(None, Some(NOW), None));
    world.add_conversation(conversation(None, None, Some("turn failed")));
    world.add_message(json!({
        "conversation_id": talk["conversation_id"], "message_id": Uuid::now_v7(), "direction": "in", "kind": "text",
        "text": "Saya mau lapor", "origin": null, "status": null, "timestamp": NOW, "wamid": "wamid.1",
    }));
    let mut officer = office.officer().await;

    let overview = officer.get("/api/overview").await.body;
    assert_eq!(
        (overview["complaints"]["open"].as_i64(), overview["complaints"]["today"].as_i64()),
        (Some(2), Some(3))
    );
    let talks = &overview["conversations"];
    assert_eq!((&talks["waiting"], &talks["held"], &talks["parked"]), (&json!(1), &json!(1), &json!(1)));

    let page = officer.get("/api/complaints?status=baru&limit=10").await.body;
    assert_eq!(page["items"][0]["complaint_id"], "LAP-20261123-001");
    assert_eq!(page["items"].as_array().unwrap().len(), 1);
    assert_eq!(page["next_cursor"], Value::Null);
    let first = officer.get("/api/complaints?limit=2").await.body;
    let next = officer
        .get(&format!("/api/complaints?limit=2&cursor={}", first["next_cursor"].as_str().unwrap()))
        .await;
    assert_eq!(next.body["items"][0]["complaint_id"], "LAP-20261123-001");

    assert_eq!(officer.get("/api/complaints/LAP-20261123-002").await.body["status"], "diproses");
    for missing in
        ["/api/complaints/LAP-20261123-999", "/api/complaints/stats", "/api/complaints/..%2F..%2Fx"]
    {
        assert_eq!(officer.get(missing).await.status, StatusCode::NOT_FOUND, "{missing}");
    }
    let wrong = officer.get("/api/complaints?status=unknown").await;
    assert_eq!(
        (wrong.status, &wrong.body["errors"][0]["field"]),
        (StatusCode::UNPROCESSABLE_ENTITY, &json!("status"))
    );
    let unknown = officer.get("/api/complaints?limit=1000").await;
    assert_eq!(unknown.body["errors"][0]["field"], "limit");

    assert_eq!(officer.get("/api/conversations").await.body["items"].as_array().unwrap().len(), 3);
    let path = format!("/api/conversations/{}/messages", talk["conversation_id"].as_str().unwrap());
    assert_eq!(officer.get(&path).await.body["items"][0]["text"], "Saya mau lapor");
    assert!(world.asked().iter().any(|asked| asked == "/internal/complaints?status=baru&limit=10"));
}

#[actix_rt::test]
async fn an_outage_is_told_as_one_and_names_the_service() {
    let office = Office::open().await;
    let mut officer = office.officer().await;
    office.others.world.break_down();
    let broken = officer.get("/api/complaints").await;
    assert_eq!((broken.status, &broken.body["service"]), (StatusCode::SERVICE_UNAVAILABLE, &json!("case")));
    office.others.stop().await;
    for (path, service) in [("/api/complaints", "case"), ("/api/conversations", "channel")] {
        let answer = officer.get(path).await;
        assert_eq!(
            (answer.status, &answer.body["service"]),
            (StatusCode::SERVICE_UNAVAILABLE, &json!(service))
        );
        assert!(answer.headers.contains_key("retry-after"));
    }
    assert_eq!(officer.get("/api/overview").await.status, StatusCode::SERVICE_UNAVAILABLE);
}

#[actix_rt::test]
async fn answers_carry_the_security_headers_and_secure_cookies_behind_tls() {
    let office = Office::open().await;
    let mut browser = office.browser();
    for path in ["/api/session", "/login", "/api/nothing/here"] {
        let answer = browser.get(path).await;
        let policy = answer.headers["content-security-policy"].to_str().unwrap();
        assert!(
            policy.contains("script-src 'self';") && policy.contains("frame-ancestors 'none'"),
            "{policy}"
        );
        assert_eq!(answer.headers["x-content-type-options"], "nosniff", "{path}");
    }
    assert_eq!(browser.get("/api/session").await.headers["cache-control"], "no-store");

    let response = govconnect::http_client::builder(std::time::Duration::from_secs(30))
        .build()
        .unwrap()
        .post(format!("{}/api/session", office.dashboard.base))
        .header("origin", &office.dashboard.base)
        .header("x-forwarded-proto", "https")
        .json(&json!({ "username": "admin", "password": FIRST_PASSWORD }))
        .send()
        .await
        .unwrap();
    let cookie = response.headers()["set-cookie"].to_str().unwrap();
    assert!(cookie.starts_with("__Host-govconnect_session=") && cookie.contains("Secure"), "{cookie}");
    assert!(response.headers().contains_key("strict-transport-security"));
}

#[actix_rt::test]
async fn what_is_not_a_page_is_never_answered_with_the_page() {
    let office = Office::open().await;
    let mut officer = office.officer().await;
    for (path, status) in [
        ("/api/nothing", StatusCode::NOT_FOUND),
        ("/internal/nothing", StatusCode::UNAUTHORIZED),
        ("/assets/gone-12345.js", StatusCode::NOT_FOUND),
        ("/docs-or-so", StatusCode::NOT_FOUND),
        ("/health", StatusCode::OK),
        ("/openapi.json", StatusCode::OK),
    ] {
        let answer = officer.get(path).await;
        assert_eq!(answer.status, status, "{path}");
        assert!(answer.body.is_object(), "{path}: {}", answer.body);
    }
    let posted = officer.send(Method::POST, "/complaints", Some(json!({}))).await;
    assert_eq!(posted.status, StatusCode::NOT_FOUND);
    let wrong_method = officer.send(Method::PUT, "/api/complaints", Some(json!({}))).await;
    assert_eq!(wrong_method.status, StatusCode::METHOD_NOT_ALLOWED);
}

#[actix_rt::test]
async fn the_office_profile_is_stored_once_and_needs_the_internal_key() {
    let office = Office::open().await;
    let profile = |name: &str| OfficeProfile {
        name: name.into(),
        time_zone: "Asia/Jakarta".into(),
        emergency_numbers: vec!["Darurat: 112".into()],
        address: None,
        hours: Vec::new(),
        holidays: Vec::new(),
    };
    let pool = &office.database.pool;
    ensure_profile(pool, &office.clock, &profile("Kantor Kelurahan Sukamaju")).await.unwrap();
    ensure_profile(pool, &office.clock, &profile("Another name")).await.unwrap();
    let url = format!("{}/internal/office", office.dashboard.base);
    let client = govconnect::http_client::builder(std::time::Duration::from_secs(30)).build().unwrap();
    assert_eq!(client.get(&url).send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
    let key = other_services::INTERNAL_KEY;
    let answer: Value =
        client.get(&url).header("x-internal-api-key", key).send().await.unwrap().json().await.unwrap();
    assert_eq!(answer["profile"]["name"], "Kantor Kelurahan Sukamaju");
    assert_eq!(answer["version"], 1);
}

#[actix_rt::test]
async fn the_activity_log_can_only_grow() {
    let office = Office::open().await;
    for statement in [
        "UPDATE gc_dashboard.activity_logs SET username = 'x'",
        "DELETE FROM gc_dashboard.activity_logs",
        "TRUNCATE gc_dashboard.activity_logs",
    ] {
        let error = sqlx::query(statement).execute(&office.database.pool).await.unwrap_err().to_string();
        assert!(error.contains("append-only"), "{statement}: {error}");
    }
}

#[actix_rt::test]
async fn the_command_line_makes_lists_and_resets_accounts() {
    use clap::Parser;

    #[derive(Parser)]
    struct Program {
        #[command(flatten)]
        admin: admin_command::AdminArgs,
    }

    let database = TestDatabase::create().await;
    let clock = Clock::fixed(NOW.parse::<Timestamp>().unwrap());
    let run = async |line: &str| {
        let args = Program::try_parse_from(line.split(' ')).unwrap().admin;
        let mut output = Vec::new();
        admin_command::run(&args, &database.pool, &clock, &mut output)
            .await
            .map(|()| String::from_utf8(output).unwrap())
            .map_err(|error| error.to_string())
    };
    assert!(admin_command::ensure_first_admin(&database.pool, &clock, &FIRST_PASSWORD.into()).await.unwrap());
    assert!(
        !admin_command::ensure_first_admin(&database.pool, &clock, &FIRST_PASSWORD.into()).await.unwrap()
    );
    let created =
        run("admin create Siti --display-name Siti --role petugas --unit kebersihan").await.unwrap();
    assert!(created.contains("account:  siti") && created.contains("password: "), "{created}");
    assert!(run("admin create siti").await.unwrap_err().contains("already"));
    assert!(run("admin create s!ti").await.unwrap_err().contains("cannot be a user name"));
    assert!(run("admin reset-password nobody").await.unwrap_err().contains("no account"));
    assert!(run("admin reset-password siti").await.unwrap().contains("password: "));
    let list = run("admin list").await.unwrap();
    assert_eq!(
        list,
        "admin\tsuperadmin\t-\tmust change password\tAdministrator\nsiti\tpetugas\tkebersihan\tmust change password\tSiti\n"
    );
}
