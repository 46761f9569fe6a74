//! The binary as a process.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Timeout of each step, far longer than any should take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Exit code and output of a process.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Returns a command for the binary, in a new folder and without inherited settings.
pub(crate) fn campanile(arguments: &[&str]) -> (Command, Folder) {
    let folder = Folder::new();
    let mut command = Command::new(env!("CARGO_BIN_EXE_campanile"));
    command
        .args(arguments)
        .current_dir(folder.path())
        .env("XDG_RUNTIME_DIR", folder.path());
    for name in [
        "NOTIFY_SOCKET",
        "WATCHDOG_USEC",
        "RUST_LOG",
        "CAMPANILE_CONFIG",
        "NO_COLOR",
        "RUNTIME_DIRECTORY",
        "CREDENTIALS_DIRECTORY",
    ] {
        command.env_remove(name);
    }
    (command, folder)
}

/// Runs a command to its end.
pub(crate) fn end(command: &mut Command, stdin: &str) -> Ended {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    // It may end without reading its input.
    let _ = child
        .stdin
        .take()
        .expect("stdin is a pipe")
        .write_all(stdin.as_bytes());
    let output = child.wait_with_output().expect("the binary ends");
    Ended {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).expect("stdout is UTF-8"),
        stderr: String::from_utf8(output.stderr).expect("stderr is UTF-8"),
    }
}

/// Runs the binary with these arguments.
pub(crate) fn with(arguments: &[&str]) -> Ended {
    let (mut command, _folder) = campanile(arguments);
    end(&mut command, "")
}

/// Runs `check` on a configuration from stdin.
pub(crate) fn check(configuration: &str) -> Ended {
    let (mut command, _folder) = campanile(&["check", "--config", "-"]);
    end(&mut command, configuration)
}

/// A running daemon. It is killed when dropped.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    folder: Folder,
    lines: Receiver<String>,
    seen: Vec<String>,
}

impl Running {
    /// Starts `run --config FILE` with further arguments.
    pub(crate) fn start(configuration: &str, arguments: &[&str]) -> Self {
        Self::start_with(configuration, arguments, &[])
    }

    /// As [`Running::start`], with environment variables.
    pub(crate) fn start_with(
        configuration: &str,
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> Self {
        Self::start_in(configuration, arguments, environment, &[])
    }

    /// As [`Running::start`], with files next to the configuration.
    pub(crate) fn start_beside(configuration: &str, files: &[(&str, &str)]) -> Self {
        Self::start_in(configuration, &[], &[], files)
    }

    fn start_in(
        configuration: &str,
        arguments: &[&str],
        environment: &[(&str, &str)],
        files: &[(&str, &str)],
    ) -> Self {
        let (mut command, folder) = campanile(&["run", "--config", "campanile.toml"]);
        command.envs(environment.iter().copied());
        folder.write("campanile.toml", configuration);
        for (name, content) in files {
            folder.write(name, content);
        }
        let child = command
            .args(arguments)
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        Self::of(child, folder)
    }

    /// Wraps a started process with a pipe for its stderr.
    pub(crate) fn of(mut child: Child, folder: Folder) -> Self {
        let stderr = child.stderr.take().expect("stderr is a pipe");
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                // The test may be over.
                let _ = sender.send(line);
            }
        });
        Self {
            child,
            folder,
            lines,
            seen: Vec::new(),
        }
    }

    /// Waits for an event in the JSON log, and returns it.
    pub(crate) fn logs(&mut self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let until = Instant::now() + PATIENCE;
        while let Ok(line) = self
            .lines
            .recv_timeout(until.saturating_duration_since(Instant::now()))
        {
            let found = serde_json::from_str(&line).ok().filter(|event| fits(event));
            self.seen.push(line);
            if let Some(event) = found {
                return event;
            }
        }
        panic!("no log line for {what}:\n{}", self.seen.join("\n"));
    }

    /// Waits for an event whose message contains this text, and returns it.
    pub(crate) fn says(&mut self, words: &str) -> Value {
        self.logs(words, |event| {
            event["message"]
                .as_str()
                .is_some_and(|message| message.contains(words))
        })
    }

    /// Replaces the configuration.
    pub(crate) fn configure(&self, configuration: &str) {
        self.folder.write("campanile.toml", configuration);
    }

    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .args([&format!("-{name}"), &self.id().to_string()])
            .status();
        assert!(status.expect("kill runs").success());
    }

    /// Waits until the process ends.
    pub(crate) fn end(&mut self) -> Ended {
        let until = Instant::now() + PATIENCE;
        // The channel closes when the process ends.
        while let Ok(line) = self
            .lines
            .recv_timeout(until.saturating_duration_since(Instant::now()))
        {
            self.seen.push(line);
        }
        assert!(
            Instant::now() < until,
            "the process did not end:\n{}",
            self.seen.join("\n")
        );
        let code = self.child.wait().expect("it has ended").code();
        Ended {
            code,
            stdout: String::new(),
            stderr: self.seen.join("\n") + "\n",
        }
    }

    /// Kills the process with SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Returns the peak resident memory in KiB.
    pub(crate) fn peak_kib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id())).expect("it runs");
        let peak = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))
            .expect("Linux reports it");
        peak.trim()
            .trim_end_matches(" kB")
            .parse()
            .expect("a number of KiB")
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A temporary folder, removed when dropped.
#[derive(Debug)]
pub(crate) struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "campanile-{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&path).expect("the folder can be made");
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a file that only its owner can read.
    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().expect("a file has a folder"))
            .expect("the folder can be made");
        fs::write(&path, text).expect("the file can be written");
        self.permit(name, 0o600);
        path
    }

    pub(crate) fn permit(&self, name: &str, mode: u32) {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(self.0.join(name), fs::Permissions::from_mode(mode))
            .expect("permissions can be set");
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Remains are in the target folder.
        let _ = fs::remove_dir_all(&self.0);
    }
}
