#!/usr/bin/env bash
# Reads images that `ckptfx image` made with programs that know nothing of it: skopeo, umoci and jq. What is
# not installed is skipped with a line that says so.
#
#   tests/image.sh PATH-OF-CKPTFX
set -euo pipefail
ckptfx=$(realpath "$1")
fixtures=$(realpath "$(dirname "$0")/../fixtures")
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$scratch"
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
    echo "skipped: skopeo or jq is not installed"
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
    echo "skipped: umoci or zstd is not installed"
fi
