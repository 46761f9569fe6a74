//! Paths of files, relative to the configuration.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::de::{Deserialize, Deserializer, Error, Unexpected, Visitor};

/// Largest file that a setting may name: far more than certificates and photos have.
const MAX_FILE: u64 = 4 << 20;

/// Reads a file that a setting names, of at most 4 MiB.
///
/// A device such as `/dev/zero` would otherwise take all memory.
///
/// # Errors
/// If the file cannot be read, or is larger.
pub fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?
        .take(MAX_FILE + 1)
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            "larger than 4 MiB",
        ));
    }
    Ok(bytes)
}

/// The path of a file that a setting names.
///
/// A [`SettingsReader`](super::SettingsReader) resolves relative paths against the folder of the
/// configuration file, so that they do not depend on the directory a program was started in.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FilePath(PathBuf);

impl FilePath {
    /// The name by which the deserializer of this module recognizes the type.
    pub(super) const NAME: &'static str = "campanile::settings::FilePath";

    /// Returns the path.
    #[must_use]
    pub fn as_path(&self) -> &Path {
        &self.0
    }
}

impl From<FilePath> for PathBuf {
    fn from(path: FilePath) -> Self {
        path.0
    }
}

impl<'de> Deserialize<'de> for FilePath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(Self::NAME, PathVisitor)
    }
}

struct PathVisitor;

impl<'de> Visitor<'de> for PathVisitor {
    type Value = FilePath;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the path of a file in quotation marks")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<FilePath, E> {
        Ok(FilePath(text.into()))
    }

    fn visit_byte_buf<E: Error>(self, path: Vec<u8>) -> Result<FilePath, E> {
        Ok(FilePath(from_bytes(path)))
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<FilePath, D::Error> {
        inner.deserialize_str(self)
    }
}

/// Reads the path of a file, or `None` from the value `false`.
///
/// For `#[serde(deserialize_with = "…")]`.
///
/// # Errors
/// If the value is neither a string nor `false`.
pub fn file_or_false<'de, D>(deserializer: D) -> Result<Option<PathBuf>, D::Error>
where
    D: Deserializer<'de>,
{
    deserializer.deserialize_newtype_struct(FilePath::NAME, FileOrFalse)
}

struct FileOrFalse;

impl<'de> Visitor<'de> for FileOrFalse {
    type Value = Option<PathBuf>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the path of a file in quotation marks, or false")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Some(text.into()))
    }

    fn visit_byte_buf<E: Error>(self, path: Vec<u8>) -> Result<Self::Value, E> {
        Ok(Some(from_bytes(path)))
    }

    fn visit_bool<E: Error>(self, flag: bool) -> Result<Self::Value, E> {
        if flag {
            return Err(E::invalid_type(Unexpected::Bool(true), &self));
        }
        Ok(None)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<Self::Value, D::Error> {
        inner.deserialize_any(self)
    }
}

/// Returns the bytes of a path that is not UTF-8.
#[cfg(unix)]
pub(super) fn bytes(path: PathBuf) -> Vec<u8> {
    use std::os::unix::ffi::OsStringExt;
    path.into_os_string().into_vec()
}

#[cfg(unix)]
fn from_bytes(path: Vec<u8>) -> PathBuf {
    use std::os::unix::ffi::OsStringExt;
    std::ffi::OsString::from_vec(path).into()
}

// Elsewhere, an invalid path can at least be named in an error.
#[cfg(not(unix))]
pub(super) fn bytes(path: PathBuf) -> Vec<u8> {
    path.to_string_lossy().into_owned().into_bytes()
}

#[cfg(not(unix))]
fn from_bytes(path: Vec<u8>) -> PathBuf {
    String::from_utf8_lossy(&path).into_owned().into()
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for FilePath {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "FilePath".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "A path, relative to the folder of the configuration file."
        })
    }
}
