//! Mounting of modules: their routes become one router, and conflicts are errors.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use super::Module;
use crate::error::{BoxError, catch_panic};
use crate::router::{OverlapError, Router};

/// The name of the routes that belong to no module.
const THE_ROUTER: &str = "the router";

/// Mounts modules beside the routes of a router.
///
/// # Errors
/// Returns an error if a module cannot be mounted, or if it would never see stanzas that another
/// module handles.
pub(crate) fn mount(router: Router, modules: &[Arc<dyn Module>]) -> Result<Router, MountError> {
    let mut mounted: Vec<(&'static str, Router)> = Vec::new();
    let mut all = router;
    for module in modules {
        let name = module.name();
        let own = guarded(name, || Arc::clone(module).mount(Router::new()))?
            .map_err(|error| MountError::new(name, Cause::Refused(error)))?;
        // The routes of an application may refine those of its modules, so they are left out.
        let contested = mounted
            .iter()
            .find_map(|(other, routes)| Some((*other, own.contested_by(routes)?)));
        if let Some((other, overlap)) = contested {
            return Err(MountError::new(name, Cause::Overlap(other, overlap)));
        }
        all = all
            .try_merge(own.clone())
            .map_err(|overlap| MountError::new(name, Cause::Overlap(THE_ROUTER, overlap)))?;
        mounted.push((name, own));
    }
    Ok(all)
}

/// Calls a method of a module while the component is built.
///
/// # Errors
/// Returns an error if the method panics.
pub(crate) fn guarded<T>(
    module: &'static str,
    method: impl FnOnce() -> T,
) -> Result<T, MountError> {
    catch_panic(method).map_err(|text| MountError::new(module, Cause::Panicked(text)))
}

/// A module that cannot be mounted.
///
/// The [source](Error::source) tells the two routes, or what the module itself reports.
#[derive(Debug)]
pub struct MountError {
    module: &'static str,
    cause: Cause,
}

#[derive(Debug)]
enum Cause {
    Overlap(&'static str, OverlapError),
    Refused(BoxError),
    Panicked(String),
}

impl MountError {
    fn new(module: &'static str, cause: Cause) -> Self {
        Self { module, cause }
    }

    /// Returns the name of the module that cannot be mounted.
    #[must_use]
    pub fn module(&self) -> &'static str {
        self.module
    }

    /// Returns the name of the module whose routes are in conflict with it, or `the router`. `None`
    /// if the module cannot be mounted on its own either.
    #[must_use]
    pub fn conflict(&self) -> Option<&'static str> {
        match self.cause {
            Cause::Overlap(other, _) => Some(other),
            Cause::Refused(_) | Cause::Panicked(_) => None,
        }
    }
}

impl fmt::Display for MountError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let module = self.module;
        match &self.cause {
            Cause::Overlap(other, _) => write!(f, "{module} cannot be mounted beside {other}"),
            Cause::Refused(_) => write!(f, "{module} cannot be mounted"),
            Cause::Panicked(text) => write!(f, "{module} panicked when it was mounted: {text}"),
        }
    }
}

impl Error for MountError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.cause {
            Cause::Overlap(_, overlap) => Some(overlap),
            Cause::Refused(error) => Some(&**error),
            Cause::Panicked(_) => None,
        }
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

        fn mount(self: Arc<Self>, router: Router) -> Result<Router, BoxError> {
            Ok((self.1)(router))
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

    #[test]
    fn modules_that_take_the_same_messages_conflict() {
        let modules = [
            module("echo", |router| router.message(silent)),
            module("archive", |router| router.on(Filter::message(), silent)),
        ];
        let error = mount(Router::new(), &modules).unwrap_err();
        assert_eq!(error.conflict(), Some("echo"));
        assert_eq!(
            chain(&error.into()),
            "archive cannot be mounted beside echo: route \"any message for any recipient\" \
            overlaps registered route \"message normal or message chat for any recipient\""
        );
        // Another payload, other recipients, or the application itself: the order is clear.
        let modules = [
            module("echo", |router| router.message(silent)),
            module("forms", |router| router.message_with("urn:x", silent)),
            module("bot", |router| {
                router.at("bot", Router::new().on(Filter::message(), silent))
            }),
        ];
        let own = Router::new().on(Filter::message(), silent);
        assert!(mount(own, &modules).is_ok());
    }

    #[test]
    fn panic_of_a_module_is_an_error_of_that_module() {
        let modules = [module("twice", |router| {
            router.message(silent).message(silent)
        })];
        let error = mount(Router::new(), &modules).unwrap_err();
        assert_eq!((error.module(), error.conflict()), ("twice", None));
        let text = error.to_string();
        assert!(
            text.starts_with("twice panicked when it was mounted: route \"message normal"),
            "{text}"
        );
    }

    #[test]
    fn module_reports_its_own_conflicts() {
        struct Twice;

        impl Module for Twice {
            fn name(&self) -> &'static str {
                "twice"
            }

            fn mount(self: Arc<Self>, router: Router) -> Result<Router, BoxError> {
                let router = router.try_on(Filter::message(), silent)?;
                Ok(router.try_on(Filter::message(), silent)?)
            }
        }

        let error = mount(Router::new(), &[Arc::new(Twice) as Arc<dyn Module>]).unwrap_err();
        assert_eq!(
            chain(&error.into()),
            "twice cannot be mounted: route \"any message for any recipient\" overlaps registered \
            route \"any message for any recipient\""
        );
    }
}
