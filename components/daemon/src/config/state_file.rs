//! Default files of a component.

use std::path::PathBuf;

use super::fault::Faults;

/// Returns the default path of a file that the configuration does not name.
pub(super) fn state_file(name: &str, faults: &Faults<'_>) -> PathBuf {
    // systemd's StateDirectory= is writable; the folder of the configuration may not be.
    let state = std::env::var_os("STATE_DIRECTORY").map(|folder| PathBuf::from(folder).join(name));
    state.unwrap_or_else(|| faults.path(name))
}
