//! All detections. What each finds is in the module that its function is in.

use super::{
    Confidence::{self, High as SURE, Low as VAGUE, Medium as LIKELY},
    Facts, Hit,
    Severity::{self, Critical, High, Info, Low, Medium},
    attack::{AttackVersion, Reference, Technique, technique},
    conduct, container_risk, executable, history, injection, integrity, logs, masquerade, miner, network,
    persistence, preload, queues, secrets, shell,
};

/// A detection: a pure function over the facts, and what is known about it.
#[derive(Debug, Clone, Copy)]
pub struct Detection {
    /// Stable name.
    pub id: &'static str,
    /// What it finds, in a few words.
    pub title: &'static str,
    /// Severity, unless the facts say otherwise.
    pub severity: Severity,
    /// Confidence, unless the facts say otherwise.
    pub confidence: Confidence,
    /// Techniques of ATT&CK, with tactics as version 18 names them.
    pub attack: &'static [Reference],
    /// What a finding cannot tell, unless the facts say more.
    pub caveat: Option<&'static str>,
    /// Harmless causes that are known; those that can be told apart lower the severity.
    pub harmless: &'static [&'static str],
    /// Finds it.
    pub run: fn(&Facts<'_>) -> Vec<Hit>,
}

/// A detection without more than it needs.
const fn detect(
    id: &'static str,
    title: &'static str,
    severity: Severity,
    confidence: Confidence,
    run: fn(&Facts<'_>) -> Vec<Hit>,
) -> Detection {
    Detection { id, title, severity, confidence, attack: &[], caveat: None, harmless: &[], run }
}

impl Detection {
    /// Its techniques, as a version of ATT&CK names them.
    pub fn techniques(&self, version: AttackVersion) -> Vec<Technique> {
        self.attack.iter().map(|reference| technique(*reference, version)).collect()
    }

    const fn attack(self, attack: &'static [Reference]) -> Self {
        Self { attack, ..self }
    }

    const fn caveat(self, caveat: &'static str) -> Self {
        Self { caveat: Some(caveat), ..self }
    }

    const fn harmless(self, harmless: &'static [&'static str]) -> Self {
        Self { harmless, ..self }
    }
}

/// The detection with an id, in any case of letters.
pub fn detection(id: &str) -> Option<&'static Detection> {
    DETECTIONS.iter().find(|detection| detection.id.eq_ignore_ascii_case(id))
}

const TEXT_PATCHED_CAVEAT: &str = "the first page of code that CRIU itself writes to is left out: a patch of that very page is \
     not seen without the file";
const LOG_TRUNCATED_CAVEAT: &str = "rotation by copying and truncating leaves the same trace where the program does not \
     append";

