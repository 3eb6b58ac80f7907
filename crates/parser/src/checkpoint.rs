//! One checkpoint: the engine's description of the container and the directory of its images.

use std::sync::{Arc, atomic::AtomicU64};

use crate::{
    Diagnostic, Limits,
    archive::{Archive, Member, MemberKind, join},
    container::{Container, Engine},
    image::{self, ByteOrder, Image, ImageFile, Located},
    input::{IndexFacts, Place, find_places},
    source::Budget,
    text,
};

/// One checkpoint of the evidence.
#[derive(Debug)]
pub struct Checkpoint {
    /// What tells this checkpoint from others of the same evidence, if there are several.
    pub label: Option<String>,
    /// What the engine says of the container.
    pub container: Container,
    /// Memory only: the first step of an incremental dump, without processes.
    pub is_pre_dump: bool,
    /// Why the dump failed, in the words of CRIU's log; what was written until then is there.
    pub failure: Option<String>,
    /// The CRIU images.
    pub images: ImageDirectory,
    /// What was noticed while recognising it.
    pub diagnostics: Vec<Diagnostic>,
    archive: Arc<Archive>,
    base: Vec<u8>,
}

impl Checkpoint {
    pub(crate) fn new(
        label: Option<String>,
        index: Option<IndexFacts>,
        archive: &Arc<Archive>,
        place: Place,
        parents: Option<&[Arc<Archive>]>,
    ) -> Self {
        let mut diagnostics = Vec::new();
        let mut container = Container::read(archive, &place.base, &mut diagnostics);
        if let Some(index) = index {
            // Nobody else writes such an index.
            container.engine = Engine::Containerd;
            container.image = container.image.or(index.image);
            container.runtime = container.runtime.or(index.runtime);
        }
        let prefix = place.images.unwrap_or_else(|| {
            diagnostics.push(Diagnostic::loss(
                "no-images",
                "checkpoint/",
                "the archive holds no CRIU image: the node's CRIU configuration may send them to another \
                 directory (images-dir)",
            ));
            join(&place.base, b"checkpoint")
        });
        let label = label
            .or_else(|| (!place.base.is_empty()).then(|| text::escape_invalid(&place.base).into_owned()));
        let images = ImageDirectory::new(archive, prefix, parents, 0);
        Self {
            label,
            container,
            is_pre_dump: place.is_pre_dump,
            failure: place.failure,
            images,
            diagnostics,
            archive: Arc::clone(archive),
            base: place.base,
        }
    }

    /// A file that the engine put beside the images, such as `dump.log`.
    pub fn engine_file(&self, name: &str) -> Option<&Member> {
        self.archive.find(&join(&self.base, name.as_bytes())).filter(|member| member.kind == MemberKind::File)
    }

    /// Files below a directory beside the images, such as `volumes`.
    pub fn engine_files_in<'a>(&'a self, directory: &str) -> impl Iterator<Item = &'a Member> {
        let prefix = join(&join(&self.base, directory.as_bytes()), b"");
        self.archive.members().iter().filter(move |member| member.path.starts_with(&prefix))
    }

    /// Path of the directory of the engine's files in the archive; empty for its root.
    pub fn base(&self) -> &[u8] {
        &self.base
    }

    /// The archive that holds it.
    pub fn archive(&self) -> &Archive {
        &self.archive
    }
}

/// The dump that an incremental dump builds on (`format.md §7.3`).
#[derive(Debug)]
pub enum Parent {
    /// The dump is complete by itself.
    None,
    /// The parent is at hand.
    Found(Box<ImageDirectory>),
    /// There is a parent, but it is not in the evidence; why.
    Missing(String),
}

/// A directory of CRIU images.
#[derive(Debug)]
pub struct ImageDirectory {
    /// Byte order of the dumping host, from the inventory.
    pub order: ByteOrder,
    /// The dump before this one.
    pub parent: Parent,
    archive: Arc<Archive>,
    prefix: Vec<u8>,
}

