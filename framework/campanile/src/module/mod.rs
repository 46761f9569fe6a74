//! Modules: reusable parts of a component with a life cycle.

mod catalog;
mod mount;

use std::sync::Arc;

use async_trait::async_trait;

pub use self::catalog::{Catalog, CatalogError, CatalogFault};
pub use self::mount::MountError;
pub(crate) use self::mount::{guarded, mount};
use crate::client::{Client, ResponseForwarder};
use crate::error::BoxError;
use crate::metrics::Metric;
use crate::router::{Advertised, Router};

/// A reusable part of a component: its routes, its service discovery information, and its life
/// cycle.
///
/// The router returned by [`mount`](Module::mount) holds everything that the component needs:
/// routes, chat commands, identities, features, items, nodes and forms.
///
/// | event | calls |
/// |---|---|
/// | a configuration is checked | `check`, on a module that does not run |
/// | the component is built | `mount`, then `advertised` with the whole component's information |
/// | the component starts, before the first connection | `start`, one module after the other |
/// | a stream is open | `online`, concurrently for all modules; dropped if the stream ends first |
/// | the component stops while a stream is open | `leave`, concurrently for all modules |
/// | a stream has ended | `offline`, one module after the other |
/// | the component stops | `stop`, one module after the other, after the last `offline` |
///
/// When modules are [replaced](crate::component::ReloadHandle) at run time, `leave`, `offline` and
/// `stop` are called on the old ones, and `start` and, if a stream is open, `online` on the new
/// ones.
///
/// `offline` and `stop` may take as long as the shutdown grace period, `leave` half as long. A call
/// that takes longer or panics is abandoned and logged. A call of `online` that panics is counted,
/// logged, and repeated after a delay, as long as the stream is open. Run other background tasks of
/// a module with [`supervise`](crate::supervise::supervise).
///
/// ```
/// use std::sync::Arc;
///
/// use campanile::error::BoxError;
/// use campanile::module::Module;
/// use campanile::router::Router;
///
/// struct Greeter { greeting: String }
///
/// impl Module for Greeter {
///     fn name(&self) -> &'static str { "greeter" }
///
///     fn mount(self: Arc<Self>, router: Router) -> Result<Router, BoxError> {
///         Ok(router.message(move || {
///             let this = Arc::clone(&self);
///             async move { this.greeting.clone() }
///         }))
///     }
/// }
/// ```
#[async_trait]
pub trait Module: Send + Sync + 'static {
    /// Returns the name of the module for logs and error messages.
    fn name(&self) -> &'static str;

    /// Adds the module's routes and service discovery information to an empty router.
    ///
    /// Use [`try_on`](Router::try_on), [`try_at`](Router::try_at) and
    /// [`try_merge`](Router::try_merge) for routes that come from a configuration: the other
    /// methods panic if two routes overlap. A panic is caught and reported as a [`MountError`].
    ///
    /// # Errors
    /// Returns an error if the settings of the module cannot be routed.
    fn mount(self: Arc<Self>, router: Router) -> Result<Router, BoxError>;

    /// Called with the component's complete service discovery information once all modules are
    /// mounted, and again after each [reload](crate::component::ReloadHandle).
    fn advertised(&self, _disco: &Advertised) {}

    /// Returns the transport that forwards IQ responses to other processes on the same JID; see
    /// [`ResponseForwarder`]. Called when the component is built, before `start`.
    fn response_forwarder(self: Arc<Self>) -> Option<Arc<dyn ResponseForwarder>> {
        None
    }

    /// Returns the metrics of the module, for `/metrics` and similar. Called at any time; must not
    /// block.
    fn metrics(&self) -> Vec<Metric> {
        Vec::new()
    }

    /// Checks what [`start`](Module::start) needs, such as files and ports, without changing
    /// anything. Called before a start by programs that check their configuration, such as
    /// `campanile check --connect`.
    ///
    /// Returns remarks for the operator, such as what could not be verified.
    ///
    /// # Errors
    /// Returns the reason that the module could not start.
    async fn check(&self) -> Result<Vec<String>, BoxError> {
        Ok(Vec::new())
    }

    /// Called once, before the first connection. If it fails, the component does not start.
    ///
    /// # Errors
    /// Returns an error if the module cannot work, for example because a database is unreachable.
    async fn start(&self, _client: Client) -> Result<(), BoxError> {
        Ok(())
    }

    /// Called each time a stream is open.
    async fn online(&self, _client: Client) {}

    /// Called once, when the component stops while a stream is open. Stanzas sent from here are
    /// written before the stream is closed.
    async fn leave(&self, _client: Client) {}

    /// Called each time a stream has ended.
    async fn offline(&self) {}

    /// Called once, when the component stops.
    async fn stop(&self) {}
}