/// All of them, by theme.
pub const DETECTIONS: &[Detection] = &[
    detect("EXE-DELETED", "Program deleted while it runs", High, SURE, executable::deleted)
        .attack(&[("T1070.004", "defense-evasion")])
        .harmless(&["an upgrade of a package replaces programs that run"]),
    detect("EXE-MEMFD", "Fileless program", Critical, SURE, executable::memfd)
        .attack(&[("T1620", "defense-evasion"), ("T1027", "defense-evasion")])
        .harmless(&["runc, crun and youki run themselves from a memfd"]),
    detect(
        "EXE-WRITABLE-DIR",
        "Program runs from a temporary directory",
        Medium,
        LIKELY,
        executable::writable_directory,
    )
    .attack(&[("T1036.005", "defense-evasion"), ("T1105", "command-and-control")])
    .harmless(&["installers and test runners unpack programs to /tmp"]),
    detect(
        "EXE-NOT-IN-IMAGE",
        "Running program was added or modified",
        Medium,
        LIKELY,
        executable::not_in_image,
    )
    .attack(&[("T1105", "command-and-control")])
    .caveat("without the container image we cannot tell whether it shipped this file")
    .harmless(&["programs that are installed when the container starts"]),
    detect("EXE-REPLACED", "File of a running program was replaced", High, LIKELY, executable::replaced)
        .attack(&[("T1554", "persistence")])
        .harmless(&["an upgrade of a package"]),
    detect("EXE-BY-DESCRIPTOR", "Program started through a descriptor", Medium, SURE, executable::descriptor)
        .attack(&[("T1620", "defense-evasion"), ("T1564", "defense-evasion")])
        .harmless(&["container runtimes start themselves so"]),
    detect(
        "LIB-WRITABLE-DIR",
        "Library loaded from a temporary directory",
        High,
        LIKELY,
        executable::library_place,
    )
    .attack(&[("T1574.006", "persistence")])
    .harmless(&["Java unpacks libraries of its programs to /tmp"]),
    detect("LIB-DELETED", "Mapped library was deleted", Medium, LIKELY, executable::library_deleted)
        .attack(&[("T1070.004", "defense-evasion")])
        .harmless(&["an upgrade of a package replaces libraries that are in use"]),
    detect("RIP-IN-ANON", "Thread executes anonymous memory", Critical, SURE, injection::running)
        .attack(&[("T1055", "defense-evasion"), ("T1055.008", "defense-evasion")])
        .harmless(&["JIT compilers: Java, JavaScript, .NET, LuaJIT, PCRE"]),
    detect("RWX-ANON-CODE", "Writable and executable memory", High, LIKELY, injection::writable_code)
        .attack(&[("T1055", "defense-evasion")])
        .harmless(&[
            "JIT compilers: Java, JavaScript, .NET, LuaJIT, PCRE",
            "shared memory that could hold code and does not",
        ]),
    detect("ANON-CODE", "Executable memory without a file", Medium, LIKELY, injection::anonymous_code)
        .attack(&[("T1055", "defense-evasion"), ("T1620", "defense-evasion")])
        .harmless(&["JIT compilers"]),
    detect("EXEC-HEAP-STACK", "Executable heap or stack", High, LIKELY, injection::executable_data)
        .attack(&[("T1055", "defense-evasion")])
        .harmless(&[
            "programs linked with an executable stack",
            "a personality that makes all memory executable",
        ]),
    detect("TEXT-PATCHED", "Code differs from its file", High, LIKELY, injection::patched)
        .attack(&[("T1055.009", "defense-evasion"), ("T1574", "persistence")])
        .caveat(TEXT_PATCHED_CAVEAT)
        .harmless(&["debuggers, probes and text relocations", "the page that CRIU wrote to and put back"]),
    detect("RWX-FILE-MAP", "Mapped file is writable and executable", Medium, VAGUE, injection::writable_file)
        .attack(&[("T1055", "defense-evasion")])
        .harmless(&["programs linked with writable code"]),
    detect("MEMFD-CODE", "Code mapped from a memfd", High, LIKELY, injection::memfd_code)
        .attack(&[("T1620", "defense-evasion")])
        .harmless(&["runtimes that map the code they make twice", "container runtimes"]),
    detect("STACK-PIVOT", "Stack pointer outside any stack", Medium, VAGUE, injection::stack_pivot)
        .attack(&[("T1055", "defense-evasion")])
        .harmless(&["programs that make stacks for coroutines"]),
    detect("PROC-MEM-OPEN", "Process memory opened as a file", High, LIKELY, injection::process_memory)
        .attack(&[("T1055.009", "defense-evasion")])
        .harmless(&["debuggers and profilers"]),
    detect("ASLR-OFF", "ASLR is disabled", Low, VAGUE, injection::no_randomize)
        .harmless(&["debuggers start programs so"]),
    detect("STDIO-SOCKET-SHELL", "Shell on a network connection", Critical, SURE, shell::stdio_socket)
        .attack(&[("T1059.004", "execution"), ("T1095", "command-and-control")])
        .harmless(&[
            "inetd, socat and systemd hand connections to services",
            "kubectl exec uses pipes and terminals, and is not found here",
        ]),
    detect("SHELL-RELAY", "Shell relayed to the network by another process", High, LIKELY, shell::relay)
        .attack(&[("T1059.004", "execution"), ("T1071", "command-and-control")])
        .harmless(&["web terminals and job runners"]),
    detect("SHELL-LISTENER", "Shell holds a listening socket", High, LIKELY, shell::listener)
        .attack(&[("T1059.004", "execution")])
        .harmless(&["a shell inherits what its parent leaves open"]),
    detect("NETCAT-RUNNING", "Netcat or a similar tool", Medium, LIKELY, shell::netcat)
        .attack(&[("T1095", "command-and-control")])
        .harmless(&["sidecars that forward ports"]),
    detect("WEB-SPAWN-SHELL", "Web server started a shell", High, SURE, shell::web)
        .attack(&[("T1505.003", "persistence"), ("T1059.004", "execution")])
        .harmless(&["applications that run helpers through a shell", "CGI scripts"]),
    detect("SUSPICIOUS-COMMAND-LINE", "Suspicious command line", High, LIKELY, shell::command_line)
        .attack(&[("T1059.004", "execution")])
        .harmless(&["installation scripts that run what they download"]),
    detect("LOGIN-IN-CONTAINER", "Interactive login", Medium, LIKELY, shell::login)
        .attack(&[("T1021.004", "lateral-movement")])
        .harmless(&["an administrator who looks after the container"]),
    detect("RAW-SOCKET", "Raw socket", Medium, LIKELY, network::raw)
        .attack(&[("T1095", "command-and-control"), ("T1040", "credential-access")])
        .harmless(&["ping and traceroute"]),
    detect("PACKET-SOCKET", "Packet capture socket", High, LIKELY, network::packet)
        .attack(&[("T1040", "credential-access")])
        .harmless(&["DHCP clients and routing daemons"]),
    detect("LISTENER", "Listening socket", Info, SURE, network::listener).harmless(&["services do"]),
    detect("OUTBOUND", "Connection to another host", Info, LIKELY, network::outbound)
        .attack(&[("T1071", "command-and-control")])
        .harmless(&["clients do"]),
    detect("MINER-POOL-CONN", "Connection to a mining pool port", High, SURE, network::pool)
        .attack(&[("T1496.001", "impact")])
        .harmless(&["other services on these ports"]),
    detect("TUNNEL", "Network tunnel", Medium, LIKELY, network::tunnel)
        .attack(&[("T1572", "command-and-control")])
        .harmless(&["VPN clients and proxies"]),
    detect("BPF-MAP", "Open eBPF map", Medium, LIKELY, network::bpf)
        .attack(&[("T1014", "defense-evasion")])
        .harmless(&["monitoring agents"]),
    detect("FANOTIFY", "Monitors file access (fanotify)", Medium, LIKELY, network::fanotify)
        .attack(&[("T1083", "discovery")])
        .harmless(&["virus scanners"]),
    detect("WATCHES-ACCOUNTS", "Watches account, key or process files", Low, LIKELY, network::inotify)
        .attack(&[("T1057", "discovery")])
        .harmless(&["name service caches"]),
    detect("PRELOAD-ENV", "Library injected with LD_PRELOAD", High, LIKELY, preload::environment)
        .attack(&[("T1574.006", "persistence"), ("T1014", "defense-evasion")])
        .harmless(&[
            "memory allocators such as jemalloc",
            "agents of monitoring products",
            "libfaketime and other helpers of tests",
        ]),
    detect("PRELOAD-GLOBAL", "Library preloaded into every program", Critical, SURE, preload::global)
        .attack(&[("T1574.006", "persistence"), ("T1014", "defense-evasion")])
        .harmless(&["agents of monitoring products"]),
    detect(
        "LOADER-ENV",
        "Loader variable points to a temporary directory",
        Medium,
        LIKELY,
        preload::other_variables,
    )
    .attack(&[("T1574.007", "persistence")])
    .harmless(&["test runs and build steps"]),
    detect("HISTORY-DISABLED", "Shell history is disabled", Medium, LIKELY, history::disabled)
        .attack(&[("T1070.003", "defense-evasion")])
        .harmless(&["images that set it for every process"]),
    detect("SUSPICIOUS-COMMAND", "Suspicious command in a shell's memory", High, LIKELY, history::commands)
        .attack(&[("T1059.004", "execution")])
        .caveat("a string in memory need not have been run")
        .harmless(&["administrators who do the same"]),
    detect("LOG-TRUNCATED", "Log truncated while in use", High, LIKELY, logs::truncated)
        .attack(&[("T1070.002", "defense-evasion")])
        .caveat(LOG_TRUNCATED_CAVEAT)
        .harmless(&["rotation with copytruncate of programs that do not append"]),
    detect("LOG-DELETED-OPEN", "Log deleted while in use", High, LIKELY, logs::deleted_open)
        .attack(&[("T1070.002", "defense-evasion"), ("T1070.004", "defense-evasion")])
        .caveat("rotation that deletes without telling the program leaves the same trace")
        .harmless(&["rotation of logs"]),
    detect("LOG-REMOVED", "Logs of the container image were deleted", Medium, LIKELY, logs::removed)
        .attack(&[("T1070.002", "defense-evasion")])
        .harmless(&["start scripts that clean up"]),
    detect("DELETED-FILE-OPEN", "Open deleted file", Info, VAGUE, logs::unlinked)
        .attack(&[("T1070.004", "defense-evasion")])
        .caveat("programs delete temporary files right after they opened them, so that nothing stays")
        .harmless(&["temporary files"]),
    detect("KTHREAD-MASQUERADE", "Poses as a kernel thread", High, SURE, masquerade::kernel_thread)
        .attack(&[("T1036.005", "defense-evasion"), ("T1036.004", "defense-evasion")]),
    detect("NAME-MIMICRY", "Process name of another program", Medium, LIKELY, masquerade::mimicry)
        .attack(&[("T1036.005", "defense-evasion")])
        .harmless(&["wrappers that keep the name of what they stand for"]),
    detect("COMM-NUMERIC", "Process name is a descriptor number", Medium, SURE, masquerade::numeric)
        .attack(&[("T1036", "defense-evasion"), ("T1620", "defense-evasion")])
        .harmless(&["container runtimes that run themselves from a descriptor"]),
    detect(
        "COMM-MISMATCH",
        "Process name differs from program and command line",
        Low,
        VAGUE,
        masquerade::other_name,
    )
    .attack(&[("T1036.005", "defense-evasion")])
    .harmless(&["programs that name themselves after what they do"]),
    detect("ARGV-WIPED", "Command line is empty", Medium, VAGUE, masquerade::no_command_line)
        .attack(&[("T1036", "defense-evasion")])
        .harmless(&["programs started without arguments by others"]),
    detect(
        "NAME-CONTROL",
        "Process name with hidden characters",
        Medium,
        SURE,
        masquerade::control_characters,
    )
    .attack(&[("T1036.002", "defense-evasion")]),
    detect("MINER-STRINGS", "Cryptocurrency miner strings", Critical, SURE, miner::strings)
        .attack(&[("T1496.001", "impact")])
        .harmless(&["virus scanners and block lists have such strings"]),
    detect("MINER-THREADS", "Idle-priority threads", Low, VAGUE, miner::idle_threads)
        .attack(&[("T1496.001", "impact")])
        .harmless(&["batch jobs"]),
    detect("AUTH-KEYS-ADDED", "SSH authorized key added", High, LIKELY, persistence::authorized_keys)
        .attack(&[("T1098.004", "persistence")])
        .caveat("without the container image we cannot tell whether it shipped this file")
        .harmless(&["containers for remote logins that get their keys when they start"]),
    detect("CRON-CHANGED", "Scheduled command (cron)", Medium, LIKELY, persistence::cron)
        .attack(&[("T1053.003", "persistence")])
        .harmless(&["images that set up their schedule when they start"]),
    detect("ACCOUNT-CHANGED", "Accounts changed", High, SURE, persistence::accounts)
        .attack(&[("T1136.001", "persistence")])
        .harmless(&["start scripts that add the user they run as"]),
    detect("SETUID-ADDED", "Setuid program added", High, LIKELY, persistence::setuid)
        .attack(&[("T1548.001", "privilege-escalation")])
        .harmless(&["packages with such programs"]),
    detect(
        "SYSTEM-BINARY-CHANGED",
        "System program added or modified",
        Medium,
        VAGUE,
        persistence::system_binary,
    )
    .attack(&[("T1554", "persistence"), ("T1036.005", "defense-evasion")])
    .caveat("without the container image (rootfs --base) we cannot tell whether it shipped this file")
    .harmless(&["packages installed in the container"]),
    detect("PROFILE-CHANGED", "Shell startup file changed", Low, LIKELY, persistence::profiles)
        .attack(&[("T1546.004", "persistence")])
        .harmless(&["settings of a user"]),
    detect("SERVICE-ADDED", "Service added", Medium, VAGUE, persistence::services)
        .attack(&[("T1543.002", "persistence")])
        .harmless(&["packages with services"]),
    detect("SSHD-CONFIG-CHANGED", "SSH server configuration changed", High, LIKELY, persistence::sshd_config)
        .attack(&[("T1556", "persistence")])
        .harmless(&["images that let administrators in"]),
    detect("SSHD-IN-CONTAINER", "SSH server running", Medium, LIKELY, persistence::sshd)
        .attack(&[("T1021.004", "lateral-movement")])
        .harmless(&["images that are made for remote logins"]),
    detect("WEBSHELL-FILE", "Web shell", High, SURE, persistence::webshell)
        .attack(&[("T1505.003", "persistence")])
        .harmless(&["administration tools"]),
    detect(
        "EXECUTABLE-DROPPED",
        "Executable outside system directories",
        Medium,
        LIKELY,
        persistence::dropped_program,
    )
    .attack(&[("T1105", "command-and-control")])
    .harmless(&["files that programs unpack to run them"]),
    detect("HIDDEN-FILE", "Hidden file in shared memory", Low, VAGUE, persistence::hidden_file)
        .attack(&[("T1564.001", "defense-evasion")])
        .harmless(&["lock files"]),
    detect("CORE-FILE", "Core dump of a crashed process", Low, SURE, persistence::core_file)
        .harmless(&["crashes happen"]),
    detect("QUEUE-COMMAND", "Unread command", High, LIKELY, queues::commands)
        .attack(&[("T1059.004", "execution"), ("T1071", "command-and-control")])
        .harmless(&["administrators who work in the container"]),
    detect("QUEUE-SECRET", "Unread secret", Medium, LIKELY, secrets::queued)
        .attack(&[("T1552", "credential-access"), ("T1041", "exfiltration")])
        .harmless(&["services that hand secrets to each other"]),
    detect(
        "SA-TOKEN-FOREIGN",
        "Service account token of another pod",
        Critical,
        LIKELY,
        secrets::foreign_token,
    )
    .attack(&[
        ("T1528", "credential-access"),
        ("T1552.007", "credential-access"),
        ("T1550.001", "lateral-movement"),
    ])
    .caveat("the signature is not verified: a token can be made up by whoever wants to be noticed")
    .harmless(&["operators that are handed tokens of other service accounts", "tokens in test data"]),
    detect(
        "SA-TOKEN-UNEXPECTED",
        "Service account token in an unexpected process",
        High,
        LIKELY,
        secrets::unexpected_token,
    )
    .attack(&[("T1528", "credential-access"), ("T1552.007", "credential-access")])
    .harmless(&[
        "operators and controllers keep the token of their pod: told as info",
        "scripts that ask the API server with curl",
    ]),
    detect(
        "PRIVATE-KEY-IN-MEMORY",
        "Private key in an unexpected process",
        High,
        LIKELY,
        secrets::private_key,
    )
    .attack(&[("T1552.004", "credential-access")])
    .harmless(&[
        "servers for the web and for remote logins keep their keys: told as info",
        "scripts that install keys",
    ]),
    detect("CLOUD-KEY-IN-MEMORY", "Cloud API key in an unexpected process", High, LIKELY, secrets::cloud_key)
        .attack(&[("T1552", "credential-access"), ("T1078.004", "initial-access")])
        .harmless(&[
            "services that use a cloud: told as info",
            "settings that every process of the container is given: told as info",
        ]),
    detect("SECRET-IN-ARGV", "Secret on a command line", Low, LIKELY, secrets::command_line)
        .attack(&[("T1552", "credential-access"), ("T1057", "discovery")])
        .harmless(&["tools that take a password no other way"]),
    detect("QUEUE-ARCHIVE", "Unread archive or program", Medium, VAGUE, queues::archives)
        .attack(&[("T1560.001", "collection"), ("T1041", "exfiltration")])
        .harmless(&["backups and downloads"]),
    detect("PIPE-CMD-OUTPUT", "Unread command output", Info, SURE, queues::output)
        .attack(&[("T1033", "discovery")]),
    detect("UNREAD-DATA", "Unread data", Info, SURE, queues::unread)
        .harmless(&["connections have some at any time"]),
    detect("FD-IN-FLIGHT", "Descriptor in flight", Medium, LIKELY, queues::in_flight)
        .attack(&[("T1559", "execution")])
        .harmless(&["servers that pass connections to their workers"]),
    detect("PRIVILEGED", "Privileged container", High, SURE, container_risk::privileged)
        .attack(&[("T1611", "privilege-escalation")])
        .harmless(&["storage and network drivers of clusters"]),
    detect("CAPABILITIES", "Capabilities that reach the host", Medium, SURE, container_risk::capabilities)
        .attack(&[("T1611", "privilege-escalation")])
        .harmless(&["monitoring agents and drivers"]),
    detect(
        "CREDENTIALS-DIFFER",
        "Effective user differs from real user",
        Medium,
        LIKELY,
        container_risk::credentials,
    )
    .attack(&[("T1548.001", "privilege-escalation")])
    .harmless(&["sudo, su and servers that give up rights for a while"]),
    detect("AMBIENT-RIGHTS", "Ambient capabilities", Low, LIKELY, container_risk::ambient)
        .attack(&[("T1548", "privilege-escalation")])
        .harmless(&["images that give their service a single right"]),
    detect("SECCOMP-OFF", "No seccomp filter", Medium, SURE, container_risk::seccomp)
        .attack(&[("T1611", "privilege-escalation")])
        .harmless(&["Kubernetes applies none unless told to"]),
    detect("LABEL-DIFFERS", "Different LSM profile", Medium, LIKELY, container_risk::label)
        .attack(&[("T1611", "privilege-escalation")])
        .harmless(&["programs with a profile of their own"]),
    detect(
        "HOST-NAMESPACE",
        "Shares a namespace with the host",
        Medium,
        SURE,
        container_risk::host_namespace,
    )
    .attack(&[("T1611", "privilege-escalation")])
    .harmless(&["network plugins and node agents"]),
    detect(
        "FOREIGN-NAMESPACE",
        "Process outside the container's namespaces",
        High,
        LIKELY,
        container_risk::foreign_namespace,
    )
    .attack(&[("T1611", "privilege-escalation")])
    .harmless(&["containers in containers", "browsers"]),
    detect("FOREIGN-CGROUP", "Process in another control group", Medium, LIKELY, container_risk::cgroup)
        .attack(&[("T1611", "privilege-escalation")])
        .harmless(&["containers in containers"]),
    detect("ESCAPE-HANDLE", "Open handle to the host", High, SURE, container_risk::handles)
        .attack(&[("T1611", "privilege-escalation")])
        .harmless(&["node agents"]),
    detect("ENGINE-SOCKET", "Container engine socket", High, SURE, container_risk::engine_socket)
        .attack(&[("T1610", "execution"), ("T1611", "privilege-escalation")])
        .harmless(&["build and management tools"]),
    detect("HOST-PATH", "Host directory mounted", Medium, LIKELY, container_risk::host_path)
        .attack(&[("T1611", "privilege-escalation")])
        .harmless(&["node agents"]),
    detect("NAMESPACE-OPEN", "Open namespace handle", Medium, LIKELY, container_risk::namespace_descriptor)
        .attack(&[("T1611", "privilege-escalation")])
        .harmless(&["container runtimes in the container"]),
    detect("ROOT-IS-HOST-ROOT", "Container root is host root", Info, SURE, container_risk::host_root)
        .attack(&[("T1611", "privilege-escalation")])
        .harmless(&["the usual setting"]),
    detect("NEW-PRIVILEGES", "no_new_privs is not set", Info, SURE, container_risk::new_privileges)
        .harmless(&["the usual setting"]),
    detect("SIGNALS-IGNORED", "Ignores termination signals", Low, VAGUE, conduct::signals_ignored)
        .harmless(&["daemons started with nohup"]),
    detect("NOT-DUMPABLE", "Not dumpable", Low, VAGUE, conduct::not_dumpable)
        .harmless(&["programs that changed their user", "agents that hold keys"]),
    detect("KEPT-OUT-OF-DUMPS", "Memory excluded from core dumps", Low, VAGUE, conduct::kept_out_of_dumps)
        .harmless(&["memory of keys", "reserved memory of runtimes and data bases"]),
    detect("FORKED-COPY", "Forked copy of its parent under another name", Low, VAGUE, conduct::forked_copy)
        .harmless(&["servers that name their workers"]),
    detect("RIGHTS-USED", "Used root privileges without being root", Info, VAGUE, conduct::rights_used)
        .harmless(&["programs that gave up the rights they started with"]),
    detect("SUBREAPER", "Child subreaper", Info, VAGUE, conduct::subreaper)
        .harmless(&["supervisors of services"]),
    detect("NEVER-KILLED", "Exempt from the OOM killer", Low, LIKELY, conduct::never_killed)
        .harmless(&["supervisors and node agents"]),
    detect("ODD-SESSION", "Session leader has exited", Info, VAGUE, conduct::odd_session)
        .harmless(&["daemons that put themselves into the background"]),
    detect(
        "IMAGES-CONTRADICT",
        "Images of the checkpoint contradict one another",
        High,
        LIKELY,
        integrity::contradicting,
    )
    .attack(&[("T1070", "defense-evasion")])
    .caveat("a copy that was damaged leaves the same trace: compare the hash with that of the capture")
    .harmless(&["images that an earlier dump left in the same directory"]),
    detect("RESTORED", "Container was restored from a checkpoint", Info, SURE, conduct::restored)
        .harmless(&["the usual trace of a migration"]),
    detect("SECRET-IN-ENV", "Secret in the environment", Info, LIKELY, container_risk::secret_variables)
        .attack(&[("T1552.007", "credential-access")])
        .harmless(&["the usual way to configure containers"]),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn ids_are_unique_and_of_one_form() {
        let ids: BTreeSet<&str> = DETECTIONS.iter().map(|detection| detection.id).collect();
        assert_eq!(ids.len(), DETECTIONS.len());
        for id in ids {
            assert!(id.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-'), "{id}");
        }
        assert_eq!(detection("exe-deleted").map(|detection| detection.id), Some("EXE-DELETED"));
    }

    #[test]
    fn what_is_grave_names_a_technique() {
        for detection in DETECTIONS.iter().filter(|detection| detection.severity >= Medium) {
            assert!(!detection.attack.is_empty(), "{}", detection.id);
            for (technique, _) in detection.attack {
                assert!(technique.starts_with('T') && technique.len() >= 5, "{technique}");
            }
        }
    }
}
