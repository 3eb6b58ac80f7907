//! Reads the facts that only one kind of file has.

use ckptfx_parser::{
    dynamic::{Show, bit_names, number_name},
    files::{FileTable, Remap},
    proto::{self, FdTypes, FileEntry, TtyType},
};

use super::{
    details::{Details, EpollTarget, FanotifyMark, InotifyWatch, Regular, TimeValue},
    facts::Facts,
};
use crate::{Text, network::socket};

/// What became of the path of a regular file; nothing for most.
pub(super) fn regular(remap: Option<Remap>, files: &FileTable) -> Option<Details> {
    let mut facts = Regular { ghost: None, linked_as: None, dead_process: None };
    match remap? {
        Remap::Ghost(id) => facts.ghost = Some(id),
        Remap::Linked(id) => facts.linked_as = files.regular(id).and_then(|file| file.name.clone()).map(Text),
        Remap::DeadProcess(pid) => facts.dead_process = Some(pid),
    }
    Some(Details::Regular(facts))
}

/// Inode of a file that has no path.
pub(super) fn inode(entry: &FileEntry) -> Option<u32> {
    None.or_else(|| entry.pipe.as_ref()?.pipe_id)
        .or_else(|| entry.fifo.as_ref()?.pipe_id)
        .or_else(|| entry.isk.as_ref()?.ino)
        .or_else(|| entry.usk.as_ref()?.ino)
        .or_else(|| entry.nlsk.as_ref()?.ino)
        .or_else(|| entry.pidfd.as_ref()?.ino)
}

pub(super) fn special(facts: &Facts<'_>, kind: FdTypes, entry: &FileEntry) -> Option<Details> {
    match kind {
        FdTypes::Pipe => Some(pipe(facts, entry.pipe.as_ref()?.pipe_id?)),
        FdTypes::Fifo => Some(pipe(facts, entry.fifo.as_ref()?.pipe_id?)),
        FdTypes::Inetsk | FdTypes::Unixsk | FdTypes::Netlinksk | FdTypes::Packetsk => {
            socket::short(entry, facts.order, facts.numbering).map(Details::Socket)
        }
        FdTypes::Tty => tty(facts, entry.tty.as_ref()?.tty_info_id?),
        FdTypes::Eventfd => Some(Details::Eventfd { count: entry.efd.as_ref()?.counter }),
        FdTypes::Eventpoll => {
            let inline = entry.epfd.as_ref()?.tfd.iter();
            let old = facts.targets.get(&entry.id?).into_iter().flatten();
            Some(Details::Eventpoll {
                targets: inline.chain(old).map(|target| epoll(facts, target)).collect(),
            })
        }
        FdTypes::Inotify => {
            let inline = entry.ify.as_ref()?.wd.iter();
            let old = facts.watches.get(&entry.id?).into_iter().flatten();
            Some(Details::Inotify { watches: inline.chain(old).map(|watch| inotify(facts, watch)).collect() })
        }
        FdTypes::Fanotify => {
            let inline = entry.ffy.as_ref()?.mark.iter();
            let old = facts.marks.get(&entry.id?).into_iter().flatten();
            let group = entry.ffy.as_ref()?;
            Some(Details::Fanotify {
                flags: group.faflags.map(|flags| fanotify_class(facts, flags)).unwrap_or_default(),
                event_flags: bits(facts, Show::OpenFlags, group.evflags),
                marks: inline.chain(old).map(|mark| fanotify(facts, mark)).collect(),
            })
        }
        FdTypes::Signalfd => {
            let mask = entry.sgfd.as_ref()?.sigmask?;
            Some(Details::Signalfd { signals: bit_names(Show::Signals, mask, facts.numbering) })
        }
        FdTypes::Timerfd => {
            let timer = entry.tfd.as_ref()?;
            Some(Details::Timerfd {
                clock: named(facts, Show::Clock, timer.clockid),
                ticks: timer.ticks,
                value: TimeValue { seconds: timer.vsec, nanoseconds: timer.vnsec },
                interval: TimeValue { seconds: timer.isec, nanoseconds: timer.insec },
            })
        }
        FdTypes::Memfd => {
            let inode = facts.files.memfd(entry.id?)?;
            Some(Details::Memfd {
                name: inode.name.clone().map(Text),
                seals: bits(facts, Show::Seals, inode.seals),
            })
        }
        FdTypes::Pidfd => {
            Some(Details::Pidfd { pid: entry.pidfd.as_ref()?.nspid.and_then(|pid| u32::try_from(pid).ok()) })
        }
        FdTypes::Bpfmap => {
            let map = entry.bpf.as_ref()?;
            Some(Details::BpfMap {
                map_id: map.map_id,
                name: map.map_name.clone().map(Text),
                r#type: named(facts, Show::BpfMapType, map.map_type),
                key_size: map.key_size,
                value_size: map.value_size,
                max_entries: map.max_entries,
                entries: map.map_id.and_then(|id| facts.maps.get(&id)?.count),
                frozen: map.frozen,
            })
        }
        FdTypes::Ns => Some(namespace(facts, entry.nsf.as_ref()?)),
        FdTypes::Tunf => {
            let tun = entry.tunf.as_ref()?;
            Some(Details::Tun {
                interface: tun.netdev.clone().map(Text),
                detached: tun.detached,
                net_ns: tun.ns_id,
            })
        }
        _ => None,
    }
}

