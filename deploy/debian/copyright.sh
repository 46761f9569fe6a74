#!/bin/sh
# Our licences, and those of everything that is linked into the binary.
set -eu
cd "$1"
cat <<'TEXT'
Campanile is under the MIT licence or the Apache License 2.0, as you like. On Debian the latter is in
/usr/share/common-licenses/Apache-2.0, the former follows.

TEXT
cat LICENSE-MIT
cat <<'TEXT'

The binary holds the crates below. Those under MPL-2.0 (/usr/share/common-licenses/MPL-2.0) are unchanged; their sources, and
those of all others, are at https://crates.io/crates/NAME.

TEXT
cargo tree --locked --package campanile-daemon --features nats,postgres --edges normal --prefix none --format '{p}: {l}' |
  sed -e 's/ (\*)$//' -e 's/ (\/[^)]*)//' -e 's/ (proc-macro)//' | grep -v '^campanile' | sort -u
