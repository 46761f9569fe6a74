//! Interprets arbitrary bytes as the response of a webhook, to a message and to an IQ request:
//! headers line by line, an empty line, and the body. It never panics, and every reply is a stanza
//! that can be read again.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    campanile_json_bridge::fuzzing::interpret_response(bytes);
});
