//! The name that was probably meant.

/// What to do about a name that is none of the known ones.
pub(super) fn remedy(name: &str, known: &[&str]) -> String {
    match (nearest(name, known), known) {
        (Some(meant), _) => format!("did you mean `{meant}`?"),
        (None, []) => "remove it: this table has no keys".to_owned(),
        (None, known) => format!("known are {}", known.join(", ")),
    }
}

/// The nearest of the known names, if one is near enough to be meant.
fn nearest<'n>(name: &str, known: &[&'n str]) -> Option<&'n str> {
    // Long names may be further off: `handler-time-out` is still `handler_timeout`.
    let tolerated = (name.chars().count() / 3).clamp(1, 3);
    known
        .iter()
        .map(|candidate| (strsim::damerau_levenshtein(name, candidate), *candidate))
        .filter(|(distance, _)| *distance <= tolerated)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_of_the_fingers_are_understood() {
        let known = ["jid", "secret", "secret_file", "handler_timeout"];
        assert_eq!(nearest("sercet", &known), Some("secret"));
        assert_eq!(nearest("secretfile", &known), Some("secret_file"));
        assert_eq!(nearest("handler-time-out", &known), Some("handler_timeout"));
        assert_eq!(nearest("jdi", &known), Some("jid"));
        assert_eq!(nearest("colour", &known), None);
    }
}