fn bits(facts: &Facts<'_>, show: Show, value: Option<u32>) -> Vec<String> {
    value.map_or_else(Vec::new, |value| bit_names(show, u64::from(value), facts.numbering))
}

fn named(facts: &Facts<'_>, show: Show, value: Option<u32>) -> Option<String> {
    let value = u64::from(value?);
    Some(number_name(show, value, facts.numbering).map_or_else(|| value.to_string(), str::to_owned))
}

/// A device number as the kernel has it.
fn device(number: Option<u32>) -> Option<String> {
    number.map(|number| format!("{}:{}", number >> 20, number & 0xf_ffff))
}

fn pipe(facts: &Facts<'_>, id: u32) -> Details {
    let data = facts.pipes.get(&id);
    Details::Pipe {
        unread_bytes: u64::from(data.and_then(|data| data.bytes).unwrap_or(0)),
        capacity: data.and_then(|data| data.size),
    }
}

fn tty(facts: &Facts<'_>, id: u32) -> Option<Details> {
    let info = facts.ttys.get(&id)?;
    let r#type = info.r#type.and_then(|number| TtyType::try_from(number).ok());
    Some(Details::Tty {
        r#type: r#type.map(|r#type| r#type.as_str_name()),
        index: info.pty.as_ref().and_then(|pty| pty.index),
        // The ids of a pair differ in the last bit (format.md §8.5).
        side: (r#type == Some(TtyType::Pty)).then_some(if id & 1 == 1 { "master" } else { "slave" }),
        session: info.sid,
        foreground_group: info.pgrp,
        rows: info.winsize.as_ref().and_then(|size| size.ws_row),
        columns: info.winsize.as_ref().and_then(|size| size.ws_col),
        device: info
            .rdev
            .map(|rdev| format!("{}:{}", rdev >> 8 & 0xfff, rdev & 0xff | rdev >> 12 & 0xf_ff00)),
    })
}

fn epoll(facts: &Facts<'_>, target: &proto::EventpollTfdEntry) -> EpollTarget {
    EpollTarget {
        fd: target.tfd,
        events: bits(facts, Show::EpollEvents, target.events),
        data: target.data.map(|data| format!("{data:#x}")),
        inode: target.inode,
        device: device(target.dev),
    }
}

fn inotify(facts: &Facts<'_>, watch: &proto::InotifyWdEntry) -> InotifyWatch {
    InotifyWatch {
        wd: watch.wd,
        path: watch.f_handle.as_ref().and_then(|handle| handle.path.clone()).map(Text),
        mask: bits(facts, Show::InotifyMask, watch.mask),
        inode: watch.i_ino,
        device: device(watch.s_dev),
    }
}

/// Flags of a fanotify instance with its class, which is the notifying one where no bit says otherwise.
fn fanotify_class(facts: &Facts<'_>, flags: u32) -> Vec<String> {
    /// `FAN_CLASS_CONTENT` and `FAN_CLASS_PRE_CONTENT`.
    const CLASSES: u32 = 0xc;
    let class = (flags & CLASSES == 0).then(|| "FAN_CLASS_NOTIF".to_owned());
    class.into_iter().chain(bits(facts, Show::FanotifyInit, Some(flags))).collect()
}

fn fanotify(facts: &Facts<'_>, mark: &proto::FanotifyMarkEntry) -> FanotifyMark {
    let (inode, mount) = (mark.ie.as_ref(), mark.me.as_ref());
    let in_handle = || inode?.f_handle.as_ref()?.path.clone();
    FanotifyMark {
        r#type: match mark.r#type {
            Some(1) => Some("inode"),
            Some(2) => Some("mount"),
            _ => None,
        },
        path: mount.and_then(|mount| mount.path.clone()).or_else(in_handle).map(Text),
        flags: bits(facts, Show::FanotifyMark, mark.mflags),
        mask: bits(facts, Show::FanotifyMask, mark.mask),
        ignored_mask: bits(facts, Show::FanotifyMask, mark.ignored_mask),
        inode: inode.and_then(|inode| inode.i_ino),
        mount_id: mount.and_then(|mount| mount.mnt_id),
        device: device(mark.s_dev),
    }
}

fn namespace(facts: &Facts<'_>, entry: &proto::NsFileEntry) -> Details {
    type Get = fn(&proto::TaskKobjIdsEntry) -> Option<u32>;
    let kinds: [(u32, &'static str, Get); 8] = [
        (0x80, "time", |ids| ids.time_ns_id),
        (0x2_0000, "mnt", |ids| ids.mnt_ns_id),
        (0x200_0000, "cgroup", |ids| ids.cgroup_ns_id),
        (0x400_0000, "uts", |ids| ids.uts_ns_id),
        (0x800_0000, "ipc", |ids| ids.ipc_ns_id),
        (0x1000_0000, "user", |ids| ids.user_ns_id),
        (0x2000_0000, "pid", |ids| ids.pid_ns_id),
        (0x4000_0000, "net", |ids| ids.net_ns_id),
    ];
    let kind = kinds.iter().find(|(flag, ..)| entry.ns_cflag == Some(*flag));
    let host = kind.and_then(|(_, _, get)| facts.host.and_then(get));
    Details::Namespace {
        r#type: kind.map(|(_, name, _)| *name),
        id: entry.ns_id,
        shared_with_host: host.zip(entry.ns_id).map(|(host, id)| host == id),
    }
}
