//! System V shared memory, message queues and semaphores, and the limits of their namespace
//! (`format.md §11.3`).

use std::collections::BTreeSet;

use ckptfx_parser::{
    Diagnostic, ImageDirectory,
    image::{self, Located},
    memory::VmaKind,
    proto,
};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{Case, Task, container::namespace};

/// What a record is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A shared memory segment.
    Shm,
    /// A message queue.
    Msg,
    /// A set of semaphores.
    Sem,
    /// A limit or other setting of the namespace.
    Limit,
}

/// A message that waits in a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Message {
    /// Its type.
    pub r#type: Option<u64>,
    /// Size of its text in bytes, as the message says.
    pub bytes: Option<u32>,
}

/// An object or a limit of an IPC namespace. Fields that the kind does not have are null.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Object {
    /// CRIU's number of the IPC namespace; null when nothing tells it.
    pub namespace: Option<u32>,
    /// What it is.
    pub kind: Kind,
    /// Key by which programs find it; `0x0` is a private one.
    pub key: Option<String>,
    /// Its id.
    pub id: Option<u32>,
    /// Owner.
    pub uid: Option<u32>,
    /// Group of the owner.
    pub gid: Option<u32>,
    /// User who made it.
    pub creator_uid: Option<u32>,
    /// Group of the user who made it.
    pub creator_gid: Option<u32>,
    /// Permissions in octal.
    pub mode: Option<String>,
    /// Size of a segment in bytes.
    pub size: Option<u64>,
    /// Bytes of a segment that are in the checkpoint; pages that were never written are not.
    pub captured_bytes: Option<u64>,
    /// Whether a segment is made of huge pages; CRIU notes it since 3.17.
    pub hugetlb: Option<bool>,
    /// Processes that have a segment attached. The images do not tell who uses queues and semaphores.
    pub pids: Option<Vec<u32>>,
    /// Most bytes that the queue takes.
    pub queue_bytes: Option<u32>,
    /// Messages that wait in the queue, the oldest first.
    pub messages: Option<Vec<Message>>,
    /// Values of the semaphores, as far as they are in the image.
    pub values: Option<Vec<u16>>,
    /// Name of a limit, as sysctl has it.
    pub name: Option<&'static str>,
    /// Value of a limit.
    pub value: Option<String>,
}

impl Object {
    fn new(namespace: Option<u32>, kind: Kind, descriptor: Option<&proto::IpcDescEntry>) -> Self {
        Self {
            namespace,
            kind,
            key: descriptor.and_then(|one| one.key).map(|key| format!("{key:#x}")),
            id: descriptor.and_then(|one| one.id),
            uid: descriptor.and_then(|one| one.uid),
            gid: descriptor.and_then(|one| one.gid),
            creator_uid: descriptor.and_then(|one| one.cuid),
            creator_gid: descriptor.and_then(|one| one.cgid),
            mode: descriptor.and_then(|one| one.mode).map(|mode| format!("{:04o}", mode & 0o7777)),
            size: None,
            captured_bytes: None,
            hugetlb: None,
            pids: None,
            queue_bytes: None,
            messages: None,
            values: None,
            name: None,
            value: None,
        }
    }
}

/// The objects of the namespaces of the processes that `wanted` accepts: segments, queues, semaphores,
/// then limits.
pub fn objects(case: &mut Case<'_>, wanted: &dyn Fn(&Task<'_>) -> bool) -> Vec<Object> {
    let images = &case.checkpoint.images;
    let names: BTreeSet<&str> = images.files().map(|(name, _)| name).collect();
    let mut objects = Vec::new();
    let mut diagnostics = Vec::new();
    for name in names {
        let Some((stem, number)) = namespace::split(name).filter(|(stem, _)| stem.starts_with("ipcns-"))
        else {
            continue;
        };
        let id = namespace::id(case, "ipc", number);
        if !namespace::is_wanted(case, "ipc", id, wanted) {
            continue;
        }
        match stem {
            "ipcns-shm" => {
                let entries = images.read::<proto::IpcShmEntry>(name, &mut diagnostics);
                objects.extend(entries.iter().map(|entry| segment(case, id, entry)));
            }
            "ipcns-msg" => {
                let file = images.file(name);
                let queues = file.map(|file| image::read_message_queues(&file, &mut diagnostics));
                objects.extend(queues.into_iter().flatten().map(|(queue, messages)| Object {
                    queue_bytes: queue.value.qbytes,
                    messages: Some(messages.iter().map(message).collect()),
                    ..Object::new(id, Kind::Msg, queue.value.desc.as_ref())
                }));
            }
            "ipcns-sem" => objects.extend(semaphores(images, name, id, &mut diagnostics)),
            "ipcns-var" => {
                let entry = images.read_one::<proto::IpcVarEntry>(name, &mut diagnostics);
                objects.extend(entry.iter().flat_map(limits).map(|(name, value)| Object {
                    name: Some(name),
                    value: Some(value),
                    ..Object::new(id, Kind::Limit, None)
                }));
            }
            _ => {}
        }
    }
    objects.sort_by_key(|object| (object.namespace, object.kind));
    case.diagnostics.append(&mut diagnostics);
    objects
}

