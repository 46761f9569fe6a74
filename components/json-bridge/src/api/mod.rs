//! The HTTP API: sending stanzas, querying XMPP entities and reading events.

mod ask;
mod body;
mod caller;
mod openapi;
mod problem;
mod query;
mod send;
mod shortcuts;
mod stream;

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::routing::{MethodRouter, get, post};
use campanile::error::BoxError;
use tokio::sync::Semaphore;

use self::caller::Callers;
use crate::http::{self, Bounds};
use crate::settings;
use crate::state::Running;

/// Bounds on connections.
const BOUNDS: Bounds = Bounds {
    connections: 1024,
    reserve: 8,
    is_vital: |path| path == "/healthz",
};
/// The name of the API in logs.
const NAME: &str = "HTTP API";
/// Maximum number of concurrent event readers.
const MAX_READERS: usize = 256;

/// The state shared by all requests.
struct Shared {
    running: Arc<Running>,
    callers: Callers,
    readers: Arc<Semaphore>,
}

type State = axum::extract::State<Arc<Shared>>;

/// Binds the port, and returns its address and a future that serves the API.
pub(crate) async fn serve(
    api: &settings::Api,
    running: Arc<Running>,
) -> Result<(SocketAddr, impl Future<Output = ()> + Send + use<>), BoxError> {
    let listener = tokio::net::TcpListener::bind(api.listen)
        .await
        .map_err(|error| format!("{}: {error}", api.listen))?;
    let address = listener.local_addr()?;
    let domain = running.client.domain();
    let callers = Callers::new(api, &running.settings.bots, domain, MAX_READERS);
    let readers = Arc::new(Semaphore::new(MAX_READERS));
    let metrics = Arc::clone(&running.delivery.metrics);
    let router = router(Arc::new(Shared {
        running,
        callers,
        readers,
    }));
    let listener = Arc::new(listener);
    let serving = async move {
        let serve = || async {
            let router = router.clone();
            let listener = Arc::clone(&listener);
            let failures = metrics.tasks.clone();
            http::serve(listener, NAME, BOUNDS, failures, move |_| router.clone()).await;
            Ok(())
        };
        metrics.tasks.until_ok(NAME, serve).await;
    };
    Ok((address, serving))
}

fn router(shared: Arc<Shared>) -> Router {
    let router = Router::new();
    routes()
        .into_iter()
        .fold(router, |router, (path, handler)| {
            router.route(path, handler)
        })
        .fallback(|| async { problem::Problem::new(404, "no such path; see GET /v1/openapi.json") })
        .method_not_allowed_fallback(|| async {
            problem::Problem::new(405, "wrong method for this path; see GET /v1/openapi.json")
        })
        .with_state(shared)
}

/// Returns all routes. `openapi.json` describes each of them.
fn routes() -> [(&'static str, MethodRouter<Arc<Shared>>); 13] {
    [
        ("/v1/messages", post(send::message)),
        ("/v1/presence", post(send::presence)),
        ("/v1/iq", post(send::iq)),
        ("/v1/stanzas", post(send::stanza)),
        ("/v1/echo", post(send::echo)),
        ("/v1/ping/{to}", get(shortcuts::ping)),
        ("/v1/disco/{to}", get(shortcuts::disco)),
        ("/v1/items/{to}", get(shortcuts::items)),
        ("/v1/version/{to}", get(shortcuts::version)),
        ("/v1/events", get(stream::events)),
        ("/v1/openapi.json", get(openapi::document)),
        ("/v1/schema.json", get(openapi::schema)),
        ("/healthz", get(|| async { "ok\n" })),
    ]
}
