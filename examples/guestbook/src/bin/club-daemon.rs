//! The `campanile` daemon with a third-party module. One line adds the module, and a table in the
//! configuration enables it.
//!
//! ```text
//! cargo run -p example-guestbook --features daemon --bin club-daemon -- \
//!     run --config examples/guestbook/club.toml
//! ```
//!
//! serves `club.localhost` on the XMPP server at 127.0.0.1:5347. The `check` command validates the
//! configuration, including the module's table. Logging works as in `campanile`, with `RUST_LOG`
//! and `--log-format`.

use std::process::ExitCode;

use campanile::module::Catalog;
use example_guestbook::Guestbook;

fn main() -> ExitCode {
    campanile_daemon::main(Catalog::new().register("guestbook", Guestbook::new))
}