fn segment(case: &Case<'_>, namespace: Option<u32>, entry: &Located<proto::IpcShmEntry>) -> Object {
    let value = &entry.value;
    let key = value.desc.as_ref().and_then(|one| one.id).map(u64::from);
    let maps = |task: &&Task<'_>| {
        let mut vmas = task.space.iter().flat_map(|space| &space.vmas);
        key.is_some() && vmas.any(|vma| matches!(vma.kind, VmaKind::Shared(shared) if Some(shared) == key))
    };
    let pids = case.tasks.iter().filter(maps).map(|task| task.process.pid).collect();
    let captured = if value.in_pagemaps == Some(true) {
        let object = key.and_then(|key| case.shared.objects.get(&key));
        object.map(|object| object.pages.captured_bytes())
    } else {
        // Before CRIU 3.0 the bytes follow the entry, padded.
        let inline = entry.payload.end.saturating_sub(entry.payload.start);
        Some(value.size.map_or(inline, |size| size.min(inline)))
    };
    Object {
        size: value.size,
        captured_bytes: captured,
        hugetlb: value.hugetlb_flag.map(|flag| flag != 0),
        pids: Some(pids),
        ..Object::new(namespace, Kind::Shm, value.desc.as_ref())
    }
}

fn message(message: &Located<proto::IpcMsg>) -> Message {
    Message { r#type: message.value.mtype, bytes: message.value.msize }
}

fn semaphores(
    images: &ImageDirectory,
    name: &str,
    namespace: Option<u32>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<Object> {
    let Some(file) = images.file(name) else { return Vec::new() };
    let sets = image::read::<proto::IpcSemEntry>(&file, diagnostics);
    let object = |set: &Located<proto::IpcSemEntry>| {
        let payload = file.slice(&set.payload);
        let count = set.value.nsems.and_then(|count| usize::try_from(count).ok()).unwrap_or(0);
        let values = payload.chunks_exact(2).take(count).filter_map(|half| file.order.half(half, 0));
        Object {
            values: Some(values.collect()),
            ..Object::new(namespace, Kind::Sem, set.value.desc.as_ref())
        }
    };
    sets.iter().map(object).collect()
}

/// Settings by their names below `/proc/sys`.
fn limits(entry: &proto::IpcVarEntry) -> Vec<(&'static str, String)> {
    let words: Vec<String> = entry.sem_ctls.iter().map(u32::to_string).collect();
    let small = |value: Option<u32>| value.map(|value| value.to_string());
    let large = |value: Option<u64>| value.map(|value| value.to_string());
    let all = [
        ("kernel.sem", (!words.is_empty()).then(|| words.join(" "))),
        ("kernel.msgmax", small(entry.msg_ctlmax)),
        ("kernel.msgmnb", small(entry.msg_ctlmnb)),
        ("kernel.msgmni", small(entry.msg_ctlmni)),
        ("kernel.auto_msgmni", small(entry.auto_msgmni)),
        ("kernel.shmmax", large(entry.shm_ctlmax)),
        ("kernel.shmall", large(entry.shm_ctlall)),
        ("kernel.shmmni", small(entry.shm_ctlmni)),
        ("kernel.shm_rmid_forced", small(entry.shm_rmid_forced)),
        ("fs.mqueue.queues_max", small(entry.mq_queues_max)),
        ("fs.mqueue.msg_max", small(entry.mq_msg_max)),
        ("fs.mqueue.msgsize_max", small(entry.mq_msgsize_max)),
        ("fs.mqueue.msg_default", small(entry.mq_msg_default)),
        ("fs.mqueue.msgsize_default", small(entry.mq_msgsize_default)),
        ("kernel.msg_next_id", small(entry.msg_next_id)),
        ("kernel.sem_next_id", small(entry.sem_next_id)),
        ("kernel.shm_next_id", small(entry.shm_next_id)),
    ];
    all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

#[cfg(test)]
mod tests {
    use ckptfx_testkit::Criu;

    use super::*;
    use crate::tests::with_case;

    #[test]
    fn objects_are_the_same_in_old_and_new_images() {
        for criu in [Criu::V2_12, Criu::V4_2] {
            with_case(ckptfx_testkit::rich_old(criu), |case| {
                let objects = objects(case, &|_| true);
                let one = |kind| objects.iter().find(|object| object.kind == kind).unwrap();
                let segment = one(Kind::Shm);
                assert_eq!((segment.key.as_deref(), segment.id), (Some("0x4242"), Some(0)));
                assert_eq!((segment.size, segment.pids.as_deref()), (Some(0x1_0000), Some([7].as_slice())));
                assert!(segment.captured_bytes.unwrap() >= 4096, "{criu:?} {segment:?}");
                let messages = one(Kind::Msg).messages.clone().unwrap();
                let expected = [(Some(1), Some(7)), (Some(2), Some(17))];
                assert_eq!(messages.iter().map(|m| (m.r#type, m.bytes)).collect::<Vec<_>>(), expected);
                assert_eq!(one(Kind::Sem).values, Some(vec![1, 2, 3]));
                assert_eq!(one(Kind::Sem).mode.as_deref(), Some("0600"));
                let sem = objects.iter().find(|object| object.name == Some("kernel.sem")).unwrap();
                assert_eq!(sem.value.as_deref(), Some("32000 1024000000 500 32000"));
            });
        }
    }
}
