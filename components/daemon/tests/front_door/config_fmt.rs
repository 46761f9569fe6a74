//! `campanile config fmt`: layout, faults, and replacement of the file.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::process::{Ended, Folder, campanile, check, end};

const UGLY: &str = "\
# An echo.

  [[component]]
jid='echo.example.org'   # the domain\r
address   = \"127.0.0.1:1\"
secret = 'hunter2'


allow = [ 'a.example.org','b.example.org', ]
# Sends back.
[component.echo]
[component.json_bridge]
webhook = {url=\"http://127.0.0.1:8080/hook\",secret_env=\"HOOK\"}";

const FORMATTED: &str = "\
# An echo.

[[component]]
jid = 'echo.example.org' # the domain
address = \"127.0.0.1:1\"
secret = 'hunter2'

allow = ['a.example.org', 'b.example.org']

# Sends back.
[component.echo]

[component.json_bridge]
webhook = { url = \"http://127.0.0.1:8080/hook\", secret_env = \"HOOK\" }
";

fn folder() -> Folder {
    campanile(&[]).1
}

/// Runs `config fmt` in a folder.
fn fmt(folder: &Folder, arguments: &[&str]) -> Ended {
    let (mut command, _own) = campanile(&[&["config", "fmt"], arguments].concat());
    end(command.current_dir(folder.path()), "")
}

/// Runs `config fmt` on a text from stdin.
fn fmt_stdin(text: &str, arguments: &[&str]) -> Ended {
    let (mut command, _folder) = campanile(&[&["config", "fmt", "-"], arguments].concat());
    end(&mut command, text)
}

fn outcome(ended: &Ended) -> (Option<i32>, &str, &str) {
    (ended.code, ended.stdout.as_str(), ended.stderr.as_str())
}

/// Returns the names of files in a folder.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let name = |entry: std::io::Result<fs::DirEntry>| {
        entry.unwrap().file_name().to_string_lossy().into_owned()
    };
    let mut names: Vec<_> = entries.map(name).collect();
    names.sort();
    names
}

#[test]
fn file_is_formatted_once() {
    let folder = folder();
    let file = folder.write("my.toml", UGLY);
    assert_eq!(
        outcome(&fmt(&folder, &["my.toml"])),
        (Some(0), "formatted my.toml\n", "")
    );
    assert_eq!(fs::read_to_string(&file).unwrap(), FORMATTED);

    let before = fs::metadata(&file).unwrap();
    assert_eq!(outcome(&fmt(&folder, &["my.toml"])), (Some(0), "", ""));
    assert_eq!(fs::metadata(&file).unwrap().ino(), before.ino());
    assert_eq!(names(folder.path()), ["my.toml"]);
}

#[test]
fn file_is_found_as_by_other_commands() {
    let folder = folder();
    let file = folder.write("campanile.toml", "a=1");
    assert_eq!(fmt(&folder, &[]).stdout, "formatted campanile.toml\n");
    assert_eq!(fs::read_to_string(&file).unwrap(), "a = 1\n");

    let other = folder.write("other.toml", "a=1");
    let (mut command, _own) = campanile(&["config", "fmt"]);
    let ended = end(command.env("CAMPANILE_CONFIG", &other), "");
    assert_eq!(ended.stdout, format!("formatted {}\n", other.display()));

    let ended = fmt(&folder, &["none.toml"]);
    assert_eq!(ended.code, Some(78));
    assert!(
        ended.stderr.starts_with("campanile: cannot read none.toml"),
        "{}",
        ended.stderr
    );
}

#[test]
fn check_names_the_first_line_and_writes_nothing() {
    let folder = folder();
    let file = folder.write("my.toml", UGLY);
    let ended = fmt(&folder, &["--check", "my.toml"]);
    assert_eq!(
        outcome(&ended),
        (
            Some(78),
            "",
            "my.toml:3:1: not formatted\n    help: run campanile config fmt\n1 fault\n"
        )
    );
    assert_eq!(fs::read_to_string(&file).unwrap(), UGLY);
    folder.write("my.toml", FORMATTED);
    assert_eq!(
        outcome(&fmt(&folder, &["--check", "my.toml"])),
        (Some(0), "", "")
    );
}

