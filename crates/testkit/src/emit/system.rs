//! What belongs to the dump or to a task but is neither memory, registers nor files.

use super::files::Files;
use crate::checkpoint::{Checkpoint, Mount, NetDevice};
use crate::image::Images;
use crate::memory::{Shared, SharedKind};
use crate::process::{Namespaces, Process};
use crate::version::Criu;
use crate::wire::Message;
use flate2::{Compression, write::GzEncoder};
use std::collections::BTreeMap;
use std::io::Write;

fn ids(own: [u32; 4], namespaces: Namespaces, criu: Criu) -> Message {
    let mut message = Message::new();
    let spaces = [namespaces.pid, namespaces.net, namespaces.ipc, namespaces.uts, namespaces.mnt];
    for (field, id) in (1..).zip(own.into_iter().chain(spaces)) {
        message = message.uint(field, id);
    }
    message
        .when(criu.since(1, 4), |ids| ids.uint(10, namespaces.user))
        .when(criu.since(2, 0), |ids| ids.uint(11, namespaces.cgroup))
        .when(criu.since(3, 14), |ids| ids.uint(12, namespaces.time))
}

/// `inventory.img`.
pub(crate) fn inventory(checkpoint: &Checkpoint, images: &mut Images) {
    let criu = checkpoint.criu;
    let version = if criu.since(1, 6) { 2_u32 } else { 1 };
    let plugins = Message::new();
    let plugins = checkpoint.plugins.iter().fold(plugins, |message, name| message.bytes(12, name));
    let tracked = checkpoint.pre_dump || checkpoint.parent.is_some();
    let entry = Message::new()
        .uint(1, version)
        .flag(2, true)
        .message(3, &ids([1; 4], Namespaces::HOST, criu))
        .flag(4, true)
        .when(criu.since(1, 3), |entry| entry.uint(5, 1_u32))
        .when(criu.since(1, 6), |entry| entry.uint(6, checkpoint.lsm))
        .when(criu.since(3, 10) && tracked, |entry| entry.uint(8, 3_756_000_000_u64))
        .when(criu.since(3, 14) && tracked, |entry| entry.uint(9, 1_u32))
        .when(criu.since(3, 16), |entry| entry.uint(11, 0_u32))
        .when(criu.since(4, 1), |entry| {
            entry.message(12, &plugins).bytes(13, "176e8fb1-46fa-4a06-95f8-ec6c5bb83dd5")
        })
        .when(checkpoint.storage.compressed.is_some(), |entry| {
            let pages = checkpoint.storage.compressed.unwrap_or(1);
            entry.uint(15, if pages > 1 { 2_u32 } else { 1 }).uint(16, pages * 4096)
        });
    images.add("inventory", "", &entry);
}

/// The entry of a process in `pstree.img`.
pub(crate) fn pstree(process: &Process, images: &mut Images) {
    // CRIU leaves an uninitialised word in the thread list of a zombie.
    let threads = if matches!(process.state, crate::State::Dead(_)) {
        vec![1_874_252_288]
    } else {
        let others = process.threads.iter().map(|thread| thread.tid);
        [process.pid].into_iter().chain(others).collect()
    };
    let entry = Message::new()
        .uint(1, process.pid)
        .uint(2, process.ppid)
        .uint(3, process.pgid.unwrap_or(process.pid))
        .uint(4, process.sid.unwrap_or(process.pid))
        .repeated(5, threads);
    images.add("pstree", "", &entry);
}

