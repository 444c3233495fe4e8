//! One listener: the routes of a service plus what every service has (`/health`, `/ready`, `/metrics`,
//! `/openapi.json`, `/docs/`), wrapped in the guards.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::middleware::from_fn;
use actix_web::{App, HttpServer, web};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, SecurityScheme};
use utoipa::openapi::{ComponentsBuilder, InfoBuilder, OpenApi, OpenApiBuilder};
use utoipa_actix_web::AppExt;
use utoipa_actix_web::service_config::ServiceConfig;
use utoipa_swagger_ui::SwaggerUi;

use super::extract::BodyLimit;
use super::guard::{InternalKeys, ServiceName, observe};
use super::health::{self, Readiness};
use super::methods::{KnownPaths, nothing_here};
use crate::metrics::Metrics;

/// What a service adds to its listener.
#[derive(Clone)]
pub struct Service {
    /// Short name: `channel`, `ai` …
    pub name: &'static str,
    /// One line for the OpenAPI document.
    pub description: &'static str,
    /// Registers the documented handlers; needs no state, so the OpenAPI document can be made without a node.
    pub routes: fn(&mut ServiceConfig<'_>),
    /// Puts the service's state into the app.
    pub state: Arc<dyn Fn(&mut web::ServiceConfig) + Send + Sync>,
    /// Routes outside OpenAPI (web pages, catch-alls), registered last.
    pub pages: fn(&mut web::ServiceConfig),
}

impl Service {
    /// A service without state or pages: enough for its OpenAPI document.
    pub fn new(name: &'static str, description: &'static str, routes: fn(&mut ServiceConfig<'_>)) -> Self {
        Service { name, description, routes, state: Arc::new(|_| {}), pages: |_| {} }
    }

    /// With what its handlers take as `web::Data<T>`; beside what was given before.
    pub fn with_state<T: Send + Sync + 'static>(mut self, state: T) -> Self {
        let (state, before) = (web::Data::new(state), self.state.clone());
        self.state = Arc::new(move |config| {
            before(config);
            config.app_data(state.clone());
        });
        self
    }

    /// With routes outside OpenAPI.
    pub fn with_pages(mut self, pages: fn(&mut web::ServiceConfig)) -> Self {
        self.pages = pages;
        self
    }
}

/// What all listeners of a node share.
#[derive(Clone)]
pub struct Shared {
    pub keys: web::Data<InternalKeys>,
    pub metrics: web::Data<Metrics>,
    pub readiness: web::Data<Readiness>,
    pub body_limit: BodyLimit,
    pub shutdown_grace: Duration,
}

/// A listener that is up.
pub struct Listening {
    pub name: &'static str,
    pub address: SocketAddr,
    handle: ServerHandle,
}

impl Listening {
    /// Stops accepting, lets open requests finish within the grace, returns when done.
    pub async fn stop(self) {
        self.handle.stop(true).await;
    }
}

/// Binds and serves. Must be called inside an actix system.
///
/// # Errors
/// When the address cannot be bound; the error names it.
pub fn listen(
    service: Service,
    bind: SocketAddr,
    workers: usize,
    shared: Shared,
) -> std::io::Result<Listening> {
    let socket = TcpListener::bind(bind).map_err(|error| {
        std::io::Error::new(error.kind(), format!("{}.bind: cannot listen on {bind}: {error}", service.name))
    })?;
    let address = socket.local_addr()?;
    let grace = shared.shutdown_grace.as_secs().max(1);
    let name = service.name;
    let server = HttpServer::new(move || {
        let service = service.clone();
        let shared = shared.clone();
        let (app, api) = App::new()
            .into_utoipa_app()
            .openapi(document_head(&service))
            .configure(service.routes)
            .split_for_parts();
        let state = service.state.clone();
        let known_paths = web::Data::new(KnownPaths::of(&api));
        app.app_data(shared.keys.clone())
            .app_data(shared.metrics.clone())
            .app_data(shared.readiness.clone())
            .app_data(shared.body_limit)
            .app_data(ServiceName(service.name))
            .app_data(known_paths)
            .configure(move |config| state(config))
            .configure(health::routes)
            .service(SwaggerUi::new("/docs/{_:.*}").url("/openapi.json", api))
            .configure(service.pages)
            .default_service(web::to(nothing_here))
            .wrap(from_fn(observe))
    })
    .workers(workers)
    .shutdown_timeout(grace)
    .client_request_timeout(Duration::from_secs(30))
    .disable_signals()
    .listen(socket)?
    .run();
    let handle = server.handle();
    actix_rt::spawn(async move {
        if let Err(error) = server.await {
            tracing::error!(service = name, %error, "listener ended");
        }
    });
    Ok(Listening { name, address, handle })
}

/// The OpenAPI document of a service, made from its handlers.
pub fn openapi(service: &Service) -> OpenApi {
    App::new().into_utoipa_app().openapi(document_head(service)).configure(service.routes).split_for_parts().1
}

fn document_head(service: &Service) -> OpenApi {
    let info = InfoBuilder::new()
        .title(format!("GovConnect {}", service.name))
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(service.description))
        .license(Some(utoipa::openapi::LicenseBuilder::new().name("Apache-2.0").build()))
        .build();
    let components = ComponentsBuilder::new()
        .security_scheme(
            "internal_api_key",
            SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::new(super::guard::INTERNAL_API_KEY))),
        )
        .build();
    OpenApiBuilder::new().info(info).components(Some(components)).build()
}
