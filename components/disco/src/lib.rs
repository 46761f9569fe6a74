//! Service discovery information beyond the routes of a component: identities, a name, and contact
//! addresses.
//!
//! The framework derives features from the routes and answers the requests; this module only adds
//! information.
//!
//! | XEP | |
//! |---|---|
//! | [0030] | identities |
//! | [0157] | contact addresses, as a form in disco#info |
//!
//! [0030]: https://xmpp.org/extensions/xep-0030.html
//! [0157]: https://xmpp.org/extensions/xep-0157.html

mod settings;

use std::sync::Arc;

use async_trait::async_trait;
use campanile::error::BoxError;
use campanile::module::Module;
use campanile::router::{RecipientPattern, Router};
use campanile::xmpp_parsers::data_forms::{DataForm, DataFormType, Field, FieldType};
use campanile::xmpp_parsers::disco;

pub use self::settings::{Contacts, Identity, Settings};

/// `FORM_TYPE` of contact addresses (XEP-0157 §2).
pub const CONTACTS: &str = "http://jabber.org/network/serverinfo";

/// A module that advertises identities and contact addresses.
#[derive(Debug, Clone, Default)]
pub struct Disco {
    settings: Settings,
}

impl Disco {
    /// Creates a module with these settings.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self { settings }
    }

    fn identities(&self) -> Vec<disco::Identity> {
        let generic = [Identity::new("component", "generic")];
        let identities = match self.settings.identities.as_slice() {
            [] => &generic,
            identities => identities,
        };
        let named = |identity: &Identity| disco::Identity {
            category: identity.category.clone(),
            type_: identity.kind.clone(),
            lang: identity.lang.clone(),
            name: identity.name.clone().or_else(|| self.settings.name.clone()),
        };
        identities.iter().map(named).collect()
    }

    /// The contact form (XEP-0157 §2), with one field per purpose.
    fn contacts(&self) -> Option<DataForm> {
        let field = |(purpose, uris): (&str, &[String])| {
            let mut field = Field::new(&format!("{purpose}-addresses"), FieldType::ListMulti);
            field.values = uris.to_vec();
            field
        };
        let fields: Vec<_> = self.settings.contacts.purposes().map(field).collect();
        (!fields.is_empty()).then(|| DataForm::new(DataFormType::Result_, CONTACTS, fields))
    }
}

#[async_trait]
impl Module for Disco {
    fn name(&self) -> &'static str {
        "disco"
    }

    fn mount(self: Arc<Self>, router: Router) -> Result<Router, BoxError> {
        let router = self.identities().into_iter().fold(router, Router::identity);
        Ok(match self.contacts() {
            // XEP-0157 §3: for the service itself, not for each of its addresses.
            Some(form) => router.at(RecipientPattern::domain(), Router::new().form(form)),
            None => router,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn advertised(settings: Settings) -> campanile::disco::DiscoInfo {
        let router = Arc::new(Disco::new(settings))
            .mount(Router::new())
            .unwrap()
            .with_defaults();
        router.disco().info(None, None).cloned().unwrap_or_default()
    }

    fn xml(info: &campanile::disco::DiscoInfo) -> String {
        String::from_utf8_lossy(info.to_children(None).unwrap_or_default().as_bytes()).into_owned()
    }

    #[test]
    fn name_applies_to_default_identity() {
        let info = advertised(Settings {
            name: Some("Echo".into()),
            ..Settings::default()
        });
        assert!(
            xml(&info).contains("<identity category='component' type='generic' name='Echo'/>"),
            "{}",
            xml(&info)
        );
    }

    #[test]
    fn contacts_are_advertised_as_form() {
        let contacts = Contacts {
            abuse: vec![
                "mailto:abuse@example.org".to_owned(),
                "xmpp:abuse@example.org".to_owned(),
            ],
            ..Contacts::default()
        };
        let text = xml(&advertised(Settings {
            contacts,
            ..Settings::default()
        }));
        for part in [
            "<x xmlns='jabber:x:data' type='result'>",
            "<value>http://jabber.org/network/serverinfo</value>",
            "var='abuse-addresses'",
            "<value>mailto:abuse@example.org</value><value>xmpp:abuse@example.org</value>",
        ] {
            assert!(text.contains(part), "{part} not in {text}");
        }
    }
}
