//! A whole dump: processes, shared objects, namespaces, and how they were written.

use crate::image::{Framing, Style};
use crate::memory::{Shared, Storage};
use crate::process::Process;
use crate::version::{Arch, Criu};
use crate::wire::Message;

/// A mount in the container.
#[derive(Debug, Clone)]
pub struct Mount {
    /// File system type number of CRIU.
    pub fstype: u32,
    /// Mount id.
    pub mnt_id: u32,
    /// Parent mount id.
    pub parent: u32,
    /// Device, kernel encoding.
    pub dev: u32,
    /// Path inside the file system.
    pub root: String,
    /// Where it is mounted.
    pub mountpoint: String,
    /// Source.
    pub source: String,
    /// File-system options.
    pub options: String,
    /// Key of an external mount.
    pub external: Option<String>,
}

impl Mount {
    /// A bind mount made by the engine.
    pub fn bind(mnt_id: u32, source: &str, mountpoint: &str) -> Self {
        Self {
            fstype: 5,
            mnt_id,
            parent: 130,
            dev: 46,
            root: source.to_owned(),
            mountpoint: mountpoint.to_owned(),
            source: "tmpfs".to_owned(),
            options: String::new(),
            external: Some(mountpoint.to_owned()),
        }
    }

    fn usual() -> Vec<Self> {
        let mount = |fstype, mnt_id, parent, dev, mountpoint: &str, source: &str, options: &str| Self {
            fstype,
            mnt_id,
            parent,
            dev,
            root: "/".to_owned(),
            mountpoint: mountpoint.to_owned(),
            source: source.to_owned(),
            options: options.to_owned(),
            external: None,
        };
        let overlay = "lowerdir=/var/lib/engine/overlay/l/AAAA,upperdir=/var/lib/engine/overlay/b1/diff,workdir=/var/lib/engine/overlay/b1/work";
        vec![
            mount(17, 130, 90, 50, "/", "overlay", overlay),
            mount(1, 132, 130, 64, "/proc", "proc", ""),
            mount(5, 133, 130, 65, "/dev", "tmpfs", "size=65536k,mode=755"),
            mount(6, 134, 133, 66, "/dev/pts", "devpts", "gid=5,mode=620,ptmxmode=666"),
            mount(2, 136, 130, 60, "/sys", "sysfs", ""),
        ]
    }
}

/// A network device in an own network namespace.
#[derive(Debug, Clone)]
pub struct NetDevice {
    /// Type number of CRIU: 1 loopback, 2 veth.
    pub kind: u32,
    /// Index.
    pub index: u32,
    /// Name.
    pub name: String,
    /// `IFF_*`.
    pub flags: u32,
    /// Hardware address.
    pub mac: [u8; 6],
    /// IPv4 address and prefix length, written to `ifaddr`.
    pub address: Option<([u8; 4], u8)>,
}

/// Type and bytes of a SysV message.
pub type SysvMessage = (u64, Vec<u8>);

/// Path, mode and bytes of a file on a tmpfs.
pub type TmpfsFile = (String, u32, Vec<u8>);

/// A filter in `seccomp.img`.
#[derive(Debug, Clone)]
pub struct Filter {
    /// Instructions of 8 bytes each.
    pub program: Vec<u8>,
    /// Index of the next newer filter of the chain.
    pub prev: Option<u32>,
    /// 1 TSYNC, 2 LOG, 4 SPEC_ALLOW.
    pub flags: u32,
}

