//! The binary as operators use it: arguments in, exit code, stdout and stderr out.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod admin;
mod archive;
mod cli;
mod config_fmt;
mod config_schema;
mod connections;
mod crash;
mod demo;
mod deploy;
mod faults;
mod federation;
mod flood;
mod http;
mod init;
mod notify;
mod outbox;
mod process;
mod reload;
mod run;
mod sample;
mod secrets;
mod server;
mod stream;
mod tap;
mod webhooks;
