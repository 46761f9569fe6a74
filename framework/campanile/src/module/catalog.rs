//! A registry of modules by name, for selection in a configuration file.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::Module;
use crate::error::{BoxError, catch_panic};
use crate::settings::{SettingsFault, SettingsReader};

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
/// use campanile::error::BoxError;
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
///     fn mount(self: Arc<Self>, router: Router) -> Result<Router, BoxError> {
///         Ok(router.message(move || std::future::ready(self.settings.greeting.clone())))
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

type Maker =
    Box<dyn Fn(&Value, &SettingsReader) -> Result<Arc<dyn Module>, Vec<Fault>> + Send + Sync>;

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
        let maker = move |settings: &Value, reader: &SettingsReader| {
            let (settings, faults) = reader.read(settings);
            match settings {
                Some(settings) if faults.is_empty() => match catch_panic(|| make(settings)) {
                    Ok(Ok(module)) => Ok(Arc::new(module) as Arc<dyn Module>),
                    Ok(Err(error)) => Err(vec![Fault::Refused(error)]),
                    Err(text) => Err(vec![Fault::Refused(format!("panicked: {text}").into())]),
                },
                _ => Err(faults.into_iter().map(Fault::Settings).collect()),
            }
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

    /// Creates one module from settings, which `reader` reads.
    ///
    /// # Errors
    /// Returns an error if the name is unknown or the settings have faults.
    pub fn make(
        &self,
        name: &str,
        settings: &Value,
        reader: &SettingsReader,
    ) -> Result<Arc<dyn Module>, CatalogError> {
        let made = match self.makers.get(name) {
            Some(make) => make(settings, reader),
            None => Err(vec![Fault::Unknown(self.names().collect())]),
        };
        made.map_err(|faults| CatalogError {
            faults: faults
                .into_iter()
                .map(|fault| CatalogFault {
                    module: name.to_owned(),
                    fault,
                })
                .collect(),
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
        let reader = SettingsReader::new();
        let mut modules = Vec::new();
        let mut faults = Vec::new();
        for (name, settings) in settings {
            match self.make(name, settings, &reader) {
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
    Settings(SettingsFault),
    Refused(BoxError),
}

impl CatalogError {
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

    /// Returns the fault of a setting. `None` if the module is unknown, or if it refused its
    /// settings as a whole.
    #[must_use]
    pub fn setting(&self) -> Option<&SettingsFault> {
        match &self.fault {
            Fault::Settings(fault) => Some(fault),
            Fault::Unknown(_) | Fault::Refused(_) => None,
        }
    }

    /// Returns the cause without the name of the module. It does not quote texts from the settings,
    /// which may be secrets, unless the module itself does so.
    #[must_use]
    pub fn cause(&self) -> String {
        match &self.fault {
            Fault::Unknown(_) => "unknown module".to_owned(),
            Fault::Settings(fault) => fault.cause("the table"),
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
            Fault::Settings(fault) => write!(f, "invalid settings for {module}: {fault}"),
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

        fn mount(self: Arc<Self>, router: Router) -> Result<Router, BoxError> {
            Ok(router.message(move || std::future::ready(self.0.clone())))
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
            catalog()
                .make("silent", &Value::Null, &SettingsReader::new())
                .unwrap()
                .name(),
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
        assert_eq!(
            error.faults().map(CatalogFault::module).collect::<Vec<_>>(),
            ["greeter", "greter"]
        );
        assert_eq!(
            error.to_string(),
            "invalid settings for greeter: greeting: `greeting` cannot be a number; write a string in \
             quotation marks; unknown module \"greter\"; available: greeter, silent"
        );
        let refused = catalog()
            .make(
                "greeter",
                &json!({ "greeting": "" }),
                &SettingsReader::new(),
            )
            .map(drop)
            .unwrap_err();
        assert_eq!(
            refused.to_string(),
            "invalid settings for greeter: the greeting is empty"
        );
        let unknown = catalog()
            .make(
                "greeter",
                &json!({ "greeting": 1, "x": 1 }),
                &SettingsReader::new(),
            )
            .map(drop)
            .unwrap_err();
        let faults: Vec<String> = unknown.faults().map(ToString::to_string).collect();
        assert_eq!(
            faults,
            [
                "invalid settings for greeter: greeting: `greeting` cannot be a number; write a \
                 string in quotation marks",
                "invalid settings for greeter: x: unknown key \"x\" in the table; use one of greeting",
            ]
        );
        let fault = unknown.faults().nth(1).unwrap();
        assert_eq!(fault.module(), "greeter");
        assert_eq!(fault.setting().unwrap().known(), Some(&["greeting"][..]));
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
