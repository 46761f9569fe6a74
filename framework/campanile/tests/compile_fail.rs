//! Compiler errors for common mistakes name the offending type in their first three parts: the
//! message, the label and the first note.
//!
//! The programs are in `compile_fail/`, each next to its full error message. Only the names are
//! compared, because rustc changes its wording between releases. Run with `CAMPANILE_BLESS=1` to
//! update the messages.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests may panic")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, thread};

use serde_json::Value;

/// The first compiler error of one program.
struct CompileError {
    /// The message, the label and the first note.
    first: String,
    whole: String,
}

#[test]
fn compiler_errors_name_the_offending_type_first() {
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
    let error = compile(program, library);
    let Some(names) = text
        .lines()
        .find_map(|line| line.strip_prefix("// names: "))
    else {
        assert!(
            error.is_none(),
            "{shown} must compile:\n{}",
            error.unwrap().whole
        );
        return;
    };
    let error = error.unwrap_or_else(|| panic!("{shown} must not compile"));
    for name in names.split('`').filter(|name| !name.trim().is_empty()) {
        assert!(
            error.first.contains(name),
            "{shown}: {name:?} is not in the first parts of the error:\n{}",
            error.whole
        );
    }
    let beside = program.with_extension("stderr");
    if env::var_os("CAMPANILE_BLESS").is_some() {
        // The line of a trait bound in the library is irrelevant, and changes with every edit
        // above it. The names of long types are in a file, whose path differs.
        let varies = |line: &&str| {
            let kinds = [
                "--> framework/campanile/src",
                "full name for the type",
                "full type name",
            ];
            kinds.iter().any(|kind| line.contains(kind))
        };
        let lines = error.whole.lines().filter(|line| !varies(line));
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

/// Compiles a program with rustc. Returns the first error, or `None` if there is none.
fn compile(program: &Path, library: &Path) -> Option<CompileError> {
    // A regular file: rustc replaces its output file, and as root it would replace a device.
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
        .expect("rustc must be installed");
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
    Some(CompileError {
        first: first.map(part).join("\n"),
        whole: part(&error["rendered"]),
    })
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/compile_fail")
}

/// Returns the path of the library built for this test, which is the newest one in the directory.
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
        .expect("the library must be built")
}
