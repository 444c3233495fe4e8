//! The edge: what is let in, what is refused, and that every refusal has one shape.

use govconnect::clock::Clock;
use govconnect::whatsapp::signature;
use reqwest::{Method, Response};
use serde_json::{Value, json};

use crate::support::office::{APP_SECRET, INTERNAL_KEY, NUMBER, Office, VERIFY_TOKEN};

const SERVICES: [&str; 5] = ["channel", "ai", "case", "notification", "dashboard"];
/// Every table that an update of Meta's could reach.
const STORED: &str =
    "SELECT (SELECT count(*) FROM gc_channel.messages) + (SELECT count(*) FROM gc_channel.conversations)
    + (SELECT count(*) FROM gc_channel.identities) + (SELECT count(*) FROM gc_channel.user_profiles)
    + (SELECT count(*) FROM gc_channel.parked_updates) + (SELECT count(*) FROM gc_channel.early_statuses)";

/// The signature as anybody could make it with `openssl dgst -sha256 -hmac`.
fn sign(body: &[u8]) -> String {
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, APP_SECRET.as_bytes());
    format!("sha256={}", hex::encode(aws_lc_rs::hmac::sign(&key, body)))
}

fn a_message(wamid: &str) -> Vec<u8> {
    json!({"object": "whatsapp_business_account", "entry": [{"id": "1", "changes": [{"field": "messages", "value": {
        "messaging_product": "whatsapp", "metadata": {"display_phone_number": "62", "phone_number_id": NUMBER},
        "contacts": [{"profile": {"name": "Warga curl"}, "wa_id": "6281200000001"}],
        "messages": [{"from": "6281200000001", "id": wamid, "timestamp": Clock::system().now().as_second().to_string(), "type": "text",
            "text": {"body": "Saya mau lapor jalan rusak di Jl. Melati No. 15, banyak lubang"}}]}}]}]})
    .to_string()
    .into_bytes()
}

async fn post(office: &Office, body: Vec<u8>, signature: Option<&str>) -> Response {
    let mut request =
        office.http.post(office.webhook()).header("content-type", "application/json").body(body);
    if let Some(signature) = signature {
        request = request.header(signature::HEADER, signature);
    }
    request.send().await.unwrap()
}

async fn assert_problem(response: Response, status: u16, what: &str) -> Value {
    assert_eq!(response.status(), status, "{what}");
    assert_eq!(response.headers()["content-type"], "application/problem+json", "{what}");
    let problem: Value = response.json().await.unwrap();
    assert_eq!(problem["status"], status, "{what}: {problem}");
    assert!(problem["title"].is_string(), "{what}: {problem}");
    problem
}

#[tokio::test]
async fn only_what_is_signed_by_meta_is_stored() {
    let office = Office::open().await;
    let body = a_message("wamid.curl");
    let other = sign(b"another body");
    let no_prefix = sign(&body).replace("sha256=", "");
    for (name, signature) in [
        ("none", None),
        ("empty", Some("")),
        ("of another body", Some(other.as_str())),
        ("without its prefix", Some(no_prefix.as_str())),
        ("not hexadecimal", Some("sha256=zz")),
        ("cut short", Some(&sign(&body)[..40])),
    ] {
        assert_problem(post(&office, body.clone(), signature).await, 401, name).await;
    }
    assert_eq!(office.count(STORED).await, 0, "nothing unsigned is stored");

    let answer = post(&office, body.clone(), Some(&sign(&body))).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(office.count("SELECT count(*) FROM gc_channel.messages WHERE direction = 'in'").await, 1);
    let replies = office.replies("6281200000001", 1).await;
    assert!(replies[0].text.contains("LAP-"), "{replies:?}");
    office.check().await;

    for (body, status) in [(&b"not json"[..], 400), (b"{}", 400), (b"[]", 400), (b"\xff\xfe", 400)] {
        let answer = post(&office, body.to_vec(), Some(&sign(body))).await;
        assert_problem(answer, status, &String::from_utf8_lossy(body)).await;
    }
    let large = vec![b' '; 5 * 1024 * 1024];
    assert_problem(post(&office, large.clone(), Some(&sign(&large))).await, 413, "too large").await;
    office.close().await;
}

