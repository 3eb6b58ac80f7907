#!/usr/bin/env bash
# Drives a real containerd and a real Podman with `ckptfx capture`: takes checkpoints of running containers, reads
# them with `ps`, looks whether the workloads go on, and restores images that `ckptfx image` made.
#
#   tests/lab.sh PATH-OF-CKPTFX DIRECTORY
#
# DIRECTORY holds the root of a Debian that has containerd, Podman and a CRIU that knows this kernel; where it is
# empty or missing, it is made with debootstrap (about 1 GiB, some minutes). The engines run in namespaces of
# their own (mounts, network, processes), and end with the script. Where that is not possible the script says why
# and ends well.
set -euo pipefail

packages="busybox-static ca-certificates conmon containerd criu docker-registry iproute2 iptables jq netavark nftables
podman procps python3-grpcio runc skopeo"

skip() { echo "skipped: $*"; exit 0; }
step() { printf '\n== %s\n' "$*"; }
fail() { echo "FAILED: $*" >&2; exit 1; }

outside() {
    local ckptfx=$1 lab=$2
    [ "$(uname -s)" = Linux ] || skip "this is no Linux"
    [ "$(id -u)" = 0 ] || skip "root is needed for containers"
    unshare -mnp --fork true 2>/dev/null || skip "namespaces cannot be made here"
    ckptfx=$(realpath "$ckptfx")
    mkdir -p "$lab"
    lab=$(realpath "$lab")
    if [ ! -e "$lab/etc/debian_version" ]; then
        command -v debootstrap >/dev/null || skip "debootstrap is not installed, and $lab has no Debian"
        step "Making a Debian in $lab"
        debootstrap --variant=minbase sid "$lab" >/dev/null
        # shellcheck disable=SC2086 # one word a package
        chroot "$lab" sh -c "apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
            --no-install-recommends $(echo $packages)" >/dev/null
    fi
    for program in containerd criu docker-registry podman runc skopeo busybox python3; do
        chroot "$lab" sh -c "command -v $program" >/dev/null || skip "$program is not in $lab"
    done
    chroot "$lab" python3 -c 'import grpc' 2>/dev/null || skip "python3-grpcio is not in $lab"

    scratch=$(mktemp -d)
    trap 'rm -rf "$scratch"' EXIT
    cp "$ckptfx" "$scratch/ckptfx"
    cp "$0" "$scratch/lab.sh"
    cp "$(dirname "$0")/lab_pod.py" "$scratch/lab_pod.py"
    LAB=$lab OUT=$scratch unshare -mnp --fork --kill-child --propagation private bash -c '
        set -e
        mount --bind "$LAB" "$LAB"
        cd "$LAB"
        mount -t proc proc proc
        mount -t sysfs sysfs sys
        mount -t tmpfs tmpfs sys/fs/cgroup
        for c in cpu cpuacct cpuset memory devices freezer blkio pids; do
            mkdir -p sys/fs/cgroup/$c
            mount -t cgroup -o $c cgroup sys/fs/cgroup/$c || rmdir sys/fs/cgroup/$c
        done 2>/dev/null
        if [ -z "$(ls sys/fs/cgroup)" ]; then
            umount sys/fs/cgroup
            mount -t cgroup2 cgroup2 sys/fs/cgroup
        else
            mkdir sys/fs/cgroup/systemd
            mount -t cgroup -o none,name=systemd cgroup sys/fs/cgroup/systemd
        fi
        mount -t tmpfs tmpfs dev
        mknod -m 666 dev/null c 1 3
        mknod -m 666 dev/zero c 1 5
        mknod -m 666 dev/full c 1 7
        mknod -m 666 dev/random c 1 8
        mknod -m 666 dev/urandom c 1 9
        mknod -m 666 dev/tty c 5 0
        mkdir dev/pts dev/shm
        mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
        ln -s pts/ptmx dev/ptmx
        ln -s /proc/self/fd dev/fd
        mount -t tmpfs tmpfs dev/shm
        mount -t tmpfs tmpfs run
        mount -t tmpfs tmpfs tmp
        for d in var/lib/containers var/lib/containerd host; do mkdir -p $d; done
        for d in var/lib/containers var/lib/containerd; do mount -t tmpfs tmpfs $d; done
        mount --bind "$OUT" host
        mkdir -p .old
        pivot_root . .old
        cd /
        umount -l /.old
        exec bash /host/lab.sh --inside'
}

