//! What can be said about taking checkpoints and making images of them.

use std::path::PathBuf;
#[cfg(feature = "capture")]
use std::time::Duration;

use clap::Args;

/// Examples of `explain`.
pub const EXPLAIN_HELP: &str = "\
CRIU's log, a runtime's error and the answers of kubelets and API servers are held against a table of what is
known. A log of a dump that finished says so; its errors are probes of the kernel that CRIU can do without.
A process that somebody was already tracing is marked as a finding: it belongs in the report.

Where no cause is known, the error that ended the dump is shown as it stands, with what stands around it.

Exit status 1: nothing in it is known.

Examples:
  ckptfx explain dump.log
  ckptfx explain --message '404 page not found'
  kubectl describe pod shop | ckptfx explain -
  ckptfx logs --source dump archive.tar | ckptfx explain -o json -";

/// What `explain` takes.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// CRIU's log or any text that holds the error, or - for standard input.
    #[arg(required_unless_present = "message", conflicts_with = "message", value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// The error itself.
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub message: Option<String>,
}

/// Examples of `image`.
pub const IMAGE_HELP: &str = "\
The image has the archive's own files in one layer and the annotations by which CRI-O, containerd and Podman
know a checkpoint. What each of them will refuse, and what it needs on the node, is shown; nothing is written
unless --out, -o oci-dir, -o oci-archive or --push asks for it. The same archive gives the same image, bit by bit.

--push needs no engine. Credentials are those that podman login or docker login wrote; programs that keep
credentials are not started. An image holds all secrets of the processes: use a registry of your own.

Examples:
  ckptfx image archive.tar
  ckptfx image archive.tar -o oci-archive --out shop.oci.tar --name registry.local/forensics/shop:1
  ckptfx image archive.tar -o oci-dir --out shop-oci --pod-manifest restore.yaml
  ckptfx image archive.tar --push registry.example/forensics/shop:1 --pod-manifest restore.yaml
  ckptfx image archive.tar -o json | jq '.images[].engines'";

/// What `image` takes.
#[derive(Debug, Args)]
pub struct ImageArgs {
    /// The archive, a directory, or - for standard input.
    #[arg(value_name = "ARCHIVE")]
    pub archive: PathBuf,
    /// Where to write the image; nothing may be there yet. A name that ends in .tar gets an archive, any other a
    /// directory, unless -o says which. With -o alone it is named after the archive.
    #[arg(long, value_name = "PATH")]
    pub out: Option<PathBuf>,
    /// Name of the image.
    #[arg(long, value_name = "REPOSITORY:TAG")]
    pub name: Option<String>,
    /// Write the manifest of a pod that restores the image.
    #[arg(long, value_name = "FILE")]
    pub pod_manifest: Option<PathBuf>,
    #[cfg(feature = "capture")]
    #[command(flatten)]
    pub push: PushArgs,
}

/// Where `image` sends an image.
#[cfg(feature = "capture")]
#[derive(Debug, Args)]
#[command(next_help_heading = "Registry")]
pub struct PushArgs {
    /// Send the image to a registry, under this name.
    #[arg(long, value_name = "REGISTRY/REPO:TAG")]
    pub push: Option<String>,
    /// File with credentials instead of the usual ones ($REGISTRY_AUTH_FILE, containers/auth.json, ~/.docker/config.json).
    #[arg(long, value_name = "FILE", requires = "push")]
    pub auth_file: Option<PathBuf>,
    /// Authority that signed the registry's certificate (PEM), beside those of the system.
    #[arg(long, value_name = "FILE", requires = "push")]
    pub registry_ca: Option<PathBuf>,
    /// Speak HTTP with a registry on this machine.
    #[arg(long, requires = "push")]
    pub plain_http: bool,
    /// Take any certificate, and with --plain-http any machine: whoever is in between can then read the image.
    #[arg(long, requires = "push")]
    pub insecure: bool,
}

/// Examples of `capture`.
#[cfg(feature = "capture")]
pub const CAPTURE_HELP: &str = "\
The container goes on running; whether it does is checked afterwards. Each archive is written with mode 0600
under a new name, and a manifest beside it (NAME.manifest.json) records its SHA-256, times, node, image and
every answer. Without --fetch a checkpoint that Kubernetes takes stays on its node, and the manifest says where.

