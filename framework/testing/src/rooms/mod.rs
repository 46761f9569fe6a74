//! A small room service (XEP-0045), for tests of components that enter rooms.
//!
//! It is a component of its own, so it runs on the embedded [`Host`](crate::host::Host) beside the
//! component under test. The first one who enters a room creates it, and everything is kept in
//! memory. Occupant ids (XEP-0421), stanza ids (XEP-0359) and history are supported; forms,
//! discovery and registration are not.
//!
//! ```
//! use campanile::router::Router;
//! use campanile_testing as testing;
//! use campanile_testing::rooms::RoomService;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let bot = testing::mount("bot.localhost", |bot| bot.router(Router::new())).await;
//! let service = RoomService::new();
//! let _rooms = service.mount(bot.host(), "rooms.localhost").await;
//! let room = bot.client().join("hall@rooms.localhost", "bot").await?;
//! room.say("hello").await?;
//! assert_eq!(service.occupants("hall@rooms.localhost"), ["bot"]);
//! # Ok(())
//! # }
//! ```

mod model;
mod moderation;
mod occupant;
mod packets;

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll};

use campanile::client::Client;
use campanile::component::Component;
use campanile::error::BoxError;
use campanile::inbound::Inbound;
use campanile::reply::Reply;
use tower_service::Service;

use self::model::Model;
use crate::host::Host;
use crate::{Running, start};

/// A service of rooms. Cloning is cheap.
#[derive(Debug, Clone, Default)]
pub struct RoomService {
    model: Arc<Mutex<Model>>,
    client: Arc<OnceLock<Client>>,
}

impl RoomService {
    /// Creates a service without rooms.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Runs the service on a domain of the host, until the result is dropped.
    ///
    /// # Panics
    /// If it does not connect in time.
    pub async fn mount(&self, host: &Host, domain: &str) -> Running {
        let builder = Component::builder(domain)
            .connector(host.connector())
            .secret("s3cr3t")
            .service(Rooms(Arc::clone(&self.model)));
        let running = start(builder);
        running.mounted().await;
        self.client.get_or_init(|| running.client());
        running
    }

    fn lock(&self) -> MutexGuard<'_, Model> {
        self.model.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The service of the component.
struct Rooms(Arc<Mutex<Model>>);

impl Service<Inbound> for Rooms {
    type Response = Reply;
    type Error = BoxError;
    type Future = std::future::Ready<Result<Reply, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, inbound: Inbound) -> Self::Future {
        let mut model = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        std::future::ready(model.handle(inbound.stanza()).map_err(Into::into))
    }
}
