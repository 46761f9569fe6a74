//! The status page, embedded in the program.

use axum::response::{Html, IntoResponse, Response};

use super::problem::typed;

/// Content security policy: scripts and styles only from this port, no requests to other hosts, and
/// no text as markup.
pub(super) const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    connect-src 'self'; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for \
    'script'; trusted-types 'none'";

/// Returns the page. It contains no data, so that clients without access can enter the token in it.
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
