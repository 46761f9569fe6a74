//! Errors of building a component, as `main` prints them.

#![allow(clippy::unwrap_used, reason = "a test may say so and fail")]

use std::error::Error;

use campanile::component::{BuildError, ComponentBuilder};
use campanile::{Component, Router};

fn printed(builder: ComponentBuilder) -> String {
    let error = builder.secret("s3cr3t").router(Router::new()).build();
    format!("{:?}", error.unwrap_err())
}

#[test]
fn build_error_prints_its_text_and_sources() {
    let misspelled = printed(Component::builder("a b").server("127.0.0.1:5347"));
    assert!(
        misspelled.starts_with("invalid domain \"a b\": "),
        "{misspelled}"
    );
    let user = printed(Component::builder("bot@example.org").server("127.0.0.1:5347"));
    assert_eq!(
        user,
        "invalid domain \"bot@example.org\": expected a domain without a localpart"
    );
    let nowhere = printed(Component::builder("bot.example.org"));
    assert_eq!(nowhere, "missing server address");
    let address = printed(Component::builder("bot.example.org").server("localhost"));
    assert_eq!(
        address,
        "\"localhost\" is not a server address: write host:port, [v6]:port or unix:/path"
    );
}

#[test]
fn build_error_has_the_reason_as_its_source() {
    let error = Component::builder("a b").build().unwrap_err();
    assert!(matches!(error, BuildError::Domain { .. }), "{error:?}");
    assert!(
        error
            .source()
            .is_some_and(|source| source.is::<campanile::jid::Error>())
    );
}
