#!/bin/sh
# Creates the root file system of the image: the binary, its libraries, CA certificates, and an unprivileged user.
#
#   deploy/container/root.sh BINARY FOLDER
#
# It contains no shell, no package database, and no program except campanile.
set -eu
binary=$1 root=$2

umask 022
mkdir -p "$root/usr/bin" "$root/etc/campanile" "$root/etc/ssl/certs" "$root/var/lib/campanile" "$root/tmp"
install -m 755 "$binary" "$root/usr/bin/campanile"
strip --strip-all "$root/usr/bin/campanile"

# The libraries listed by the loader: libc, libm, libgcc_s, the loader itself, and those that libc loads to resolve host names.
libraries=$(ldd "$binary" | grep -o '/[^ ]*')
for library in $libraries; do
  mkdir -p "$root$(dirname "$library")"
  cp -L "$library" "$root$library"
done

cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
printf 'campanile:x:65532:65532:campanile:/var/lib/campanile:/nonexistent\n' > "$root/etc/passwd"
printf 'campanile:x:65532:\n' > "$root/etc/group"
printf 'hosts: files dns\n' > "$root/etc/nsswitch.conf"
# Archives, outboxes and presence are stored here: mount a volume that user 65532 can write to.
chown 65532:65532 "$root/var/lib/campanile"
chmod 700 "$root/var/lib/campanile"
chmod 1777 "$root/tmp"
# User 65532 needs access, whatever the permissions of the folder were.
chmod 755 "$root"
