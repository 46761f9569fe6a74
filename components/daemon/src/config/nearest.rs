//! Suggestions for misspelled names.

/// Returns the remedy for an unknown name: the nearest known one, or a list of all.
pub(super) fn remedy(name: &str, known: &[&str]) -> String {
    match (nearest(name, known), known) {
        (Some(meant), _) => format!("did you mean `{meant}`?"),
        (None, []) => "remove it; this table has no keys".to_owned(),
        (None, known) => format!("use one of {}", known.join(", ")),
    }
}

/// Returns the nearest known name, if it is close enough to be a typo.
fn nearest<'n>(name: &str, known: &[&'n str]) -> Option<&'n str> {
    // Longer names tolerate more edits: `handler-time-out` still means `handler_timeout`.
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
    fn typos_yield_the_nearest_name() {
        let known = ["jid", "secret", "secret_file", "handler_timeout"];
        assert_eq!(nearest("sercet", &known), Some("secret"));
        assert_eq!(nearest("secretfile", &known), Some("secret_file"));
        assert_eq!(nearest("handler-time-out", &known), Some("handler_timeout"));
        assert_eq!(nearest("jdi", &known), Some("jid"));
        assert_eq!(nearest("color", &known), None);
    }
}