/// A dump in the making. Every setting has a value that a plain container has.
#[derive(Debug, Clone)]
pub struct Checkpoint {
    /// Release that wrote it.
    pub criu: Criu,
    /// Machine of the tasks.
    pub arch: Arch,
    /// Page size.
    pub page_size: u64,
    /// Root processes; a container has one.
    pub processes: Vec<Process>,
    /// Shared memory objects.
    pub shared: Vec<Shared>,
    /// Mounts, in the order they were made.
    pub mounts: Vec<Mount>,
    /// Host name.
    pub hostname: String,
    /// Network devices; empty means an external namespace.
    pub devices: Vec<NetDevice>,
    /// Path in the cgroup hierarchy; `None` leaves `cgroup.img` out.
    pub cgroup: Option<String>,
    /// `(inside, outside, count)` of a user namespace.
    pub userns: Vec<(u32, u32, u32)>,
    /// Filters.
    pub seccomp: Vec<Filter>,
    /// 0 none, 1 SELinux, 2 AppArmor.
    pub lsm: u32,
    /// SysV message queues: key, id, messages.
    pub messages: Vec<(u32, u32, Vec<SysvMessage>)>,
    /// SysV semaphore sets: key, id, values.
    pub semaphores: Vec<(u32, u32, Vec<u16>)>,
    /// File locks: pid, fd, flag, type, start, length.
    pub locks: Vec<(i64, i64, u32, u32, i64, i64)>,
    /// tmpfs content by device number: path, mode, bytes.
    pub tmpfs: Vec<(u32, Vec<TmpfsFile>)>,
    /// Plugins that took part.
    pub plugins: Vec<String>,
    /// Target of the `parent` symlink.
    pub parent: Option<Vec<u8>>,
    /// Whether this is a pre-dump: memory only.
    pub pre_dump: bool,
    /// How pages are stored.
    pub storage: Storage,
    /// Microseconds the tasks were stopped.
    pub frozen_time: u32,
    /// What descriptors 0, 1 and 2 of the container were; `None` writes no file.
    pub descriptors: Option<[String; 3]>,
    /// Entries added to images: stem, key, message, payload.
    pub extra_entries: Vec<(String, String, Message, Vec<u8>)>,
    /// Files set to given bytes; `None` removes.
    pub extra_files: Vec<(String, Option<Vec<u8>>)>,
}

impl Default for Checkpoint {
    fn default() -> Self {
        Self::new()
    }
}

impl Checkpoint {
    /// An empty dump by the newest release on x86-64.
    pub fn new() -> Self {
        Self {
            criu: Criu::V4_2,
            arch: Arch::X86_64,
            page_size: 4096,
            processes: Vec::new(),
            shared: Vec::new(),
            mounts: Mount::usual(),
            hostname: "testbox".to_owned(),
            devices: Vec::new(),
            cgroup: Some("/kubepods/pod1/ctr1".to_owned()),
            userns: Vec::new(),
            seccomp: Vec::new(),
            lsm: 0,
            messages: Vec::new(),
            semaphores: Vec::new(),
            locks: Vec::new(),
            tmpfs: Vec::new(),
            plugins: Vec::new(),
            parent: None,
            pre_dump: false,
            storage: Storage::default(),
            frozen_time: 201_650,
            descriptors: Some(["/dev/null".into(), "pipe:[38921]".into(), "pipe:[38922]".into()]),
            extra_entries: Vec::new(),
            extra_files: Vec::new(),
        }
    }

    /// A small ordinary container: an init shell and one worker, with memory.
    pub fn sample() -> Self {
        Self::new().process(
            Process::new(1)
                .cmdline(["/bin/sh", "-c", "exec worker"])
                .environ(["PATH=/usr/bin:/bin", "HOSTNAME=testbox", "TOKEN=not-a-secret"])
                .memory(crate::Vma::heap(0x5555_5600_0000, 0x4_0000).bytes(0x100, "heap of init"))
                .child(
                    Process::new(7)
                        .comm("worker")
                        .cmdline(["/usr/bin/worker", "--serve"])
                        .exe("/usr/bin/worker")
                        .thread(8)
                        .fd(3, crate::File::tcp_listen("0.0.0.0:8080"))
                        .memory(
                            crate::Vma::anonymous(0x7f00_0000_0000, 0x10_0000)
                                .bytes(0x2_0000, "worker memory"),
                        ),
                ),
        )
    }

    /// Sets the release.
    pub fn criu(mut self, criu: Criu) -> Self {
        self.criu = criu;
        self
    }

