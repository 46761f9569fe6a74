//! Prosody from Debian, with a main configuration file that includes the snippets in
//! `conf.d/`.

use std::process::Command;

use super::{Site, release};
use crate::setup::{Component, Setup, password};
use crate::snippet::{DOMAIN, SECRET, Snippet};

pub(super) fn configure(site: &Site, setup: &Setup) {
    let folder = &site.folder;
    folder.write("prosody.cfg.lua", &main_file(site));
    folder.write("conf.d/listen.cfg.lua", listen(site, setup).text());
    for component in &setup.components {
        folder.write(
            &format!("conf.d/{}.cfg.lua", component.jid),
            attach(component).text(),
        );
    }
    if let Some(port) = site.tls {
        let tls = Snippet::read("prosody/tls.cfg.lua")
            .replace("5349", &port.to_string())
            .replace(
                "/etc/prosody/certs/example.org.crt",
                &folder.at("certificate.pem"),
            )
            .replace("/etc/prosody/certs/example.org.key", &folder.at("key.pem"));
        folder.write("conf.d/tls.cfg.lua", tls.text());
    }
    if !setup.prosody.is_empty() {
        folder.write("conf.d/more.cfg.lua", &setup.prosody);
    }
    for user in &setup.users {
        let account = format!(
            "return {{\n\t[\"password\"] = \"{}\";\n}};\n",
            password(user)
        );
        folder.write(&format!("data/localhost/accounts/{user}.dat"), &account);
    }
}

pub(super) fn command(site: &Site) -> Command {
    let mut command = Command::new(release::prosody_program("prosody"));
    command.args(["-F", "--config", &site.folder.at("prosody.cfg.lua")]);
    command
}

pub(super) fn shell(site: &Site, line: &str) -> Command {
    let mut command = Command::new(release::prosody_program("prosodyctl"));
    command.args([
        "--root",
        "--config",
        &site.folder.at("prosody.cfg.lua"),
        "shell",
        line,
    ]);
    command
}

fn listen(site: &Site, setup: &Setup) -> Snippet {
    let snippet =
        Snippet::read("prosody/listen.cfg.lua").replace("5347", &site.component.to_string());
    match setup.max_stanza_size {
        Some(bytes) => snippet.set("component_stanza_size_limit", &bytes.to_string()),
        None => snippet,
    }
}

fn attach(component: &Component) -> Snippet {
    let snippet = Snippet::read("prosody/component.cfg.lua")
        .replace(DOMAIN, &component.jid)
        .replace(SECRET, &format!("\"{}\"", component.secret));
    match &component.conflict_resolve {
        Some(way) => snippet.set("component_conflict_resolve", &format!("\"{way}\"")),
        None => snippet,
    }
}

fn main_file(site: &Site) -> String {
    let folder = &site.folder;
    let disabled = match site.servers {
        Some(port) => format!("s2s_ports = {{ {port} }}\nmodules_disabled = {{ \"tls\" }}"),
        None => "modules_disabled = { \"s2s\", \"tls\" }".to_owned(),
    };
    let client = site.client;
    let data = folder.at("data");
    let socket = folder.at("shell.sock");
    // No rate limits for users (no mod_limits) and no archiving, because the tests are about
    // components.
    format!(
        r#"
run_as_root = true
daemonize = false
data_path = "{data}"
certificates = "{folder}"
interfaces = {{ "127.0.0.1" }}
local_interfaces = {{ "127.0.0.1" }}
use_ipv6 = false
c2s_ports = {{ {client} }}
admin_socket = "{socket}"
log = {{ {{ levels = {{ min = "info" }}, to = "console" }} }}
authentication = "internal_plain"
storage = "internal"
c2s_require_encryption = false
allow_unencrypted_plain_auth = true
{disabled}
modules_enabled = {{ "admin_shell"; "posix"; "net_multiplex"; "roster"; "saslauth"; "disco"; "ping"; "version"; "time";
  "carbons"; "pep"; "private"; "vcard4"; "vcard_legacy"; "blocklist"; "offline" }}

VirtualHost "localhost"
Component "rooms.localhost" "muc"
  restrict_room_creation = false
  muc_room_locking = false

Include "conf.d/*.cfg.lua"
"#,
        folder = folder.path().display()
    )
}
