//! What is searched besides memory: queues, deleted files, file systems, logs and metadata.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
    io::{self, Write as _},
    sync::Arc,
};

use bytes::Bytes;
use ckptfx_parser::{
    archive::{Member, MemberKind},
    source::Spool,
};

use super::{
    region::{Content, Item, Owner, SearchRegion},
    source::Source,
};
use crate::{
    Case, Text,
    files::{
        file_use::{self, FileUse, User},
        nested::{self, OpenNested, Origin},
    },
    network::{
        queue::{self, Queue},
        socket::Endpoint,
    },
    recover::{self, contents::Contents},
};

/// Logs, which are text; everything else beside them is metadata.
fn is_log(name: &[u8]) -> bool {
    name.ends_with(b".log") || name == b"io.kubernetes.cri-o.LogPath"
}

/// Images and files whose bytes are searched as something else.
fn is_content(name: &[u8]) -> bool {
    const WHOLE: [&[u8]; 7] = [
        b"rootfs-diff.tar",
        b"devshm-checkpoint.tar",
        b"pipes-data.img",
        b"fifo-data.img",
        b"sk-queues.img",
        b"tty-data.img",
        b"ipcns-msg.img",
    ];
    const BEGINNINGS: [&[u8]; 6] =
        [b"pages-", b"ghost-file-", b"tmpfs-", b"tcp-stream-", b"ipcns-msg-", b"ipcns-shm-"];
    let is_gpu = std::str::from_utf8(name).is_ok_and(is_gpu_memory);
    is_gpu || WHOLE.contains(&name) || BEGINNINGS.iter().any(|beginning| name.starts_with(beginning))
}

/// Whether an image holds memory of a GPU (`format.md §12.10`).
pub(crate) fn is_gpu_memory(name: &str) -> bool {
    use ckptfx_parser::image::{Kind, identify};
    identify(name).is_some_and(|(image, _)| matches!(image.kind, Kind::AmdgpuPages | Kind::AmdgpuDrmPages))
}

/// All bytes of a member; none when they cannot be read.
fn whole<'a>(member: &Member) -> Content<'a> {
    let (bytes, length) = (member.bytes().clone(), member.stored());
    if bytes.len() as u64 == length {
        return Content::Bytes { base: 0, bytes, at: Some(0) };
    }
    Content::Unclaimed { base: 0, length, bytes: Bytes::new(), goes_on: false, is_lost: true }
}

/// Adds memory of GPUs. Its images have no head: what lies where only the driver knows.
pub(super) fn add_gpu_memory<'a>(case: &Case<'a>, regions: &mut Vec<SearchRegion<'a>>) {
    let images = case.checkpoint.images.files().filter(|(name, _)| is_gpu_memory(name));
    for (name, member) in images.filter(|(_, member)| member.stored() > 0) {
        let item = Item {
            name: Text::from(name),
            kind: "gpu-memory",
            size: member.size,
            pids: Vec::new(),
            member: member.name().into_owned(),
        };
        regions.push(SearchRegion {
            content: whole(member),
            source: Source::GpuMemory,
            owner: Owner::Item(Arc::new(item)),
        });
    }
}

/// Adds what of the pages images belongs to nothing.
pub(super) fn add_unclaimed<'a>(case: &Case<'a>, regions: &mut Vec<SearchRegion<'a>>) {
    for image in case.ledger.pages.iter().filter(|image| !image.unclaimed.is_empty()) {
        let name = image.member.name().into_owned();
        let item = Arc::new(Item {
            name: Text(image.member.path.clone()),
            kind: "unclaimed",
            size: image.bytes,
            pids: Vec::new(),
            member: name,
        });
        for range in &image.unclaimed {
            let mut position = range.start;
            let mut add = |end: u64, is_there: bool| {
                let length = end.saturating_sub(position);
                let bytes = is_there.then(|| image.member.extent().read_at(position, length));
                let is_lost = matches!(bytes, Some(Err(_)));
                let bytes = bytes.and_then(Result::ok);
                if end > position {
                    regions.push(SearchRegion {
                        content: Content::Unclaimed {
                            base: position,
                            length,
                            is_lost,
                            bytes: bytes.unwrap_or_default(),
                            goes_on: position > range.start,
                        },
                        source: Source::Unclaimed,
                        owner: Owner::Item(Arc::clone(&item)),
                    });
                }
                position = end;
            };
            let holes = &image.member.holes;
            let first = holes.partition_point(|hole| hole.end <= range.start);
            for hole in holes.iter().skip(first).take_while(|hole| hole.start < range.end) {
                add(hole.start.max(range.start), true);
                add(hole.end.min(range.end), false);
            }
            add(range.end, true);
        }
    }
}

