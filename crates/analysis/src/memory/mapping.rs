//! Mappings as `/proc/PID/maps` shows them, with what the checkpoint knows beyond that (`format.md §6`).

use std::collections::BTreeMap;

use ckptfx_parser::{
    dynamic::{Numbering, Show, bit_names},
    memory::VmaKind,
    proto,
};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    Case, Task, Text,
    memory::anomaly::{self, Anomaly, Judge},
    process::thread_image,
    search::kind_name,
};

/// A mapping of a process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Mapping {
    /// The process.
    pub pid: u32,
    /// Its name.
    pub comm: Option<Text>,
    /// First address.
    pub start: String,
    /// First address after it.
    pub end: String,
    /// `rwxp`, or `rwxs` for shared mappings.
    pub perms: String,
    /// Offset in the mapped file or object, in bytes.
    pub offset: u64,
    /// Name as the kernel shows it, empty for none.
    pub path: Text,
    /// What backs it.
    pub kind: &'static str,
    /// Whether the backing file or object has no name in any directory.
    pub deleted: bool,
    /// Bytes of it that are in the evidence, those of a shared object included.
    pub captured_bytes: u64,
    /// Id of the file in the checkpoint; null for memory without a file.
    pub file_id: Option<u32>,
    /// Size of the file when it was dumped, in bytes; not recorded before CRIU 1.6.
    pub file_size: Option<u64>,
    /// GNU build id of the file; not recorded before CRIU 3.15, or the file has none.
    pub build_id: Option<String>,
    /// Number of the shared object (`pagemap-shmem-N.img`): mappings with the same number share memory.
    pub shared_object: Option<u64>,
    /// What madvise set for it, such as `MADV_DONTFORK`.
    pub advice: Vec<String>,
    /// Page that CRIU wrote to and put back when it made the checkpoint. Whether somebody else had changed it
    /// cannot be told without the file.
    pub criu_page: Option<String>,
    /// What is odd about it.
    pub anomalies: Vec<Anomaly>,
}

/// The mappings of the processes that `wanted` accepts, in order of address.
pub fn mappings(case: &mut Case<'_>, wanted: &dyn Fn(&Task<'_>) -> bool) -> Vec<Mapping> {
    let images = &case.checkpoint.images;
    let mut diagnostics = Vec::new();
    let mut found = Vec::new();
    for task in case.tasks.iter().filter(|task| wanted(task)) {
        let Some((judge, space)) = Judge::new(case, task).zip(task.space.as_ref()) else { continue };
        let criu_page = anomaly::criu_page(space);
        let mut of_threads: BTreeMap<Option<usize>, Vec<Anomaly>> = BTreeMap::new();
        for thread in thread_image::images_of(images, task, &mut diagnostics) {
            for (at, odd) in anomaly::of_thread(case, task, &thread) {
                of_threads.entry(at).or_default().push(odd);
            }
        }
        for (index, vma) in space.vmas.iter().enumerate() {
            let file_id = match vma.kind {
                VmaKind::FilePrivate(id) | VmaKind::FileShared(id) => Some(id),
                _ => None,
            };
            let file = file_id.and_then(|id| case.files.regular(id));
            let mut anomalies = judge.mapping(index, images, &mut diagnostics);
            anomalies.extend(of_threads.remove(&Some(index)).unwrap_or_default());
            found.push(Mapping {
                pid: task.process.pid,
                comm: task.process.comm.clone(),
                start: format!("{:#x}", vma.start),
                end: format!("{:#x}", vma.end),
                perms: vma.permissions(),
                offset: vma.offset,
                path: Text(vma.name.clone()),
                kind: kind_name(vma.kind),
                deleted: vma.deleted,
                captured_bytes: anomaly::captured_bytes(space, vma, &case.shared),
                file_id,
                file_size: file.and_then(|file| file.size),
                build_id: file.and_then(build_id),
                shared_object: match vma.kind {
                    VmaKind::Shared(key) | VmaKind::MemfdPrivate(key) => Some(key),
                    _ => None,
                },
                advice: bit_names(Show::Madvice, vma.advice, Numbering::Generic),
                criu_page: criu_page.filter(|page| vma.contains(*page)).map(|page| format!("{page:#x}")),
                anomalies,
            });
        }
    }
    case.diagnostics.append(&mut diagnostics);
    found
}

/// The GNU build id of a file: words whose low byte comes first (`format.md §7.6`).
pub fn build_id(file: &proto::RegFileEntry) -> Option<String> {
    let bytes = file.build_id.iter().flat_map(|word| word.to_le_bytes());
    (!file.build_id.is_empty()).then(|| bytes.map(|byte| format!("{byte:02x}")).collect())
}
