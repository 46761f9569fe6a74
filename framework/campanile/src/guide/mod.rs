//! Guides, in the order in which they are needed.
//!
//! 1. [`routing`]: which handler a stanza reaches, and what is advertised
//! 2. [`extractors`]: what a handler may ask for, and how to write an extractor
//! 3. [`errors`]: what a peer is told when something goes wrong, and what it is not told
//! 4. [`order`]: what runs at the same time, what waits, and what is turned away
//! 5. [`sending`]: what a component says by itself, what it asks, and what it can know about either
//! 6. [`modules`]: a part of a component as a crate of its own
//! 7. [`layers`]: what stands around handlers
//! 8. `testing`: tests of all of that without a server, with the feature `testing`

#[doc = include_str!("routing.md")]
pub mod routing {}

#[doc = include_str!("extractors.md")]
pub mod extractors {}

#[doc = include_str!("errors.md")]
pub mod errors {}

#[doc = include_str!("order.md")]
pub mod order {}

#[doc = include_str!("sending.md")]
pub mod sending {}

#[doc = include_str!("modules.md")]
pub mod modules {}

#[doc = include_str!("layers.md")]
pub mod layers {}

#[doc = include_str!("testing.md")]
pub mod testing {}