impl ImageDirectory {
    fn new(archive: &Arc<Archive>, prefix: Vec<u8>, parents: Option<&[Arc<Archive>]>, depth: u64) -> Self {
        let order = match archive.file(&join(&prefix, b"inventory.img")).map(|bytes| bytes.first_chunk::<4>())
        {
            Some(Some([0x58, 0x31, 0x31, 0x16])) => ByteOrder::Big,
            _ => ByteOrder::Little,
        };
        let parent = Self::find_parent(archive, &prefix, parents, depth);
        Self { order, parent, archive: Arc::clone(archive), prefix }
    }

    fn find_parent(
        archive: &Arc<Archive>,
        prefix: &[u8],
        parents: Option<&[Arc<Archive>]>,
        depth: u64,
    ) -> Parent {
        if depth >= archive.limits.parents {
            return Parent::Missing(format!(
                "the chain of parents is longer than {0} (limit parents; --limit parents=N raises it)",
                archive.limits.parents
            ));
        }
        let inside =
            |prefix: Vec<u8>| Parent::Found(Box::new(Self::new(archive, prefix, parents, depth + 1)));
        let link = archive.find(&join(prefix, b"parent"));
        let reason = match link.map(|member| &member.kind) {
            Some(MemberKind::Symlink(target)) => match resolve(prefix, target) {
                Some(found) if found != prefix && has_images(archive, &found) => return inside(found),
                Some(_) => format!("its parent {} is not in the evidence", text::escape_invalid(target)),
                None => format!("its parent link {} leads out of the evidence", text::escape_invalid(target)),
            },
            Some(_) | None if has_images(archive, &join(prefix, b"parent")) => {
                return inside(join(prefix, b"parent"));
            }
            Some(_) => "its parent is no link and no directory of images".to_owned(),
            None => String::new(),
        };
        // Each archive given as a parent is used once, the nearest first.
        if let Some((nearest, further)) = parents.and_then(<[_]>::split_first) {
            if let Some(prefix) = find_places(nearest).into_iter().find_map(|place| place.images) {
                let further = (!further.is_empty()).then_some(further);
                return Parent::Found(Box::new(Self::new(nearest, prefix, further, depth + 1)));
            }
            return Parent::Missing("the evidence given with --parent holds no images".to_owned());
        }
        if reason.is_empty() {
            Parent::None
        } else {
            Parent::Missing(format!("{reason}; give it with --parent"))
        }
    }

    /// The member of a file name in this directory, if it is a regular file.
    pub fn member(&self, name: &str) -> Option<&Member> {
        let member = self.archive.find(&join(&self.prefix, name.as_bytes()))?;
        match &member.kind {
            MemberKind::File => Some(member),
            MemberKind::Hardlink(target) => {
                let target = self.archive.find(&crate::archive::normalise(target));
                target.filter(|member| member.kind == MemberKind::File)
            }
            _ => None,
        }
    }

    /// An image file; absent and empty are the same (`format.md §1.4`).
    pub fn file<'a>(&'a self, name: &'a str) -> Option<ImageFile<'a>> {
        let bytes = self.member(name)?.bytes();
        (!bytes.is_empty()).then_some(ImageFile {
            name,
            bytes,
            order: self.order,
            limits: self.limits(),
            decoded: self.decoded(),
        })
    }

    /// The limits that it is read under.
    pub fn limits(&self) -> &Limits {
        &self.archive.limits
    }

    /// What anonymous storage takes of.
    pub fn budget(&self) -> &Arc<Budget> {
        &self.archive.budget
    }

    /// Bytes that the messages decoded so far may take, of all images of the archive.
    pub fn decoded(&self) -> &AtomicU64 {
        &self.archive.decoded
    }

    /// The entries of an image; none when it is absent.
    pub fn read<T: Image>(&self, name: &str, diagnostics: &mut Vec<Diagnostic>) -> Vec<Located<T>> {
        self.file(name).map_or_else(Vec::new, |file| image::read(&file, diagnostics))
    }

