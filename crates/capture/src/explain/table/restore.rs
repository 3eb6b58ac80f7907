//! What engines say of archives: exporting a checkpoint, what they lack for one, and restoring it.

use super::super::rule::{
    Kind::{Finding, Fix, Wrapper},
    Rule,
    Stage::Runtime,
};

pub const RULES: &[Rule] = &[
    Rule {
        code: "hostile-archive",
        stage: Runtime,
        kind: Finding,
        pattern: "refusing to copy {file}: not a regular file",
        why: "containerd was to copy {file} into the archive or out of it, and it is a link or something else that \
              is no file: somebody put it there.",
        fix: "Keep it as it is and look where it leads; a newer containerd refuses such archives, an older one \
              follows them.",
    },
    Rule {
        code: "hostile-archive",
        stage: Runtime,
        kind: Finding,
        pattern: "refusing to restore checkpoint: {path} is not a regular file or directory",
        why: "The checkpoint that was to be restored holds {path}, which is a link or a device: no engine writes \
              that, and it can lead out of the archive.",
        fix: "Do not restore it. Look at it with ckptfx info and ckptfx rootfs.",
    },
    Rule {
        code: "hostile-archive",
        stage: Runtime,
        kind: Finding,
        pattern: "found illegal string '..' in checkpoint archive",
        why: "The archive has a member whose path leads out of it: no engine writes that.",
        fix: "Do not restore it. Look at it with ckptfx info and ckptfx rootfs.",
    },
    Rule {
        code: "content-missing",
        stage: Runtime,
        kind: Fix,
        pattern: "content digest {digest}: not found",
        why: "containerd's store lacks a part of an image or checkpoint ({digest}), so that it can neither be \
              exported nor restored.",
        fix: "Look whether it is there (ctr -n k8s.io content ls). An image loses layers where \
              discard_unpacked_layers is set or where only one platform was pulled: pull it again with all of them, \
              or take the archive that the kubelet or ckptfx capture --cri writes instead of an export.",
    },
    Rule {
        code: "restore-off",
        stage: Runtime,
        kind: Fix,
        pattern: "checkpoint restore via CreateContainer is disabled by configuration",
        why: "containerd does not restore checkpoints unless it is told to: it is off by default since 2.2.7 and \
              2.3.4.",
        fix: "Set enable_experimental_restore_via_create = true in [plugins.\"io.containerd.cri.v1.runtime\"] on a \
              node for analysis only, and restart containerd; 2.4 cannot do it at all.",
    },
    Rule {
        code: "base-image-missing",
        stage: Runtime,
        kind: Fix,
        pattern: "failed to get checkpoint base image {image}:",
        why: "The image that the checkpoint was made of, {image}, is not on the node.",
        fix: "Pull it there by the digest that ckptfx info shows, and restore again.",
    },
    Rule {
        code: "base-image-missing",
        stage: Runtime,
        kind: Fix,
        pattern: "failed to pull checkpoint base image {image}:",
        why: "The image that the checkpoint was made of, {image}, could not be pulled.",
        fix: "Make it available on the node by the digest that ckptfx info shows, and restore again.",
    },
    Rule {
        code: "base-image-missing",
        stage: Runtime,
        kind: Fix,
        pattern: "failed to resolve image \"{image}\" during checkpoint import",
        why: "The image that the checkpoint was made of, {image}, is not on the node: containerd looks for it by \
              repository and digest, which only an image that was pulled has.",
        fix: "Pull it there (an imported one does not do), and restore again.",
    },
    Rule {
        code: "base-image-missing",
        stage: Runtime,
        kind: Fix,
        pattern: "invalid RootfsImageRef",
        why: "CRI-O does not find the image that the checkpoint was made of by its id.",
        fix: "Pull it there by the digest that ckptfx info shows, and restore again.",
    },
    Rule {
        code: "archive-incomplete",
        stage: Runtime,
        kind: Fix,
        pattern: "failed to read \"io.kubernetes.cri-o.Annotations\"",
        why: "The checkpoint was not made by CRI-O, and CRI-O can restore no other.",
        fix: "Restore it with the engine that made it; ckptfx info names it.",
    },
    Rule {
        code: "archive-incomplete",
        stage: Runtime,
        kind: Fix,
        pattern: "failed to read \"{file}.dump\": {reason}",
        why: "The checkpoint lacks {file}.dump, or it cannot be read ({reason}): another engine or an older version \
              made it.",
        fix: "Restore it with the engine and version that made it; ckptfx image says what each engine will refuse.",
    },
    Rule {
        code: "archive-incomplete",
        stage: Runtime,
        kind: Fix,
        pattern: "a complete checkpoint for this container cannot be found",
        why: "The checkpoint has no CRIU images (inventory.img).",
        fix: "Look at the archive with ckptfx info; a pre-dump cannot be restored.",
    },
    Rule {
        code: "archive-incomplete",
        stage: Runtime,
        kind: Fix,
        pattern: "unpacking of checkpoint archive {archive} failed: {reason}",
        why: "{archive} could not be unpacked: {reason}.",
        fix: "Look with ckptfx verify and ckptfx info whether it is damaged, and whether the node has room for it.",
    },
    Rule {
        code: "mounts-missing",
        stage: Runtime,
        kind: Fix,
        pattern: "expects following bind mounts defined ({mounts})",
        why: "The pod that restores the checkpoint lacks mounts that the container had: {mounts}.",
        fix: "Declare them in the pod, as the manifest of ckptfx image --pod-manifest does.",
    },
    Rule {
        code: "volume-exists",
        stage: Runtime,
        kind: Fix,
        pattern: "volume with name {volume} already exists. Use --ignore-volumes",
        why: "The checkpoint has the content of the volume {volume}, and Podman has one of that name already.",
        fix: "Restore on another machine, or with --ignore-volumes (the processes then see the present content).",
    },
    Rule {
        code: "dependencies",
        stage: Runtime,
        kind: Fix,
        pattern: "annot import checkpoints of containers with",
        why: "Podman does not import a checkpoint of a container that depends on others, as one that shares their \
              network or namespaces.",
        fix: "Look at the archive with ckptfx; it need not be restored for that.",
    },
    Rule {
        code: "dependencies",
        stage: Runtime,
        kind: Fix,
        pattern: "annot export checkpoints of containers with",
        why: "Podman does not export a checkpoint of a container that depends on others (--network container:NAME, \
              --volumes-from, a pod of more than its infra container); older versions neither of one with named \
              volumes.",
        fix: "Take it without export: podman container checkpoint --leave-running --keep NAME, and copy the \
              container's userdata/checkpoint folder below /var/lib/containers/storage/overlay-containers; ckptfx \
              reads that folder.",
    },
    Rule {
        code: "auto-remove",
        stage: Runtime,
        kind: Fix,
        pattern: "annot checkpoint containers that have been started with '--rm'",
        why: "The container was started with --rm, and Podman would remove it together with the checkpoint.",
        fix: "Export it: podman container checkpoint --leave-running --export FILE, or ckptfx capture --podman.",
    },
    Rule {
        code: "no-memory-tracking",
        stage: Runtime,
        kind: Fix,
        pattern: "CRIU memory tracking not supported",
        why: "A pre-dump was asked for, and the node's kernel does not tell which pages were changed.",
        fix: "Take full checkpoints: without --pre-checkpoint and --with-previous.",
    },
    Rule {
        code: "no-memory-tracking",
        stage: Runtime,
        kind: Fix,
        pattern: "(architecture/kernel/CRIU) does not support memory tracking",
        why: "A pre-dump was asked for, and the node's kernel does not tell which pages were changed.",
        fix: "Take full checkpoints: without --pre-checkpoint and --with-previous.",
    },
    Rule {
        code: "libcriu-missing",
        stage: Runtime,
        kind: Fix,
        pattern: "could not load `libcriu.so",
        why: "crun speaks to CRIU by the library libcriu.so.2, and the node has none.",
        fix: "Install it on the node (Debian and Ubuntu: libcriu2; Fedora and RHEL: criu-libs), or use runc, which \
              needs criu only.",
    },
    Rule {
        code: "libcriu-missing",
        stage: Runtime,
        kind: Fix,
        pattern: "could not find symbol `{symbol}` in `libcriu.so`",
        why: "The node's libcriu.so.2 is too old for crun: it lacks {symbol}.",
        fix: "Update CRIU and its library on the node.",
    },
    Rule {
        code: "libcriu-missing",
        stage: Runtime,
        kind: Fix,
        pattern: "libcriu is too old",
        why: "The node's libcriu.so.2 is too old for crun.",
        fix: "Update CRIU and its library on the node.",
    },
    Rule {
        code: "runtime-without-criu",
        stage: Runtime,
        kind: Fix,
        pattern: "configured runtime does not support checkpoint/restore",
        why: "The container's runtime cannot take checkpoints: a crun that was built without CRIU, or another runtime.",
        fix: "Look whether crun --version says +CRIU; otherwise start the container with runc.",
    },
    Rule {
        code: "criu-failed",
        stage: Runtime,
        kind: Wrapper,
        pattern: "CRIU checkpointing failed{colon} -52",
        why: "crun asked CRIU, and CRIU answered that it failed (-52 is the number for that and says no more).",
        fix: "Read CRIU's log with ckptfx explain: dump.log in the directory that stands in the message \
              (--work-path); for Podman and CRI-O it is \
              /var/lib/containers/storage/overlay-containers/ID/userdata/dump.log.",
    },
    Rule {
        code: "criu-failed",
        stage: Runtime,
        kind: Wrapper,
        pattern: "CRIU checkpointing failed",
        why: "crun asked CRIU, and got no answer or a refusal: CRIU ended early, or is not the one that libcriu \
              belongs to.",
        fix: "Run criu check on the node as root. Read CRIU's log with ckptfx explain: dump.log in the directory \
              that stands in the message (--work-path); for Podman and CRI-O it is \
              /var/lib/containers/storage/overlay-containers/ID/userdata/dump.log.",
    },
    Rule {
        code: "criu-restore-failed",
        stage: Runtime,
        kind: Wrapper,
        pattern: "CRIU restoring failed",
        why: "crun asked CRIU to restore the processes, and it failed.",
        fix: "Read CRIU's restore.log with ckptfx explain; it lies in the container's folder, and a runtime removes \
              it with the container: the line \"log-file /tmp/restore.log\" in /etc/criu/runc.conf keeps one.",
    },
    Rule {
        code: "criu-restore-failed",
        stage: Runtime,
        kind: Wrapper,
        pattern: "failed to restore containerd task: {reason}",
        why: "containerd could not restore the processes.",
        fix: "Read CRIU's restore.log with ckptfx explain; it lies in the container's folder, and a runtime removes \
              it with the container: the line \"log-file /tmp/restore.log\" in /etc/criu/runc.conf keeps one.",
    },
    Rule {
        code: "criu-restore-failed",
        stage: Runtime,
        kind: Wrapper,
        pattern: "OCI runtime restore failed: {reason}",
        why: "The runtime could not restore the processes.",
        fix: "Read CRIU's restore.log with ckptfx explain; it lies in the container's folder, and a runtime removes \
              it with the container: the line \"log-file /tmp/restore.log\" in /etc/criu/runc.conf keeps one.",
    },
    Rule {
        code: "criu-restore-failed",
        stage: Runtime,
        kind: Wrapper,
        pattern: "failed to restore container {container}: {reason}",
        why: "The container {container} could not be restored.",
        fix: "Read CRIU's restore.log with ckptfx explain; it lies in the container's folder, and a runtime removes \
              it with the container: the line \"log-file /tmp/restore.log\" in /etc/criu/runc.conf keeps one.",
    },
    Rule {
        code: "export-failed",
        stage: Runtime,
        kind: Fix,
        pattern: "failed to copy {part} blob to checkpoint dir: {reason}",
        why: "containerd took the checkpoint and could not put it into the archive ({part}): {reason}.",
        fix: "The node's containerd log says more. Look whether the disk of /var/lib/containerd is full, and take \
              the checkpoint again.",
    },
    Rule {
        code: "export-failed",
        stage: Runtime,
        kind: Fix,
        pattern: "failed to retrieve checkpoint index blob from content store: {reason}",
        why: "containerd took the checkpoint and did not find it again in its store: {reason}.",
        fix: "The node's containerd log says more. Look whether the disk of /var/lib/containerd is full, and take \
              the checkpoint again.",
    },
    Rule {
        code: "export-failed",
        stage: Runtime,
        kind: Fix,
        pattern: "failed to unmarshall blob into checkpoint data OCI index",
        why: "containerd took the checkpoint and could not read what it had stored of it.",
        fix: "The node's containerd log says more. Look whether the disk of /var/lib/containerd is full, and take \
              the checkpoint again.",
    },
    Rule {
        code: "ctr-checkpoint",
        stage: Runtime,
        kind: Fix,
        pattern: "checkpoint not found in index",
        why: "The image is no checkpoint, or one without the memory: ctr containers checkpoint takes that only with \
              --task.",
        fix: "Take it again with ctr containers checkpoint --rw --image --task.",
    },
];