#[test]
fn stdin_is_formatted_to_stdout() {
    assert_eq!(outcome(&fmt_stdin(UGLY, &[])), (Some(0), FORMATTED, ""));
    assert_eq!(
        outcome(&fmt_stdin(FORMATTED, &[])),
        (Some(0), FORMATTED, "")
    );
    assert_eq!(
        outcome(&fmt_stdin(FORMATTED, &["--check"])),
        (Some(0), "", "")
    );
    let ended = fmt_stdin(UGLY, &["--check"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(78), ""));
    assert!(ended.stderr.starts_with("stdin:3:1: "), "{}", ended.stderr);
}

#[test]
fn invalid_toml_gets_the_faults_of_check() {
    for text in [
        "[[component]]\njid = 'a.b'\naddress = 'c:1'\nsecret = 'hunter2\n",
        "[[component]]\njid = \nsecret = \"hunter2\"\nsecret = \"hunter2\"\n",
        "[server\n[[component]]\njid = bare\nsecret = hunter2\n",
        "a = [1, # b\n",
        "a = { b = }\n",
    ] {
        let ended = fmt_stdin(text, &[]);
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(78), ""));
        assert!(ended.stderr.contains("invalid TOML"), "{}", ended.stderr);
        assert!(!ended.stderr.contains("hunter2"), "{}", ended.stderr);
        assert_eq!(ended.stderr, check(text).stderr);

        let folder = folder();
        let file = folder.write("my.toml", text);
        assert_eq!(fmt(&folder, &["my.toml"]).code, Some(78));
        assert_eq!(fs::read_to_string(&file).unwrap(), text);
    }
}

#[test]
fn text_that_is_not_utf8_is_left_alone() {
    let folder = folder();
    let file = folder.path().join("my.toml");
    fs::write(&file, b"a='\xff'").unwrap();
    let ended = fmt(&folder, &["my.toml"]);
    assert_eq!(ended.code, Some(78));
    assert!(ended.stderr.contains("invalid UTF-8"), "{}", ended.stderr);
    assert_eq!(fs::read(&file).unwrap(), b"a='\xff'");
}

#[test]
fn faulty_settings_are_formatted() {
    let ended = fmt_stdin("colour=1", &[]);
    assert_eq!(outcome(&ended), (Some(0), "colour = 1\n", ""));
}

#[test]
fn permissions_are_kept() {
    let folder = folder();
    for mode in [0o600, 0o640, 0o644, 0o400] {
        let file = folder.write("my.toml", "a=1");
        folder.permit("my.toml", mode);
        assert_eq!(fmt(&folder, &["my.toml"]).code, Some(0));
        let permissions = fs::metadata(&file).unwrap().permissions();
        assert_eq!(permissions.mode() & 0o7777, mode);
        fs::remove_file(&file).unwrap();
    }
}

#[test]
fn owner_is_kept() {
    let folder = folder();
    let file = folder.write("my.toml", "a=1");
    // Only root may give files away.
    if std::os::unix::fs::chown(&file, Some(12345), Some(23456)).is_err() {
        return;
    }
    assert_eq!(fmt(&folder, &["my.toml"]).code, Some(0));
    let metadata = fs::metadata(&file).unwrap();
    assert_eq!((metadata.uid(), metadata.gid()), (12345, 23456));
}

#[test]
fn symbolic_link_is_followed() {
    let folder = folder();
    let target = folder.write("real/target.toml", "a=1");
    symlink("real/target.toml", folder.path().join("link.toml")).unwrap();
    let ended = fmt(&folder, &["link.toml"]);
    assert_eq!(outcome(&ended), (Some(0), "formatted link.toml\n", ""));
    assert_eq!(fs::read_to_string(&target).unwrap(), "a = 1\n");
    let link = fs::symlink_metadata(folder.path().join("link.toml")).unwrap();
    assert!(link.is_symlink());
    assert_eq!(names(&folder.path().join("real")), ["target.toml"]);
}

