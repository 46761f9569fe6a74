//! Modules by name, so that a configuration can choose among them.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::Module;
use super::settings::{self, SettingsError};
use crate::error::BoxError;

/// Modules by name, each with what makes it from its settings.
///
/// A module may be made more than once, also only to see whether it takes its settings: what it
/// needs from the machine, it takes when it is [started](Module::start). Settings are whatever
/// serde reads, in the shape of [`serde_json::Value`]: tables of a TOML file turn into it by
/// `serde_json::to_value`.
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
/// let modules = catalog.choose(file.as_object().ok_or("a table for each module")?)?;
/// let component = Component::builder("bot.localhost").server("127.0.0.1:5347").secret("secret").modules(modules);
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
    /// A catalog of nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Offers a module under this name, in place of an earlier one of the same name. What makes it
    /// may refuse its settings.
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

    /// Offers everything that another catalog does, in place of earlier ones of the same names.
    #[must_use]
    pub fn merge(mut self, other: Self) -> Self {
        self.makers.extend(other.makers);
        self
    }

    /// The names of all modules, sorted.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.makers.keys().copied()
    }

    /// Makes one module.
    ///
    /// # Errors
    /// When there is none of this name, or when it does not take the settings.
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

    /// Makes a module for each name, with the settings beside it.
    ///
    /// # Errors
    /// With everything that is wrong, not only the first.
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

/// What is wrong with the modules that a configuration asks for.
#[derive(Debug)]
pub struct CatalogError {
    faults: Vec<CatalogFault>,
}

/// What is wrong with one module that a configuration asks for.
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
    /// The names of the modules that something is wrong with.
    pub fn modules(&self) -> impl Iterator<Item = &str> {
        self.faults.iter().map(CatalogFault::module)
    }

    /// Everything that is wrong.
    pub fn faults(&self) -> impl Iterator<Item = &CatalogFault> {
        self.faults.iter()
    }
}

impl CatalogFault {
    /// The name of the module.
    #[must_use]
    pub fn module(&self) -> &str {
        &self.module
    }

    /// The keys that lead to the setting that is wrong, from the outside to the inside; none, when
    /// it is about all of them. Places within a list are not counted.
    pub fn path(&self) -> impl Iterator<Item = &str> {
        let path = match &self.fault {
            Fault::Unreadable(error) => error.path.as_slice(),
            Fault::Unknown(_) | Fault::Refused(_) => &[],
        };
        path.iter().rev().map(String::as_str)
    }

    /// What there might have been in place of a name that is unknown: modules, or keys.
    #[must_use]
    pub fn known(&self) -> Option<&[&'static str]> {
        match &self.fault {
            Fault::Unknown(names) => Some(names.as_slice()),
            Fault::Unreadable(error) => error.known,
            Fault::Refused(_) => None,
        }
    }

    /// What is wrong, without the name of the module. It cites no text of the settings, unless the
    /// module does so itself.
    #[must_use]
    pub fn why(&self) -> String {
        match &self.fault {
            Fault::Unknown(_) => "there is no such module".to_owned(),
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
                write!(f, "there is no module {module:?}, but {}", names.join(", "))
            }
            Fault::Unreadable(why) => write!(f, "the settings of {module}: {why}"),
            Fault::Refused(error) => write!(
                f,
                "the settings of {module}: {}",
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
    fn a_configuration_chooses_modules() {
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
    fn all_faults_are_said_at_once() {
        let settings = json!({ "greeter": { "greeting": 7 }, "greter": {}, "silent": null });
        let error = catalog()
            .choose(settings.as_object().unwrap())
            .map(drop)
            .unwrap_err();
        assert_eq!(error.modules().collect::<Vec<_>>(), ["greeter", "greter"]);
        assert_eq!(
            error.to_string(),
            "the settings of greeter: invalid type: integer `7`, expected a string; \
             there is no module \"greter\", but greeter, silent"
        );
        let refused = catalog()
            .make("greeter", &json!({ "greeting": "" }))
            .map(drop)
            .unwrap_err();
        assert_eq!(
            refused.to_string(),
            "the settings of greeter: the greeting is empty"
        );
        let unknown = catalog()
            .make("greeter", &json!({ "greeting": "", "x": 1 }))
            .map(drop)
            .unwrap_err();
        assert_eq!(
            unknown.to_string(),
            "the settings of greeter: unknown key \"x\", known are greeting"
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
    fn two_catalogs_are_one() {
        let other = Catalog::new().register("quiet", |(): ()| Ok(Greeter(String::new())));
        assert_eq!(
            catalog().merge(other).names().collect::<Vec<_>>(),
            ["greeter", "quiet", "silent"]
        );
    }
}
