//! The normal form in which addresses are compared with lists, permissions and each other.
//!
//! A domain has two spellings, `bücher.example` and `xn--bcher-kva.example`. Servers pass on either
//! one, and replies must keep it, but both name the same entity (RFC 7622 §3.2).

use std::borrow::Cow;

use jid::{BareJid, DomainPart, Jid};

/// The beginning of an A-label (RFC 5890 §2.3.2.1).
const ACE: &str = "xn--";

/// Returns a JID without its resource, as text and without copying.
pub(crate) fn bare(jid: &Jid) -> &str {
    let resource = jid
        .resource()
        .map_or(0, |resource| resource.as_str().len() + 1);
    let text = jid.as_str();
    &text[..text.len() - resource]
}

/// Returns a prepared address with the A-labels of its domain as U-labels (RFC 7622 §3.2). Two
/// addresses are the same if their normal forms are equal.
#[must_use]
pub fn canonical(address: &str) -> Cow<'_, str> {
    if address.contains(ACE) {
        decoded(address).map_or(Cow::Borrowed(address), Cow::Owned)
    } else {
        Cow::Borrowed(address)
    }
}

/// Returns `true` if a list contains an address, in either spelling.
#[must_use]
pub fn contains(list: &[BareJid], address: &BareJid) -> bool {
    let wanted = canonical(address.as_str());
    list.iter().any(|one| canonical(one.as_str()) == wanted)
}

/// Returns `true` if two addresses or domains are the same, in either spelling.
#[must_use]
pub fn is_same(one: &str, other: &str) -> bool {
    one == other || canonical(one) == canonical(other)
}

#[cold]
fn decoded(address: &str) -> Option<String> {
    let (bare, resource) = match address.split_once('/') {
        Some((bare, resource)) => (bare, Some(resource)),
        None => (address, None),
    };
    let (localpart, domain) = match bare.split_once('@') {
        Some((localpart, domain)) => (Some(localpart), domain),
        None => (None, bare),
    };
    let labels: Vec<_> = domain.split('.').map(u_label).collect();
    // The list entry has been prepared in the same way.
    let domain = DomainPart::new(&labels.join(".")).ok()?.into_owned();
    let mut text = localpart.map_or_else(String::new, |localpart| format!("{localpart}@"));
    text.push_str(domain.as_str());
    if let Some(resource) = resource {
        text.push('/');
        text.push_str(resource);
    }
    Some(text)
}

fn u_label(label: &str) -> Cow<'_, str> {
    let decoded = label.strip_prefix(ACE).and_then(punycode);
    decoded.map_or(Cow::Borrowed(label), Cow::Owned)
}

/// Decodes Punycode (RFC 3492 §6.2).
fn punycode(encoded: &str) -> Option<String> {
    let (basic, extended) = encoded.rsplit_once('-').unwrap_or(("", encoded));
    let mut output: Vec<char> = basic.chars().collect();
    let mut digits = extended.bytes().peekable();
    let mut code = 128u32;
    let mut at = 0u32;
    let mut bias = 72u32;
    while digits.peek().is_some() {
        let before = at;
        at = at.checked_add(delta(&mut digits, bias)?)?;
        let length = u32::try_from(output.len()).ok()?.checked_add(1)?;
        bias = adapt(at - before, length, before == 0);
        code = code.checked_add(at / length)?;
        at %= length;
        output.insert(usize::try_from(at).ok()?, char::from_u32(code)?);
        at += 1;
    }
    Some(output.into_iter().collect())
}

/// Reads one number of variable length.
fn delta(digits: &mut impl Iterator<Item = u8>, bias: u32) -> Option<u32> {
    let mut value = 0u32;
    let mut weight = 1u32;
    let mut position = 36u32;
    loop {
        let digit = match digits.next()? {
            letter @ b'a'..=b'z' => u32::from(letter - b'a'),
            number @ b'0'..=b'9' => u32::from(number - b'0') + 26,
            _ => return None,
        };
        value = value.checked_add(digit.checked_mul(weight)?)?;
        let threshold = position.saturating_sub(bias).clamp(1, 26);
        if digit < threshold {
            return Some(value);
        }
        weight = weight.checked_mul(36 - threshold)?;
        position = position.checked_add(36)?;
    }
}

/// Adapts the bias (RFC 3492 §6.1).
fn adapt(delta: u32, length: u32, first: bool) -> u32 {
    let mut delta = delta / if first { 700 } else { 2 };
    delta += delta / length;
    let mut position = 0;
    while delta > 455 {
        delta /= 35;
        position += 36;
    }
    position + 36 * delta / (delta + 38)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_of_a_domain_have_one_form() {
        let rows = [
            ("alice@xn--bcher-kva.example/r", "alice@bücher.example/r"),
            ("xn--bcher-kva.example", "bücher.example"),
            ("sub.xn--mnchen-3ya.example", "sub.münchen.example"),
            (
                "xn--n8jok5ay5dzabd5bym9f0cm5685rrjetr6pdxa.example",
                "なぜみんな日本語を話してくれないのか.example",
            ),
            ("x@xn--fiqs8s", "x@中国"),
            (
                "alice@example.org/xn--bcher-kva",
                "alice@example.org/xn--bcher-kva",
            ),
            ("xn--a.example", "xn--a.example"),
            ("xn--99999999999.example", "xn--99999999999.example"),
            ("alice@example.org", "alice@example.org"),
        ];
        for (address, form) in rows {
            assert_eq!(canonical(address), form, "{address}");
            assert_eq!(canonical(form), form);
            assert!(is_same(address, form));
        }
        let list = ["bücher.example".parse().unwrap()];
        assert!(contains(&list, &"xn--bcher-kva.example".parse().unwrap()));
        assert!(!contains(&list, &"bucher.example".parse().unwrap()));
    }
}
