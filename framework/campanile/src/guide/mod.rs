//! Guides to the framework, from first steps to writing your own extractors, layers and modules.
//!
//! 1. [`routing`]: selecting the handler for a stanza, and what is advertised
//! 2. [`extractors`]: the arguments of handlers, and writing your own
//! 3. [`state`]: sharing data between handlers
//! 4. [`errors`]: error replies, and which errors are hidden from peers
//! 5. [`order`]: concurrency, lanes, limits and backpressure
//! 6. [`sending`]: messages, confirmed delivery, IQ requests and lists
//! 7. [`layers`]: using and writing middleware
//! 8. [`modules`]: packaging a part of a component as a crate
//! 9. [`compiler_errors`]: reading the compiler's messages about handlers
//! 10. `testing`: tests without a server (feature `testing`)

#[doc = include_str!("routing.md")]
pub mod routing {}

#[doc = include_str!("extractors.md")]
pub mod extractors {}

#[doc = include_str!("state.md")]
pub mod state {}

#[doc = include_str!("errors.md")]
pub mod errors {}

#[doc = include_str!("order.md")]
pub mod order {}

#[doc = include_str!("sending.md")]
pub mod sending {}

#[doc = include_str!("layers.md")]
pub mod layers {}

#[doc = include_str!("modules.md")]
pub mod modules {}

#[doc = include_str!("compiler_errors.md")]
pub mod compiler_errors {}