/// Adds what waits in queues.
pub(super) fn add_queues<'a>(case: &mut Case<'a>, wanted: &[Source], regions: &mut Vec<SearchRegion<'a>>) {
    for queue in queue::queues(case, &|_| true) {
        let source = match queue.kind {
            queue::Kind::Pipe | queue::Kind::Fifo => Source::Pipe,
            queue::Kind::Unix | queue::Kind::Socket | queue::Kind::Tcp => Source::SocketQueue,
            queue::Kind::SysvMessage => Source::MessageQueue,
            queue::Kind::Tty => Source::Tty,
        };
        if !wanted.contains(&source) {
            continue;
        }
        let name = queue_name(&queue);
        let mut pids: Vec<u32> = queue.writers.iter().chain(&queue.readers).copied().collect();
        pids.sort_unstable();
        pids.dedup();
        let item = Item { name, kind: queue.kind.name(), size: queue.bytes, pids, member: queue.member };
        regions.push(SearchRegion {
            content: Content::Bytes { base: 0, bytes: Bytes::from(queue.bytes_b64.0), at: None },
            source,
            owner: Owner::Item(Arc::new(item)),
        });
    }
}

/// As `/proc/PID/fd` and `ss` call it.
pub(crate) fn queue_name(queue: &Queue) -> Text {
    let ends = queue.local.as_ref().zip(queue.remote.as_ref());
    let direction = queue.direction.map(|direction| format!(" ({})", direction.name())).unwrap_or_default();
    match (&queue.path, ends, queue.id) {
        (Some(path), ..) => Text([path.0.as_slice(), direction.as_bytes()].concat()),
        (None, Some((local, remote)), _) => {
            Text::from(format!("tcp {} -> {}{direction}", end_name(local), end_name(remote)).as_str())
        }
        (None, None, Some(id)) => Text::from(format!("{}:[{id}]{direction}", queue.kind.name()).as_str()),
        (None, None, None) => Text::from(format!("{}{direction}", queue.kind.name()).as_str()),
    }
}

fn end_name(end: &Endpoint) -> String {
    let address = end.address.as_deref().unwrap_or("?");
    let port = end.port.map_or_else(|| "?".to_owned(), |port| port.to_string());
    if address.contains(':') { format!("[{address}]:{port}") } else { format!("{address}:{port}") }
}

/// Adds deleted files that are in the checkpoint.
///
/// # Errors
/// When anonymous storage fails.
pub(super) fn add_ghosts<'a>(case: &mut Case<'a>, regions: &mut Vec<SearchRegion<'a>>) -> io::Result<()> {
    let users = FileUse::read(case, &|_| true);
    let ghosts = recover::ghosts(case, &users);
    let images: HashMap<Cow<'_, str>, &Member> =
        case.checkpoint.images.files().map(|(_, member)| (member.name(), member)).collect();
    for found in ghosts {
        let Some(contents) = &found.contents else { continue };
        let facts = found.facts;
        let item = Item {
            name: facts.name.unwrap_or_else(|| Text::from(facts.id.as_str())),
            kind: "deleted-file",
            size: facts.size,
            pids: file_use::pids(&facts.users),
            member: facts.member,
        };
        let image = images.get(item.member.as_str()).copied();
        add_file(contents, image, item, Source::GhostFile, regions)?;
    }
    Ok(())
}

/// What kind of thing a file of a tar is in.
const fn source_of(origin: &Origin) -> Source {
    match origin {
        Origin::RootfsDiff => Source::Rootfs,
        Origin::Volume(_) => Source::Volume,
        Origin::DevShm | Origin::Tmpfs(_) => Source::Tmpfs,
    }
}