/// `ids`, `fs` and `fdinfo` of a process.
pub(crate) fn task(
    checkpoint: &Checkpoint,
    process: &Process,
    numbers: &BTreeMap<u32, u32>,
    files: &mut Files<'_>,
    images: &mut Images,
) {
    let number = |pid: u32| *numbers.get(&pid).expect("known process");
    let own = number(process.pid);
    let table = process.shares_files_with.map_or(own, number);
    let entry = ids([own, table, own, own], process.namespaces, checkpoint.criu);
    images.add("ids", process.pid, &entry);
    let fs = Message::new()
        .uint(1, files.id(&process.cwd))
        .uint(2, files.id(&process.root))
        .uint(3, process.umask);
    images.add("fs", process.pid, &fs);
    if process.shares_files_with.is_some() {
        return;
    }
    let mut fds: Vec<_> = process.fds.iter().collect();
    fds.sort_by_key(|(fd, ..)| *fd);
    images.touch("fdinfo", table);
    for (fd, cloexec, file) in fds {
        let id = files.id(file);
        let entry = Message::new().uint(1, id).flag(2, *cloexec).uint(3, files.kind(file)).uint(4, *fd);
        images.add("fdinfo", table, &entry);
    }
}

/// Namespaces, SysV objects, cgroups, filters, locks, tmpfs contents.
pub(crate) fn namespaces(checkpoint: &Checkpoint, images: &mut Images, files: &Files<'_>) {
    let criu = checkpoint.criu;
    let own = checkpoint.processes.first().map_or(Namespaces::CONTAINER, |process| process.namespaces);
    let host = Namespaces::HOST;
    if own.uts != host.uts {
        let entry = Message::new().bytes(1, &checkpoint.hostname).bytes(2, "(none)");
        images.add("utsns", own.uts, &entry);
    }
    if own.ipc != host.ipc {
        ipc(checkpoint, own.ipc, images, files);
    }
    if own.net != host.net {
        network(checkpoint, own.net, images);
    }
    if own.mnt != host.mnt {
        for mount in checkpoint.mounts.iter().rev() {
            images.add("mountpoints", own.mnt, &mount_entry(mount, criu));
        }
    }
    if !checkpoint.userns.is_empty() {
        let mut entry = Message::new();
        for field in [1, 2] {
            for (inside, outside, count) in &checkpoint.userns {
                let extent = Message::new().uint(1, *inside).uint(2, *outside).uint(3, *count);
                entry = entry.message(field, &extent);
            }
        }
        images.add("userns", own.user, &entry);
    }
    if criu.since(3, 15) && own.pid != host.pid {
        images.add("pidns", own.pid, &Message::new().bytes(1, "extRootPidNS"));
    }
    if criu.since(3, 14) {
        let clock = |nanos: u32| Message::new().uint(1, 3756_u32).uint(2, nanos);
        let entry = Message::new().message(1, &clock(789_640_204)).message(2, &clock(789_640_274));
        images.add("timens", 0, &entry);
    }
    if criu.since(1, 8) {
        let filters: Vec<Message> = checkpoint
            .seccomp
            .iter()
            .map(|filter| {
                Message::new()
                    .bytes(1, &filter.program)
                    .maybe(filter.prev, |entry, prev| entry.uint(2, prev))
                    .when(criu.since(3, 10) && filter.flags != 0, |entry| entry.uint(3, filter.flags))
            })
            .collect();
        images.add("seccomp", "", &Message::new().messages(1, &filters));
    }
    if criu.since(1, 3)
        && let Some(path) = &checkpoint.cgroup
    {
        images.add("cgroup", "", &cgroup(path, criu));
    }
    for (pid, fd, flag, kind, start, length) in &checkpoint.locks {
        let entry = Message::new()
            .uint(1, *flag)
            .uint(2, *kind)
            .int(3, *pid)
            .int(4, *fd)
            .int(5, *start)
            .int(6, *length);
        images.add("filelocks", "", &entry);
    }
    for (device, entries) in &checkpoint.tmpfs {
        let mut members = crate::member::Members::new();
        members.push(crate::Member::directory("./", 0o755));
        for (path, mode, bytes) in entries {
            let path = format!("./{path}");
            members.push(crate::Member::file(path, *mode, bytes.clone()));
        }
        let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
        gzip.write_all(&members.to_tar()).expect("writing to memory");
        let bytes = gzip.finish().expect("writing to memory");
        images.put(format!("tmpfs-dev-{device}.tar.gz.img"), bytes);
    }
}

