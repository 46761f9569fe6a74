#!/bin/sh
# Builds the Debian package from an existing binary.
#
#   cargo build --locked --profile dist --package campanile-daemon --features nats,postgres
#   deploy/debian/build.sh target/dist/campanile [FOLDER] [REVISION]
#
# Prints the path of the package. Needs dpkg-dev, and cargo for the list of licenses.
set -eu
binary=$1 out=${2:-.} revision=${3:-1}
here=$(cd "$(dirname "$0")" && pwd)
deploy=$(dirname "$here") sources=$(dirname "$(dirname "$here")")
version=$(sed -n 's/^version = "\(.*\)"/\1/p' "$sources/Cargo.toml" | head -1)-$revision
architecture=$(dpkg --print-architecture)
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT INT TERM
chmod 755 "$root"

doc=$root/usr/share/doc/campanile
install -d -m 755 "$doc/deploy" "$root/etc/campanile" "$root/DEBIAN"
install -d -m 700 "$root/etc/campanile/secrets"
install -D -m 755 "$binary" "$root/usr/bin/campanile"
strip --strip-all "$root/usr/bin/campanile"
install -D -m 644 "$deploy/systemd/campanile.service" "$root/lib/systemd/system/campanile.service"
install -D -m 644 "$deploy/campanile.toml" "$doc/campanile.toml"
cp -r "$deploy/prosody" "$deploy/ejabberd" "$deploy/openfire" "$deploy/grafana" "$deploy/prometheus" "$deploy/guides" "$doc/deploy/"
gzip -9n < "$sources/CHANGELOG.md" > "$doc/changelog.gz"
sh "$here/copyright.sh" "$sources" > "$doc/copyright"
completion() { install -d -m 755 "$root/$2" && "$binary" completions "$1" > "$root/$2/$3"; }
completion bash usr/share/bash-completion/completions campanile
completion fish usr/share/fish/vendor_completions.d campanile.fish
completion zsh usr/share/zsh/vendor-completions _campanile

libc=$(objdump -T "$root/usr/bin/campanile" | grep -o 'GLIBC_[0-9.]*' | sed 's/GLIBC_//' | sort -Vu | tail -1)
size=$(du -sk --exclude=DEBIAN "$root" | cut -f1)
sed -e "s/@VERSION@/$version/" -e "s/@ARCHITECTURE@/$architecture/" -e "s/@LIBC@/$libc/" -e "s/@SIZE@/$size/" \
  "$here/control" > "$root/DEBIAN/control"
for script in postinst prerm postrm; do install -m 755 "$here/$script" "$root/DEBIAN/$script"; done
find "$root" -type f ! -path '*/DEBIAN/*' ! -perm /111 -exec chmod 644 {} +
find "$doc" -type d -exec chmod 755 {} +
(cd "$root" && find . -type f ! -path './DEBIAN/*' -printf '%P\0' | sort -z | xargs -0 md5sum > DEBIAN/md5sums)
package=$out/campanile_${version}_$architecture.deb
dpkg-deb --root-owner-group --build "$root" "$package" >&2
printf '%s\n' "$package"
