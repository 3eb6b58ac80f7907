#!/bin/sh
# Makes seeds for the fuzz targets from the real checkpoints in fixtures/: fuzz/seeds.sh
set -eu
cd "$(dirname "$0")"
mkdir -p corpus/archive corpus/compressed corpus/image corpus/case corpus/pattern
cp ../fixtures/webserver-*.tar.zst corpus/archive/
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
zstd -dc ../fixtures/webserver-crio.tar.zst | tar -xf - -C "$scratch" --no-same-owner
for image in "$scratch"/checkpoint/*.img; do
    # The first byte chooses the kind; what follows the eight bytes of the header is the content.
    { printf '\001'; tail -c +9 "$image" | head -c 4096; } >"corpus/image/$(basename "$image")"
done
for number in 0 1 2 3 4 5 6 7; do
    printf "\\00$number" | cat - ../fixtures/README.md | head -c $((64 + number * 32)) >"corpus/case/$number"
done