inside() {
    export PODMAN_IGNORE_CGROUPSV1_WARNING=1 PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root XDG_RUNTIME_DIR=/run
    ip link set lo up 2>/dev/null || true
    ckptfx=/host/ckptfx
    configure
    registry_lab
    images
    containerd_lab
    podman_lab
    echo
    echo "lab: containerd and Podman were captured, read and restored"
}

configure() {
    mkdir -p /etc/containers /etc/criu /etc/containerd
    echo '{"default":[{"type":"insecureAcceptAnything"}]}' >/etc/containers/policy.json
    printf '[engine]\ncgroup_manager="cgroupfs"\nevents_logger="file"\nruntime="runc"\n' >/etc/containers/containers.conf
    printf 'tcp-established\nfile-locks\nghost-limit 67108864\n' >/etc/criu/runc.conf
    cat >/etc/containerd/config.toml <<'TOML'
version = 3
[plugins.'io.containerd.cri.v1.images'.pinned_images]
  sandbox = 'registry.local/pause:1'
[plugins.'io.containerd.cri.v1.runtime']
  restrict_oom_score_adj = true
TOML
}

# A registry on the loopback of this network namespace, which nobody else sees.
registry=127.0.0.1:5000
registry_lab() {
    printf 'version: 0.1\nstorage: {filesystem: {rootdirectory: /tmp/registry}}\nhttp: {addr: "%s"}\n' $registry >/tmp/registry.yml
    docker-registry serve /tmp/registry.yml >/tmp/registry.log 2>&1 &
    for _ in $(seq 50); do (: </dev/tcp/127.0.0.1/5000) 2>/dev/null && break; sleep 0.1; done
}

# A shell that counts, so that anybody can see whether it goes on, and keeps a secret.
workload='n=0; while :; do n=$((n+1)); echo "count $n"; sleep 1; done'

images() {
    step "Images"
    local root=/tmp/root
    mkdir -p $root/bin $root/tmp $root/proc $root/sys $root/dev $root/etc
    cp "$(command -v busybox)" $root/bin/busybox
    for name in sh sleep echo; do ln $root/bin/busybox $root/bin/$name; done
    tar -C $root -c . >/tmp/root.tar
    podman import -q -c "CMD [\"/bin/sleep\",\"2147483647\"]" /tmp/root.tar registry.local/pause:1
    podman import -q -c 'CMD ["/bin/sleep","2147483647"]' -c 'ENV PASSWORD=hunter2' /tmp/root.tar registry.local/web:1
    podman save -q -o /tmp/pause.tar registry.local/pause:1
    podman push -q --tls-verify=false registry.local/web:1 $registry/web:1
}

# The last count that a command prints, which grows while the workload runs.
count() { "$@" | grep -o 'count [0-9]*' | tail -n 1 | cut -d' ' -f2; }

goes_on() {
    local before after
    before=$(count "$@")
    sleep 3
    after=$(count "$@")
    [ "$after" -gt "$before" ] || fail "the workload stands still at $before"
    echo "goes on: $before, then $after"
}

