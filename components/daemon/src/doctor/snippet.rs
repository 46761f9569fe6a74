//! Lines for the configuration of a server. The secret itself is never shown.

use crate::config::Component;

/// The block of a component, for Prosody.
pub(super) fn prosody_component(settings: &Component) -> String {
    format!(
        "Component \"{}\"\n    component_secret = \"…\"      -- as in campanile.toml",
        settings.jid
    )
}

/// What makes Prosody serve a block that is new.
pub(super) fn prosody_activation(settings: &Component) -> String {
    format!(
        "prosodyctl shell 'config:reload()'\nprosodyctl shell 'host:activate(\"{}\")'",
        settings.jid
    )
}

/// A listener for components, for ejabberd.
pub(super) fn ejabberd_listener(port: &str, settings: &Component) -> String {
    format!(
        "listen:\n  -\n    port: {port}\n    module: ejabberd_service\n    global_routes: \
        false\n{}",
        ejabberd_hosts(settings)
    )
}

/// Where ejabberd's listener names a component.
pub(super) fn ejabberd_hosts(settings: &Component) -> String {
    format!(
        "    hosts:\n      {}: {{password: \"…\"}}      # as in campanile.toml",
        settings.jid
    )
}
