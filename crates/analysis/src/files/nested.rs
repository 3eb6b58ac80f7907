//! The file systems that an archive has tars of: changes of the root file system, volumes, shared memory
//! and tmpfs mounts (`archives.md §1.5, §2`, `format.md §10`).

use ckptfx_parser::{
    Diagnostic,
    archive::{Archive, Member, MemberKind, normalise},
    proto,
};
use serde_json::Value;

pub use crate::files::origin::Origin;
use crate::{Case, Text, files::owner::Owners, recover::contents::Contents};

/// Opens a tar inside the evidence; where its bytes come from is not this crate's business.
pub type OpenNested<'o> = dyn Fn(&Member, &mut Vec<Diagnostic>) -> Option<Archive> + 'o;

/// Hard links that lead from one to the next are followed this often.
const MAX_LINKS: usize = 8;

/// A tar of a file system or of its changes.
#[derive(Debug)]
pub struct Source {
    /// Where it comes from.
    pub origin: Origin,
    /// The word for it in output: `rootfs-diff`, `devshm`, `volume:NAME`, `tmpfs:/run`.
    pub name: Text,
    /// Directory of the container that it is mounted at, without leading `/`; empty for the root.
    pub directory: Vec<u8>,
    /// The member of the evidence that it is.
    pub member: String,
    /// What the ids of its members mean.
    pub owners: Owners,
    /// Its members.
    pub archive: Archive,
}

impl Source {
    /// Path in the container, with leading `/`.
    pub fn path_of(&self, member: &[u8]) -> Vec<u8> {
        let parts = [self.directory.as_slice(), member];
        parts
            .into_iter()
            .filter(|part| !part.is_empty())
            .fold(Vec::new(), |path: Vec<u8>, part| [path.as_slice(), b"/", part].concat())
    }

    /// The members that count: of several with one path the last, and not the root itself.
    pub fn members(&self) -> impl Iterator<Item = &Member> {
        self.archive.members().iter().filter(|member| {
            !member.path.is_empty()
                && self.archive.find(&member.path).is_some_and(|last| std::ptr::eq(last, *member))
        })
    }

    /// The content of a regular file, or of the one that a hard link leads to.
    pub fn contents(&self, member: &Member) -> Option<Contents> {
        contents_in(&self.archive, member)
    }
}

/// The content of a regular file of an archive, or of the one that a hard link leads to.
pub fn contents_in(archive: &Archive, member: &Member) -> Option<Contents> {
    let mut file = member;
    for _ in 0..MAX_LINKS {
        match &file.kind {
            MemberKind::File => {
                let mut contents = Contents::new(file.size);
                let pieces = file.pieces();
                let is_lost = file.is_cut() || pieces.is_err();
                for (offset, bytes) in pieces.unwrap_or_default() {
                    contents.put(offset, bytes);
                }
                if is_lost {
                    contents.lose(file.size.saturating_sub(contents.captured()).max(1));
                }
                return Some(contents);
            }
            MemberKind::Hardlink(target) => file = archive.find(&normalise(target))?,
            _ => return None,
        }
    }
    None
}

/// Opens all of them, the changes of the root file system first.
pub fn sources(case: &mut Case<'_>, open: &OpenNested<'_>) -> Vec<Source> {
    sources_of(case, &|_| true, open)
}

