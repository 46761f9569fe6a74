//! The binary as operators meet it: arguments in, exit code, stdout and stderr out.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod archive;
mod cli;
mod crash;
mod demo;
mod faults;
mod flood;
mod outbox;
mod process;
mod run;
mod sample;
mod secrets;
mod server;
