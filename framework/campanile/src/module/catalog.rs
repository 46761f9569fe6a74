//! A registry of modules by name, for selection in a configuration file.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::Module;
use super::settings::{self, SettingsError};
use crate::error::BoxError;

/// A registry of modules by name. Each module is created from its settings.
///
/// A module may be created several times, and only to validate its settings. It should therefore
/// acquire resources in [`start`](Module::start), not on creation. Settings are passed as a
/// [`serde_json::Value`]; tables of a TOML file are converted with `serde_json::to_value`.
///
/// ```
/// use std::sync::Arc;
///
/// use campanile::component::Component;
/// use campanile::module::{Catalog, Module};
/// use campanile::router::Router;
/// use serde::Deserialize;
///
/// #[derive(Deserialize)]
/// struct Settings { greeting: String }
///
/// struct Greeter { settings: Settings }
///
/// impl Module for Greeter {
///     fn name(&self) -> &'static str { "greeter" }
///
///     fn mount(self: Arc<Self>, router: Router) -> Router {
///         router.message(move || std::future::ready(self.settings.greeting.clone()))
///     }
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let catalog = Catalog::new().register("greeter", |settings| Ok(Greeter { settings }));
///
/// let file = serde_json::json!({ "greeter": { "greeting": "hello" } });
/// let modules = catalog.choose(file.as_object().ok_or("expected a table for each module")?)?;
/// let component = Component::builder("bot.localhost")
///     .server("127.0.0.1:5347")
///     .secret("secret")
///     .modules(modules);
/// # component.build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Default)]
pub struct Catalog {
    makers: BTreeMap<&'static str, Maker>,
}

type Maker = Box<dyn Fn(&Value) -> Result<Arc<dyn Module>, Fault> + Send + Sync>;

impl Catalog {
    /// Creates an empty catalog.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Registers a module under this name. Replaces an earlier one with the same name. `make` may
    /// reject the settings with an error.
    #[must_use]
    pub fn register<T, M>(
        mut self,
        name: &'static str,
        make: impl Fn(T) -> Result<M, BoxError> + Send + Sync + 'static,
    ) -> Self
    where
        T: DeserializeOwned,
        M: Module,
    {
        let maker = move |settings: &Value| -> Result<Arc<dyn Module>, Fault> {
            let settings = settings::read(settings).map_err(Fault::Unreadable)?;
            Ok(Arc::new(make(settings).map_err(Fault::Refused)?))
        };
        self.makers.insert(name, Box::new(maker));
        self
    }

    /// Adds all modules of another catalog. They replace modules with the same names.
    #[must_use]
    pub fn merge(mut self, other: Self) -> Self {
        self.makers.extend(other.makers);
        self
    }

    /// Returns the names of all modules, sorted.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.makers.keys().copied()
    }

    /// Creates one module.
    ///
    /// # Errors
    /// Returns an error if the name is unknown or the settings are invalid.
    pub fn make(&self, name: &str, settings: &Value) -> Result<Arc<dyn Module>, CatalogError> {
        let made = match self.makers.get(name) {
            Some(make) => make(settings),
            None => Err(Fault::Unknown(self.names().collect())),
        };
        made.map_err(|fault| CatalogError {
            faults: vec![CatalogFault {
                module: name.to_owned(),
                fault,
            }],
        })
    }

    /// Creates a module for each name in the map, from the settings stored under it.
    ///
    /// # Errors
    /// Returns all errors, not only the first.
    pub fn choose(
        &self,
        settings: &Map<String, Value>,
    ) -> Result<Vec<Arc<dyn Module>>, CatalogError> {
        let mut modules = Vec::new();
        let mut faults = Vec::new();
        for (name, settings) in settings {
            match self.make(name, settings) {
                Ok(module) => modules.push(module),
                Err(error) => faults.extend(error.faults),
            }
        }
        if faults.is_empty() {
            Ok(modules)
        } else {
            Err(CatalogError { faults })
        }
    }
}

impl fmt::Debug for Catalog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}

/// Errors in the modules section of a configuration.
#[derive(Debug)]
pub struct CatalogError {
    faults: Vec<CatalogFault>,
}

/// An error in the configuration of one module.
#[derive(Debug)]
pub struct CatalogFault {
    module: String,
    fault: Fault,
}

#[derive(Debug)]
enum Fault {
    Unknown(Vec<&'static str>),
    Unreadable(SettingsError),
    Refused(BoxError),
}

impl CatalogError {
    /// Returns the names of the modules with errors.
    pub fn modules(&self) -> impl Iterator<Item = &str> {
        self.faults.iter().map(CatalogFault::module)
    }

    /// Returns all errors.
    pub fn faults(&self) -> impl Iterator<Item = &CatalogFault> {
        self.faults.iter()
    }
}

impl CatalogFault {
    /// Returns the name of the module.
    #[must_use]
    pub fn module(&self) -> &str {
        &self.module
    }

