#!/bin/sh
# Lays out the whole of an image: the binary, the libraries that it asks for, certificates to trust, one user who is not root.
#
#   deploy/container/root.sh BINARY FOLDER
#
# There is no shell in it, no package database, nothing that can be run but campanile.
set -eu
binary=$1 root=$2

umask 022
mkdir -p "$root/usr/bin" "$root/etc/campanile" "$root/etc/ssl/certs" "$root/var/lib/campanile" "$root/tmp"
install -m 755 "$binary" "$root/usr/bin/campanile"
strip --strip-all "$root/usr/bin/campanile"

# As the loader says: libc, libm, libgcc_s, the loader itself; and what libc loads by name to resolve host names.
libraries=$(ldd "$binary" | grep -o '/[^ ]*')
for library in $libraries; do
  mkdir -p "$root$(dirname "$library")"
  cp -L "$library" "$root$library"
done

cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
printf 'campanile:x:65532:65532:campanile:/var/lib/campanile:/nonexistent\n' > "$root/etc/passwd"
printf 'campanile:x:65532:\n' > "$root/etc/group"
printf 'hosts: files dns\n' > "$root/etc/nsswitch.conf"
# Archives, outboxes and presence are kept here: mount a volume that user 65532 may write to.
chown 65532:65532 "$root/var/lib/campanile"
chmod 700 "$root/var/lib/campanile"
chmod 1777 "$root/tmp"
# User 65532 must get in, however the folder came to be.
chmod 755 "$root"