#[tokio::test]
async fn meta_verifies_the_address_with_the_token_and_nobody_else_does() {
    let office = Office::open().await;
    let verify = async |query: Vec<(&str, &str)>| {
        office.http.get(office.webhook()).query(&query).send().await.unwrap()
    };
    let asked =
        vec![("hub.mode", "subscribe"), ("hub.verify_token", VERIFY_TOKEN), ("hub.challenge", "1158201444")];
    let answer = verify(asked.clone()).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.text().await.unwrap(), "1158201444");
    for (position, value) in [(0, "unsubscribe"), (1, "wrong"), (1, "")] {
        let mut asked = asked.clone();
        asked[position].1 = value;
        assert_problem(verify(asked).await, 403, value).await;
    }
    assert_problem(verify(vec![]).await, 403, "no question").await;
    assert_problem(verify(asked[..2].to_vec()).await, 403, "no challenge").await;
    office.close().await;
}

#[tokio::test]
async fn every_service_tells_how_it_is_and_refuses_in_one_shape() {
    let office = Office::open().await;
    for service in SERVICES {
        for path in ["/health", "/ready", "/metrics", "/openapi.json"] {
            let answer = office.http.get(office.url(service, path)).send().await.unwrap();
            assert_eq!(answer.status(), 200, "{service}{path}");
        }
        let send = async |method: Method, path: &str, key: Option<&str>| {
            let mut request = office.http.request(method, office.url(service, path));
            if let Some(key) = key {
                request = request.header("x-internal-api-key", key);
            }
            request.send().await.unwrap()
        };
        assert_problem(send(Method::GET, "/internal/no-such-thing", Some(INTERNAL_KEY)).await, 404, service)
            .await;
        assert_problem(send(Method::DELETE, "/health", None).await, 405, service).await;
        let document = send(Method::GET, "/openapi.json", None).await.json::<Value>().await.unwrap();
        for (path, operations) in document["paths"].as_object().unwrap() {
            if !path.starts_with("/internal") {
                continue;
            }
            let path = path.replace("{id}", "1").replace("{person_id}", "1").replace("{source_id}", "1");
            for method in operations.as_object().unwrap().keys() {
                let method: Method = method.to_uppercase().parse().unwrap();
                for path in [
                    path.clone(),
                    path.replace("/internal", "/%69nternal"),
                    path.replace("/internal", "//internal"),
                ] {
                    for key in [None, Some(""), Some("wrong")] {
                        let answer = send(method.clone(), &path, key).await;
                        let what = format!("{service} {method} {path} {key:?}");
                        let status = answer.status().as_u16();
                        // A path that is written in another way may also lead nowhere; it must not lead in.
                        assert!(
                            status == 401 || (status == 404 && !path.starts_with("/internal")),
                            "{what}: {status}"
                        );
                        assert_problem(answer, status, &what).await;
                    }
                }
            }
        }
    }
    let too_large = vec![b'x'; 3 * 1024 * 1024];
    for (service, path) in [
        ("channel", "/internal/messages/send"),
        ("ai", "/internal/process-message"),
        ("case", "/internal/complaints"),
        ("notification", "/internal/notifications"),
    ] {
        let request = |body: Vec<u8>| {
            let request =
                office.http.post(office.url(service, path)).header("x-internal-api-key", INTERNAL_KEY);
            request.header("content-type", "application/json").body(body).send()
        };
        assert_problem(request(b"{".to_vec()).await.unwrap(), 400, service).await;
        assert_problem(request(too_large.clone()).await.unwrap(), 413, service).await;
        let unknown = request(b"{\"nonsense\": 1}".to_vec()).await.unwrap();
        let problem = assert_problem(unknown, 422, service).await;
        assert!(problem["errors"][0]["field"].is_string(), "{service}: {problem}");
    }
    office.close().await;
}

#[tokio::test]
async fn a_full_intake_says_503_and_stores_exactly_what_it_took() {
    // One webhook is being written, one waits, and there is no room for more.
    let office =
        Office::open_with(&[("INTAKE__QUEUE", "1"), ("FAILPOINTS", "intake::before_commit=sleep(1500)")])
            .await;
    let posts = (0..6).map(|number| {
        let body = a_message(&format!("wamid.full{number}"));
        let (signature, office) = (sign(&body), &office);
        async move { post(office, body, Some(&signature)).await }
    });
    let mut taken = 0;
    for response in futures::future::join_all(posts).await {
        match response.status().as_u16() {
            200 => taken += 1,
            _ => drop(assert_problem(response, 503, "full").await),
        }
    }
    assert!((1..=5).contains(&taken), "{taken} of 6 were taken");
    assert_eq!(office.count("SELECT count(*) FROM gc_channel.messages WHERE direction = 'in'").await, taken);
    let refused = office.metric("govconnect_intake_refused_total").await;
    // Statuses of the replies may be refused as well, and come again.
    assert!(refused as i64 >= 6 - taken, "{refused} refused");
    assert!(office.metric("govconnect_intake_batch_rows_count").await >= 1.0);
    office.close().await;
}
