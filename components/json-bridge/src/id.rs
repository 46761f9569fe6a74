//! Unguessable ids.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::{SecureRandom, SystemRandom};

/// Returns a new random id of 24 characters.
pub(crate) fn fresh() -> String {
    let mut bytes = [0u8; 18];
    if SystemRandom::new().fill(&mut bytes).is_err() {
        // The system has no source of randomness; the ids are at least unique.
        static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
        let next = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        bytes[..8].copy_from_slice(&next.to_be_bytes());
        bytes[8..16].copy_from_slice(&crate::clock::now().to_be_bytes());
    }
    URL_SAFE_NO_PAD.encode(bytes)
}