/// Opens the tars of file systems. Only those asked for: one may be compressed, and large.
pub(super) fn open_file_systems(
    case: &mut Case<'_>,
    wanted: &[Source],
    open: &OpenNested<'_>,
) -> Vec<nested::Source> {
    nested::sources_of(case, &|origin| wanted.contains(&source_of(origin)), open)
}

/// Adds the files of the file systems that the archive has tars of.
///
/// # Errors
/// When anonymous storage fails.
pub(super) fn add_file_systems<'a>(
    case: &mut Case<'a>,
    wanted: &[Source],
    file_systems: &[nested::Source],
    regions: &mut Vec<SearchRegion<'a>>,
) -> io::Result<()> {
    let by_path: BTreeMap<Vec<u8>, Vec<User>> = FileUse::read(case, &|_| true).by_path(case);
    for opened in file_systems.iter().filter(|opened| wanted.contains(&source_of(&opened.origin))) {
        let source = source_of(&opened.origin);
        let tar = case.checkpoint.archive().members().iter().find(|tar| tar.name() == opened.member.as_str());
        for member in opened.members().filter(|member| member.kind == MemberKind::File) {
            let Some(contents) = opened.contents(member) else { continue };
            let path = opened.path_of(&member.path);
            let item = Item {
                pids: by_path.get(&path).map(|users| file_use::pids(users)).unwrap_or_default(),
                name: Text(path),
                kind: "file",
                size: member.size,
                member: opened.member.clone(),
            };
            add_file(&contents, tar, item, source, regions)?;
        }
    }
    Ok(())
}

/// Adds logs, engine files and images.
pub(super) fn add_members<'a>(case: &Case<'a>, wanted: &[Source], regions: &mut Vec<SearchRegion<'a>>) {
    for member in case.checkpoint.engine_files_in("").filter(|member| member.kind == MemberKind::File) {
        let name = member.path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        let source = if is_log(name) { Source::Log } else { Source::Metadata };
        let is_volume = member.path.ends_with(b".tar")
            && member.path.rsplit(|byte| *byte == b'/').nth(1) == Some(b"volumes");
        if !wanted.contains(&source) || is_content(name) || is_volume || member.stored() == 0 {
            continue;
        }
        let item = Item {
            name: Text(member.path.clone()),
            kind: "member",
            size: member.size,
            pids: Vec::new(),
            member: member.name().into_owned(),
        };
        regions.push(SearchRegion { content: whole(member), source, owner: Owner::Item(Arc::new(item)) });
    }
}

/// Adds each stretch of a file between holes.
fn add_file<'a>(
    contents: &Contents,
    stored_in: Option<&Member>,
    item: Item,
    source: Source,
    regions: &mut Vec<SearchRegion<'a>>,
) -> io::Result<()> {
    let item = Arc::new(item);
    let mut pieces = contents.pieces().filter(|(_, bytes)| !bytes.is_empty()).peekable();
    while let Some((base, first)) = pieces.next() {
        let mut end = base.saturating_add(first.len() as u64);
        let mut bytes = first.clone();
        if pieces.peek().is_some_and(|(next, _)| *next == end) {
            // Chunks of a file lie apart in the image: a match may cross from one to the next.
            let mut spool = Spool::default();
            spool.write_all(first)?;
            while let Some((_, next)) = pieces.next_if(|(next, _)| *next == end) {
                spool.write_all(next)?;
                end = end.saturating_add(next.len() as u64);
            }
            bytes = spool.finish()?;
        }
        let at = stored_in.and_then(|member| offset_in(member.extent().held()?, &bytes));
        regions.push(SearchRegion {
            content: Content::Bytes { base, bytes, at },
            source,
            owner: Owner::Item(Arc::clone(&item)),
        });
    }
    Ok(())
}

/// Where `part` begins in `whole`, if it is a slice of it and no copy.
fn offset_in(whole: &Bytes, part: &Bytes) -> Option<u64> {
    let offset = part.as_ptr().addr().checked_sub(whole.as_ptr().addr())?;
    (offset.checked_add(part.len())? <= whole.len()).then_some(offset as u64)
}
