//! ejabberd from Debian, run as a plain Erlang node, because `ejabberdctl` requires a system
//! user and fixed folders.

use std::process::Command;

use super::{Site, release};
use crate::setup::{Setup, password};
use crate::snippet::{DOMAIN, SECRET, Snippet};

pub(super) fn configure(site: &Site, setup: &Setup) {
    let mut listeners = attach("component", setup)
        .set("port", &site.component.to_string())
        .below("listen:")
        .to_owned();
    if let Some(port) = site.tls {
        let tls = attach("tls", setup)
            .set("port", &port.to_string())
            .replace("/etc/ejabberd/example.org.pem", &site.folder.at("both.pem"));
        listeners.push_str(tls.below("listen:"));
    }
    if let Some(port) = site.servers {
        listeners.push_str(&format!(
            "  - {{port: {port}, ip: 127.0.0.1, module: ejabberd_s2s_in}}\n"
        ));
    }
    listeners.push_str(&setup.ejabberd_listen);
    let main_file = main_file(site, &listeners) + &setup.ejabberd;
    site.folder.write("ejabberd.yml", &main_file);
    site.folder.write("users.erl.txt", &users(setup));
    for folder in ["home", "log", "spool"] {
        site.folder.write(&format!("{folder}/.keep"), "");
    }
}

/// Adds the items of a snippet's `listen:` to the existing ones.
pub(super) fn add(site: &Site, snippet: &str) {
    let path = site.folder.path().join("ejabberd.yml");
    let text = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let (_, items) = snippet
        .split_once("\nlisten:\n")
        .expect("the snippet has a list of listeners");
    site.folder.write(
        "ejabberd.yml",
        &text.replace("\nacl:\n", &format!("\n{items}\nacl:\n")),
    );
}

pub(super) fn command(site: &Site) -> Command {
    let folder = &site.folder;
    let _ = std::fs::remove_file(folder.path().join("users.made"));
    let mut command = node(site, &name(site));
    command
        .args([
            "+K",
            "true",
            "+P",
            "250000",
            "+sbwt",
            "none",
            "+sbwtdcpu",
            "none",
            "+sbwtdio",
            "none",
        ])
        .args(["-mnesia", "dir", &format!("\"{}\"", folder.at("spool"))])
        .args(["-s", "ejabberd", "-eval", &make_users(site)])
        .env("EJABBERD_CONFIG_PATH", folder.at("ejabberd.yml"))
        .env("EJABBERD_LOG_PATH", folder.at("log/ejabberd.log"))
        .env("ERL_CRASH_DUMP", folder.at("log/crash.dump"))
        .current_dir(folder.path().join("spool"));
    command
}

pub(super) fn shell(site: &Site, line: &str) -> Command {
    let mut command = node(site, &format!("shell{}@127.0.0.1", std::process::id()));
    command.args([
        "-hidden",
        "-dist_listen",
        "false",
        "-s",
        "ejabberd_ctl",
        "-extra",
        &name(site),
    ]);
    command.args(line.split_whitespace());
    command
}

/// Returns `true` once the users exist. The node creates them last.
pub(super) fn has_users(site: &Site) -> bool {
    site.folder.path().join("users.made").exists()
}

fn name(site: &Site) -> String {
    format!("campanile{}@127.0.0.1", site.node)
}

/// Returns a command for an Erlang node on loopback, without the port mapper daemon, which would
/// outlive it.
fn node(site: &Site, name: &str) -> Command {
    let mut command = Command::new("erl");
    command
        .args([
            "-noinput",
            "-name",
            name,
            "-setcookie",
            "campanile-tests",
            "-start_epmd",
            "false",
        ])
        .args(["-erl_epmd_port", &site.node.to_string()])
        .args(["-kernel", "inet_dist_use_interface", "{127,0,0,1}"])
        .env("HOME", site.folder.at("home"))
        .env("ERL_LIBS", release::erlang_libraries());
    command
}

fn attach(snippet: &str, setup: &Setup) -> Snippet {
    let mut snippet = Snippet::read(&format!("ejabberd/{snippet}.yml")).repeat(DOMAIN, |line| {
        assert!(
            line.contains(SECRET),
            "domain and secret must be on one line: {line}"
        );
        let lines = setup.components.iter().map(|component| {
            line.replace(DOMAIN, &component.jid)
                .replace(SECRET, &format!("\"{}\"", component.secret))
        });
        lines.collect()
    });
    if let Some(bytes) = setup.max_stanza_size {
        snippet = snippet.set("max_stanza_size", &bytes.to_string());
    }
    let snippet = if setup.backlog {
        snippet
    } else {
        snippet.without("backlog")
    };
    if setup.global_routes_off {
        snippet
    } else {
        snippet.without("global_routes")
    }
}

/// Returns one term per user, read by the node itself, which avoids quoting on a command line.
fn users(setup: &Setup) -> String {
    let line = |user: &String| format!("{{<<\"{user}\">>, <<\"{}\">>}}.\n", password(user));
    setup.users.iter().map(line).collect()
}

fn make_users(site: &Site) -> String {
    let users = site.folder.at("users.erl.txt");
    let made = site.folder.at("users.made");
    format!(
        "{{ok, Users}} = file:consult(\"{users}\"), \
         [case ejabberd_auth:try_register(Name, <<\"localhost\">>, Password) of \
            ok -> ok; {{error, exists}} -> ok end || {{Name, Password}} <- Users], \
         ok = file:write_file(\"{made}\", <<>>)."
    )
}

fn main_file(site: &Site, listeners: &str) -> String {
    let client = site.client;
    // Without rate limits and archiving, as with Prosody.
    format!(
        r#"
hosts: [localhost]
loglevel: info
log_rotate_count: 0
auth_method: internal
auth_password_format: plain
s2s_access: none
listen:
  - {{port: {client}, ip: 127.0.0.1, module: ejabberd_c2s, starttls: false, access: all, shaper: none, backlog: 128}}
{listeners}
acl:
  admin: {{user: [{{alice: localhost}}]}}
api_permissions:
  console: {{from: [ejabberd_ctl], who: all, what: "*"}}
shaper: {{}}
modules:
  mod_adhoc: {{}}
  mod_admin_extra: {{}}
  mod_blocking: {{}}
  mod_caps: {{}}
  mod_carboncopy: {{}}
  mod_disco: {{}}
  mod_last: {{}}
  mod_muc: {{host: rooms.localhost, access_create: all, default_room_options: {{persistent: false}}}}
  mod_offline: {{}}
  mod_ping: {{}}
  mod_privacy: {{}}
  mod_private: {{}}
  mod_pubsub: {{plugins: [flat, pep]}}
  mod_roster: {{}}
  mod_time: {{}}
  mod_vcard: {{}}
  mod_version: {{}}
"#
    )
}
