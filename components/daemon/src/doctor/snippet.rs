//! Snippets for the configuration of a server. They never contain the secret.

use crate::config::Component;

/// Returns the block of a component for Prosody.
pub(super) fn prosody_component(settings: &Component) -> String {
    format!(
        "Component \"{}\"\n    component_secret = \"…\"      -- as in campanile.toml",
        settings.jid
    )
}

/// Returns the commands that make Prosody serve a new block.
pub(super) fn prosody_activation(settings: &Component) -> String {
    format!(
        "prosodyctl shell 'config:reload()'\nprosodyctl shell 'host:activate(\"{}\")'",
        settings.jid
    )
}

/// Returns a component listener for ejabberd.
pub(super) fn ejabberd_listener(port: &str, settings: &Component) -> String {
    format!(
        "listen:\n  -\n    port: {port}\n    module: ejabberd_service\n    global_routes: \
        false\n{}",
        ejabberd_hosts(settings)
    )
}

/// Returns the entry of a component in a listener of ejabberd.
pub(super) fn ejabberd_hosts(settings: &Component) -> String {
    format!(
        "    hosts:\n      {}: {{password: \"…\"}}      # as in campanile.toml",
        settings.jid
    )
}
