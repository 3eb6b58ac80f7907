//! Reads the descriptors of all processes.

use std::{
    cell::Cell,
    collections::{BTreeMap, HashMap, HashSet},
    rc::Rc,
};

use ckptfx_parser::{
    Diagnostic, Reports,
    dynamic::Numbering,
    image::Located,
    proto::{self, core_entry::March},
};

use super::{
    empty,
    table::{Descriptor, Descriptors, FileKey, Holder, Packet, SOCKET_QUEUES, is_zombie, take},
};
use crate::{Case, Task, Text};

impl Descriptors {
    pub fn read(case: &Case<'_>, diagnostics: &mut Vec<Diagnostic>) -> Self {
        let images = &case.checkpoint.images;
        // The inventory is written last: a dump that failed has none.
        let per_id = case.inventory.as_ref().map_or(Some(true), |inventory| inventory.fdinfo_per_id);
        let mut by_table: HashMap<u32, Rc<[Descriptor]>> = HashMap::new();
        let mut tables = BTreeMap::new();
        let mut reports = Reports::new(images.limits());
        let mut absent: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        let mut holders: HashMap<FileKey, Vec<Holder>> = HashMap::new();
        let limits = *images.limits();
        let shared = Cell::new(Some(limits.shared_descriptors));
        let mut seen = HashSet::new();
        for task in case.tasks.iter().filter(|task| !is_zombie(task)) {
            let pid = task.process.pid;
            // That the ids are missing was told when the case was read.
            let Some(table) = task.descriptor_table(images, per_id) else { continue };
            let descriptors = by_table.entry(table).or_insert_with(|| {
                let name = format!("fdinfo-{table}.img");
                let entries = images.read::<proto::FdinfoEntry>(&name, diagnostics);
                let mut found: Vec<_> =
                    entries.into_iter().filter_map(|entry| entry.value.try_into().ok()).collect();
                found.sort_by_key(|descriptor: &Descriptor| descriptor.fd);
                for missing in found.iter().filter(|one| !case.files.has(one.key) && !case.files.is_empty()) {
                    let message = format!(
                        "descriptor {} of process {pid} is file {} of type {}, which is not there",
                        missing.fd, missing.key.1, missing.key.0
                    );
                    reports.push(Diagnostic::loss("missing-file", "files.img", message), diagnostics);
                }
                for pair in found.windows(2) {
                    let [one, next] = pair else { continue };
                    if one.fd == next.fd {
                        let message = format!("descriptor {} is listed twice; both are shown", one.fd);
                        reports.push(Diagnostic::loss("duplicate-fd", name.as_str(), message), diagnostics);
                    }
                }
                found.into()
            });
            if images.member(&format!("fdinfo-{table}.img")).is_none() {
                absent.entry(table).or_default().push(pid);
            }
            if !seen.insert(table) && !take(&shared, descriptors.len()) {
                continue;
            }
            for descriptor in descriptors.iter() {
                holders.entry(descriptor.key).or_default().push(Holder {
                    pid,
                    comm: task.process.comm.clone(),
                    fd: descriptor.fd,
                });
            }
            tables.insert(pid, Rc::clone(descriptors));
        }
        reports.finish("fdinfo", diagnostics);
        let mut by_id = HashMap::new();
        for entry in case.files.entries() {
            let key = (entry.r#type.unwrap_or(0), entry.id.unwrap_or(0));
            // A regular file may share its id with the TUN descriptor or terminal that it names; entries are
            // in order of type, and regular files are the first.
            by_id.insert(key.1, key);
        }
        let mut packets: BTreeMap<u32, Vec<Packet>> = BTreeMap::new();
        for entry in images.read::<proto::SkPacketEntry>(SOCKET_QUEUES, diagnostics) {
            if let Some(receiver) = entry.value.id_for {
                packets.entry(receiver).or_default().push(packet(entry));
            }
        }
        let march = |task: &Task<'_>| task.core.as_ref().and_then(|core| March::try_from(core.mtype?).ok());
        let numbering = case.tasks.iter().find_map(march).map(Numbering::of).unwrap_or_default();
        let holders = holders.into_iter().map(|(key, holders)| (key, holders.into())).collect();
        let named = Cell::new(Some(limits.holders));
        let read = Self { tables, holders, shared, named, limits, by_id, packets, numbering };
        empty::report(case, &read, absent, diagnostics);
        read
    }
}

impl TryFrom<proto::FdinfoEntry> for Descriptor {
    type Error = ();

    fn try_from(entry: proto::FdinfoEntry) -> Result<Self, ()> {
        Ok(Self {
            fd: entry.fd.ok_or(())?,
            key: (entry.r#type.ok_or(())?, entry.id.ok_or(())?),
            cloexec: entry.flags.unwrap_or(0) & 1 != 0,
            selinux_label: entry.xattr_security_selinux.map(Text),
        })
    }
}

fn packet(entry: Located<proto::SkPacketEntry>) -> Packet {
    /// `SCM_RIGHTS`.
    const RIGHTS: u32 = 1;
    let rights = entry.value.scm.iter().filter(|scm| scm.r#type == Some(RIGHTS));
    Packet {
        rights: rights.flat_map(|scm| scm.rights.iter().copied()).collect(),
        payload: entry.payload,
        sender: entry.value.ucred,
    }
}
