//! The README as a quick start: a new project, one path dependency, and the program from the
//! README.

use std::path::{Path, PathBuf};
use std::process::Command;

use campanile_tests::folder::Folder;
use campanile_tests::output::Output;
use campanile_tests::process::Process;
use campanile_tests::setup::SECRET;
use campanile_tests::wait::TIMEOUT;
use campanile_tests::{Prosody, SlixmppClient, cargo, target_directory};

use crate::support::setup_for;

const BOT: &str = "bot.localhost";
/// Server address in the README.
const ADDRESS: &str = "127.0.0.1:5347";
const HELLO: &str = "alice@localhost/home, you said: hello";

/// Tests that a user would add to the program.
const TESTS: &str = r#"
#[cfg(test)]
mod tests {
    use super::app;
    use campanile_testing::{call, mount};

    #[tokio::test]
    async fn handler_replies() {
        let replies = call(app(), "<message type='chat'><body>hello</body></message>").await;
        replies.assert_reply("<message type='chat'><body>alice@localhost/home, you said: hello</body></message>");
    }

    #[tokio::test]
    async fn component_replies() {
        let bot = mount("bot.localhost", |bot| bot.router(app())).await;
        let alice = bot.user("alice@localhost");
        alice.say("bot.localhost", "hello").await.unwrap();
        alice.expect("<message type='chat'><body>alice@localhost/home, you said: hello</body></message>").await;
    }
}
"#;

/// A separate project at a fixed path, so that its build is reused.
struct Project {
    path: PathBuf,
}

impl Project {
    /// Creates the project. Works offline, with the dependency versions of this workspace.
    fn new() -> Self {
        // In another folder, because cargo would add it to the surrounding workspace.
        let outside = Folder::new("quick-start");
        let mut new = cargo::command(outside.path());
        new.args(["new", "--quiet", "--vcs", "none", "greeter"]);
        cargo::run(new);
        let manifest = std::fs::read_to_string(outside.path().join("greeter/Cargo.toml")).unwrap();
        let project = Self {
            path: target_directory().join("quick-start"),
        };
        std::fs::create_dir_all(project.path.join("src")).unwrap();
        std::fs::write(
            project.path.join("Cargo.toml"),
            manifest + "\n[workspace]\n",
        )
        .unwrap();
        project.write("fn main() {}");
        std::fs::copy(
            repository().join("Cargo.lock"),
            project.path.join("Cargo.lock"),
        )
        .unwrap();
        let framework = repository().join("framework/campanile");
        let campanile = framework.to_str().unwrap();
        project.cargo(&["add", "--path", campanile]);
        let kit = repository().join("framework/testing");
        project.cargo(&["add", "--dev", "--path", kit.to_str().unwrap()]);
        project.cargo(&["add", "tokio", "--features", "macros,rt-multi-thread"]);
        // The features that this build has fetched.
        project.cargo(&[
            "add",
            "tracing-subscriber",
            "--no-default-features",
            "--features",
            "ansi,fmt,std",
        ]);
        project
    }

    fn cargo(&self, arguments: &[&str]) {
        let mut cargo = cargo::command(&self.path);
        cargo.args(arguments).args(["--quiet", "--offline"]);
        cargo
            .env("CARGO_TARGET_DIR", target_directory())
            .env("CARGO_PROFILE_DEV_DEBUG", "0");
        cargo::run(cargo);
    }

    fn write(&self, program: &str) {
        std::fs::write(self.path.join("src/main.rs"), program).unwrap();
    }
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

/// Returns the first program of the README.
fn program() -> String {
    let page = std::fs::read_to_string(repository().join("README.md")).unwrap();
    let (_, program) = page
        .split_once("```rust\n")
        .expect("the README has a program");
    let program = program.split_once("```").expect("the code block ends").0;
    assert!(
        program.lines().count() <= 21,
        "the program has grown:\n{program}"
    );
    assert!(program.contains(ADDRESS), "{program}");
    program.to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readme_program_compiles_and_runs() {
    let server = Prosody::start(&setup_for(&[BOT])).await;
    let project = Project::new();
    // Without a server.
    project.write(&(program() + TESTS));
    project.cargo(&["test"]);
    project.write(&program().replace(ADDRESS, &server.component_address()));
    project.cargo(&["build"]);

    let mut command = Command::new(target_directory().join("debug/greeter"));
    command.env("BOT_SECRET", SECRET).env_remove("RUST_LOG");
    let output = Output::default();
    let mut greeter = Process::start("greeter", command, &output);
    let mut alice = SlixmppClient::login_as(&server, "alice@localhost/home", "alice-pw").await;
    // Until it has connected, Prosody answers in its place.
    let answer = loop {
        alice.message(BOT, "hello").await;
        let answer = alice.message_from(BOT).await;
        assert_eq!(greeter.ended(), None, "{}", output.tail());
        if answer.error().is_none() {
            break answer;
        }
    };
    assert_eq!(answer.body().as_deref(), Some(HELLO), "{}", answer.xml);
    greeter.signal("INT");
    assert!(greeter.end(TIMEOUT).await.success(), "{}", output.tail());
}