#[test]
fn full_disk_leaves_the_file_unchanged() {
    let folder = folder();
    let text = format!("a='{}'", "x".repeat(100_000));
    let file = folder.write("my.toml", &text);
    // A limit on the size of files fails as a full disk does: in the middle of writing.
    let script = format!(
        "trap '' XFSZ; ulimit -f 8; exec {} config fmt my.toml",
        env!("CARGO_BIN_EXE_campanile")
    );
    let mut shell = Command::new("sh");
    let ended = end(shell.args(["-c", &script]).current_dir(folder.path()), "");
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(71), ""));
    assert!(
        ended
            .stderr
            .starts_with("campanile: cannot write my.toml: File too large")
            && ended.stderr.ends_with("; the file is unchanged\n"),
        "{}",
        ended.stderr
    );
    assert_eq!(fs::read_to_string(&file).unwrap(), text);
    assert_eq!(names(folder.path()), ["my.toml"]);
}

#[test]
fn unwritable_folder_is_a_system_error() {
    let folder = folder();
    let file = folder.write("etc/my.toml", "a=1");
    folder.permit("etc", 0o500);
    // Root may write anyway.
    let is_writable = fs::write(folder.path().join("etc/probe"), "").is_ok();
    if !is_writable {
        let ended = fmt(&folder, &["etc/my.toml"]);
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(71), ""));
        assert_eq!(
            ended.stderr,
            "campanile: cannot write etc/my.toml: cannot create a temporary file beside it: \
             Permission denied (os error 13); the file is unchanged\n"
        );
        assert_eq!(fs::read_to_string(&file).unwrap(), "a=1");
    }
    folder.permit("etc", 0o700);
}

#[test]
fn device_is_not_replaced() {
    let ended = fmt(&folder(), &["/dev/stdin"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let (mut command, _folder) = campanile(&["config", "fmt", "/dev/stdin"]);
    let ended = end(&mut command, "a=1");
    assert_eq!(ended.code, Some(71));
    assert!(
        ended.stderr.ends_with("; the file is unchanged\n"),
        "{}",
        ended.stderr
    );
}

/// Returns the files below a folder of the repository with this ending.
fn files(below: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(below).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir()
            && !["target", "node_modules"].contains(&name.as_str())
            && !name.starts_with('.')
        {
            found.extend(files(&path, ending));
        } else if name.ends_with(ending) {
            found.push(path);
        }
    }
    found
}

#[test]
fn configurations_of_the_repository_are_formatted() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut texts = Vec::new();
    for file in files(&root, ".toml") {
        // Inputs of the fuzz target are laid out in every way.
        if !file
            .components()
            .any(|folder| folder.as_os_str() == "corpus")
        {
            texts.push((file.clone(), fs::read_to_string(&file).unwrap()));
        }
    }
    for file in files(&root, ".md") {
        let page = fs::read_to_string(&file).unwrap();
        let blocks = page.split("```").skip(1).step_by(2);
        let toml = blocks.filter_map(|block| block.strip_prefix("toml\n"));
        texts.extend(toml.map(|text| (file.clone(), text.to_owned())));
    }
    // Manifests of crates and settings of tools are not configurations of the daemon.
    texts.retain(|(_, text)| {
        text.lines()
            .any(|line| line.starts_with("[component") || line.starts_with("[[component]]"))
    });
    assert!(texts.len() > 3, "{texts:?}");
    for (file, text) in texts {
        let ended = fmt_stdin(&text, &[]);
        assert_eq!(
            outcome(&ended),
            (Some(0), text.as_str(), ""),
            "{}",
            file.display()
        );
    }
}

#[test]
fn configuration_of_init_is_formatted() {
    for arguments in [&["prosody"][..], &["openfire", "--jid", "bot.example.net"]] {
        let (mut command, folder) = campanile(&[&["init"], arguments].concat());
        assert_eq!(end(&mut command, "").code, Some(0));
        assert_eq!(outcome(&fmt(&folder, &["--check"])), (Some(0), "", ""));
    }
    let (mut command, folder) = campanile(&["init", "ejabberd", "--systemd"]);
    fs::create_dir(folder.path().join("secrets")).unwrap();
    assert_eq!(end(&mut command, "").code, Some(0));
    assert_eq!(outcome(&fmt(&folder, &["--check"])), (Some(0), "", ""));
}
