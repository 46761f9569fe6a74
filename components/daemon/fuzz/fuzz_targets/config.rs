//! Loads arbitrary bytes as a configuration file, formats it, and reloads it with what follows a
//! line of four hyphens. It never panics, formatting keeps the settings, and only a changed file
//! changes a component.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    campanile_daemon::fuzzing::load_and_reload(bytes);
});
