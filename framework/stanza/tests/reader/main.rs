//! The reader through its front door: bytes in, events out.
//!
//! Each document is read whole, byte by byte and, when it is short, in every split into two: the
//! pieces in which it comes must make no difference. What is seen is compared with what is written
//! here, with rxml and with expat.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may say so and fail"
)]

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
