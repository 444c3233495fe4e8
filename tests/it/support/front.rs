//! What stands before several nodes: requests go round those that are ready, and once more to another one when connecting
//! fails, as Traefik does it with `deploy/traefik`.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::http::StatusCode;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use govconnect::http_client;
use tokio::task::JoinHandle;

/// Between two looks at `/ready`, and for how long one may take.
const LOOK_EVERY: Duration = Duration::from_millis(100);
const LOOK_PATIENCE: Duration = Duration::from_secs(1);
/// How long a node may take for an answer.
const PATIENCE: Duration = Duration::from_secs(30);
const LARGEST_BODY: usize = 16 * 1024 * 1024;
/// Of the connection, not of the request.
const HOP_BY_HOP: [&str; 3] = ["connection", "transfer-encoding", "content-length"];

#[derive(Clone, Copy)]
struct Backend {
    address: SocketAddr,
    ready: bool,
}

struct Shared {
    backends: Mutex<Vec<Backend>>,
    next: AtomicUsize,
    http: reqwest::Client,
    looking: reqwest::Client,
}

/// A front on a port of its own; it ends when it is dropped.
pub struct Front {
    address: SocketAddr,
    shared: Arc<Shared>,
    server: ServerHandle,
    watching: JoinHandle<()>,
}

impl Front {
    /// With nobody behind it: everything is answered 503.
    pub fn start() -> Self {
        let client = |patience| http_client::builder(patience).no_proxy().build().expect("a client");
        let shared = Arc::new(Shared {
            backends: Mutex::default(),
            next: AtomicUsize::new(0),
            http: client(PATIENCE),
            looking: client(LOOK_PATIENCE),
        });
        let data = web::Data::from(shared.clone());
        let server = HttpServer::new(move || {
            App::new()
                .app_data(data.clone())
                .app_data(web::PayloadConfig::new(LARGEST_BODY))
                .default_service(web::to(forward))
        })
        .workers(1)
        .disable_signals()
        .bind(("127.0.0.1", 0))
        .expect("a free port");
        let address = server.addrs()[0];
        let server = server.run();
        let handle = server.handle();
        tokio::spawn(server);
        let watched = shared.clone();
        let watching = tokio::spawn(async move {
            loop {
                watched.look().await;
                tokio::time::sleep(LOOK_EVERY).await;
            }
        });
        Front { address, shared, server: handle, watching }
    }

    /// Sends requests to these from now on; returns when it knows which of them are ready.
    pub async fn set_backends(&self, addresses: impl IntoIterator<Item = SocketAddr>) {
        let backends = addresses.into_iter().map(|address| Backend { address, ready: false }).collect();
        *self.shared.backends.lock().expect("the lock") = backends;
        self.shared.look().await;
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.watching.abort();
        // Asked for at once; nobody waits for the answer.
        drop(self.server.stop(false));
    }
}

impl Shared {
    async fn look(&self) {
        let backends = self.backends.lock().expect("the lock").clone();
        let looks = backends.iter().map(|backend| async {
            let answer = self.looking.get(format!("http://{}/ready", backend.address)).send().await;
            (backend.address, answer.is_ok_and(|answer| answer.status().is_success()))
        });
        let seen = futures::future::join_all(looks).await;
        for backend in self.backends.lock().expect("the lock").iter_mut() {
            if let Some((_, ready)) = seen.iter().find(|(address, _)| *address == backend.address) {
                backend.ready = *ready;
            }
        }
    }

    /// Whose turn it is, and who is next if connecting fails.
    fn turn(&self) -> Vec<SocketAddr> {
        let backends = self.backends.lock().expect("the lock");
        let ready: Vec<SocketAddr> =
            backends.iter().filter(|backend| backend.ready).map(|backend| backend.address).collect();
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        ready.iter().cycle().skip(turn % ready.len().max(1)).take(ready.len().min(2)).copied().collect()
    }
}