fn mount_entry(mount: &Mount, criu: Criu) -> Message {
    let (old_external, root) = match &mount.external {
        Some(key) if !criu.since(3, 0) => (true, key),
        _ => (false, &mount.root),
    };
    Message::new()
        .uint(1, mount.fstype)
        .uint(2, mount.mnt_id)
        .uint(3, mount.dev)
        .uint(4, mount.parent)
        .uint(5, 0x20_0000_u32)
        .bytes(6, root)
        .bytes(7, &mount.mountpoint)
        .bytes(8, &mount.source)
        .bytes(9, &mount.options)
        .uint(10, 0_u32)
        .uint(11, 0_u32)
        .when(old_external && criu.since(1, 3), |entry| entry.flag(13, true))
        .when(criu.since(1, 8), |entry| entry.uint(17, 0_u32))
        .when(criu.since(3, 0), |entry| {
            entry.maybe(mount.external.as_ref(), |entry, key| entry.bytes(18, key))
        })
}

fn cgroup(path: &str, criu: Criu) -> Message {
    let member = |name: &str| Message::new().bytes(1, name).bytes(2, path);
    let set = Message::new().uint(1, 2_u32).messages(2, &["", "memory", "pids"].map(member));
    let permissions = Message::new().uint(1, 0o100_644_u32).uint(2, 0_u32).uint(3, 0_u32);
    let property = Message::new()
        .bytes(1, "pids.max")
        .bytes(2, "max")
        .when(criu.since(2, 0), |entry| entry.message(3, &permissions));
    let directory = Message::new()
        .bytes(1, path.trim_start_matches('/'))
        .message(3, &property)
        .when(criu.since(2, 0), |entry| entry.message(4, &permissions));
    let controller = Message::new().bytes(1, "pids").message(2, &directory);
    Message::new().message(1, &set).message(2, &controller)
}

fn descriptor(key: u32, id: u32) -> Message {
    [key, 0, 0, 0, 0, 0o600, id]
        .into_iter()
        .zip(1..)
        .fold(Message::new(), |message, (value, field)| message.uint(field, value))
}

fn ipc(checkpoint: &Checkpoint, ns: u32, images: &mut Images, files: &Files<'_>) {
    let criu = checkpoint.criu;
    let mut limits = Message::new().repeated(1, [32000_u32, 1_024_000_000, 500, 32000]);
    let values = [8192, 16384, 32000, 0, u64::MAX >> 8, u64::MAX >> 8, 4096, 0, 256, 10, 8192];
    for (field, value) in (2..).zip(values) {
        limits = limits.uint(field, value);
    }
    images.add("ipcns-var", ns, &limits);
    for object in &checkpoint.shared {
        if let SharedKind::SysV(key, id) = object.kind {
            let in_pagemaps = criu.since(3, 0);
            let entry = Message::new()
                .message(1, &descriptor(key, id))
                .uint(2, object.size)
                .when(in_pagemaps, |entry| entry.flag(3, true));
            let payload = if in_pagemaps { Vec::new() } else { inline(object, checkpoint) };
            images.add_with("ipcns-shm", ns, &entry, &payload);
            debug_assert_eq!(files.shmid(&object.key), u64::from(id));
        }
    }
    for (key, id, messages) in &checkpoint.messages {
        let bytes: usize = messages.iter().map(|(_, text)| text.len()).sum();
        let entry = Message::new()
            .message(1, &descriptor(*key, *id))
            .uint(2, bytes as u64)
            .uint(3, messages.len() as u64);
        let mut payload = Vec::new();
        for (kind, text) in messages {
            let head = Message::new().uint(1, *kind).uint(2, text.len() as u64);
            let mut padded = text.clone();
            padded.resize(text.len().next_multiple_of(8), 0);
            payload.extend(images.style.entry(&head, &padded));
        }
        images.add_with("ipcns-msg", ns, &entry, &payload);
    }
    for (key, id, values) in &checkpoint.semaphores {
        let entry = Message::new().message(1, &descriptor(*key, *id)).uint(2, values.len() as u64);
        let style = images.style;
        let mut payload: Vec<u8> = values.iter().flat_map(|value| style.half(*value)).collect();
        payload.resize(payload.len().next_multiple_of(8), 0);
        images.add_with("ipcns-sem", ns, &entry, &payload);
    }
}

