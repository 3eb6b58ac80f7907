//! What `capture` takes.

use std::{path::PathBuf, time::Duration};

use clap::Args;

/// What `capture` takes.
#[derive(Debug, Args)]
pub struct CaptureArgs {
    /// POD or POD/CONTAINER, also as pod/POD; with --cri and --podman the name or id of a container.
    #[arg(value_name = "NAME", required_unless_present_any = ["selector", "deployment"])]
    pub names: Vec<String>,
    /// Namespace of the pods (default: from the context).
    #[arg(short, long, value_name = "NAMESPACE", conflicts_with_all = ["cri", "podman"])]
    pub namespace: Option<String>,
    /// All running containers of the pods with these labels.
    #[arg(short = 'l', long, value_name = "LABELS", group = "many", conflicts_with_all = ["cri", "podman"])]
    pub selector: Option<String>,
    /// All running containers of the pods of this deployment.
    #[arg(long, value_name = "NAME", group = "many", conflicts_with_all = ["cri", "podman"])]
    pub deployment: Option<String>,
    /// Directory for archives and manifests.
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub dir: PathBuf,
    /// Time limit for a checkpoint in seconds (a kubelet's own minimum is two minutes).
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86400))]
    pub timeout: Option<u64>,
    /// All nodes, --jobs at a time (implied by --selector and --deployment).
    #[arg(long, requires = "many", hide_short_help = true)]
    pub all_nodes: bool,
    /// Number of checkpoints to take in parallel.
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=64), hide_short_help = true)]
    pub jobs: u8,
    /// Only check whether a checkpoint is possible.
    #[arg(long, conflicts_with = "no_preflight")]
    pub preflight: bool,
    /// Try even if preflight checks fail.
    #[arg(long, hide_short_help = true)]
    pub no_preflight: bool,
    /// Take a chain of checkpoints at this interval: 30s, 5m, 1h.
    #[arg(long, value_name = "TIME", value_parser = parse_duration, requires = "count")]
    pub every: Option<Duration>,
    /// Number of checkpoints in the chain.
    #[arg(long, value_name = "N", requires = "every", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub count: Option<u32>,
    /// Triage each sealed archive: findings go to NAME.triage.json beside it and to the table.
    #[arg(long, conflicts_with = "preflight")]
    pub triage: bool,
    /// Operator, for the manifest.
    #[arg(long, value_name = "NAME", hide_short_help = true)]
    pub operator: Option<String>,
    /// Case, for the manifest.
    #[arg(long, value_name = "CASE", hide_short_help = true)]
    pub case: Option<String>,
    #[command(flatten)]
    pub reach: ReachArgs,
    #[command(flatten)]
    pub fetch: FetchArgs,
}

/// Whom `capture` speaks to.
#[derive(Debug, Args)]
#[command(next_help_heading = "Connection")]
pub struct ReachArgs {
    /// Kubeconfig (default: $KUBECONFIG, ~/.kube/config, or in-cluster).
    #[arg(long, value_name = "FILE", conflicts_with_all = ["kubelet", "cri", "podman"], hide_short_help = true)]
    pub kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["kubelet", "cri", "podman"], hide_short_help = true)]
    pub context: Option<String>,
    /// Talk directly to a kubelet: https://NODE:10250.
    #[arg(long, value_name = "URL", conflicts_with_all = ["cri", "podman", "selector", "deployment"])]
    pub kubelet: Option<String>,
    /// CA certificate for the kubelet (PEM).
    #[arg(long, value_name = "FILE", requires = "kubelet", hide_short_help = true)]
    pub ca: Option<PathBuf>,
    /// Client certificate for the kubelet (PEM).
    #[arg(long, value_name = "FILE", requires_all = ["kubelet", "key"], hide_short_help = true)]
    pub cert: Option<PathBuf>,
    /// Its key (PEM).
    #[arg(long, value_name = "FILE", requires_all = ["kubelet", "cert"], hide_short_help = true)]
    pub key: Option<PathBuf>,
    /// File with a bearer token for the kubelet.
    #[arg(long, value_name = "FILE", requires = "kubelet", hide_short_help = true)]
    pub token_file: Option<PathBuf>,
    /// Name in the kubelet's certificate, if it differs from the URL.
    #[arg(long, value_name = "NAME", requires = "kubelet", hide_short_help = true)]
    pub server_name: Option<String>,
    /// Accept any kubelet certificate: anyone on the path can then read and change everything.
    #[arg(long, requires = "kubelet", hide_short_help = true)]
    pub insecure: bool,
    /// Use containerd or CRI-O on this node; optionally with the socket's path.
    #[arg(long, value_name = "SOCKET", num_args = 0..=1, require_equals = true, conflicts_with = "podman")]
    pub cri: Option<Option<PathBuf>>,
    /// With --cri: names are pods; take all their running containers.
    #[arg(long, requires = "cri")]
    pub pod: bool,
    /// Use Podman on this node; optionally with the socket's path.
    #[arg(long, value_name = "SOCKET", num_args = 0..=1, require_equals = true)]
    pub podman: Option<Option<PathBuf>>,
}

