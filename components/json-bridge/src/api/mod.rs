//! The HTTP side: what programs ask of XMPP.

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

/// Largest body taken: what Prosody takes as a stanza.
const MAX_BODY: usize = 512 * 1024;
/// Readers of events.
const MAX_READERS: usize = 256;

/// What every request sees.
struct Shared {
    running: Arc<Running>,
    callers: Callers,
    readers: Arc<Semaphore>,
}

type State = axum::extract::State<Arc<Shared>>;

/// Takes the port; the future serves.
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

/// The routes are those of the document.
fn router(shared: Arc<Shared>) -> Router {
    let router = Operation::ALL
        .iter()
        .fold(Router::new(), |router, operation| {
            router.route(operation.path(), handler(*operation))
        });
    router
        .fallback(|| async { problem::Problem::new(404, "there is nothing at this path") })
        .method_not_allowed_fallback(|| async {
            problem::Problem::new(405, "this path has another method")
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
