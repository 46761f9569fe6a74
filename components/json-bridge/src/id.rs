//! Unguessable ids.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Returns a new random id of 24 characters.
///
/// # Panics
/// Panics if the operating system has no random numbers: a predictable id would let others forge
/// responses.
#[allow(
    clippy::expect_used,
    reason = "an id that can be guessed is worse than a failed request"
)]
pub(crate) fn fresh() -> String {
    let mut bytes = [0u8; 18];
    getrandom::fill(&mut bytes).expect("the operating system has no random numbers");
    URL_SAFE_NO_PAD.encode(bytes)
}
