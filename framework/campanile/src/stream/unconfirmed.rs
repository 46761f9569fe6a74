//! Stanzas that are kept until the server is known to have taken them, and those that it may have
//! ended a stream over.
//!
//! XEP-0114 has no acknowledgements. But servers handle a stream in its order, so when a ping to
//! ourselves comes back, all that was written before it has been taken.

use std::collections::VecDeque;

use tokio::time::Instant;

use super::error::StreamError;
use crate::client::{Note, Pending};
use crate::stats::Counters;

/// What was added to this stream and is kept, in its order.
#[derive(Debug, Default)]
pub(super) struct Unconfirmed {
    kept: VecDeque<Kept>,
    /// How many of them, from the front, have been written.
    written: usize,
    trial: Option<Trial>,
}

/// A whole stanza as bytes, and who wants to know of it.
#[derive(Debug)]
pub(super) struct Parcel {
    pub(super) bytes: Vec<u8>,
    pub(super) note: Note,
    pub(super) since: Instant,
    /// The server may have ended a stream over it.
    pub(super) suspect: bool,
    /// How many streams have broken without a word while it was on trial.
    pub(super) strikes: u32,
}

#[derive(Debug)]
struct Kept {
    parcel: Parcel,
    end: u64,
}

/// So many streams that break without a word while a stanza is on trial are no chance any more:
/// each of them had been seen to work right before.
const STRIKES: u32 = 3;

/// Suspects are written one at a time, each alone between two pings; all else waits for its turn.
#[derive(Debug, Default)]
struct Trial {
    waiting: VecDeque<Parcel>,
    /// Bytes of what has come since the trial began.
    added: usize,
}

impl Parcel {
    /// Whether it must not be forgotten once it is written.
    pub(super) fn is_kept(&self) -> bool {
        self.suspect || matches!(self.note, Note::Confirmed(_))
    }
}

impl Unconfirmed {
    /// A stanza has been added that ends at this position.
    pub(super) fn keep(&mut self, parcel: Parcel, end: u64) {
        self.kept.push_back(Kept { parcel, end });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// The next of them has been written.
    pub(super) fn wrote(&mut self) {
        if let Some(Kept {
            parcel:
                Parcel {
                    note: Note::Confirmed(confirm),
                    ..
                },
            ..
        }) = self.kept.get(self.written)
        {
            confirm.written();
        }
        self.written += 1;
    }

    /// The server has taken everything before this position. True when that is something new.
    pub(super) fn confirm(&mut self, position: u64, counters: &Counters) -> bool {
        let before = self.kept.len();
        while self.written > 0
            && let Some(kept) = self.kept.pop_front_if(|kept| kept.end <= position)
        {
            self.written -= 1;
            counters.confirmed.one();
            kept.parcel.note.done();
        }
        if self.kept.is_empty() {
            // A burst must not leave its memory behind.
            self.kept.shrink_to(1024);
        }
        self.kept.len() < before
    }

    /// Whether any of them has been written whole.
    pub(super) fn is_written(&self) -> bool {
        self.written > 0
    }

    /// The server has ended the stream over a stanza, or may have. One that was alone on trial is
    /// it, else all that was written, in whole or in part, is suspect. `begun`: some of the stanza
    /// behind the last written one was written. Without an error the server said nothing, and it
    /// takes more than one such stream.
    pub(super) fn accuse(&mut self, error: Option<&StreamError>, begun: bool, counters: &Counters) {
        let seen = self.written + usize::from(begun);
        let Some(Kept { parcel, .. }) = self
            .kept
            .front_mut()
            .filter(|kept| kept.parcel.suspect && seen > 0)
        else {
            return self
                .kept
                .iter_mut()
                .take(seen)
                .for_each(|kept| kept.parcel.suspect = true);
        };
        parcel.strikes += 1;
        if error.is_none() && parcel.strikes < STRIKES {
            return;
        }
        self.written = self.written.saturating_sub(1);
        let error = error.cloned().unwrap_or_else(StreamError::silent);
        if let Some(Kept {
            parcel: Parcel { bytes, note, .. },
            ..
        }) = self.kept.pop_front()
        {
            counters.condemned.one();
            tracing::error!(%error, bytes = bytes.len(), "the server ends streams over a stanza: \
                it is not sent again");
            note.condemn(&error);
        }
    }

    /// The stream is over: what was written, and what was not.
    pub(super) fn take(
        &mut self,
    ) -> (
        impl Iterator<Item = Parcel> + use<>,
        impl Iterator<Item = Parcel> + use<>,
    ) {
        let mut written = std::mem::take(&mut self.kept);
        let rest = written.split_off(std::mem::take(&mut self.written).min(written.len()));
        let parcel = |kept: Kept| kept.parcel;
        (
            written.into_iter().map(parcel),
            rest.into_iter().map(parcel),
        )
    }

    pub(super) fn is_on_trial(&self) -> bool {
        self.trial.is_some()
    }

    /// Bytes that wait and were not there when the trial began.
    pub(super) fn added(&self) -> usize {
        self.trial.as_ref().map_or(0, |trial| trial.added)
    }

    /// Suspects have to be told from the others.
    pub(super) fn begin_trial(&mut self, waiting: VecDeque<Parcel>) {
        self.trial = Some(Trial { waiting, added: 0 });
    }

    /// Gives back the parcel unless it has to wait for the end of the trial.
    pub(super) fn hold(&mut self, parcel: Parcel) -> Option<Parcel> {
        let Some(trial) = &mut self.trial else {
            return Some(parcel);
        };
        trial.added += parcel.bytes.len();
        trial.waiting.push_back(parcel);
        None
    }

    /// What is written next: nothing while a suspect is on trial.
    pub(super) fn next(&mut self, pending: &Pending) -> Option<Parcel> {
        let trial = self.trial.as_mut()?;
        if self.kept.front().is_some_and(|kept| kept.parcel.suspect) {
            return None;
        }
        while let Some(parcel) = trial.waiting.pop_front() {
            trial.added = trial.added.saturating_sub(parcel.bytes.len());
            if parcel.note.is_wanted(pending) {
                return Some(parcel);
            }
        }
        self.trial = None;
        None
    }

    /// Ends the trial; gives back what has waited for that.
    pub(super) fn end_trial(&mut self) -> VecDeque<Parcel> {
        self.trial
            .take()
            .map(|trial| trial.waiting)
            .unwrap_or_default()
    }

    /// Lets all suspects go: with others around them, nothing could be held against one of them any
    /// more.
    pub(super) fn acquit(&mut self) -> VecDeque<Parcel> {
        self.kept
            .iter_mut()
            .for_each(|kept| kept.parcel.suspect = false);
        let mut waiting = self.end_trial();
        waiting.iter_mut().for_each(|parcel| parcel.suspect = false);
        waiting
    }
}
