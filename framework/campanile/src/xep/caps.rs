//! Entity capabilities (XEP-0115): presence says by a hash what disco#info would say at length.

use sha1::{Digest, Sha1};
use xmpp_parsers::caps::Caps;
use xmpp_parsers::data_forms::DataForm;
use xmpp_parsers::hashes::Algo;
use xmpp_parsers::ns;
use xso::text::{Base64, TextCodec};

use crate::xep::disco::DiscoInfo;

/// Namespace of entity capabilities.
pub const NS: &str = ns::CAPS;

/// The software that says so: a URI, which nobody has to be able to open.
pub const NODE: &str = env!("CARGO_PKG_REPOSITORY");

/// The verification string, unpacked: a SHA-1 of everything that disco#info says (XEP-0115 §5.1).
#[must_use]
pub fn hash(info: &DiscoInfo) -> Vec<u8> {
    Sha1::digest(text(info)).to_vec()
}

/// What goes into presence.
#[must_use]
pub fn caps(info: &DiscoInfo) -> Caps {
    Caps {
        ext: None,
        node: NODE.to_owned(),
        hash: Algo::Sha_1,
        ver: hash(info),
    }
}

/// The node that is asked for what the hash stands for (XEP-0115 §6.2).
pub(crate) fn node(info: &DiscoInfo) -> Option<String> {
    let hash = hash(info);
    let ver = Base64.encode(&hash).ok().flatten()?;
    Some(format!("{NODE}#{ver}"))
}

fn text(info: &DiscoInfo) -> String {
    let lines = |mut lines: Vec<String>| {
        // XEP-0115 §5.1: by octets, as Rust compares text. What follows a line plays no part in its
        // place.
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
    // A form that is not named says nothing that others understand, and is left out by them
    // (XEP-0115 §5.4).
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
        node(info)
            .unwrap()
            .strip_prefix(&format!("{NODE}#"))
            .unwrap()
            .to_owned()
    }

    fn features(info: DiscoInfo) -> DiscoInfo {
        FEATURES.into_iter().fold(info, DiscoInfo::feature)
    }

    #[test]
    fn the_simple_example_of_the_specification() {
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
    fn the_complex_example_of_the_specification_in_any_order() {
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
    fn what_follows_a_value_plays_no_part_in_its_place() {
        // `!` comes before `<`, so a sort of finished lines would turn them around.
        let info = DiscoInfo::new().feature("a!").feature("a");
        assert_eq!(text(&info), "a<a!<");
    }
}