Through the API server the caller needs create on nodes/proxy, with --kubelet on nodes/checkpoint; docs/capture
has roles for both. --cri and --podman need root on the node.

Exit status: 0 all captured; 1 --preflight found something missing; 2 nothing captured; 3 some were not captured,
or a container was not running afterwards.

Examples:
  ckptfx capture -n shop web-7d9f/app --fetch --dir evidence --operator $USER --case 2026-17
  ckptfx capture -n shop -l app=web --preflight
  ckptfx capture --kubelet https://node-1:10250 --cert me.crt --key me.key --ca kubelet-ca.crt -n shop web-7d9f
  ckptfx capture -n shop --deployment web --all-nodes --jobs 4 --fetch --dir evidence
  ckptfx capture --cri web --triage --dir /var/lib/evidence
  ckptfx capture --cri /run/crio/crio.sock --pod web-7d9f --dir /var/lib/evidence
  ckptfx capture --podman web --every 5m --count 12 --dir chain; ckptfx diff chain";

/// What `capture` takes.
#[cfg(feature = "capture")]
#[derive(Debug, Args)]
pub struct CaptureArgs {
    /// POD or POD/CONTAINER, also as pod/POD; with --cri and --podman the name or id of a container.
    #[arg(value_name = "NAME", required_unless_present_any = ["selector", "deployment"])]
    pub names: Vec<String>,
    /// Namespace of the pods; that of the context by default.
    #[arg(short, long, value_name = "NAMESPACE", conflicts_with_all = ["cri", "podman"])]
    pub namespace: Option<String>,
    /// All running containers of the pods with these labels.
    #[arg(short = 'l', long, value_name = "LABELS", group = "many", conflicts_with_all = ["cri", "podman"])]
    pub selector: Option<String>,
    /// All running containers of the pods of a deployment.
    #[arg(long, value_name = "NAME", group = "many", conflicts_with_all = ["cri", "podman"])]
    pub deployment: Option<String>,
    /// Directory for archives and manifests.
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub dir: PathBuf,
    /// Seconds that a checkpoint may take; a kubelet allows at least its own limit of two minutes.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86400))]
    pub timeout: Option<u64>,
    /// Spells out what --selector and --deployment mean anyway: the pods of all nodes, --jobs at a time.
    #[arg(long, requires = "many")]
    pub all_nodes: bool,
    /// Checkpoints at a time.
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=64))]
    pub jobs: u8,
    /// Only check whether a checkpoint would be possible.
    #[arg(long, conflicts_with = "no_preflight")]
    pub preflight: bool,
    /// Try even when something is known to be missing.
    #[arg(long)]
    pub no_preflight: bool,
    /// Take a chain of checkpoints, one after each such time: 30s, 5m, 1h.
    #[arg(long, value_name = "TIME", value_parser = parse_duration, requires = "count")]
    pub every: Option<Duration>,
    /// Number of checkpoints of the chain.
    #[arg(long, value_name = "N", requires = "every", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub count: Option<u32>,
    /// When an archive is sealed, run triage on it: the findings go to NAME.triage.json beside it, and to the table.
    #[arg(long, conflicts_with = "preflight")]
    pub triage: bool,
    /// Who takes the checkpoint, for the manifest.
    #[arg(long, value_name = "NAME")]
    pub operator: Option<String>,
    /// For which case, for the manifest.
    #[arg(long, value_name = "CASE")]
    pub case: Option<String>,
    #[command(flatten)]
    pub reach: ReachArgs,
    #[command(flatten)]
    pub fetch: FetchArgs,
}

