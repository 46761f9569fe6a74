//! Modules: reusable parts of a component with a life cycle.

mod catalog;

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

pub use self::catalog::{Catalog, CatalogError, CatalogFault};
use crate::client::{Client, ResponseForwarder};
use crate::error::BoxError;
use crate::metrics::Metric;
use crate::router::{Advertised, OverlapError, Router};

/// A reusable part of a component: its routes, its service discovery information, and its life
/// cycle.
///
/// The router returned by [`mount`](Module::mount) holds everything that the component needs:
/// routes, chat commands, identities, features, items, nodes and forms.
///
/// | event | calls |
/// |---|---|
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
/// that takes longer or panics is abandoned and logged.
///
/// ```
/// use std::sync::Arc;
///
/// use campanile::module::Module;
/// use campanile::router::Router;
///
/// struct Greeter { greeting: String }
///
/// impl Module for Greeter {
///     fn name(&self) -> &'static str { "greeter" }
///
///     fn mount(self: Arc<Self>, router: Router) -> Router {
///         router.message(move || {
///             let this = Arc::clone(&self);
///             async move { this.greeting.clone() }
///         })
///     }
/// }
/// ```
#[async_trait]
pub trait Module: Send + Sync + 'static {
    /// Returns the name of the module for logs and error messages.
    fn name(&self) -> &'static str;

    /// Adds the module's routes and service discovery information to an empty router.
    fn mount(self: Arc<Self>, router: Router) -> Router;

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

/// Mounts modules beside the routes of a router.
///
/// # Errors
/// Returns an error if a route of a module overlaps one of another module or of the router.
pub(crate) fn mount(router: Router, modules: &[Arc<dyn Module>]) -> Result<Router, MountError> {
    let mut mounted = vec![("the router", router.clone())];
    let mut all = router;
    for module in modules {
        let own = Arc::clone(module).mount(Router::new());
        all = all
            .try_merge(own.clone())
            .map_err(|overlap| MountError::new(module.name(), &mounted, &own, overlap))?;
        mounted.push((module.name(), own));
    }
    Ok(all)
}

/// Routes of two modules overlap.
#[derive(Debug)]
pub struct MountError {
    module: &'static str,
    other: &'static str,
    overlap: OverlapError,
}

impl MountError {
    fn new(
        module: &'static str,
        mounted: &[(&'static str, Router)],
        own: &Router,
        overlap: OverlapError,
    ) -> Self {
        let overlaps = |(_, other): &&(&str, Router)| other.clone().try_merge(own.clone()).is_err();
        let other = mounted
            .iter()
            .find(overlaps)
            .map_or("the router", |(name, _)| *name);
        Self {
            module,
            other,
            overlap,
        }
    }
}

impl fmt::Display for MountError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} cannot be mounted beside {}", self.module, self.other)
    }
}

impl Error for MountError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.overlap)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::chain;
    use crate::router::Filter;

    struct Fixed(&'static str, fn(Router) -> Router);

    impl Module for Fixed {
        fn name(&self) -> &'static str {
            self.0
        }

        fn mount(self: Arc<Self>, router: Router) -> Router {
            (self.1)(router)
        }
    }

    async fn silent() {}

    fn module(name: &'static str, routes: fn(Router) -> Router) -> Arc<dyn Module> {
        Arc::new(Fixed(name, routes))
    }

    #[test]
    fn mount_merges_modules_and_routes() {
        let modules = [
            module("a", |router| router.message(silent)),
            module("b", |router| router.presence(silent)),
        ];
        let router = mount(Router::new().iq_get("urn:x", silent), &modules).unwrap();
        assert_eq!(router.disco().info(None, None).unwrap().features.len(), 1);
    }

    #[test]
    fn mount_error_names_both_modules_and_routes() {
        let modules = [
            module("a", |router| router.presence(silent)),
            module("b", |router| router.message(silent)),
            module("c", |router| router.on(Filter::conversation(), silent)),
        ];
        let error = mount(Router::new(), &modules).unwrap_err();
        assert_eq!(error.module, "c");
        let pattern = "message normal or message chat for any recipient";
        assert_eq!(
            chain(&error.into()),
            format!(
                "c cannot be mounted beside b: route \"{pattern}\" overlaps \
                registered route \"{pattern}\""
            )
        );
        let error = mount(Router::new().presence(silent), &modules).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("a cannot be mounted beside the router"),
            "{error}"
        );
    }
}
