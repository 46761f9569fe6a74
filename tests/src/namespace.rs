//! A network namespace with one link to the current one. When the link is cut, packets are lost
//! silently.

use std::process::{Command, Output};
use std::sync::atomic::{AtomicU8, Ordering};

static NEXT: AtomicU8 = AtomicU8::new(0);

/// A network namespace, removed when dropped.
#[derive(Debug)]
pub struct Namespace {
    name: String,
    /// Near end of the link.
    link: String,
    number: u8,
}

impl Namespace {
    /// Creates a namespace. Returns `None` without root or `ip` (iproute2).
    #[must_use]
    pub fn new() -> Option<Self> {
        // Link names have at most 15 characters.
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

    /// Returns the address of the near end.
    #[must_use]
    pub fn near(&self) -> String {
        self.address(1)
    }

    /// Returns a command that runs in the namespace.
    #[must_use]
    pub fn command(&self, program: &std::path::Path) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name]).arg(program);
        command
    }

    /// Cuts the link, so that all packets are lost, or restores it.
    pub fn cut(&self, cut: bool) {
        let state = if cut { "down" } else { "up" };
        assert!(
            ip(&format!("link set {} {state}", self.link)),
            "cannot set the link {state}"
        );
    }

    /// Sends a GET request to a port on the namespace's loopback and returns the response.
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

    /// Returns an address of the link, from a range that test networks do not use.
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
        // Deleting one end removes the link.
        let _ = ip(&format!("link del {}", self.link));
        let _ = ip(&format!("netns del {}", self.name));
    }
}

fn ip(words: &str) -> bool {
    let run = Command::new("ip").args(words.split_whitespace()).output();
    run.is_ok_and(|output| output.status.success())
}
