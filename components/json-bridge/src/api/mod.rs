//! The HTTP API: sending stanzas, querying XMPP entities and reading events.

mod caller;
mod listen;
mod openapi;
mod problem;
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
use self::openapi::Operation;
use crate::bridge::Running;
use crate::settings;

/// Maximum size of a request body, equal to Prosody's stanza size limit.
const MAX_BODY: usize = 512 * 1024;
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
    let callers = Callers::new(api, &running.settings.bots, running.client.domain());
    let readers = Arc::new(Semaphore::new(MAX_READERS));
    let router = router(Arc::new(Shared {
        running,
        callers,
        readers,
    }));
    Ok((address, listen::serve(listener, router)))
}

/// Builds the router from the operations of the OpenAPI document.
fn router(shared: Arc<Shared>) -> Router {
    let router = Operation::ALL
        .iter()
        .fold(Router::new(), |router, operation| {
            router.route(operation.path(), handler(*operation))
        });
    router
        .fallback(|| async { problem::Problem::new(404, "no such path; see GET /v1/openapi.json") })
        .method_not_allowed_fallback(|| async {
            problem::Problem::new(405, "wrong method for this path; see GET /v1/openapi.json")
        })
        .with_state(shared)
}

fn handler(operation: Operation) -> MethodRouter<Arc<Shared>> {
    match operation {
        Operation::Messages => post(send::message),
        Operation::Presence => post(send::presence),
        Operation::Iq => post(send::iq),
        Operation::Stanzas => post(send::stanza),
        Operation::Echo => post(send::echo),
        Operation::Ping => get(shortcuts::ping),
        Operation::Disco => get(shortcuts::disco),
        Operation::Items => get(shortcuts::items),
        Operation::Version => get(shortcuts::version),
        Operation::Events => get(stream::events),
        Operation::Document => get(openapi::document),
        Operation::Schema => get(openapi::schema),
        Operation::Health => get(|| async { "ok\n" }),
    }
}
