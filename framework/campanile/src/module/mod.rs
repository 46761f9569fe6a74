//! Modules: routes with a life cycle, which a configuration can choose.

mod catalog;
mod settings;

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

pub use self::catalog::{Catalog, CatalogError, CatalogFault};
use crate::client::{Client, ResponseForwarder};
use crate::error::BoxError;
use crate::metrics::Metric;
use crate::router::{Advertised, OverlapError, Router};

/// A part of a component: what it routes, what it advertises, and what it does while the component
/// runs.
///
/// The router that [`mount`](Module::mount) returns is all that the component needs to know:
/// routes, text commands, identities, features, items, nodes and forms all stand in it.
///
/// | when | what is called |
/// |---|---|
/// | the component is built | `mount`, then `advertised` with what all modules together say |
/// | it begins to run, before the first connection | `start`, one module after the other |
/// | a stream is open | `online`, all modules at the same time; dropped when the stream ends before it is done |
/// | the component is told to stop while a stream is open | `leave`, all modules at the same time |
/// | a stream has ended | `offline`, one after the other |
/// | the component stops | `stop`, one after the other, after the last `offline` |
///
/// A module that is [replaced](crate::component::ReloadHandle) while the component runs is told `leave`,
/// `offline` and `stop`; one that comes in is told `start`, and `online` where there is a stream.
///
/// `offline` and `stop` have as long as the grace period, `leave` has half of it; one that takes
/// longer or panics is left behind and logged.
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
    /// Its name, for people: in logs and faults.
    fn name(&self) -> &'static str;

    /// Adds its routes, and what it advertises besides, to an empty router.
    fn mount(self: Arc<Self>, router: Router) -> Router;

    /// Called when all modules are mounted, and again when [others are mounted beside
    /// it](crate::component::ReloadHandle): what the component as a whole says about itself.
    fn advertised(&self, _disco: &Advertised) {}

    /// What carries answers that belong to another process on the same JID there; see [`ResponseForwarder`].
    /// It is asked for when the component is built, before `start`.
    fn response_forwarder(self: Arc<Self>) -> Option<Arc<dyn ResponseForwarder>> {
        None
    }

    /// What it has counted and what waits in it, for `/metrics` and the like. It is asked at any
    /// time, and must not block.
    fn metrics(&self) -> Vec<Metric> {
        Vec::new()
    }

    /// Called once, before the first connection. The component does not run when it fails.
    async fn start(&self, _client: Client) -> Result<(), BoxError> {
        Ok(())
    }

    /// Called each time when a stream is open.
    async fn online(&self, _client: Client) {}

    /// Called once, when the component is told to stop and a stream is open: the last chance to
    /// send something. What is sent here goes out before the stream is closed.
    async fn leave(&self, _client: Client) {}

    /// Called each time when a stream has ended.
    async fn offline(&self) {}

    /// Called once, when the component stops.
    async fn stop(&self) {}
}

/// Mounts modules beside the routes of a router.
///
/// # Errors
/// When a module routes the same as another one, or as the router.
pub fn mount(router: Router, modules: &[Arc<dyn Module>]) -> Result<Router, MountError> {
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

/// Two modules want the same stanzas.
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

    /// The module that came second.
    #[must_use]
    pub const fn module(&self) -> &'static str {
        self.module
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
    fn modules_stand_side_by_side() {
        let modules = [
            module("a", |router| router.message(silent)),
            module("b", |router| router.presence(silent)),
        ];
        let router = mount(Router::new().iq_get("urn:x", silent), &modules).unwrap();
        assert_eq!(router.disco().info(None, None).unwrap().features.len(), 1);
    }

    #[test]
    fn overlap_names_both_modules_and_both_patterns() {
        let modules = [
            module("a", |router| router.presence(silent)),
            module("b", |router| router.message(silent)),
            module("c", |router| router.on(Filter::conversation(), silent)),
        ];
        let error = mount(Router::new(), &modules).unwrap_err();
        assert_eq!(error.module(), "c");
        let pattern = "message normal or message chat for any recipient";
        assert_eq!(
            chain(&error.into()),
            format!(
                "c cannot be mounted beside b: the route \"{pattern}\" overlaps \
                with \"{pattern}\", which is there already"
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