/// How `capture` brings an archive home.
#[derive(Debug, Args)]
#[command(next_help_heading = "Fetching archives")]
pub struct FetchArgs {
    /// Copy archives from their nodes through a short-lived pod, which is always removed.
    #[arg(long, conflicts_with_all = ["kubelet", "cri", "podman"])]
    pub fetch: bool,
    /// Container image of that pod; it needs sh, sleep, tail, wc and sha256sum.
    #[arg(
        long,
        value_name = "IMAGE",
        requires = "fetch",
        default_value = "busybox:1.37",
        hide_short_help = true
    )]
    pub fetch_image: String,
    /// Namespace of that pod; its Pod Security level must be privileged.
    #[arg(
        long,
        value_name = "NAMESPACE",
        requires = "fetch",
        default_value = "default",
        hide_short_help = true
    )]
    pub fetch_namespace: String,
    /// Run that pod privileged (needed on SELinux nodes).
    #[arg(long, requires = "fetch", hide_short_help = true)]
    pub fetch_privileged: bool,
    /// Checkpoint directory on the nodes (depends on the kubelet's --root-dir); nothing outside it is fetched.
    #[arg(
        long,
        value_name = "DIR",
        requires = "fetch",
        default_value = "/var/lib/kubelet/checkpoints",
        hide_short_help = true
    )]
    pub fetch_from: String,
    /// Largest archive to fetch, in GiB.
    #[arg(long, value_name = "GIB", requires = "fetch", default_value_t = 64, hide_short_help = true)]
    pub fetch_max_size: u64,
    /// Time limit for a copy including hashing: 30s, 5m, 1h; at most 5h.
    #[arg(long, value_name = "TIME", requires = "fetch", default_value = "2h", value_parser = parse_copy_time, hide_short_help = true)]
    pub fetch_timeout: Duration,
    /// Place a .keep file beside the archive on the node, which retention operators honour.
    #[arg(long, requires = "fetch", hide_short_help = true)]
    pub keep: bool,
    /// Delete the archive on the node after its hash was verified.
    #[arg(long, requires = "fetch", conflicts_with = "keep", hide_short_help = true)]
    pub delete_remote: bool,
}

/// `30s`, `5m` or `1h`.
fn parse_duration(text: &str) -> Result<Duration, String> {
    let units = [('s', 1), ('m', 60), ('h', 3600)];
    let parsed = units.iter().find_map(|(unit, seconds)| {
        let number: u64 = text.strip_suffix(*unit)?.parse().ok()?;
        number.checked_mul(*seconds)
    });
    parsed
        .filter(|seconds| (1..=7 * 86400).contains(seconds))
        .map(Duration::from_secs)
        .ok_or_else(|| "a time is a number with s, m or h, and at most a week".to_owned())
}

/// The same, as long as a copy may take.
fn parse_copy_time(text: &str) -> Result<Duration, String> {
    let most = ckptfx_capture::kubernetes::fetch::MAX_TIME;
    let time = parse_duration(text)?;
    if time <= most {
        Ok(time)
    } else {
        Err(format!("a copy may take {} hours at most", most.as_secs() / 3600))
    }
}
