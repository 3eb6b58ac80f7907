//! What CRIU says of things that it meets or misses in processes and on the node, and what the programs that it runs
//! write to its log. These are looked for before the general rules.

use super::super::rule::{
    Kind::{Fix, Probe, Wrapper},
    Rule,
    Stage::Criu,
};
use super::criu::set;

pub const RULES: &[Rule] = &[
    Rule {
        code: "probe",
        stage: Criu,
        kind: Probe,
        pattern: "Unable to create the binfmt_misc file system",
        why: "CRIU looks whether binfmt_misc can be mounted, which only user namespaces need.",
        fix: "",
    },
    Rule {
        code: "probe",
        stage: Criu,
        kind: Probe,
        pattern: "to /proc/self/loginuid failed",
        why: "CRIU may not set the login uid, which only a restore needs.",
        fix: "",
    },
    Rule {
        code: "probe",
        stage: Criu,
        kind: Probe,
        pattern: "to /proc/self/oom_score_adj failed",
        why: "CRIU may not lower the score of a process for the out-of-memory killer; a restore goes on without.",
        fix: "",
    },
    Rule {
        code: "probe",
        stage: Criu,
        kind: Probe,
        pattern: "Unable to create a veth pair",
        why: "CRIU looks whether it can make network devices, which only a restore needs.",
        fix: "",
    },
    Rule {
        code: "probe",
        stage: Criu,
        kind: Probe,
        pattern: "Unable create a network namespace",
        why: "CRIU looks whether it can make network namespaces, which only a restore needs.",
        fix: "",
    },
    Rule {
        code: "probe",
        stage: Criu,
        kind: Probe,
        pattern: "Lazy pages are not available",
        why: "CRIU looks whether the kernel has userfaultfd, which only lazy restores need.",
        fix: "",
    },
    Rule {
        code: "probe",
        stage: Criu,
        kind: Probe,
        pattern: "Can't check shutdown state of inet socket",
        why: "CRIU cannot see whether a socket was shut down, and goes on without.",
        fix: "",
    },
    Rule {
        code: "probe",
        stage: Criu,
        kind: Probe,
        pattern: "Failed to launch cuda-checkpoint to retrieve restore tid",
        why: "The cuda plugin asks of each process whether it uses CUDA; this one does not.",
        fix: "",
    },
    Rule {
        code: "probe",
        stage: Criu,
        kind: Probe,
        pattern: "handle_device_vma plugin failed",
        why: "No plugin knows a device that a process maps; the next error says where.",
        fix: "",
    },
    Rule {
        code: "shared-code",
        stage: Criu,
        kind: Fix,
        pattern: "POKEDATA failed: Input/output error",
        why: "CRIU could not write the code that it works with into a process: the executable memory that it chose \
              is shared and not writable, as the memory of a just-in-time compiler is (PHP's opcache with JIT has it \
              at a low address).",
        fix: "Restart the workload without the compiler (for PHP opcache.jit=disable, or opcache.jit_buffer_size=0) \
              if its memory is not what is looked for. Otherwise capture the node's memory, or copy /proc/PID/mem of \
              the process.",
    },
    Rule {
        code: "process-ended",
        stage: Criu,
        kind: Wrapper,
        pattern: "POKEDATA failed: No such process",
        why: "A process ended while CRIU was working in it.",
        fix: "Take the checkpoint again; if it ends each time, look in the node's audit and kernel log for what \
              killed it (SELinux, AppArmor, seccomp, out of memory).",
    },
    Rule {
        code: "shared-code",
        stage: Criu,
        kind: Fix,
        pattern: "POKEDATA failed: {reason}",
        why: "CRIU could not write the code that it works with into a process: {reason}.",
        fix: "Take the checkpoint again; if it stays so, look in the node's audit log for what forbids it, or \
              capture the node's memory instead.",
    },
    Rule {
        code: "transport-socket",
        stage: Criu,
        kind: Fix,
        pattern: "Unable to connect a transport socket: Permission denied",
        why: "A process may not connect to CRIU by the unix socket over which CRIU reads it: SELinux or AppArmor \
              confines the process, and forbids it. It is no socket of the workload, also where that uses a GPU.",
        fix: "Look for the denial in the node's audit log (ausearch -m avc, or apparmor=\"DENIED\" in dmesg) and \
              allow it: SELinux needs a container-selinux that knows CRIU, AppArmor a profile of the container with \
              unix rules.",
    },
    Rule {
        code: "transport-socket",
        stage: Criu,
        kind: Fix,
        pattern: "Unable to connect a transport socket: {reason}",
        why: "A process could not connect to CRIU by the unix socket over which CRIU reads it: {reason}.",
        fix: "Look what confines the process (seccomp, SELinux, AppArmor, a network namespace of its own), and take \
              the checkpoint again.",
    },
    Rule {
        code: "nested-namespace",
        stage: Criu,
        kind: Fix,
        pattern: "Can't dump nested user namespace for {pid}",
        why: "Process {pid} (number on the node) is in a user namespace of its own inside the container, which CRIU \
              cannot dump. Sandboxes (bubblewrap, Chromium) and containers in containers make one; so do many \
              exploits of the kernel, to get capabilities there.",
        fix: "Look at the process on the node (/proc/{pid}/uid_map, exe, cmdline) before anything is ended. Capture \
              the node's memory instead, or take the checkpoint when the process has ended.",
    },
    Rule {
        code: "nested-namespace",
        stage: Criu,
        kind: Fix,
        pattern: "Can't dump nested {kind} namespace for {pid}",
        why: "Process {pid} (number on the node) is in a {kind} namespace of its own inside the container, which \
              CRIU cannot dump: a sandbox or a container in the container made it.",
        fix: "Capture the node's memory instead, or take the checkpoint when the process has ended.",
    },
    Rule {
        code: "foreign-namespace",
        stage: Criu,
        kind: Fix,
        pattern: "One or more namespaces doesn't belong to the target user namespace",
        why: "The container has a user namespace, and another of its namespaces was made outside of that one, which \
              CRIU cannot dump.",
        fix: "Capture the node's memory instead. A container whose user namespace owns all its namespaces can be \
              dumped.",
    },
    Rule {
        code: "unmapped-user",
        stage: Criu,
        kind: Wrapper,
        pattern: "Unable to convert uid or gid",
        why: "A process is in a user namespace that does not map its user or group, as one that unshare just made.",
        fix: "Look at uid_map and gid_map of the container's processes in /proc on the node; end what entered such a \
              namespace, after noting it.",
    },
    Rule {
        code: "no-memory-tracking",
        stage: Criu,
        kind: Fix,
        pattern: "Tracking memory is not available",
        why: "A pre-dump or an incremental dump was asked for, and the node's kernel does not tell which pages were \
              changed (CONFIG_MEM_SOFT_DIRTY; arm64 has it in no kernel).",
        fix: "Take full checkpoints: without --pre-checkpoint and --with-previous (Podman), --pre-dump (runc), \
              --track-mem (CRIU).",
    },
    Rule {
        code: "no-memory-tracking",
        stage: Criu,
        kind: Fix,
        pattern: "BUG at criu/mem.c",
        why: "CRIU was told to tell which pages were changed, and the node's kernel cannot (CONFIG_MEM_SOFT_DIRTY).",
        fix: "Take full checkpoints: without --pre-checkpoint and --with-previous (Podman), --pre-dump (runc), \
              --track-mem (CRIU).",
    },
    Rule {
        code: "io-uring",
        stage: Criu,
        kind: Fix,
        pattern: "anon_inode:[io_uring]",
        why: "A process uses io_uring, which CRIU cannot dump: neither its descriptor nor the memory that it shares \
              with the kernel.",
        fix: "There is no option for it. Capture the node's memory instead, or copy what is needed from /proc of the \
              process.",
    },
    Rule {
        code: "unsupported-mapping",
        stage: Criu,
        kind: Fix,
        pattern: "Unknown shit {mode} ({name})",
        why: "A process maps something of the kernel that CRIU cannot dump: {name}.",
        fix: "There is no option for it. Capture the node's memory instead, or copy what is needed from /proc of the \
              process.",
    },
    Rule {
        code: "nvidia-device",
        stage: Criu,
        kind: Fix,
        pattern: "of that type {mode} (chr 195:{minor}",
        why: "A process has a device of NVIDIA's driver open (number 195), which CRIU alone cannot dump.",
        fix: "CRIU's cuda plugin takes CUDA's state out of a process first: it needs NVIDIA's driver 570 or later, \
              cuda-checkpoint in CRIU's PATH, and cuda_plugin.so in /usr/lib/criu. Otherwise capture without the \
              process that uses the GPU.",
    },
    Rule {
        code: "nvidia-device",
        stage: Criu,
        kind: Fix,
        pattern: "cuda_plugin: {step} failed with {message}",
        why: "The cuda plugin could not take CUDA's state out of a process ({step}): {message}.",
        fix: "CRIU's cuda plugin takes CUDA's state out of a process first: it needs NVIDIA's driver 570 or later, \
              cuda-checkpoint in CRIU's PATH, and cuda_plugin.so in /usr/lib/criu. Otherwise capture without the \
              process that uses the GPU.",
    },
    Rule {
        code: "nvidia-device",
        stage: Criu,
        kind: Fix,
        pattern: "Failed to get CUDA state for PID {pid}",
        why: "The cuda plugin could not learn the state of CUDA in process {pid} (number on the node).",
        fix: "CRIU's cuda plugin takes CUDA's state out of a process first: it needs NVIDIA's driver 570 or later, \
              cuda-checkpoint in CRIU's PATH, and cuda_plugin.so in /usr/lib/criu. Otherwise capture without the \
              process that uses the GPU.",
    },
    Rule {
        code: "nvidia-mount",
        stage: Criu,
        kind: Fix,
        pattern: "proc/driver/nvidia/{gpu} (master",
        why: "NVIDIA's container toolkit mounts /proc/driver/nvidia of the node in the container ({gpu}), and the \
              mount shares its changes with the node's.",
        fix: set!("enable-external-masters", "enable-external-masters"),
    },
    Rule {
        code: "nvidia-mount",
        stage: Criu,
        kind: Fix,
        pattern: "mnt: {mount}nvidia{rest} doesn't have a proper root mount",
        why: "NVIDIA's container toolkit mounted {mount}nvidia{rest} from the node, and CRIU was not told of it.",
        fix: "Put the line \"external mnt[]\" into /etc/criu/runc.conf on the node: CRIU then takes all such mounts \
              for external. A restore needs them too.",
    },
    Rule {
        code: "mountinfo",
        stage: Criu,
        kind: Fix,
        pattern: "Bad format in {pid} mountinfo",
        why: "CRIU cannot read a line of /proc/{pid}/mountinfo on the node: older versions cut long ones, as an \
              overlay of many layers has.",
        fix: "Update CRIU on the node; if it is recent, unmount what the line names, or use an image with fewer \
              layers.",
    },
    Rule {
        code: "mountinfo",
        stage: Criu,
        kind: Fix,
        pattern: "Failed to parse FS specific data on {mount}",
        why: "CRIU does not understand the options of the mount {mount}.",
        fix: "Update CRIU on the node, or unmount it in the container.",
    },
    Rule {
        code: "mountinfo",
        stage: Criu,
        kind: Wrapper,
        pattern: "Can't parse {pid}'s mountinfo",
        why: "CRIU cannot read the mounts of process {pid} (number on the node) in /proc/{pid}/mountinfo.",
        fix: "Look at the error before this one; if there is none, look whether the process still runs and /proc of \
              the node can be read.",
    },
    Rule {
        code: "tcp-state",
        stage: Criu,
        kind: Fix,
        pattern: "Unsupported TCP state {state}",
        why: "A TCP connection is in state {state} (as the kernel numbers them: 1 is ESTABLISHED, 3 SYN_RECV, 8 \
              CLOSE_WAIT, 9 LAST_ACK, 11 CLOSING, 12 NEW_SYN_RECV), which this CRIU cannot dump: the other side has \
              closed it, or it is only just being made.",
        fix: "Take the checkpoint again at a moment without such a connection (ss -tan in the container shows them). \
              CRIU before 3.0 or a kernel before 4.10 cannot dump any connection that is half closed: update these.",
    },
    Rule {
        code: "tcp-state",
        stage: Criu,
        kind: Fix,
        pattern: "Socket state {state} obtained but expected",
        why: "A TCP connection is in state {state} (as the kernel numbers them: 1 is ESTABLISHED, 3 SYN_RECV, 8 \
              CLOSE_WAIT, 9 LAST_ACK, 11 CLOSING, 12 NEW_SYN_RECV), which this CRIU cannot dump: the other side has \
              closed it, or it is only just being made.",
        fix: "Take the checkpoint again at a moment without such a connection (ss -tan in the container shows them). \
              CRIU before 3.0 or a kernel before 4.10 cannot dump any connection that is half closed: update these.",
    },
    Rule {
        code: "tcp-state",
        stage: Criu,
        kind: Fix,
        pattern: "Unknown inet socket {inode} state {state}",
        why: "A TCP connection is in state {state} (as the kernel numbers them: 1 is ESTABLISHED, 3 SYN_RECV, 8 \
              CLOSE_WAIT, 9 LAST_ACK, 11 CLOSING, 12 NEW_SYN_RECV), which this CRIU cannot dump: the other side has \
              closed it, or it is only just being made.",
        fix: "Take the checkpoint again at a moment without such a connection (ss -tan in the container shows them). \
              CRIU before 3.0 or a kernel before 4.10 cannot dump any connection that is half closed: update these.",
    },
    Rule {
        code: "tcp-state",
        stage: Criu,
        kind: Fix,
        pattern: "Unknown state {state}",
        why: "A TCP connection is in state {state} (as the kernel numbers them: 1 is ESTABLISHED, 3 SYN_RECV, 8 \
              CLOSE_WAIT, 9 LAST_ACK, 11 CLOSING, 12 NEW_SYN_RECV), which this CRIU cannot dump: the other side has \
              closed it, or it is only just being made.",
        fix: "Take the checkpoint again at a moment without such a connection (ss -tan in the container shows them). \
              CRIU before 3.0 or a kernel before 4.10 cannot dump any connection that is half closed: update these.",
    },
    Rule {
        code: "tcp-state",
        stage: Criu,
        kind: Fix,
        pattern: "Name resolved on unconnected socket",
        why: "A TCP connection was being closed by the other side, which this CRIU cannot dump.",
        fix: "Take the checkpoint again at a moment without such a connection (ss -tan in the container shows them). \
              CRIU before 3.0 or a kernel before 4.10 cannot dump any connection that is half closed: update these.",
    },
    Rule {
        code: "no-sys-resource",
        stage: Criu,
        kind: Fix,
        pattern: "Can't get rlimit {number}: Operation not permitted",
        why: "CRIU may not read the limits of a process that runs as another user: it lacks CAP_SYS_RESOURCE, as \
              where the runtime itself runs in a container or a virtual environment that takes it away.",
        fix: "Give CAP_SYS_RESOURCE to the runtime (capsh --print shows what it has), or take the checkpoint where \
              the runtime runs as full root on the node.",
    },
    Rule {
        code: "no-sys-resource",
        stage: Criu,
        kind: Fix,
        pattern: "One needs CAP_SYS_RESOURCE",
        why: "CRIU lacks CAP_SYS_RESOURCE.",
        fix: "Give CAP_SYS_RESOURCE to the runtime (capsh --print shows what it has).",
    },
    Rule {
        code: "network-lock",
        stage: Criu,
        kind: Wrapper,
        pattern: "Locking network failed: iptables-restore returned {status}.",
        why: "CRIU could not block the container's network while it dumps: iptables-restore failed. The kernel may \
              lack xt_mark (CONFIG_NETFILTER_XT_MARK).",
        fix: "Look at what the program says, and install iptables of the kernel's kind (nft or legacy) with its \
              modules, or put the line \"network-lock nftables\" (CRIU built with libnftables), or \"network-lock \
              skip\", into /etc/criu/runc.conf.",
    },
    Rule {
        code: "network-lock",
        stage: Criu,
        kind: Wrapper,
        pattern: "Locking network failed using nftables",
        why: "CRIU could not block the container's network while it dumps: nftables refused its rules.",
        fix: "Look at what the program says, and install iptables of the kernel's kind (nft or legacy) with its \
              modules, or put the line \"network-lock nftables\" (CRIU built with libnftables), or \"network-lock \
              skip\", into /etc/criu/runc.conf.",
    },
    Rule {
        code: "network-lock",
        stage: Criu,
        kind: Fix,
        pattern: "net.c:{line}): CRIU was built without libnftables support",
        why: "CRIU was told to block the network by nftables, and was built without that.",
        fix: "Take the line \"network-lock nftables\" out of /etc/criu/runc.conf and install iptables on the node, \
              or install a CRIU that has libnftables.",
    },
    Rule {
        code: "firewall-refused",
        stage: Criu,
        kind: Fix,
        pattern: "can't open lock file /run/xtables.lock: {reason}",
        why: "iptables-restore could not open its lock file, so that CRIU could not block the container's network: \
              {reason}.",
        fix: "Look at what the program says, and install iptables of the kernel's kind (nft or legacy) with its \
              modules, or put the line \"network-lock nftables\" (CRIU built with libnftables), or \"network-lock \
              skip\", into /etc/criu/runc.conf.",
    },
    Rule {
        code: "firewall-refused",
        stage: Criu,
        kind: Fix,
        pattern: "Could not fetch rule set generation id: {reason}",
        why: "iptables-restore could not speak to the kernel's nf_tables, so that CRIU could not block the \
              container's network: {reason}.",
        fix: "Look at what the program says, and install iptables of the kernel's kind (nft or legacy) with its \
              modules, or put the line \"network-lock nftables\" (CRIU built with libnftables), or \"network-lock \
              skip\", into /etc/criu/runc.conf.",
    },
    Rule {
        code: "firewall-refused",
        stage: Criu,
        kind: Fix,
        pattern: "tables-restore v{version}:",
        why: "iptables-restore {version} on the node refused the rules by which CRIU blocks the container's network.",
        fix: "Look at what the program says, and install iptables of the kernel's kind (nft or legacy) with its \
              modules, or put the line \"network-lock nftables\" (CRIU built with libnftables), or \"network-lock \
              skip\", into /etc/criu/runc.conf.",
    },
    Rule {
        code: "firewall-refused",
        stage: Criu,
        kind: Fix,
        pattern: "tables-restore: {complaint}",
        why: "iptables-restore on the node refused the rules by which CRIU blocks the container's network: \
              {complaint}.",
        fix: "Look at what the program says, and install iptables of the kernel's kind (nft or legacy) with its \
              modules, or put the line \"network-lock nftables\" (CRIU built with libnftables), or \"network-lock \
              skip\", into /etc/criu/runc.conf.",
    },
];
