//! `campanile init`: writes a configuration, a secret, and the snippet for the server.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use campanile::jid::BareJid;

use crate::cli::{Init, ServerKind};
use crate::diagnostics;
use crate::exit::Exit;
use crate::log::LogFormat;
use crate::output::say;

// Symbolic links into deploy/, so that a package of this crate contains the files.
const PROSODY: &str = include_str!("snippets/prosody-component.cfg.lua");
const PROSODY_PORTS: &str = include_str!("snippets/prosody-listen.cfg.lua");
const EJABBERD: &str = include_str!("snippets/ejabberd-component.yml");
const OPENFIRE: &str = include_str!("snippets/openfire-component.txt");
// Placeholders in the snippets: the component's domain, the server's domain, and the secret.
const DOMAIN: &str = "echo.example.org";
const HOST: &str = "example.org";
const SECRET: &str = "change-me";
/// Bytes of a secret, more than the SHA-1 digest of the handshake has.
const BYTES: usize = 32;
const CONFIG: &str = "campanile.toml";
/// Folder of the credentials for the unit in deploy/systemd.
const SECRETS: &str = "/etc/campanile/secrets";

/// Writes the configuration and the secret, and writes or prints the snippet for the server.
pub(crate) fn init(options: &Init) -> Exit {
    let written = secret().and_then(|secret| write(options, &secret).map(|()| secret));
    let secret = match written {
        Ok(secret) => secret,
        Err(error) => {
            diagnostics::line(&error.to_string(), LogFormat::Text);
            return Exit::Machine;
        }
    };
    say(io::stderr(), &next_steps(options), Exit::Done);
    if options.output.is_some() {
        return Exit::Done;
    }
    say(io::stdout(), &snippet(options, &secret), Exit::Done)
}

/// Tells what has been written, and what is left to do.
fn next_steps(options: &Init) -> String {
    let config = options.folder.join(CONFIG);
    let config = config.display();
    let secret_file = secret_file(options);
    let secret_file = secret_file.display();
    let server = options.server.name();
    let snippet = match &options.output {
        Some(output) => {
            let output = output.display();
            format!(
                "written: {output}, the configuration of the server, with the secret (readable by \
                 its owner and group)\nLet the server read it (such as chgrp {server} {output}), \
                 and reload the server. Then run:\n"
            )
        }
        None => "The configuration of the server is on stdout. Once it is in place, run:\n".into(),
    };
    let alone = format!("campanile check --config {config} --connect");
    let check = if options.systemd {
        format!("systemd-run -P -p LoadCredential=secret:{SECRETS} {alone}")
    } else {
        alone
    };
    format!(
        "written: {config} and {secret_file} (readable only by its owner)\n{snippet}  {check}\n"
    )
}

/// Writes all files, or none: an unused secret would make the next attempt fail.
fn write(options: &Init, secret: &str) -> io::Result<()> {
    let file = secret_file(options);
    for folder in [Some(options.folder.as_path()), file.parent()] {
        create_folder(folder.unwrap_or(Path::new("")))?;
    }
    let mut files = vec![
        (file, format!("{secret}\n"), 0o600),
        (options.folder.join(CONFIG), configuration(options), 0o644),
    ];
    if let Some(output) = &options.output {
        // The server runs as another user, whose group may be given the file.
        files.push((output.clone(), snippet(options, secret), 0o640));
    }
    for (count, (path, text, mode)) in files.iter().enumerate() {
        create(path, text, *mode).inspect_err(|_| {
            for (path, ..) in &files[..count] {
                // The error that is reported came first.
                let _ = fs::remove_file(path);
            }
        })?;
    }
    Ok(())
}

/// Creates a folder that only its owner can read, and its parents.
fn create_folder(folder: &Path) -> io::Result<()> {
    if folder.as_os_str().is_empty() || folder.is_dir() {
        return Ok(());
    }
    let mut builder = fs::DirBuilder::new();
    let created = builder.recursive(true).mode(0o700).create(folder);
    created.map_err(|error| named("create", folder, &error))
}

/// Returns the path of the secret: next to the configuration, or in the folder of credentials.
fn secret_file(options: &Init) -> PathBuf {
    if options.systemd {
        options.folder.join("secrets").join(options.jid.as_str())
    } else {
        options.folder.join(format!("{}.secret", options.jid))
    }
}

/// Generates a random secret.
fn secret() -> io::Result<String> {
    let mut bytes = [0; BYTES];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Writes a new file; fails if it exists.
fn create(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    let named = |error: io::Error| named("write", path, &error);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)
        .map_err(named)?;
    let written = file
        .write_all(text.as_bytes())
        .and_then(|()| file.sync_all());
    written.map_err(|error| {
        // Half a file would prevent the next attempt.
        let _ = fs::remove_file(path);
        named(error)
    })
}

fn named(what: &str, path: &Path, error: &io::Error) -> io::Error {
    let help = match error.kind() {
        io::ErrorKind::AlreadyExists => {
            "; existing files are never overwritten: move it away first"
        }
        _ => "",
    };
    let path = path.display();
    io::Error::new(error.kind(), format!("cannot {what} {path}: {error}{help}"))
}

fn configuration(options: &Init) -> String {
    let jid = &options.jid;
    let address = address(options);
    // LoadCredential=secret:FOLDER names the file JID in it `secret_JID`.
    let secret = if options.systemd {
        format!("secret_credential = \"secret_{jid}\"")
    } else {
        format!("secret_file = \"{jid}.secret\"")
    };
    format!(
        "# Written by `campanile init {}`. All settings are documented in deploy/campanile.toml \
        of the sources,\n\
         # or /usr/share/doc/campanile/campanile.toml.\n\n\
         [server]\naddress = \"{address}\"\n\n\
         [[component]]\njid = \"{jid}\"\n{secret}\n\n\
         # Each table mounts a module on this JID.\n[component.echo]\n\n[component.disco]\n\
         name = \"Echo\"\n",
        options.server.name()
    )
}

/// Returns the snippet for the server, from the files that the integration tests use.
fn snippet(options: &Init, secret: &str) -> String {
    let usual = options.server.usual_port().to_string();
    let port = port(&address(options)).to_owned();
    let text = match options.server {
        // Ports are global in Prosody, not part of the component's block.
        ServerKind::Prosody if port != usual => format!("{PROSODY_PORTS}\n{PROSODY}"),
        ServerKind::Prosody => PROSODY.to_owned(),
        ServerKind::Ejabberd => EJABBERD.to_owned(),
        ServerKind::Openfire => OPENFIRE.to_owned(),
    };
    let text = text.replace(&usual, &port);
    // The domain may itself contain a placeholder, so the text is split before any replacement.
    let parts = text
        .split(DOMAIN)
        .map(|part| part.replace(HOST, parent(&options.jid)));
    // The secret comes last, so that no placeholder is found in it.
    parts
        .collect::<Vec<_>>()
        .join(options.jid.as_str())
        .replace(SECRET, secret)
}

fn address(options: &Init) -> String {
    let usual = || format!("127.0.0.1:{}", options.server.usual_port());
    options
        .address
        .as_ref()
        .map_or_else(usual, ToString::to_string)
}

fn port(address: &str) -> &str {
    address.rsplit_once(':').map_or(address, |(_, port)| port)
}

fn parent(jid: &BareJid) -> &str {
    let domain = jid.domain().as_str();
    domain.split_once('.').map_or(domain, |(_, parent)| parent)
}
