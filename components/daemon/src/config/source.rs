//! Sources of the configuration: a file, stdin, or built-in text.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::Failure;
use crate::exit::Exit;

/// Largest configuration, in bytes. A wrong path may name a device that never ends.
const LARGEST: u64 = 4 * 1024 * 1024;
const DEFAULTS: [&str; 2] = ["campanile.toml", "/etc/campanile/campanile.toml"];

/// A configuration that has been read but not parsed.
///
/// It may hold secrets, so the type has no `Debug` implementation.
pub(crate) struct Source {
    /// The file as named by the operator, or `stdin`.
    pub(super) name: String,
    /// Base of relative paths.
    pub(super) folder: PathBuf,
    pub(super) bytes: Vec<u8>,
    /// `true` if every user of this machine can read the file.
    pub(super) exposed: bool,
}

impl Source {
    /// Reads the named file, or the first of the default locations that exists.
    pub(crate) fn read(named: Option<&Path>) -> Result<Self, Failure> {
        match Self::named(named) {
            Some(path) if path.as_os_str() == "-" => Self::stdin(),
            Some(path) => Self::file(&path).map_err(|error| unreadable(&path, &error)),
            None => Self::usual(),
        }
    }

    /// Returns the named file, or that of CAMPANILE_CONFIG.
    pub(crate) fn named(named: Option<&Path>) -> Option<PathBuf> {
        let from_environment =
            || std::env::var_os("CAMPANILE_CONFIG").filter(|name| !name.is_empty());
        named
            .map(Path::to_path_buf)
            .or_else(|| from_environment().map(PathBuf::from))
    }

    /// Returns the file as named by the operator, or `stdin`.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Returns the content, which may hold secrets.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Reads the configuration again for a reload.
    pub(crate) fn again(named: Option<&Path>) -> Result<Self, Failure> {
        if named.is_some_and(|path| path.as_os_str() == "-") {
            let text = "the configuration came from stdin, which cannot be read again; start \
                campanile with --config FILE"
                .to_owned();
            return Err(Failure::Unread {
                exit: Exit::Config,
                text,
            });
        }
        Self::read(named)
    }

    /// Returns a configuration that is part of the program.
    pub(crate) fn built_in(name: &str, content: impl AsRef<[u8]>) -> Self {
        Self {
            name: name.to_owned(),
            folder: PathBuf::new(),
            bytes: content.as_ref().to_vec(),
            exposed: false,
        }
    }

    fn usual() -> Result<Self, Failure> {
        for path in DEFAULTS.map(Path::new) {
            match Self::file(path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(unreadable(path, &error)),
                Ok(source) => return Ok(source),
            }
        }
        let text = format!(
            "no configuration: neither {} nor {} exists; name a file with --config or \
            CAMPANILE_CONFIG",
            DEFAULTS[0], DEFAULTS[1]
        );
        Err(Failure::Unread {
            exit: Exit::Config,
            text,
        })
    }

    fn file(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        if metadata.is_dir() {
            return Err(io::Error::from(io::ErrorKind::IsADirectory));
        }
        let folder = path.parent().unwrap_or(Path::new("")).to_path_buf();
        Ok(Self {
            name: path.display().to_string(),
            folder,
            bytes: bounded(file)?,
            exposed: readable_by_everybody(&metadata),
        })
    }

    fn stdin() -> Result<Self, Failure> {
        let bytes = bounded(io::stdin().lock()).map_err(|error| Failure::Unread {
            exit: Exit::Machine,
            text: format!("cannot read the configuration from stdin: {error}"),
        })?;
        Ok(Self {
            name: "stdin".to_owned(),
            folder: PathBuf::new(),
            bytes,
            exposed: false,
        })
    }
}

/// Returns `true` if every user of this machine can read a file.
#[cfg(unix)]
pub(super) fn readable_by_everybody(metadata: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    metadata.is_file() && metadata.mode() & 0o004 != 0
}

#[cfg(not(unix))]
pub(super) fn readable_by_everybody(_: &Metadata) -> bool {
    false
}

fn bounded(from: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(LARGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            "larger than 4 MiB, not a configuration",
        ));
    }
    Ok(bytes)
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    // A missing file is a mistake in a configuration; any other error is one of the system.
    let (exit, remedy) = match error.kind() {
        io::ErrorKind::NotFound => (Exit::Config, "; check --config and CAMPANILE_CONFIG"),
        _ => (Exit::Machine, ""),
    };
    Failure::Unread {
        exit,
        text: format!("cannot read {}: {error}{remedy}", path.display()),
    }
}
