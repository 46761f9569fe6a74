//! Bots in any language: stanzas as JSON over HTTP, and back.

pub mod mapping;
