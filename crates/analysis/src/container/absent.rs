//! What the container had and the archive has not: memory that was left on the source, and what was mounted from
//! outside.

use std::collections::BTreeSet;

use ckptfx_parser::{
    Diagnostic,
    archive::normalise,
    memory::{Content, Pages},
    proto,
};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::{Case, Text, case::Task};

/// Files that engines and the kubelet make for every container and mount into it.
const USUAL: [&str; 5] =
    ["/etc/hosts", "/etc/hostname", "/etc/resolv.conf", "/run/.containerenv", "/dev/termination-log"];
/// File systems that hold no content of the container's.
const KERNEL_OWN: [proto::Fstype; 6] = [
    proto::Fstype::Proc,
    proto::Fstype::Sysfs,
    proto::Fstype::Devpts,
    proto::Fstype::Cgroup,
    proto::Fstype::Cgroup2,
    proto::Fstype::Mqueue,
];
/// Pids and mounts that are listed in a message.
const MOST_NAMES: usize = 20;
/// Characters of a path in a message.
const MOST_CHARACTERS: usize = 200;

/// A volume or bind mount whose content is not in the archive.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct AbsentMount {
    /// Where it is mounted in the container.
    pub destination: Text,
    /// What is mounted there: a path of the host, or the name of a volume; null when nothing tells.
    pub source: Option<Text>,
    /// `bind` or `volume`.
    pub kind: &'static str,
}

/// Volumes and bind mounts whose content is not in the archive, in order of where they are mounted. Left out are the
/// files that engines make for every container, such as `/etc/hosts`.
#[must_use]
pub fn mounts(case: &Case<'_>) -> Vec<AbsentMount> {
    let checkpoint = case.checkpoint;
    let container = &checkpoint.container;
    let mut found: Vec<AbsentMount> = Vec::new();
    let mut seen: BTreeSet<Vec<u8>> = USUAL.map(|path| normalise(path.as_bytes())).into();
    if checkpoint.engine_file("devshm-checkpoint.tar").is_some() {
        seen.insert(b"dev/shm".to_vec());
    }
    let list = |value: Option<&Value>, key: &str| -> Vec<Value> {
        value.and_then(|value| value.get(key)?.as_array().cloned()).unwrap_or_default()
    };
    let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
    let volumes: Vec<(String, String)> = list(container.config.as_ref(), "namedVolumes")
        .iter()
        .filter_map(|volume| Some((text(volume, "volumeName")?, text(volume, "dest")?)))
        .collect();
    let (here, not_here): (Vec<_>, Vec<_>) = volumes
        .into_iter()
        .partition(|(name, _)| checkpoint.engine_file(&format!("volumes/{name}.tar")).is_some());
    seen.extend(here.iter().map(|(_, destination)| normalise(destination.as_bytes())));
    let mut add = |destination: &[u8], source: Option<Text>, kind| {
        if seen.insert(normalise(destination)) {
            found.push(AbsentMount { destination: Text(destination.to_vec()), source, kind });
        }
    };
    for (name, destination) in not_here {
        add(destination.as_bytes(), Some(name.into()), "volume");
    }
    for mount in list(container.spec.as_ref(), "mounts") {
        let is_bind = text(&mount, "type").as_deref() == Some("bind")
            || list(Some(&mount), "options").iter().any(|option| option == "bind" || option == "rbind");
        if let Some(destination) = text(&mount, "destination").filter(|_| is_bind) {
            add(destination.as_bytes(), text(&mount, "source").map(Text::from), "bind");
        }
    }
    // Without a specification the images tell.
    let mut ignored = Vec::new();
    let images = &checkpoint.images;
    let is_untold = container.spec.as_ref().is_none_or(|spec| spec.get("mounts").is_none());
    let names = images.files().map(|(name, _)| name);
    let lists = names.filter(|name| is_untold && name.starts_with("mountpoints-"));
    for mount in lists.flat_map(|name| images.read::<proto::MntEntry>(name, &mut ignored)) {
        let mount = mount.value;
        let kind = mount.fstype.and_then(|kind| i32::try_from(kind).ok()?.try_into().ok());
        let is_external = mount.ext_key.is_some() || mount.ext_mount == Some(true);
        if let Some(destination) = &mount.mountpoint
            && is_external
            && destination != b"/"
            // What runtimes hide, they hide by a mount.
            && !destination.starts_with(b"/proc/")
            && !destination.starts_with(b"/sys/")
            && !kind.is_some_and(|kind| KERNEL_OWN.contains(&kind))
        {
            add(destination, mount.root.filter(|_| mount.ext_key.is_some()).map(Text), "bind");
        }
    }
    found.sort();
    found
}

/// Where they are mounted, in a sentence.
#[must_use]
pub fn names(mounts: &[AbsentMount]) -> String {
    let name = |mount: &AbsentMount| mount.destination.escaped().chars().take(MOST_CHARACTERS).collect();
    let shown: Vec<String> = mounts.iter().take(MOST_NAMES).map(name).collect();
    let more = mounts.len().saturating_sub(MOST_NAMES);
    if more > 0 { format!("{} and {more} more", shown.join(", ")) } else { shown.join(", ") }
}

/// Bytes of memory that were left on the source of a lazy migration.
#[must_use]
pub fn lazy_bytes(case: &Case<'_>) -> u64 {
    let own = case.tasks.iter().filter_map(|task| task.space.as_ref()).map(|space| &space.pages);
    let shared = case.shared.objects.values().map(|object| &object.pages);
    own.chain(shared).map(lazy).fold(0, u64::saturating_add)
}

fn lazy(pages: &Pages<'_>) -> u64 {
    let runs = pages.within(0, u64::MAX).filter(|run| matches!(run.content, Content::Lazy));
    runs.map(|run| run.length).fold(0, u64::saturating_add)
}

/// The loss of memory that was left on the source.
pub(crate) fn check_lazy(case: &mut Case<'_>) {
    let bytes = lazy_bytes(case);
    if bytes == 0 {
        return;
    }
    let lacks = |task: &&Task<'_>| task.space.as_ref().is_some_and(|space| lazy(&space.pages) > 0);
    let pids: Vec<String> =
        case.tasks.iter().filter(lacks).map(|task| task.process.pid.to_string()).collect();
    let more = if pids.len() > MOST_NAMES { ", …" } else { "" };
    let shown = pids.get(..MOST_NAMES.min(pids.len())).unwrap_or_default().join(", ");
    let of = if pids.is_empty() { String::new() } else { format!(" of the processes {shown}{more}") };
    let message = format!(
        "{bytes} bytes of memory{of} were left on the source of a lazy migration: what they held is not here"
    );
    case.diagnostics.push(Diagnostic::loss("lazy-pages", "memory", message));
}