/// Opens those of the origins that are wanted.
pub(crate) fn sources_of(
    case: &mut Case<'_>,
    wanted: &dyn Fn(&Origin) -> bool,
    open: &OpenNested<'_>,
) -> Vec<Source> {
    let checkpoint = case.checkpoint;
    let user = case.tasks.first().and_then(|task| task.process.namespaces.get("user")).copied();
    let diagnostics = &mut case.diagnostics;
    let mut found: Vec<(Origin, Vec<u8>, &Member)> = Vec::new();
    if let Some(member) = checkpoint.engine_file("rootfs-diff.tar") {
        found.push((Origin::RootfsDiff, Vec::new(), member));
    }
    for member in checkpoint.engine_files_in("volumes").filter(|member| member.kind == MemberKind::File) {
        let file = member.path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        let Some(name) = file.strip_suffix(b".tar") else { continue };
        let directory = volume_directory(checkpoint.container.config.as_ref(), name).unwrap_or_default();
        found.push((Origin::Volume(name.to_vec()), directory, member));
    }
    if let Some(member) = checkpoint.engine_file("devshm-checkpoint.tar") {
        found.push((Origin::DevShm, b"dev/shm".to_vec(), member));
    }
    let mounts = mounts(case.checkpoint, diagnostics);
    for (name, member) in checkpoint.images.files() {
        let number = |stem: &str| name.strip_prefix(stem)?.strip_suffix(".tar.gz.img")?.parse::<u32>().ok();
        let (number, mount) = if let Some(device) = number("tmpfs-dev-") {
            (device, tmpfs_mount(&mounts, |mount| mount.root_dev == Some(device)))
        } else if let Some(id) = number("tmpfs-") {
            (id, tmpfs_mount(&mounts, |mount| mount.mnt_id == Some(id)))
        } else {
            continue;
        };
        let directory = mount.and_then(|mount| mount.mountpoint.clone());
        if directory.is_none() {
            let message = format!("no mount has the number {number}: where its files were is not known");
            diagnostics.push(Diagnostic::note("unknown-mount", name, message));
        }
        found.push((Origin::Tmpfs(number), normalise(&directory.unwrap_or_default()), member));
    }
    found.sort_by(|one, other| one.0.cmp(&other.0));
    let mut sources = Vec::new();
    for (origin, directory, member) in found.into_iter().filter(|(origin, ..)| wanted(origin)) {
        let Some(archive) = open(member, diagnostics) else { continue };
        let name = match &origin {
            Origin::RootfsDiff => Text::from("rootfs-diff"),
            Origin::DevShm => Text::from("devshm"),
            Origin::Volume(name) => Text([b"volume:", name.as_slice()].concat()),
            Origin::Tmpfs(number) if directory.is_empty() => Text::from(format!("tmpfs:{number}").as_str()),
            Origin::Tmpfs(_) => Text([b"tmpfs:/", directory.as_slice()].concat()),
        };
        let member = member.name().into_owned();
        let owners = Owners::read(checkpoint, user, &origin, diagnostics);
        sources.push(Source { origin, name, directory, member, owners, archive });
    }
    sources
}

/// Where Podman mounted a named volume.
fn volume_directory(config: Option<&Value>, name: &[u8]) -> Option<Vec<u8>> {
    let volumes = config?.get("namedVolumes")?.as_array()?;
    let volume = volumes.iter().find(|volume| {
        volume.get("volumeName").and_then(Value::as_str).is_some_and(|text| text.as_bytes() == name)
    })?;
    Some(normalise(volume.get("dest")?.as_str()?.as_bytes()))
}

fn mounts(checkpoint: &ckptfx_parser::Checkpoint, diagnostics: &mut Vec<Diagnostic>) -> Vec<proto::MntEntry> {
    let mut mounts = Vec::new();
    let images = &checkpoint.images;
    let mut names: Vec<&str> =
        images.files().map(|(name, _)| name).filter(|name| name.starts_with("mountpoints-")).collect();
    names.sort_unstable();
    for name in names {
        let entries = images.read::<proto::MntEntry>(name, diagnostics);
        // The last mounted is written first.
        mounts.extend(entries.into_iter().rev().map(|entry| entry.value));
    }
    mounts
}

/// The mount of a whole tmpfs: rather than one of a directory in it, and the first of several.
fn tmpfs_mount(
    mounts: &[proto::MntEntry],
    is_it: impl Fn(&proto::MntEntry) -> bool,
) -> Option<&proto::MntEntry> {
    let whole = |mount: &&proto::MntEntry| mount.root.as_deref().is_none_or(|root| root == b"/");
    let mut fitting = mounts.iter().filter(|mount| is_it(mount));
    fitting.clone().find(whole).or_else(|| fitting.next())
}