/// Whom `capture` speaks to.
#[cfg(feature = "capture")]
#[derive(Debug, Args)]
#[command(next_help_heading = "Whom to ask")]
pub struct ReachArgs {
    /// Kubeconfig; without one $KUBECONFIG, ~/.kube/config, or the pod this runs in.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["kubelet", "cri", "podman"])]
    pub kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["kubelet", "cri", "podman"])]
    pub context: Option<String>,
    /// Go straight to a kubelet: https://NODE:10250.
    #[arg(long, value_name = "URL", conflicts_with_all = ["cri", "podman", "selector", "deployment"])]
    pub kubelet: Option<String>,
    /// Authority that signed the kubelet's certificate (PEM).
    #[arg(long, value_name = "FILE", requires = "kubelet")]
    pub ca: Option<PathBuf>,
    /// Client certificate for the kubelet (PEM).
    #[arg(long, value_name = "FILE", requires_all = ["kubelet", "key"])]
    pub cert: Option<PathBuf>,
    /// Its key (PEM).
    #[arg(long, value_name = "FILE", requires_all = ["kubelet", "cert"])]
    pub key: Option<PathBuf>,
    /// File with a bearer token for the kubelet.
    #[arg(long, value_name = "FILE", requires = "kubelet")]
    pub token_file: Option<PathBuf>,
    /// Name in the kubelet's certificate, where it is not that of the URL.
    #[arg(long, value_name = "NAME", requires = "kubelet")]
    pub server_name: Option<String>,
    /// Take any certificate of the kubelet: whoever is in between can then read and change everything.
    #[arg(long, requires = "kubelet")]
    pub insecure: bool,
    /// Speak to containerd or CRI-O on this node; the path of a socket may follow.
    #[arg(long, value_name = "SOCKET", num_args = 0..=1, require_equals = true, conflicts_with = "podman")]
    pub cri: Option<Option<PathBuf>>,
    /// With --cri: names are pods, and all their running containers are meant.
    #[arg(long, requires = "cri")]
    pub pod: bool,
    /// Speak to Podman on this node; the path of a socket may follow.
    #[arg(long, value_name = "SOCKET", num_args = 0..=1, require_equals = true)]
    pub podman: Option<Option<PathBuf>>,
}

/// How `capture` brings an archive home.
#[cfg(feature = "capture")]
#[derive(Debug, Args)]
#[command(next_help_heading = "Bringing archives home")]
pub struct FetchArgs {
    /// Copy archives from their nodes through a short-lived pod that is removed in every case.
    #[arg(long, conflicts_with_all = ["kubelet", "cri", "podman"])]
    pub fetch: bool,
    /// Image of that pod; it needs sh, sleep, tail, wc and sha256sum.
    #[arg(long, value_name = "IMAGE", requires = "fetch", default_value = "busybox:1.37")]
    pub fetch_image: String,
    /// Namespace of that pod; its Pod Security level must be privileged.
    #[arg(long, value_name = "NAMESPACE", requires = "fetch", default_value = "default")]
    pub fetch_namespace: String,
    /// Run that pod privileged, as nodes with SELinux need it.
    #[arg(long, requires = "fetch")]
    pub fetch_privileged: bool,
    /// Directory of checkpoints on the nodes; nothing outside of it is fetched. A kubelet's --root-dir moves it.
    #[arg(long, value_name = "DIR", requires = "fetch", default_value = "/var/lib/kubelet/checkpoints")]
    pub fetch_from: String,
    /// Largest archive that is fetched, in GiB.
    #[arg(long, value_name = "GIB", requires = "fetch", default_value_t = 64)]
    pub fetch_max_size: u64,
    /// Time that a copy may take, hashing included: 30s, 5m, 1h; at most 5h.
    #[arg(long, value_name = "TIME", requires = "fetch", default_value = "2h", value_parser = parse_copy_time)]
    pub fetch_timeout: Duration,
    /// Put a .keep file beside the archive on the node, which retention operators honour.
    #[arg(long, requires = "fetch")]
    pub keep: bool,
    /// Delete the archive on the node when the hashes of both sides agree.
    #[arg(long, requires = "fetch", conflicts_with = "keep")]
    pub delete_remote: bool,
}

/// `30s`, `5m` or `1h`.
#[cfg(feature = "capture")]
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
#[cfg(feature = "capture")]
fn parse_copy_time(text: &str) -> Result<Duration, String> {
    let most = ckptfx_capture::kubernetes::fetch::MAX_TIME;
    let time = parse_duration(text)?;
    if time <= most {
        Ok(time)
    } else {
        Err(format!("a copy may take {} hours at most", most.as_secs() / 3600))
    }
}
