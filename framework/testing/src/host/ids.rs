//! Ids that remote parties cannot guess: stream ids, resources, SCRAM nonces.

use std::fmt::Write;

use compact_str::CompactString;

/// Bytes of randomness in an id.
const BYTES: usize = 16;

/// Returns 128 random bits in hexadecimal.
///
/// # Panics
/// Panics if the operating system has no random numbers.
#[allow(
    clippy::expect_used,
    reason = "a host without random numbers must not accept logins"
)]
pub(super) fn fresh() -> CompactString {
    let mut bytes = [0; BYTES];
    getrandom::fill(&mut bytes).expect("the operating system has no random numbers");
    let mut id = CompactString::with_capacity(2 * BYTES);
    for byte in bytes {
        // Writing to a string does not fail.
        let _ = write!(id, "{byte:02x}");
    }
    id
}
