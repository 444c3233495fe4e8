//! `/health` (this process is alive), `/ready` (what it depends on answers) and `/metrics`.

use std::time::Duration;

use actix_web::http::header::CONTENT_TYPE;
use actix_web::{HttpResponse, web};
use serde::Serialize;
use sqlx::PgPool;
use tokio::time::timeout;

use super::problem::Problem;
use crate::bus::Bus;
use crate::metrics::Metrics;

/// How long a dependency may take to answer before it counts as away.
const PATIENCE: Duration = Duration::from_secs(2);

/// What `/ready` asks.
#[derive(Clone)]
pub struct Readiness {
    pub pool: PgPool,
    pub draining: std::sync::Arc<std::sync::atomic::AtomicBool>,
    pub bus: std::sync::Arc<dyn Bus>,
}

#[derive(Serialize)]
struct Health {
    status: &'static str,
    version: &'static str,
}

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/health").route(web::get().to(health)).route(web::head().to(health)))
        .service(web::resource("/ready").route(web::get().to(ready)))
        .service(web::resource("/metrics").route(web::get().to(metrics)));
}

async fn health() -> HttpResponse {
    HttpResponse::Ok().json(Health { status: "alive", version: env!("CARGO_PKG_VERSION") })
}

async fn ready(readiness: web::Data<Readiness>) -> Result<HttpResponse, Problem> {
    if readiness.draining.load(std::sync::atomic::Ordering::SeqCst) {
        return Err(Problem::unavailable("this node is stopping").with("dependency", "node"));
    }
    let answered = timeout(PATIENCE, crate::store::ping(&readiness.pool)).await;
    match answered {
        // Without the broker webhooks are still taken and answered: whoever balances must not stop sending them.
        Ok(Ok(())) => {
            let (status, bus) = match readiness.bus.is_up() {
                true => ("ready", "ok"),
                false => ("degraded", "away"),
            };
            let dependencies = serde_json::json!({"database": "ok", "bus": bus});
            Ok(HttpResponse::Ok().json(serde_json::json!({"status": status, "dependencies": dependencies})))
        }
        _ => Err(Problem::unavailable("the database does not answer").with("dependency", "database")),
    }
}

async fn metrics(metrics: web::Data<Metrics>) -> Result<HttpResponse, Problem> {
    let text = metrics.render().map_err(|error| {
        tracing::error!(%error, "metrics could not be rendered");
        Problem::internal()
    })?;
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8"))
        .body(text))
}