/// The bytes of a segment as releases before 3.0 put them behind the entry.
fn inline(object: &Shared, checkpoint: &Checkpoint) -> Vec<u8> {
    let mut bytes = object.contents.flat(object.size, checkpoint.page_size);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn network(checkpoint: &Checkpoint, ns: u32, images: &mut Images) {
    if checkpoint.devices.is_empty() {
        if checkpoint.criu.since(3, 11) {
            images.add("netns", ns, &Message::new().bytes(8, "extRootNetNS"));
        }
        return;
    }
    if checkpoint.criu.since(1, 6) {
        images.add("netns", ns, &Message::new());
    }
    let style = images.style;
    let mut addresses = style.word(0x4736_1222).to_vec();
    let mut routes = style.word(0x4531_1224).to_vec();
    for (sequence, device) in (0_u32..).zip(&checkpoint.devices) {
        let entry = Message::new()
            .uint(1, device.kind)
            .uint(2, device.index)
            .uint(3, 1500_u32)
            .uint(4, device.flags)
            .bytes(5, &device.name)
            .bytes(7, device.mac);
        images.add("netdev", ns, &entry);
        if let Some((address, prefix)) = device.address {
            addresses.extend(new_address(checkpoint, device, address, prefix, sequence));
            routes.extend(new_route(checkpoint, device, address, prefix, sequence));
        }
    }
    images.put(format!("ifaddr-{ns}.img"), addresses);
    images.put(format!("route-{ns}.img"), routes);
    images.put(format!("rule-{ns}.img"), style.word(0x7170_6986));
}

/// A netlink message with its attributes.
fn netlink(
    checkpoint: &Checkpoint,
    kind: u16,
    sequence: u32,
    head: &[u8],
    attributes: &[(u16, &[u8])],
) -> Vec<u8> {
    let style = checkpoint.style();
    let mut body = head.to_vec();
    for (number, value) in attributes {
        body.extend(style.half(4 + value.len() as u16));
        body.extend(style.half(*number));
        body.extend_from_slice(value);
        body.resize(body.len().next_multiple_of(4), 0);
    }
    let mut out = style.word(16 + body.len() as u32).to_vec();
    out.extend(style.half(kind));
    out.extend(style.half(2));
    out.extend(style.word(crate::TIME as u32 + sequence));
    out.extend(style.word(77));
    out.extend(body);
    out
}

fn new_address(
    checkpoint: &Checkpoint,
    device: &NetDevice,
    address: [u8; 4],
    prefix: u8,
    sequence: u32,
) -> Vec<u8> {
    let mut head = vec![2, prefix, 0x80, 0];
    head.extend(checkpoint.style().word(device.index));
    let label = [device.name.as_bytes(), b"\0"].concat();
    let attributes: [(u16, &[u8]); 3] = [(1, &address), (2, &address), (3, &label)];
    netlink(checkpoint, 20, sequence, &head, &attributes)
}

fn new_route(
    checkpoint: &Checkpoint,
    device: &NetDevice,
    address: [u8; 4],
    prefix: u8,
    sequence: u32,
) -> Vec<u8> {
    let mut head = vec![2, prefix, 0, 0, 254, 2, 253, 1];
    head.extend(checkpoint.style().word(0));
    let net = u32::from_be_bytes(address) & u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
    let index = checkpoint.style().word(device.index);
    let net = net.to_be_bytes();
    let attributes: [(u16, &[u8]); 3] = [(1, &net), (4, &index), (7, &address)];
    netlink(checkpoint, 24, sequence, &head, &attributes)
}
