#!/usr/bin/env bash
# Reads images that `ckptfx image` made with programs that know nothing of it: skopeo, umoci and jq, from a file, a
# directory and a real registry. What is not installed is skipped with a line that says so.
#
#   tests/image.sh PATH-OF-CKPTFX
set -euo pipefail
ckptfx=$(realpath "$1")
fixtures=$(realpath "$(dirname "$0")/../fixtures")
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$scratch"
# With CKPTFX_REQUIRE_TOOLS set, what is missing fails.
skip() {
    echo "skipped: $*"
    [ -z "${CKPTFX_REQUIRE_TOOLS:-}" ] || exit 1
}
export HOME=$scratch XDG_RUNTIME_DIR=$scratch

for archive in shop-crio shop-containerd shop-podman; do
    "$ckptfx" -q image -o oci-dir --out "$archive-dir" --name registry.local/shop:1 "$fixtures/$archive.tar.zst" >/dev/null
    "$ckptfx" -q image -o oci-archive --out "$archive.oci.tar" --name registry.local/shop:1 "$fixtures/$archive.tar.zst" >/dev/null
done

if command -v skopeo >/dev/null && command -v jq >/dev/null; then
    for archive in shop-crio shop-containerd shop-podman; do
        for image in "oci:$archive-dir:1" "oci-archive:$archive.oci.tar:1"; do
            skopeo inspect --raw "$image" >manifest.json
            jq -e '.mediaType == "application/vnd.oci.image.manifest.v1+json" and (.layers | length) == 1
                and .annotations["io.kubernetes.cri-o.annotations.checkpoint.name"] != null
                and .annotations["org.criu.checkpoint.container.name"] != null
                and .annotations["io.podman.annotations.checkpoint.runtime.name"] != null' manifest.json >/dev/null
            test "$(skopeo inspect --config "$image" | jq -r '.architecture + " " + .os')" = "amd64 linux"
        done
        # A copy checks every digest, of the layer before and after compression too.
        skopeo copy --quiet --insecure-policy "oci-archive:$archive.oci.tar:1" "oci:$archive-copy:1"
    done
    echo "skopeo: images of 3 engines read and copied"
else
    skip "skopeo or jq is not installed"
fi

if command -v umoci >/dev/null && command -v zstd >/dev/null; then
    for archive in shop-crio shop-containerd shop-podman; do
        umoci raw unpack --rootless --image "$archive-dir:1" "$archive-rootfs"
        mkdir "$archive-tar"
        zstd -dcq "$fixtures/$archive.tar.zst" | tar -xf - -C "$archive-tar" --no-same-owner --no-same-permissions --delay-directory-restore
        chmod -R u+rwX "$archive-tar" "$archive-rootfs"
        diff -r "$archive-tar" "$archive-rootfs"
    done
    echo "umoci: every member of 3 archives is in the layer as it was"
else
    skip "umoci or zstd is not installed"
fi

if command -v docker-registry >/dev/null && command -v skopeo >/dev/null && command -v jq >/dev/null && command -v python3 >/dev/null; then
    # On the loopback, on a port that is free now, and gone with this script.
    port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    registry=127.0.0.1:$port
    printf 'version: 0.1\nlog: {level: error}\nstorage: {filesystem: {rootdirectory: %s}}\nhttp: {addr: "%s"}\n' \
        "$scratch/registry" "$registry" >registry.yml
    docker-registry serve registry.yml >registry.log 2>&1 &
    server=$!
    trap 'kill $server 2>/dev/null; rm -rf "$scratch"' EXIT
    for _ in $(seq 100); do (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null && break; sleep 0.1; done
    for archive in shop-crio shop-containerd shop-podman; do
        digest=$("$ckptfx" -q image --push "$registry/forensics/$archive:1" --plain-http -o json "$fixtures/$archive.tar.zst" |
            jq -r '.images[0].digest')
        # The copy checks every blob; what comes back is what was made, bit by bit.
        skopeo copy --quiet --insecure-policy --src-tls-verify=false --preserve-digests \
            "docker://$registry/forensics/$archive:1" "oci:$archive-pulled:1"
        test "$(jq -r '.manifests[0].digest' "$archive-pulled/index.json")" = "$digest"
        diff -r "$archive-dir/blobs" "$archive-pulled/blobs"
    done
    echo "registry: 3 images pushed and pulled, the same bit by bit"
else
    skip "docker-registry, skopeo, jq or python3 is not installed"
fi
