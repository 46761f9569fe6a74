//! A headless terminal (tmux), for full-screen programs.

use std::process::Command;
use std::time::Duration;

use crate::folder::Folder;
use crate::output::Output;
use crate::process::Process;
use crate::wait::{self, TIMEOUT};

/// A program in a terminal of 200 columns and 60 lines.
#[derive(Debug)]
pub struct Terminal {
    #[allow(dead_code, reason = "killed when dropped")]
    server: Process,
    output: Output,
    folder: Folder,
}

impl Terminal {
    /// Starts a program. Its home folder is temporary.
    pub async fn start(program: &str) -> Self {
        let folder = Folder::new("terminal");
        let output = Output::default();
        folder.write("tmux.conf", "");
        // In the foreground, so that it is a direct child process.
        let mut command = tmux(&folder);
        command.args(["-f", &folder.at("tmux.conf"), "-D"]);
        for variable in ["HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME"] {
            command.env(variable, folder.path());
        }
        command
            .env("LC_ALL", "C.UTF-8")
            .env("TERM", "screen")
            .env_remove("TMUX");
        let server = Process::start("tmux", command, &output);
        let terminal = Self {
            server,
            output,
            folder,
        };
        let started = wait::until("tmux", TIMEOUT, async || {
            terminal.ask(&["new-session", "-d", "-x", "200", "-y", "60", program])
        });
        started
            .await
            .unwrap_or_else(|error| panic!("{error}\n{}", terminal.output.tail()));
        terminal
    }

    /// Types a line and presses Enter.
    pub fn enter(&self, line: &str) {
        for keys in [&["send-keys", "-l", line][..], &["send-keys", "Enter"]] {
            assert!(
                self.ask(keys).is_some(),
                "the terminal no longer accepts {line:?}:\n{}",
                self.output.tail()
            );
        }
    }

    /// Returns the text on the screen.
    pub fn screen(&self) -> String {
        self.ask(&["capture-pane", "-p"]).unwrap_or_default()
    }

    /// Waits until the screen shows this text.
    pub async fn shows(&self, text: &str) {
        self.shows_within(text, TIMEOUT).await;
    }

    /// Like [`Terminal::shows`], with a time limit.
    pub async fn shows_within(&self, text: &str, within: Duration) {
        let seen = wait::until(text, within, async || {
            self.screen().contains(text).then_some(())
        });
        seen.await
            .unwrap_or_else(|error| panic!("{error}; the screen shows\n{}", self.screen()));
    }

    fn ask(&self, arguments: &[&str]) -> Option<String> {
        let output = tmux(&self.folder)
            .args(arguments)
            .output()
            .expect("tmux runs");
        output
            .status
            .success()
            .then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

fn tmux(folder: &Folder) -> Command {
    let mut command = Command::new("tmux");
    command.args(["-S", &folder.at("tmux.socket")]);
    command
}
