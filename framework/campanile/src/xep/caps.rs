//! Entity capabilities (XEP-0115): a hash of the disco#info, sent in presence so that clients can
//! cache the reply.

use sha1::{Digest, Sha1};
use xmpp_parsers::caps::Caps;
use xmpp_parsers::data_forms::DataForm;
use xmpp_parsers::hashes::Algo;
use xmpp_parsers::ns;
use xso::text::{Base64, TextCodec};

use crate::xep::disco::DiscoInfo;

/// Namespace of entity capabilities.
pub(crate) const NS: &str = ns::CAPS;

/// Returns the URI that stands for the software of a component unless its builder sets one: the
/// address of the component (RFC 5122).
pub(crate) fn default_node(domain: &str) -> String {
    format!("xmpp:{domain}")
}

/// Computes the verification hash, not encoded: the SHA-1 of all disco#info (XEP-0115 §5.1).
#[must_use]
#[doc(hidden)]
pub fn hash(info: &DiscoInfo) -> Vec<u8> {
    Sha1::digest(text(info)).to_vec()
}

/// Returns the element to add to presence. `node` is the URI that identifies the software; it does
/// not have to be reachable.
#[must_use]
pub fn caps(node: &str, info: &DiscoInfo) -> Caps {
    Caps {
        ext: None,
        node: node.to_owned(),
        hash: Algo::Sha_1,
        ver: hash(info),
    }
}

/// Returns the disco node under which clients request what the hash stands for (XEP-0115 §6.2).
pub(crate) fn hash_node(node: &str, info: &DiscoInfo) -> Option<String> {
    let hash = hash(info);
    let ver = Base64.encode(&hash).ok().flatten()?;
    Some(format!("{node}#{ver}"))
}

fn text(info: &DiscoInfo) -> String {
    let lines = |mut lines: Vec<String>| {
        // XEP-0115 §5.1: sort by octets, as Rust does, and before the separator is appended.
        lines.sort();
        lines
            .iter()
            .map(|line| format!("{line}<"))
            .collect::<String>()
    };
    let identities = info.identities.iter().map(|identity| {
        let lang = identity.lang.as_deref();
        let name = identity.name.as_deref();
        format!(
            "{}/{}/{}/{}",
            identity.category,
            identity.type_,
            lang.unwrap_or_default(),
            name.unwrap_or_default()
        )
    });
    // Clients ignore forms without a FORM_TYPE (XEP-0115 §5.4), so they are left out.
    let mut forms: Vec<_> = info
        .forms
        .iter()
        .filter_map(|form| Some((form.form_type()?, form)))
        .collect();
    forms.sort_by_key(|(name, _)| *name);
    let forms = forms
        .into_iter()
        .map(|(name, form)| format!("{name}<{}", fields(form, lines)));
    lines(identities.collect())
        + &lines(info.features.iter().cloned().collect())
        + &forms.collect::<String>()
}

fn fields(form: &DataForm, lines: impl Fn(Vec<String>) -> String) -> String {
    let mut fields: Vec<_> = form
        .fields
        .iter()
        .filter(|field| !field.is_form_type(&form.type_))
        .collect();
    fields.sort_by_key(|field| field.var.as_deref());
    let field = |field: &&xmpp_parsers::data_forms::Field| {
        format!(
            "{}<{}",
            field.var.as_deref().unwrap_or_default(),
            lines(field.values.clone())
        )
    };
    fields.iter().map(field).collect()
}

#[cfg(test)]
mod tests {
    use xmpp_parsers::data_forms::{DataFormType, Field, FieldType};
    use xmpp_parsers::disco::Identity;

    use super::*;

    const FEATURES: [&str; 4] = [
        "http://jabber.org/protocol/muc",
        "http://jabber.org/protocol/disco#info",
        "http://jabber.org/protocol/caps",
        "http://jabber.org/protocol/disco#items",
    ];

    fn ver(info: &DiscoInfo) -> String {
        hash_node("xmpp:bot", info)
            .unwrap()
            .strip_prefix("xmpp:bot#")
            .unwrap()
            .to_owned()
    }

    fn features(info: DiscoInfo) -> DiscoInfo {
        FEATURES.into_iter().fold(info, DiscoInfo::feature)
    }

    #[test]
    fn hash_matches_simple_example_of_xep_0115() {
        let exodus = Identity {
            name: Some("Exodus 0.9.1".into()),
            ..Identity::new("client", "pc", "", "")
        };
        let info = features(DiscoInfo::new().identity(Identity {
            lang: None,
            ..exodus
        }));
        assert_eq!(ver(&info), "QgayPKawpkPSDYmwT/WM94uAlu0=");
    }

    #[test]
    fn hash_matches_complex_example_of_xep_0115_in_any_order() {
        let field = |var: &str, values: &[&str]| {
            values
                .iter()
                .fold(Field::new(var, FieldType::TextSingle), |field, value| {
                    field.with_value(value)
                })
        };
        let form = DataForm::new(
            DataFormType::Result_,
            "urn:xmpp:dataforms:softwareinfo",
            vec![
                field("software_version", &["0.11"]),
                field("ip_version", &["ipv6", "ipv4"]),
                field("software", &["Psi"]),
                field("os_version", &["10.5.1"]),
                field("os", &["Mac"]),
            ],
        );
        let info = DiscoInfo::new()
            .identity(Identity::new("client", "pc", "en", "Psi 0.11"))
            .identity(Identity::new("client", "pc", "el", "Ψ 0.11"));
        let info = features(info).form(form);
        assert_eq!(ver(&info), "q07IKJEyjvHSyhy//CH0CxmKi8w=");
        let unnamed = DataForm {
            type_: DataFormType::Result_,
            title: None,
            instructions: None,
            fields: Vec::new(),
        };
        assert_eq!(ver(&info.form(unnamed)), "q07IKJEyjvHSyhy//CH0CxmKi8w=");
    }

    #[test]
    fn values_are_sorted_without_the_separator() {
        // `!` sorts before `<`, so sorting after the separator is appended would swap the two.
        let info = DiscoInfo::new().feature("a!").feature("a");
        assert_eq!(text(&info), "a<a!<");
    }
}
