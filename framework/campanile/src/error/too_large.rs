//! Replies that are too large because of the stanza that they answer.

use std::error::Error;

use crate::error::{Condition, ErrorType, StanzaError};
use crate::stanza::WriteError;

/// The number of bytes that one byte of a text may become when it is sent back: `'` as `&apos;`.
const LONGEST_ESCAPE: usize = 6;

/// Returns the error for the sender of a stanza of `weight` bytes, if the size of that stanza
/// explains why another one exceeds `max_stanza_out`.
///
/// A component reads larger stanzas than it sends by default. An echo that is too large is no
/// internal error, or any peer could fill the log.
pub(crate) fn too_large_by_peer(
    weight: usize,
    error: &(dyn Error + 'static),
) -> Option<StanzaError> {
    let chain = std::iter::successors(Some(error), |error| (*error).source());
    let mut causes = chain.filter_map(|error| error.downcast_ref::<WriteError>());
    let by_peer = causes.any(|cause| match cause {
        WriteError::TooLarge { size, .. } => *size <= weight.saturating_mul(LONGEST_ESCAPE),
        _ => false,
    });
    // As for a stanza that is too large to be read.
    by_peer.then(|| StanzaError::new(Condition::PolicyViolation).with_type(ErrorType::Modify))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::SendError;

    #[test]
    fn only_size_that_the_request_explains_is_a_fault_of_the_peer() {
        let too_large = || WriteError::TooLarge {
            size: 600_000,
            limit: 524_288,
        };
        let found = too_large_by_peer(100_000, &SendError::Write(too_large()));
        let found = found.map(|error| (error.condition(), error.error_type()));
        assert_eq!(found, Some((Condition::PolicyViolation, ErrorType::Modify)));
        assert!(too_large_by_peer(99_999, &too_large()).is_none());
        assert!(too_large_by_peer(usize::MAX, &WriteError::NoRecipient).is_none());
    }
}
