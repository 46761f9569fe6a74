//! Random deaths of background tasks, for tests of what survives them.
//!
//! The crate `fail` offers more (names, actions, pauses), but it has had no release since 2022, and
//! one random panic is all that is needed.

use std::hash::{BuildHasher, RandomState};
use std::sync::OnceLock;

/// The variable that requests deaths: `2000` ends one poll in 2,000 of every supervised task with a
/// panic.
const VARIABLE: &str = "CAMPANILE_FAILPOINT_ONE_IN";

/// Panics at random if the environment asks for it.
pub(super) fn reached() {
    static ONE_IN: OnceLock<Option<u64>> = OnceLock::new();
    let one_in = ONE_IN.get_or_init(|| std::env::var(VARIABLE).ok()?.parse().ok());
    if let Some(one_in) = *one_in
        && random().is_multiple_of(one_in)
    {
        panic!("failpoint reached");
    }
}

fn random() -> u64 {
    // Each `RandomState` has other keys.
    RandomState::new().hash_one(0)
}
