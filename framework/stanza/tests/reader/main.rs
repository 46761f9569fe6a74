//! Tests of the reader through its public API: bytes in, events out.
//!
//! Each document is read whole, byte by byte and, if it is short, in every split into two, because
//! the result must not depend on the split. The events are compared with those listed here, and
//! with the results of rxml and expat.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests may panic")]

mod bounds;
mod compare_rxml;
mod differential;
mod expat;
mod faults;
mod generate;
mod oracle;
mod seen;
mod stanzas;
mod transcripts;
mod tree;
