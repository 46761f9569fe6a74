//! The status page: part of the program, and nothing of it comes from elsewhere.

use axum::response::{Html, IntoResponse, Response};

use super::problem::typed;

/// Scripts and styles are those of this port; nothing else is loaded, nothing is sent elsewhere,
/// and no text becomes markup.
pub(super) const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    connect-src 'self'; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for \
    'script'; trusted-types 'none'";

/// The page itself holds nothing: whoever may not see figures may still give the token in it.
pub(super) async fn page() -> Response {
    Html(include_str!("page/page.html")).into_response()
}

pub(super) async fn style() -> Response {
    typed("text/css; charset=utf-8", include_str!("page/page.css"))
}

pub(super) async fn script() -> Response {
    typed(
        "text/javascript; charset=utf-8",
        include_str!("page/page.js"),
    )
}