    /// Returns the keys that lead to the invalid setting, from the outermost to the innermost.
    /// Empty if the error concerns the settings as a whole. List indexes are not included.
    pub fn path(&self) -> impl Iterator<Item = &str> {
        let path = match &self.fault {
            Fault::Unreadable(error) => error.path.as_slice(),
            Fault::Unknown(_) | Fault::Refused(_) => &[],
        };
        path.iter().rev().map(String::as_str)
    }

    /// Returns the known names if a name is unknown: modules, or keys.
    #[must_use]
    pub fn known(&self) -> Option<&[&'static str]> {
        match &self.fault {
            Fault::Unknown(names) => Some(names.as_slice()),
            Fault::Unreadable(error) => error.known,
            Fault::Refused(_) => None,
        }
    }

    /// Returns the error message without the name of the module. It does not quote texts from the
    /// settings, which may be secrets, unless the module itself does so.
    #[must_use]
    pub fn why(&self) -> String {
        match &self.fault {
            Fault::Unknown(_) => "unknown module".to_owned(),
            Fault::Unreadable(error) => error.why.clone(),
            Fault::Refused(error) => crate::error::chain(error),
        }
    }
}

impl fmt::Display for CatalogError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (count, fault) in self.faults.iter().enumerate() {
            write!(f, "{}{fault}", if count > 0 { "; " } else { "" })?;
        }
        Ok(())
    }
}

impl fmt::Display for CatalogFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { module, fault } = self;
        match fault {
            Fault::Unknown(names) => {
                write!(
                    f,
                    "unknown module {module:?}; available: {}",
                    names.join(", ")
                )
            }
            Fault::Unreadable(why) => write!(f, "invalid settings for {module}: {why}"),
            Fault::Refused(error) => write!(
                f,
                "invalid settings for {module}: {}",
                crate::error::chain(error)
            ),
        }
    }
}

impl Error for CatalogError {}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;
    use crate::module;
    use crate::router::Router;
    use crate::test_util::answer;

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Settings {
        greeting: String,
    }

    struct Greeter(String);

    impl Module for Greeter {
        fn name(&self) -> &'static str {
            "greeter"
        }

        fn mount(self: Arc<Self>, router: Router) -> Router {
            router.message(move || std::future::ready(self.0.clone()))
        }
    }

    fn catalog() -> Catalog {
        let make = |settings: Settings| match settings.greeting.as_str() {
            "" => Err("the greeting is empty".into()),
            greeting => Ok(Greeter(greeting.to_owned())),
        };
        Catalog::new()
            .register("greeter", make)
            .register("silent", |(): ()| Ok(Greeter(String::new())))
    }

    #[test]
    fn choose_creates_modules_from_a_configuration() {
        let settings = json!({ "greeter": { "greeting": "hello" } });
        let modules = catalog().choose(settings.as_object().unwrap()).unwrap();
        let mut router = module::mount(Router::new(), &modules).unwrap();
        assert!(answer(&mut router, "<message/>").contains("<body>hello</body>"));
        assert_eq!(
            catalog().make("silent", &Value::Null).unwrap().name(),
            "greeter"
        );
    }

    #[test]
    fn choose_reports_all_errors() {
        let settings = json!({ "greeter": { "greeting": 7 }, "greter": {}, "silent": null });
        let error = catalog()
            .choose(settings.as_object().unwrap())
            .map(drop)
            .unwrap_err();
        assert_eq!(error.modules().collect::<Vec<_>>(), ["greeter", "greter"]);
        assert_eq!(
            error.to_string(),
            "invalid settings for greeter: invalid type: integer `7`, expected a string; \
             unknown module \"greter\"; available: greeter, silent"
        );
        let refused = catalog()
            .make("greeter", &json!({ "greeting": "" }))
            .map(drop)
            .unwrap_err();
        assert_eq!(
            refused.to_string(),
            "invalid settings for greeter: the greeting is empty"
        );
        let unknown = catalog()
            .make("greeter", &json!({ "greeting": "", "x": 1 }))
            .map(drop)
            .unwrap_err();
        assert_eq!(
            unknown.to_string(),
            "invalid settings for greeter: unknown key \"x\"; expected one of greeting"
        );
        let fault = unknown.faults().next().unwrap();
        assert_eq!(
            (fault.module(), fault.path().collect::<Vec<_>>()),
            ("greeter", vec!["x"])
        );
        assert_eq!(
            (fault.known(), fault.why()),
            (Some(&["greeting"][..]), "unknown key \"x\"".to_owned())
        );
    }

    #[test]
    fn merge_combines_catalogs() {
        let other = Catalog::new().register("quiet", |(): ()| Ok(Greeter(String::new())));
        assert_eq!(
            catalog().merge(other).names().collect::<Vec<_>>(),
            ["greeter", "quiet", "silent"]
        );
    }
}