# What every archive must stand: processes, the secret in memory, and the seal.
read_archive() {
    local directory=$1 archive
    for archive in "$directory"/*.tar; do
        [ "$(stat -c %a "$archive")" = 600 ] || fail "$archive is not private"
        # Podman packs images again that an earlier checkpoint left: processes that are not in the tree, and status 3.
        $ckptfx ps "$archive" || [ $? = 3 ]
        { $ckptfx ps -q -o json "$archive" || [ $? = 3 ]; } | jq -e '.processes[0].cmdline[0] == "/bin/sh" and .processes[0].pid == 1' >/dev/null
        { $ckptfx env -q "$archive" || [ $? = 3 ]; } | grep 'PASSWORD=hunter2' >/dev/null
        $ckptfx verify "${archive%.tar}.manifest.json"
    done
}

containerd_lab() {
    step "containerd: a pod"
    containerd >/tmp/containerd.log 2>&1 &
    local engine=$! socket=/run/containerd/containerd.sock
    for _ in $(seq 100); do [ -S $socket ] && ctr version >/dev/null 2>&1 && break; sleep 0.2; done
    ctr -n k8s.io images import /tmp/pause.tar >/dev/null
    python3 /host/lab_pod.py pull $registry/web:1
    local sandbox log=/tmp/pods/web_app.log
    mkdir -p /tmp/pods
    sandbox=$(python3 /host/lab_pod.py sandbox web)
    python3 /host/lab_pod.py container "$sandbox" web app $registry/web:1 "$workload" >/dev/null
    sleep 2

    step "containerd: capture"
    mkdir -m 700 /tmp/cri
    $ckptfx capture --cri $socket web/app --dir /tmp/cri --triage || fail "no checkpoint"
    goes_on cat $log
    [ "$(ls /tmp/cri | wc -l)" = 3 ] || fail "something is left over: $(ls /tmp/cri)"
    read_archive /tmp/cri
    jq -e '.after.running and .source.via == "cri" and .subject.pod == "web"
        and (.subject.image_id | contains("/web@sha256:"))' /tmp/cri/*.manifest.json >/dev/null
    if $ckptfx capture --cri nobody --dir /tmp/cri; then fail "a container that is not there was captured"; fi

    step "containerd: restore from a registry"
    $ckptfx image /tmp/cri/*.tar --push $registry/web-checkpoint:1 --plain-http -o json |
        jq -e '.images[0].engines[] | select(.engine == "containerd").restores' >/dev/null
    skopeo inspect --raw --tls-verify=false docker://$registry/web-checkpoint:1 |
        jq -e '.annotations["org.criu.checkpoint.container.name"] == "app"' >/dev/null
    python3 /host/lab_pod.py pull $registry/web-checkpoint:1
    python3 /host/lab_pod.py container "$sandbox" web restored $registry/web-checkpoint:1 "$workload" >/dev/null
    sleep 3
    # The log begins with what was written before the checkpoint; the count goes on from there, and not from one.
    cut -d' ' -f4- /tmp/pods/web_restored.log | tail -n 5
    [ "$(grep -c 'count 1$' /tmp/pods/web_restored.log)" -le 1 ] || fail "the restored workload began anew"
    goes_on cat /tmp/pods/web_restored.log
    kill $engine
    wait $engine || true
}

podman_lab() {
    step "Podman: a container"
    podman run -d -q --network=none --name web --log-driver=k8s-file registry.local/web:1 \
        /bin/sh -c "$workload" >/dev/null
    mkdir -p /run/podman
    podman system service --time=0 unix:///run/podman/podman.sock >/tmp/podman-service.log 2>&1 &
    local engine=$!
    for _ in $(seq 100); do [ -S /run/podman/podman.sock ] && break; sleep 0.2; done

    step "Podman: a chain"
    mkdir -m 700 /tmp/chain
    $ckptfx capture --podman web --every 3s --count 2 --dir /tmp/chain
    goes_on podman logs web
    [ "$(podman inspect web --format '{{.State.Status}}')" = running ]
    read_archive /tmp/chain
    $ckptfx diff -q --kind process,memory /tmp/chain || [ $? = 3 ]

    step "Podman: restore from an image"
    local archive
    archive=$(ls /tmp/chain/*.tar | head -n 1)
    $ckptfx image "$archive" -o oci-archive --out /tmp/podman.oci.tar --name localhost/checkpoint/web:1
    podman load -q -i /tmp/podman.oci.tar
    podman rm -f -t 0 web >/dev/null
    podman container restore localhost/checkpoint/web:1 || {
        find /var/lib/containers/storage -name restore.log -exec grep -E 'Error|Warn' {} +
        fail "Podman does not restore the image"
    }
    # What runs now counts on from the checkpoint: its log has no beginning.
    [ "$(podman logs web | head -n 1)" != "count 1" ] || fail "the restored workload began anew"
    goes_on podman logs web
    podman rm -fa -t 0 >/dev/null
    kill $engine
    wait $engine || true
}

case "${1:-}" in
    --inside) inside ;;
    "") echo "usage: tests/lab.sh PATH-OF-CKPTFX DIRECTORY" >&2; exit 2 ;;
    *) outside "$1" "${2:?name a directory for the lab}" ;;
esac
