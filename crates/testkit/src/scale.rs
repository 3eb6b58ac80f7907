//! A checkpoint that holds many of everything that programs look up, for tests of how time grows.

use std::io::{self, Write};

use crate::checkpoint::{Checkpoint, Mount};
use crate::engine::{Container, PodmanVersion};
use crate::file::{File, FileKind};
use crate::member::Member;
use crate::memory::{Shared, Vma};
use crate::process::Process;
use crate::rng::Rng;

/// So many processes, descriptors, mappings, memfds, mounts, files of the root file system and findings each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scale(pub u32);

/// First pid of the many processes; the one before holds what one process can have many of.
const FIRST: u32 = 3;
const PAGE: u64 = 4096;

impl Scale {
    /// The checkpoint: a first process; one that holds many descriptors, threads and mappings; and many that hold a few,
    /// linked by pipes, sockets and a file that all write to.
    pub fn build(self) -> Container {
        let count = self.0.max(1);
        let mut dump = Checkpoint::new().process(self.hub());
        for index in 0..count {
            let name = format!("program-{index}");
            dump = dump.shared(Shared::memfd(&name, PAGE)).process(self.process(index, &name));
            let at = format!("/srv/volume-{index}");
            dump.mounts.push(Mount::bind(1000 + index, &at, &at));
            dump.locks.push((i64::from(FIRST + index), 1, 1, 1, i64::from(index), 1));
        }
        dump.processes.insert(0, Process::new(1).comm("init"));
        let log: String = (0..count)
            .map(|index| format!("2024-06-01T11:59:{:02}.000000001Z stdout F line {index}\n", index % 60))
            .collect();
        let mut container = Container::new(dump);
        container.log = Some(log.into_bytes());
        for index in 0..count {
            let name = format!("usr/bin/tool-{index}");
            container.rootfs.members.push(Member::file(
                name,
                0o755,
                format!("#!/bin/sh\nexec {index}\n").into_bytes(),
            ));
            container.rootfs.deleted.push(format!("/usr/share/old-{index}"));
        }
        container
    }

    /// Writes the checkpoint as an uncompressed Podman archive.
    pub fn write(self, out: &mut dyn Write) -> io::Result<()> {
        self.build().podman(PodmanVersion::V5).write_tar(out)
    }

    /// One process with many descriptors, threads and mappings, of files, anonymous, and executable ones, a few of which
    /// have pages.
    fn hub(self) -> Process {
        let mut hub = Process::new(2).comm("hub").cmdline(["/usr/bin/hub"]).exe("/usr/bin/hub");
        hub.ppid = 1;
        let mut rng = Rng::new(1);
        let mut watched = Vec::new();
        for index in 0..self.0 {
            let file = match index % 4 {
                0 => File::regular(format!("/usr/bin/tool-{index}")),
                1 => File::tcp(&address(index), "203.0.113.9:443"),
                2 => File::memfd(&format!("program-{index}")),
                _ => File::pipe_read(pipe(index)),
            };
            hub.fds.push((10 + index, false, file));
            watched.push((10 + index, 1, u64::from(index)));
            hub = hub.thread(10_000_000 + index);
            let start = 0x7000_0000_0000 + u64::from(index) * 4 * PAGE;
            let vma = match index % 4 {
                0 => Vma::file(start, PAGE, File::mapped(format!("/usr/lib/lib-{index}.so"))),
                1 => Vma::anonymous(start, PAGE).prot(7),
                2 => Vma::shared(start, PAGE, &format!("program-{index}")),
                _ => Vma::anonymous(start, 2 * PAGE),
            };
            let text = format!("page {:016x} http://host-{index}.example.org/", rng.below(u64::MAX));
            hub.vmas.push(if index % 16 == 1 { vma.bytes(0, text) } else { vma });
        }
        hub.fds.push((9, false, File::other(FileKind::Epoll(watched))));
        hub
    }

    /// A process of a program that is a memfd: a finding each.
    fn process(self, index: u32, name: &str) -> Process {
        let pid = FIRST + index;
        let peer = if index.is_multiple_of(2) { index + 1 } else { index - 1 };
        let next = (index + 1) % self.0;
        // Each open file tells who else holds it, so that families are of one size.
        let family = index / 50;
        let mut process = Process::new(pid).bare().comm(format!("worker-{index}")).no_fds();
        // Half of them have a parent of their own, to a depth of a hundred.
        process.ppid = if index % 2 == 1 && index % 200 != 1 { pid - 2 } else { 1 };
        process
            .uid(1000 + index)
            .exe_file(File::memfd(name).label(&format!("program:{name}")))
            .fd(1, File::regular(format!("/var/log/{family}")).flags(0x8001).label(&format!("log {family}")))
            .fd(2, File::pipe_write(family).label(&format!("errors {family}")))
            .fd(3, File::pipe_write(pipe(index)))
            .fd(4, File::pipe_read(pipe(next)))
            .fd(5, File::unix(50_000_000 + index, 50_000_000 + peer))
            .fd(6, File::tcp_listen(&address(index)))
            .fd(7, File::tcp(&address(index), &address(peer)))
            .memory(Vma::shared(0x7f00_0000_0000, PAGE, name))
    }
}

fn pipe(index: u32) -> u32 {
    80_000_000 + index
}

fn address(index: u32) -> String {
    let [_, high, middle, low] = index.to_be_bytes();
    format!("10.{high}.{middle}.{low}:{}", 1024 + index % 60_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_times_as_many_are_ten_times_as_many_bytes() {
        let size = |count| {
            let mut bytes = Vec::new();
            Scale(count).write(&mut bytes).expect("written to memory");
            bytes.len()
        };
        let (small, large) = (size(20), size(200));
        assert!(large > 5 * small && large < 11 * small, "{small} and {large} bytes");
    }
}
