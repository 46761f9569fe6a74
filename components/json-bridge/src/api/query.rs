//! Query strings and forms.

use std::collections::HashMap;

/// Parses a query string or a form. The last parameter of each name wins.
pub(super) fn query(text: Option<&str>) -> HashMap<String, String> {
    form_urlencoded::parse(text.unwrap_or_default().as_bytes())
        .into_owned()
        .collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn query_is_decoded() {
        let query = super::query(Some("a=1&b=x%40y+z&c&a=2&&d=%4"));
        assert_eq!(
            (&*query["a"], &*query["b"], &*query["c"], &*query["d"]),
            ("2", "x@y z", "", "%4")
        );
    }
}
