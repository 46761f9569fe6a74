#!/bin/sh
# Builds the image of the Dockerfile from an existing binary with buildah, without a base image or a network.
#
#   deploy/container/build.sh BINARY [IMAGE]
set -eu
binary=$1 image=${2:-campanile}
here=$(dirname "$0")
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT INT TERM

sh "$here/root.sh" "$binary" "$root"
container=$(buildah from scratch)
buildah copy --quiet "$container" "$root" / >&2
buildah config --user 65532:65532 --workingdir /var/lib/campanile --volume /var/lib/campanile --stop-signal SIGTERM \
  --entrypoint '["/usr/bin/campanile"]' --cmd 'run --config /etc/campanile/campanile.toml' "$container"
buildah commit --quiet --rm "$container" "$image"