    /// The entry of an image that has one.
    pub fn read_one<T: Image>(&self, name: &str, diagnostics: &mut Vec<Diagnostic>) -> Option<T> {
        self.read(name, diagnostics).into_iter().next().map(|entry| entry.value)
    }

    /// All files of the directory with their names, in the order of the archive, hard links to files among them. Of
    /// several members of one name only that which [`ImageDirectory::member`] gives.
    pub fn files(&self) -> impl Iterator<Item = (&str, &Member)> {
        let prefix = join(&self.prefix, b"");
        self.archive.current().filter_map(move |member| {
            let name = member.path.strip_prefix(prefix.as_slice()).filter(|name| !name.contains(&b'/'))?;
            let name = std::str::from_utf8(name).ok()?;
            match member.kind {
                MemberKind::File => Some((name, member)),
                MemberKind::Hardlink(_) => Some((name, self.member(name)?)),
                _ => None,
            }
        })
    }

    /// Whether the archive ends early, so that an absent image may have been there.
    pub fn is_cut(&self) -> bool {
        self.archive.is_cut()
    }

    /// Path of the directory in its archive.
    pub fn path(&self) -> &[u8] {
        &self.prefix
    }
}

fn has_images(archive: &Archive, prefix: &[u8]) -> bool {
    let prefix = join(prefix, b"");
    archive
        .members()
        .iter()
        .any(|member| member.path.strip_prefix(prefix.as_slice()).is_some_and(|name| name.ends_with(b".img")))
}

/// Resolves a link's target by its text alone; a target outside the evidence gives nothing.
fn resolve(directory: &[u8], target: &[u8]) -> Option<Vec<u8>> {
    if target.starts_with(b"/") {
        return None;
    }
    let mut parts: Vec<&[u8]> =
        directory.split(|byte| *byte == b'/').filter(|part| !part.is_empty()).collect();
    for part in target.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join(&b'/'))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// The images below a path of an archive.
    pub(crate) fn directory(archive: Archive, path: &str) -> ImageDirectory {
        ImageDirectory::new(&Arc::new(archive), path.as_bytes().to_vec(), None, 0)
    }

    #[test]
    fn a_chain_of_parents_has_an_end() {
        let deep = |depth: usize| {
            let path = |level| format!("a{}/inventory.img", "/parent".repeat(level)).into_bytes();
            let files = (0..=depth).map(|level| (path(level), bytes::Bytes::from_static(b"x")));
            let mut images = directory(Archive::of_files(files), "a");
            let mut levels = 0_u64;
            loop {
                match images.parent {
                    Parent::Found(parent) => images = *parent,
                    end => return (levels, matches!(end, Parent::None)),
                }
                levels += 1;
            }
        };
        assert_eq!(deep(0), (0, true));
        assert_eq!(deep(9), (9, true));
        assert_eq!(deep(500), (Limits::DEFAULT.parents, false));
    }

    #[test]
    fn the_byte_order_is_that_of_the_inventory() {
        let order = |bytes: &'static [u8]| {
            let file = (b"a/inventory.img".to_vec(), bytes::Bytes::from_static(bytes));
            directory(Archive::of_files([file]), "a").order
        };
        assert_eq!(order(&[0x58, 0x31, 0x31, 0x16]), ByteOrder::Big);
        assert_eq!(order(&[0x16, 0x31, 0x31, 0x58]), ByteOrder::Little);
        assert_eq!(order(b""), ByteOrder::Little);
    }

    #[test]
    fn parent_links_stay_inside_the_evidence() {
        let resolve = |directory: &str, target: &str| {
            resolve(directory.as_bytes(), target.as_bytes()).map(|path| String::from_utf8(path).unwrap())
        };
        assert_eq!(resolve("checkpoint", "../pre-checkpoint").as_deref(), Some("pre-checkpoint"));
        assert_eq!(resolve("a/b", ".././c/").as_deref(), Some("a/c"));
        assert_eq!(resolve("a", "../../etc"), None);
        assert_eq!(resolve("a", "/etc"), None);
    }
}
