//! Child processes that end with their owner.

use std::io::Write;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::time::Duration;

use crate::output::Output;
use crate::wait;

/// A child process, killed and reaped when dropped. If the test process is killed first, a guard
/// process kills the child.
///
/// Signals are only sent to children that have not been reaped yet, so the pid cannot have been
/// reused.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    guard: Option<Child>,
    ended: Option<ExitStatus>,
    output: Output,
}

impl Process {
    /// Starts a command without standard input. Standard output and error go to `output`.
    pub fn start(name: &str, mut command: Command, output: &Output) -> Self {
        command.stdin(Stdio::null());
        let mut process = Self::spawn(name, command, output);
        output.collect(process.child.stdout.take().expect("is piped"));
        process
    }

    /// Starts a command with piped standard input and output. Only standard error goes to `output`.
    pub fn start_piped(
        name: &str,
        mut command: Command,
        output: &Output,
    ) -> (Self, ChildStdin, ChildStdout) {
        command.stdin(Stdio::piped());
        let mut process = Self::spawn(name, command, output);
        let input = process.child.stdin.take().expect("is piped");
        let spoken = process.child.stdout.take().expect("is piped");
        (process, input, spoken)
    }

    fn spawn(name: &str, mut command: Command, output: &Output) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| {
                panic!("cannot start {name} ({:?}): {error}", command.get_program())
            });
        output.collect(child.stderr.take().expect("is piped"));
        let guard = Some(guard(child.id()));
        Self {
            name: name.to_owned(),
            child,
            guard,
            ended: None,
            output: output.clone(),
        }
    }

    /// Returns the process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Returns the exit status once the process has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        if self.ended.is_none() {
            self.ended = self
                .child
                .try_wait()
                .unwrap_or_else(|error| panic!("waiting for {}: {error}", self.name));
            if self.ended.is_some() {
                self.release_guard();
            }
        }
        self.ended
    }

    /// Waits until the process ends.
    pub async fn end(&mut self, within: Duration) -> ExitStatus {
        let waited = wait::until("its end", within, async || self.ended()).await;
        waited.unwrap_or_else(|error| panic!("{}: {error}\n{}", self.name, self.output.tail()))
    }

    /// Sends a signal by its short name (`TERM`, `HUP`, `STOP`, …) if the process is still running.
    pub fn signal(&mut self, signal: &str) {
        if self.ended().is_none() {
            let pid = self.pid().to_string();
            let sent = Command::new("sh")
                .args(["-c", "kill -s \"$1\" \"$2\"", "sh", signal, &pid])
                .status();
            assert!(
                sent.is_ok_and(|status| status.success()),
                "cannot send SIG{signal} to {}",
                self.name
            );
        }
    }

    /// Kills the process with SIGKILL.
    pub fn kill(&mut self) {
        if self.ended().is_none() {
            // Fails if the process has just ended, which the wait below reports.
            let _ = self.child.kill();
            self.ended = self.child.wait().ok();
            self.release_guard();
        }
    }

    /// Returns current and peak resident memory in KiB, or `None` once the process has ended.
    pub fn resident(&self) -> Option<(u64, u64)> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).ok()?;
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.trim().trim_end_matches(" kB").parse().ok()
        };
        Some((field("VmRSS:")?, field("VmHWM:")?))
    }

    /// Returns the CPU time used so far, in steps of 10 ms (the kernel's unit in user space), or
    /// `None` once the process has ended.
    pub fn cpu(&self) -> Option<Duration> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid())).ok()?;
        // The second field is the name in parentheses, which may contain spaces; utime and stime
        // are fields 14 and 15.
        let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
        let user: u64 = fields.next()?.parse().ok()?;
        let system: u64 = fields.next()?.parse().ok()?;
        Some(Duration::from_millis((user + system) * 10))
    }

    fn release_guard(&mut self) {
        if let Some(mut guard) = self.guard.take() {
            // The guard may already have ended.
            let _ = guard
                .stdin
                .take()
                .map(|mut input| input.write_all(b"released\n"));
            let _ = guard.wait();
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Starts a guard process. It waits for a line on its input, and kills the child if the input
/// closes without one because the test process has died.
fn guard(pid: u32) -> Child {
    let script = "trap '' HUP INT TERM; read -r _ || kill -s KILL \"$1\"";
    Command::new("sh")
        .args(["-c", script, "campanile-tests-guard", &pid.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("sh runs")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str) -> (Process, Output) {
        let output = Output::default();
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        (Process::start("sh", command, &output), output)
    }

    #[tokio::test]
    async fn output_and_exit_status_are_collected() {
        let (mut process, output) = sh("echo one; echo two >&2; exit 7");
        assert_eq!(process.end(wait::TIMEOUT).await.code(), Some(7));
        for wanted in ["one", "two"] {
            output
                .line(wait::TIMEOUT, |line| line == wanted)
                .await
                .unwrap();
        }
    }

    #[tokio::test]
    async fn signal_reaches_process() {
        let (mut process, output) =
            sh("trap 'echo bye; exit 3' TERM; echo ready; while :; do sleep 0.01; done");
        output
            .line(wait::TIMEOUT, |line| line == "ready")
            .await
            .unwrap();
        process.signal("TERM");
        assert_eq!(process.end(wait::TIMEOUT).await.code(), Some(3));
        assert!(
            process.resident().is_none(),
            "an ended process has no memory"
        );
    }

    #[tokio::test]
    async fn dropped_process_is_killed() {
        let (process, output) = sh("echo ready; exec sleep 1000");
        output
            .line(wait::TIMEOUT, |line| line == "ready")
            .await
            .unwrap();
        assert!(
            process
                .resident()
                .is_some_and(|(now, peak)| now > 0 && peak >= now)
        );
        assert!(process.cpu().is_some());
        let pid = process.pid();
        drop(process);
        assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists());
    }

    #[tokio::test]
    async fn guard_kills_orphan() {
        let (mut process, output) = sh("echo ready; exec sleep 1000");
        output
            .line(wait::TIMEOUT, |line| line == "ready")
            .await
            .unwrap();
        // As when the test process is killed: the guard's input closes without a line.
        let mut guard = process.guard.take().unwrap();
        drop(guard.stdin.take());
        guard.wait().unwrap();
        let status = process.end(wait::TIMEOUT).await;
        assert_eq!(
            std::os::unix::process::ExitStatusExt::signal(&status),
            Some(9)
        );
    }
}
