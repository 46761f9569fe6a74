//! `[component.json_bridge.nats]`: a NATS broker between bridge and bots.

use campanile_json_bridge::Nats;

use super::fault::Faults;
use super::table::Table;

#[cfg(not(feature = "nats"))]
#[expect(
    clippy::needless_pass_by_value,
    reason = "same signature as with the feature `nats`"
)]
pub(super) fn read(table: Table<'_>, faults: &mut Faults<'_>) -> Option<Nats> {
    let remedy = "rebuild it with `--features nats`, or remove this table";
    faults.push(&table.span, "this program was built without NATS", remedy);
    None
}

#[cfg(feature = "nats")]
pub(super) fn read(mut table: Table<'_>, faults: &mut Faults<'_>) -> Option<Nats> {
    let usual = Nats::default();
    let url = table.take("url").and_then(|value| address(&value, faults));
    let login = login(&mut table, faults);
    let prefix = table
        .take("prefix")
        .and_then(|value| prefix(&value, faults));
    let shared = table
        .take("shared")
        .and_then(|value| value.flag(faults))
        .unwrap_or(false);
    let max_bytes = table
        .take("max_bytes")
        .and_then(|value| value.size(MIB..=1024 * 1024 * MIB, faults));
    let replicas = table
        .take("replicas")
        .and_then(|value| value.count(1..=5, faults));
    table.finish(faults);
    Some(Nats {
        url: url.unwrap_or(usual.url),
        login,
        prefix: prefix.unwrap_or(usual.prefix),
        shared,
        max_bytes: max_bytes
            .and_then(|bytes| i64::try_from(bytes).ok())
            .unwrap_or(usual.max_bytes),
        replicas: replicas.unwrap_or(usual.replicas),
    })
}

#[cfg(feature = "nats")]
const MIB: usize = 1024 * 1024;

#[cfg(feature = "nats")]
fn address(value: &super::table::Value<'_>, faults: &mut Faults<'_>) -> Option<String> {
    let text = value.text(faults)?;
    let is_one = |one: &str| matches!(one.trim().split_once("://"), Some(("nats" | "tls", host)) if !host.is_empty());
    if text.split(',').all(is_one) && !text.contains('@') {
        return Some(text.to_owned());
    }
    // Not quoted: the URL may hold a password.
    let remedy = "write \"nats://127.0.0.1:4222\" or \"tls://host:4222\", and log in with \
        `token`, or with `user` and `password`";
    faults.push(&value.span, "`url` is not a broker address", remedy);
    None
}

#[cfg(feature = "nats")]
fn login(table: &mut Table<'_>, faults: &mut Faults<'_>) -> campanile_json_bridge::Login {
    use campanile_json_bridge::{Login, Secret};
    const TOKEN: super::secret::Keys = ["token", "token_file", "token_env", "token_credential"];
    const PASSWORD: super::secret::Keys = [
        "password",
        "password_file",
        "password_env",
        "password_credential",
    ];
    let token = super::secret::text(table, &TOKEN, faults).map(Secret::new);
    let password = super::secret::text(table, &PASSWORD, faults).map(Secret::new);
    let user = table.take("user").and_then(|value| value.text(faults));
    match (token, user, password) {
        (Some(token), None, None) => Login::Token(token),
        (None, Some(user), Some(password)) => Login::Password(user.to_owned(), password),
        (None, None, None) => Login::Open,
        _ => {
            faults.push(
                &table.span,
                "incomplete or conflicting login",
                "write `token`, or both `user` and `password`",
            );
            Login::Open
        }
    }
}

/// Reads the prefix of every subject of this component.
#[cfg(feature = "nats")]
fn prefix(value: &super::table::Value<'_>, faults: &mut Faults<'_>) -> Option<String> {
    let text = value.text(faults)?;
    let is_token = |token: &str| {
        !token.is_empty()
            && token
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    if text.split('.').all(is_token) {
        return Some(text.to_owned());
    }
    faults.push(
        &value.span,
        "`prefix` is not a valid subject prefix",
        "write words of letters, digits, - and _, separated by dots",
    );
    None
}