    /// Sets the machine and the page size usual for it.
    pub fn arch(mut self, arch: Arch) -> Self {
        self.arch = arch;
        self.page_size = arch.usual_page_size();
        self
    }

    /// Sets the page size.
    pub fn page_size(mut self, bytes: u64) -> Self {
        self.page_size = bytes;
        self
    }

    /// Adds a root process.
    pub fn process(mut self, process: Process) -> Self {
        self.processes.push(process);
        self
    }

    /// Adds a shared memory object.
    pub fn shared(mut self, object: Shared) -> Self {
        self.shared.push(object);
        self
    }

    /// Adds a mount.
    pub fn mount(mut self, mount: Mount) -> Self {
        self.mounts.push(mount);
        self
    }

    /// Sets the host name.
    pub fn hostname(mut self, name: &str) -> Self {
        self.hostname = name.to_owned();
        self
    }

    /// Adds a network device: the network namespace becomes the container's own.
    pub fn device(mut self, device: NetDevice) -> Self {
        self.devices.push(device);
        self
    }

    /// Adds a filter; returns to the chain, its index is its position.
    pub fn filter(mut self, program: impl Into<Vec<u8>>, prev: Option<u32>, flags: u32) -> Self {
        self.seccomp.push(Filter { program: program.into(), prev, flags });
        self
    }

    /// Sets the text of the `parent` symlink.
    pub fn parent(mut self, target: impl Into<Vec<u8>>) -> Self {
        self.parent = Some(target.into());
        self
    }

    /// Makes it a pre-dump.
    pub fn pre_dump(mut self) -> Self {
        self.pre_dump = true;
        self
    }

    /// Splits pagemap entries at this many pages.
    pub fn max_run(mut self, pages: u64) -> Self {
        self.storage.max_run = Some(pages);
        self
    }

    /// Stores pages in LZ4 blocks of so many pages, as CRIU after 4.2 can.
    pub fn compressed_pages(mut self, pages: u64) -> Self {
        self.storage.compressed = Some(pages);
        self
    }

    /// Adds the image that marks an encrypted dump.
    pub fn cipher(self) -> Self {
        let entry = Message::new().bytes(1, [0x5a; 256]);
        self.entry("cipher", "", entry)
    }

    /// Adds an entry to an image, after those the description yields.
    pub fn entry(self, stem: &str, key: &str, message: Message) -> Self {
        self.entry_with(stem, key, message, [])
    }

    /// Adds an entry and its payload to an image.
    pub fn entry_with(
        mut self,
        stem: &str,
        key: &str,
        message: Message,
        payload: impl Into<Vec<u8>>,
    ) -> Self {
        self.extra_entries.push((stem.to_owned(), key.to_owned(), message, payload.into()));
        self
    }

    /// Sets a file of the dump to exactly these bytes.
    pub fn raw_image(mut self, name: &str, bytes: impl Into<Vec<u8>>) -> Self {
        self.extra_files.push((name.to_owned(), Some(bytes.into())));
        self
    }

    /// Leaves a file out.
    pub fn without(mut self, name: &str) -> Self {
        self.extra_files.push((name.to_owned(), None));
        self
    }

    /// Changes any field in the middle of a chain.
    pub fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    /// Framing and byte order.
    pub fn style(&self) -> Style {
        Style {
            framing: if self.criu.since(1, 6) { Framing::V11 } else { Framing::V1 },
            big_endian: self.arch.big_endian(),
        }
    }

    /// All processes, parents before children.
    pub fn all_processes(&self) -> Vec<Process> {
        let mut out = Vec::new();
        for process in &self.processes {
            process.flatten(0, process.pid, &mut out);
        }
        out
    }

    /// `descriptors.json` as the runtimes write it.
    pub fn descriptors_json(&self) -> Option<Vec<u8>> {
        let names = self.descriptors.as_ref()?;
        Some(serde_json::to_vec(names).expect("strings"))
    }
}
