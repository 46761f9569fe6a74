//! What the compiler says about the usual mistakes: the type at fault stands in the first three
//! things that it says, which are its message, the label at the mistake, and the first note.
//!
//! The programs lie in `compile_fail/`, each with the whole message beside it. Of these nothing is
//! compared but the names, because rustc words them anew now and then; `CAMPANILE_BLESS=1` writes
//! them anew.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, thread};

use serde_json::Value;

/// What the compiler has to say about one program.
struct Said {
    /// The first three things, or everything when it is not about a type.
    first: String,
    whole: String,
}

#[test]
fn the_type_at_fault_is_named_first() {
    let mut programs: Vec<PathBuf> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    programs.retain(|path| path.extension().is_some_and(|extension| extension == "rs"));
    assert!(programs.len() > 10, "{programs:?}");
    let library = library();
    thread::scope(|scope| {
        for program in &programs {
            scope.spawn(|| check(program, &library));
        }
    });
}

fn check(program: &Path, library: &Path) {
    let text = fs::read_to_string(program).unwrap();
    let shown = program.display();
    let said = compile(program, library);
    let Some(names) = text
        .lines()
        .find_map(|line| line.strip_prefix("// names: "))
    else {
        assert!(
            said.is_none(),
            "{shown} must compile:\n{}",
            said.unwrap().whole
        );
        return;
    };
    let said = said.unwrap_or_else(|| panic!("{shown} must not compile"));
    for name in names.split('`').filter(|name| !name.trim().is_empty()) {
        assert!(
            said.first.contains(name),
            "{shown}: {name:?} is not among the first things said:\n{}",
            said.whole
        );
    }
    let beside = program.with_extension("stderr");
    if env::var_os("CAMPANILE_BLESS").is_some() {
        // Where a bound stands in the library is nobody's concern, and changes with every line
        // above it.
        let lines = said
            .whole
            .lines()
            .filter(|line| !line.contains("--> framework/campanile/src"));
        fs::write(
            &beside,
            lines
                .map(|line| format!("{}\n", line.trim_end()))
                .collect::<String>(),
        )
        .unwrap();
    }
    assert!(
        beside.exists(),
        "{} is missing: run with CAMPANILE_BLESS=1",
        beside.display()
    );
}

/// What rustc says; `None` when it has nothing to complain about.
fn compile(program: &Path, library: &Path) -> Option<Said> {
    // A file of our own: rustc puts its output in the place of what is there, and as root it would
    // do so with a device.
    let metadata = Path::new(env!("CARGO_TARGET_TMPDIR")).join("compile_fail.rmeta");
    let out = Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
        .current_dir(folder())
        .args([
            "--edition",
            "2024",
            "--emit",
            "metadata",
            "--error-format",
            "json",
            "-o",
        ])
        .arg(&metadata)
        .arg("--extern")
        .arg(format!("campanile={}", library.display()))
        .args([
            "-L",
            &format!("dependency={}", library.parent().unwrap().display()),
        ])
        .arg(program.file_name().unwrap())
        .output()
        .expect("rustc runs");
    let text = String::from_utf8(out.stderr).unwrap();
    let messages: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let error = messages
        .iter()
        .find(|message| message["level"] == "error")?;
    let part = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let label = error["spans"]
        .as_array()?
        .iter()
        .find(|span| span["is_primary"] == true)
        .map(|span| &span["label"]);
    let first = [
        &error["message"],
        label.unwrap_or(&Value::Null),
        &error["children"][0]["message"],
    ];
    Some(Said {
        first: first.map(part).join("\n"),
        whole: part(&error["rendered"]),
    })
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/compile_fail")
}

/// The library as it was built for this test: of those that lie there, the newest, which nothing
/// has changed since.
fn library() -> PathBuf {
    let test = env::current_exe().unwrap();
    let built = fs::read_dir(test.parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let libraries = built.filter(|path| {
        let name = path.file_name().unwrap().to_string_lossy();
        name.starts_with("libcampanile-") && name.ends_with(".rlib")
    });
    libraries
        .max_by_key(|path| fs::metadata(path).unwrap().modified().unwrap())
        .expect("the library is built")
}
