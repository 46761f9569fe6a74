//! Texts of `--help` beyond the descriptions of commands and options.

pub(super) const ABOUT: &str = "\
Ready-made components for XMPP servers, in one process.

Campanile connects to Prosody, ejabberd or any other server with a component port (XEP-0114), with \
one connection
for each component in its configuration, and serves the addresses of that component.";

pub(super) const HELP: &str = "\
Getting started:
  campanile demo                         run every component on an embedded server
  campanile init prosody                 write a configuration, and print the server's part of it
  campanile check --config my.toml       report every fault of a configuration
  campanile config fmt my.toml           format a configuration
  campanile run --config my.toml         serve until SIGTERM or SIGINT

Environment:
  CAMPANILE_CONFIG   the configuration file, unless --config is given
  RUST_LOG           log filter: error, warn, info (the default), debug, trace, or levels by \
  target: info,campanile=debug
  NO_COLOR           disables colors on a terminal

Exit codes:
  0   success
  64  wrong usage
  69  refused by the server
  70  internal error, or forced shutdown
  71  system error: already running, port in use, permission denied, disk full
  78  invalid configuration";

pub(super) const OUTBOX: &str = "\
Examples:
  campanile outbox list                        with or without a running daemon
  campanile outbox replay 17                   a running daemon retries it within seconds
  campanile outbox drop --all --component bridge.example.org";

pub(super) const DEMO: &str = "\
Examples:
  campanile demo                               show the conversation
  campanile demo --xml                         show it with the stanzas
  campanile demo --interactive                 start a prompt: type a message, or /help
  printf 'hello\\n/quit\\n' | campanile demo -i  drive the prompt from a script
  campanile demo --listen                      accept Profanity, Gajim, slixmpp, …; prints the \
  accounts
  campanile demo --listen 127.0.0.1:15222      accept them on another port";

pub(super) const INIT: &str = "\
Examples:
  campanile init prosody --jid echo.example.org --output /etc/prosody/conf.d/echo.cfg.lua
  campanile init ejabberd --jid echo.example.org --folder /etc/campanile --systemd
  campanile init openfire --jid echo.example.org --address openfire.example.org:5275

Writes campanile.toml and a secret that only its owner can read; existing files are never \
overwritten. The snippet for
the server, which contains the secret, goes to stdout or to the file named by --output. Avoid `>`: \
the shell empties
its file before this command runs, also when nothing is written.";

pub(super) const CHECK: &str = "\
Examples:
  campanile check                              ./campanile.toml or /etc/campanile/campanile.toml
  campanile check --config my.toml --connect   also connect to the servers
  campanile check --connect --resolver 9.9.9.9 query public DNS
  my-template | campanile check --config -     read the configuration from stdin

Exits with 0 if there is no fault, 78 for a fault in the file, 69 for a fault found by --connect.";

pub(super) const RUN: &str = "\
Examples:
  campanile run --config my.toml
  campanile run --config my.toml --log-format json 2>> campanile.log
  RUST_LOG=campanile=debug campanile run --config my.toml

The first SIGTERM or SIGINT finishes pending work, closes the streams and exits with 0; a second \
one exits at once with 70.
SIGHUP reloads the configuration. Exits with 69 if every component is refused by its server and \
none was ever mounted;
otherwise refused components are retried and do not affect the others.";

pub(super) const COMPLETIONS: &str = "\
Examples:
  campanile completions bash > /etc/bash_completion.d/campanile
  campanile completions fish > ~/.config/fish/completions/campanile.fish";
