//! What CRIU writes to its log.

use super::super::rule::{
    Kind::{Finding, Fix, Probe, Retry, Success, Wrapper},
    Rule,
    Stage::Criu,
};

/// Where options for CRIU are written, for the sentences below.
macro_rules! set {
    ($option:literal) => {
        concat!(
            "Put the line \"",
            $option,
            "\" into /etc/criu/runc.conf on the node (crun: /etc/criu/crun.conf, with CRIU 4.2 or later), or into a \
             file that the container's annotation org.criu.config names, and take the checkpoint again. With Podman \
             or runc on the command line it is --"
        )
    };
    ($option:literal, $flag:literal) => {
        concat!(set!($option), $flag, ".")
    };
}
pub(super) use set;

pub const RULES: &[Rule] = &[
    Rule {
        code: "dump-finished",
        stage: Criu,
        kind: Success,
        pattern: "Dumping finished successfully",
        why: "The dump finished. Errors before this line are probes of the kernel that CRIU can do without.",
        fix: "",
    },
    Rule {
        code: "probe",
        stage: Criu,
        kind: Probe,
        pattern: "tun: Unable to create tun",
        why: "The node has no tun devices, which only containers with such a device need.",
        fix: "",
    },
    Rule {
        code: "probe",
        stage: Criu,
        kind: Probe,
        pattern: "rlimit: Can't setup RLIMIT_NOFILE for self",
        why: "CRIU may not raise its own limit of open files.",
        fix: "",
    },
    Rule {
        code: "established-tcp",
        stage: Criu,
        kind: Fix,
        pattern: "Connected TCP socket, consider using",
        why: "A process holds an established TCP connection, and CRIU was not told to dump such connections; a reverse \
              shell, a miner and any ordinary client look like this.",
        fix: set!("tcp-established", "tcp-established"),
    },
    Rule {
        code: "in-flight-connection",
        stage: Criu,
        kind: Fix,
        pattern: "In-flight connection",
        why: "A listening socket has connections that the process has not accepted yet, such as those of a health probe.",
        fix: "Take the checkpoint again at a moment without new connections, or put the line \"skip-in-flight\" into \
              /etc/criu/runc.conf on the node (crun: /etc/criu/crun.conf): such connections are then left out of the \
              checkpoint.",
    },
    Rule {
        code: "tcp-lock",
        stage: Criu,
        kind: Wrapper,
        pattern: "Failed to lock TCP connection",
        why: "CRIU could not block the traffic of a TCP connection while it dumps it.",
        fix: "The node needs a working iptables-restore or nft; see the error before this one.",
    },
    Rule {
        code: "ghost-limit",
        stage: Criu,
        kind: Fix,
        pattern: "Can't dump ghost file {path} of {size} size",
        why: "{path} was deleted while a process still uses it, and its {size} bytes are more than the limit for such \
              files (1 MiB unless it was raised); a deleted executable of a miner is the usual case.",
        fix: set!("ghost-limit 64M", "ghost-limit (choose a limit above the file's size)"),
    },
    Rule {
        code: "link-remap",
        stage: Criu,
        kind: Fix,
        pattern: "Can't create link remap for {path}. Use",
        why: "{path} has lost the name by which a process opened it, but still has another one.",
        fix: set!("link-remap", "link-remap"),
    },
    Rule {
        code: "external-unix-socket",
        stage: Criu,
        kind: Fix,
        pattern: "External socket is used",
        why: "A process holds a unix socket whose other end is outside the container, such as a log or engine socket of \
              the node.",
        fix: set!("ext-unix-sk", "ext-unix-sk"),
    },
    Rule {
        code: "external-stream-socket",
        stage: Criu,
        kind: Fix,
        pattern: "Can't dump half of stream unix connection",
        why: "A process is connected by a unix stream socket to a program outside the container; CRIU can leave out only \
              sockets that were named to it.",
        fix: "End the connection from the other side, or name the socket with CRIU's option external \
              unix[INODE] in /etc/criu/runc.conf on the node.",
    },
    Rule {
        code: "file-locks",
        stage: Criu,
        kind: Fix,
        pattern: "Some file locks are hold by dumping tasks",
        why: "A process holds a file lock, and CRIU was not told to dump locks.",
        fix: set!("file-locks", "file-locks"),
    },
    Rule {
        code: "uninterruptible-process",
        stage: Criu,
        kind: Retry,
        pattern: "Unseizable non-zombie {pid} found, state D",
        why: "Process {pid} (number on the node) waits in the kernel and cannot be stopped, as on a network file system \
              that does not answer.",
        fix: "Take the checkpoint again; if it stays so, find what the process waits for in /proc/{pid}/stack on the node.",
    },
    Rule {
        code: "already-traced",
        stage: Criu,
        kind: Finding,
        pattern: "Unseizable non-zombie {pid} found",
        why: "Process {pid} (number on the node) could not be attached to: another process is already tracing it. A \
              process that has itself traced, or traces its sibling, cannot be checkpointed or debugged: a known way to \
              hinder an investigation. A debugger, strace or a security agent on the node does the same.",
        fix: "On the node, TracerPid in /proc/{pid}/status names the tracer. Note both before anything is ended; detach a \
              tool of your own. If the tracer belongs to the workload, ending the tracer frees the process but changes \
              evidence: decide and write it down.",
    },
    Rule {
        code: "criu-in-tree",
        stage: Criu,
        kind: Fix,
        pattern: "The criu itself is within dumped tree",
        why: "CRIU runs inside the container that it was asked to dump.",
        fix: "Start the checkpoint from outside the container.",
    },
    Rule {
        code: "task-vanished",
        stage: Criu,
        kind: Retry,
        pattern: "Task pid reused while suspending",
        why: "A process ended and its number was used again while CRIU stopped the container.",
        fix: "Take the checkpoint again.",
    },
    Rule {
        code: "freeze-timeout",
        stage: Criu,
        kind: Retry,
        pattern: "Timeout reached. Try to interrupt",
        why: "The processes could not be stopped in time.",
        fix: "Take the checkpoint again; if it stays so, a process waits in the kernel (state D), or the node has too little \
              processor time.",
    },
    Rule {
        code: "freezer",
        stage: Criu,
        kind: Fix,
        pattern: "Unable to freeze cgroup",
        why: "The control group of the container could not be frozen.",
        fix: "Look whether another program freezes or thaws the container, and take the checkpoint again.",
    },
    Rule {
        code: "session-outside",
        stage: Criu,
        kind: Fix,
        pattern: "A session leader of {process} is outside of its pid namespace",
        why: "A process belongs to a session that began outside the container: somebody entered it from the node, for \
              instance with an exec session.",
        fix: "End exec sessions into the container, or take the checkpoint when they have ended.",
    },
    Rule {
        code: "shell-job",
        stage: Criu,
        kind: Fix,
        pattern: "Consider using --shell-job",
        why: "A process uses a terminal that was opened outside the container.",
        fix: "End exec or attach sessions with a terminal, and take the checkpoint again.",
    },
    Rule {
        code: "dangling-tty",
        stage: Criu,
        kind: Fix,
        pattern: "Found dangling tty",
        why: "A process uses a terminal that was opened outside the container.",
        fix: "End exec or attach sessions with a terminal, and take the checkpoint again.",
    },
    Rule {
        code: "io-uring",
        stage: Criu,
        kind: Fix,
        pattern: "Can't dump file {fd} of that type {type} (anon {name}io_uring",
        why: "A process uses io_uring (descriptor {fd}), which CRIU cannot dump.",
        fix: "There is no option for it. Capture the node's memory instead, or copy what is needed from /proc of the process.",
    },
    Rule {
        code: "unsupported-file",
        stage: Criu,
        kind: Fix,
        pattern: "Can't dump file {fd} of that type {type}",
        why: "A process holds a descriptor ({fd}) of a kind that CRIU cannot dump: {type}.",
        fix: "There is no option for it. Capture the node's memory instead, or copy what is needed from /proc of the process.",
    },
    Rule {
        code: "unsupported-mapping",
        stage: Criu,
        kind: Fix,
        pattern: "Can't handle non-regular mapping on {where}",
        why: "A process maps a device, such as a GPU or DMA memory, that CRIU cannot dump without a plugin ({where}).",
        fix: "Install CRIU's plugin for the device on the node, or capture without the process that uses it. For AMD it is \
              amdgpu_plugin.so; for NVIDIA cuda_plugin.so, with driver 570 or later and cuda-checkpoint in CRIU's PATH.",
    },
    Rule {
        code: "file-outside",
        stage: Criu,
        kind: Fix,
        pattern: "Can't lookup mount={mount} for fd={fd} path={path}",
        why: "Descriptor {fd} is a file ({path}) that was opened outside the container's mounts: the runtime passed it in, or \
              somebody else did.",
        fix: "If it is /dev/null of the node, look whether that is still a character device there. Otherwise start the \
              container without that file, or name its mount with CRIU's option external mnt[/PATH]:NAME.",
    },
    Rule {
        code: "bind-mount-unknown",
        stage: Criu,
        kind: Fix,
        pattern: "mnt: {mount} doesn't have a proper root mount",
        why: "The mount {mount} comes from outside the container and CRIU was not told of it: it was made after the \
              container started, or the runtime does not declare it.",
        fix: "Name it with CRIU's option external mnt[/PATH]:NAME in /etc/criu/runc.conf on the node, or unmount it.",
    },
    Rule {
        code: "shared-mount",
        stage: Criu,
        kind: Fix,
        pattern: "has unreachable sharing",
        why: "A mount of the container shares its changes with a mount of the node.",
        fix: set!("enable-external-masters", "enable-external-masters"),
    },
    Rule {
        code: "unsupported-mount",
        stage: Criu,
        kind: Fix,
        pattern: "FS mnt {mount} dev {rest} unsupported id",
        why: "{mount} is a mount of a file system that CRIU cannot dump.",
        fix: "Unmount it in the container, or name it with CRIU's option external mnt[/PATH]:NAME on the node.",
    },
    Rule {
        code: "inotify-path",
        stage: Criu,
        kind: Fix,
        pattern: "Can't find suitable path for handle",
        why: "A process watches a file by inotify that CRIU cannot find by name.",
        fix: set!("force-irmap", "force-irmap"),
    },
    Rule {
        code: "no-firewall-program",
        stage: Criu,
        kind: Fix,
        pattern: "tables-restore\", ...) failed: {reason}",
        why: "CRIU blocks the container's network while it dumps connections, and could not run iptables-restore: {reason}.",
        fix: "Install iptables on the node, or put the line \"network-lock nftables\" into /etc/criu/runc.conf.",
    },
    Rule {
        code: "no-space",
        stage: Criu,
        kind: Fix,
        pattern: "No space left on device",
        why: "The node ran out of disk space while the checkpoint was written; an archive needs about as much as the \
              container's memory, and twice that while it is packed.",
        fix: "Make room on the file systems of /var/lib/kubelet/checkpoints and of the runtime's state, and take the \
              checkpoint again.",
    },
    Rule {
        code: "no-permission",
        stage: Criu,
        // A probe of the kernel may say it too, and then something else is the cause.
        kind: Wrapper,
        pattern: "Operation not permitted",
        why: "The kernel refused CRIU something: it needs root with CAP_SYS_ADMIN, CAP_SYS_PTRACE, CAP_NET_ADMIN and \
              CAP_SYS_RESOURCE on the node itself.",
        fix: "Run the runtime as root outside of any user namespace; check SELinux and AppArmor denials in the node's audit \
              log.",
    },
    Rule {
        code: "dump-failed",
        stage: Criu,
        kind: Wrapper,
        pattern: "umping FAILED",
        why: "The dump failed; no line of this log says why.",
        fix: "Have CRIU write more: put the line \"log-level 4\" into /etc/criu/runc.conf on the node, and take the checkpoint \
              again.",
    },
    Rule {
        code: "restore-failed",
        stage: Criu,
        kind: Wrapper,
        pattern: "Restoring FAILED",
        why: "CRIU could not restore the processes; no line of this log says why.",
        fix: "Have CRIU write more: put the line \"log-level 4\" into /etc/criu/runc.conf on the node, and restore again.",
    },
];
