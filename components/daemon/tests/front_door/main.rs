//! The binary as operators meet it: arguments in, exit code, stdout and stderr out.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod archive;
mod cli;
mod crash;
mod demo;
mod deploy;
mod faults;
mod flood;
mod init;
mod outbox;
mod process;
mod reach;
mod run;
mod sample;
mod secrets;
mod server;
