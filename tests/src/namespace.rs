//! A network namespace beside this one, with one link to it that can be cut: what is sent then is
//! lost, and nobody is told.

use std::process::{Command, Output};
use std::sync::atomic::{AtomicU8, Ordering};

static NEXT: AtomicU8 = AtomicU8::new(0);

/// A namespace, until dropped.
#[derive(Debug)]
pub struct Namespace {
    name: String,
    /// This side's end of the link.
    link: String,
    number: u8,
}

impl Namespace {
    /// Makes one; `None` where the machine does not permit that: it takes root and `ip` (iproute2).
    #[must_use]
    pub fn new() -> Option<Self> {
        // The link's name has at most 15 characters.
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let id = format!("{}x{number}", std::process::id() % 100_000);
        let namespace = Self {
            name: format!("campanile-{id}"),
            link: format!("cl{id}"),
            number,
        };
        let name = &namespace.name;
        let link = &namespace.link;
        let far = format!("cf{id}");
        let near = namespace.address(1);
        let other = namespace.address(2);
        let steps = [
            format!("netns add {name}"),
            format!("link add {link} type veth peer name {far}"),
            format!("link set {far} netns {name}"),
            format!("addr add {near}/30 dev {link}"),
            format!("link set {link} up"),
            format!("-n {name} addr add {other}/30 dev {far}"),
            format!("-n {name} link set {far} up"),
            format!("-n {name} link set lo up"),
        ];
        steps.iter().all(|step| ip(step)).then_some(namespace)
    }

    /// Where the namespace finds this side.
    #[must_use]
    pub fn near(&self) -> String {
        self.address(1)
    }

    /// The start of a command within the namespace.
    #[must_use]
    pub fn command(&self, program: &std::path::Path) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name]).arg(program);
        command
    }

    /// From now on everything that is sent over the link is lost; or it arrives again.
    pub fn cut(&self, cut: bool) {
        let state = if cut { "down" } else { "up" };
        assert!(
            ip(&format!("link set {} {state}", self.link)),
            "the link cannot be set {state}"
        );
    }

    /// What an HTTP server within the namespace answers at this port of its loopback.
    #[must_use]
    pub fn get(&self, port: u16, path: &str) -> Option<String> {
        let script = format!(
            "exec 3<>/dev/tcp/127.0.0.1/{port} && \
             printf 'GET {path} HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n' \
             >&3 && cat <&3"
        );
        let Output { status, stdout, .. } = self
            .command("bash".as_ref())
            .args(["-c", &script])
            .output()
            .expect("ip runs");
        status
            .success()
            .then(|| String::from_utf8_lossy(&stdout).into_owned())
    }

    /// Links get networks of their own, out of what no machine of a test network has.
    fn address(&self, end: u8) -> String {
        format!(
            "10.213.{}.{}",
            std::process::id() % 200,
            self.number * 4 + end
        )
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // The link goes with either of its ends.
        let _ = ip(&format!("link del {}", self.link));
        let _ = ip(&format!("netns del {}", self.name));
    }
}

fn ip(words: &str) -> bool {
    let run = Command::new("ip").args(words.split_whitespace()).output();
    run.is_ok_and(|output| output.status.success())
}
