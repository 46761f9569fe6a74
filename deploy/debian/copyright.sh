#!/bin/sh
# Prints the license of Campanile, and those of all crates linked into the binary.
set -eu
cd "$1"
cat <<'TEXT'
Campanile is licensed under either the MIT license or the Apache License 2.0, at your option. On Debian systems the latter is in
/usr/share/common-licenses/Apache-2.0; the former follows.

TEXT
cat LICENSE-MIT
cat <<'TEXT'

The binary contains the crates below. Those under MPL-2.0 (/usr/share/common-licenses/MPL-2.0) are unmodified; the sources of
all crates are at https://crates.io/crates/NAME.

TEXT
cargo tree --locked --package campanile-daemon --features nats,postgres --edges normal --prefix none --format '{p}: {l}' |
  sed -e 's/ (\*)$//' -e 's/ (\/[^)]*)//' -e 's/ (proc-macro)//' | grep -v '^campanile' | sort -u