async fn forward(request: HttpRequest, body: web::Bytes, shared: web::Data<Shared>) -> HttpResponse {
    for address in shared.turn() {
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        let method = request.method().as_str().parse().expect("a method");
        let mut call = shared.http.request(method, format!("http://{address}{path}")).body(body.clone());
        for (name, value) in request.headers() {
            if !HOP_BY_HOP.contains(&name.as_str()) {
                call = call.header(name.as_str(), value.as_bytes());
            }
        }
        match call.send().await {
            Ok(answer) => return forwarded(answer).await,
            Err(error) if error.is_connect() => {}
            Err(error) if error.is_timeout() => return HttpResponse::GatewayTimeout().finish(),
            Err(_) => return HttpResponse::BadGateway().finish(),
        }
    }
    HttpResponse::ServiceUnavailable().finish()
}

async fn forwarded(answer: reqwest::Response) -> HttpResponse {
    let status = StatusCode::from_u16(answer.status().as_u16()).expect("a status");
    let mut response = HttpResponse::build(status);
    for (name, value) in answer.headers() {
        if !HOP_BY_HOP.contains(&name.as_str()) {
            response.append_header((name.as_str(), value.as_bytes()));
        }
    }
    match answer.bytes().await {
        Ok(body) => response.body(body),
        Err(_) => HttpResponse::BadGateway().finish(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;
    use crate::support::office::eventually;

    /// Says who it is and what it was asked.
    struct Named {
        address: SocketAddr,
        ready: Arc<AtomicBool>,
        server: ServerHandle,
    }

    fn named(name: &'static str) -> Named {
        let ready = Arc::new(AtomicBool::new(true));
        let is_ready = ready.clone();
        let server = HttpServer::new(move || {
            let is_ready = is_ready.clone();
            let look = move || {
                let ok = is_ready.load(Ordering::SeqCst);
                std::future::ready(if ok { HttpResponse::Ok() } else { HttpResponse::ServiceUnavailable() })
            };
            App::new().route("/ready", web::get().to(look)).default_service(web::to(
                move |request: HttpRequest, body: String| async move {
                    let asked =
                        request.headers().get("x-asked").map(|value| value.to_str().unwrap().to_owned());
                    let told = format!("{name} {} {} {body} {asked:?}", request.method(), request.uri());
                    HttpResponse::Accepted().insert_header(("x-name", name)).body(told)
                },
            ))
        })
        .workers(1)
        .disable_signals()
        .bind(("127.0.0.1", 0))
        .unwrap();
        let address = server.addrs()[0];
        let server = server.run();
        let handle = server.handle();
        tokio::spawn(server);
        Named { address, ready, server: handle }
    }

    async fn asked(front: &Front) -> Option<String> {
        let client = http_client::builder(PATIENCE).no_proxy().build().unwrap();
        let answer = client.get(front.url("/")).send().await.unwrap();
        answer.headers().get("x-name").map(|value| value.to_str().unwrap().to_owned())
    }

    #[tokio::test]
    async fn requests_go_round_those_that_are_ready() {
        let (one, two) = (named("one"), named("two"));
        let front = Front::start();
        assert_eq!(asked(&front).await, None, "nobody is behind it");
        front.set_backends([one.address, two.address]).await;
        let mut names = Vec::new();
        for _ in 0..4 {
            names.push(asked(&front).await.unwrap());
        }
        names.sort();
        assert_eq!(names, ["one", "one", "two", "two"]);
        one.ready.store(false, Ordering::SeqCst);
        eventually("the one that is not ready gets nothing", async || {
            let (first, second) = (asked(&front).await?, asked(&front).await?);
            (first == "two" && second == "two").then_some(())
        })
        .await;
        one.ready.store(true, Ordering::SeqCst);
        eventually("it is back", async || (asked(&front).await? == "one").then_some(())).await;
        // Another one takes over at once, whatever was known of readiness.
        one.server.stop(false).await;
        for _ in 0..4 {
            assert_eq!(asked(&front).await.as_deref(), Some("two"));
        }
    }

    #[tokio::test]
    async fn a_request_and_its_answer_arrive_whole() {
        let one = named("one");
        let front = Front::start();
        front.set_backends([one.address]).await;
        let client = http_client::builder(PATIENCE).no_proxy().build().unwrap();
        let answer = client
            .post(front.url("/webhook/whatsapp?a=b%20c"))
            .header("x-asked", "so")
            .body("said")
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 202);
        let told = answer.text().await.unwrap();
        assert_eq!(told, r#"one POST /webhook/whatsapp?a=b%20c said Some("so")"#);
    }
}
