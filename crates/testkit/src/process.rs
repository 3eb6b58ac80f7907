//! Processes and threads.

use crate::file::File;
use crate::memory::{Contents, Vma};
use crate::version::Arch;
use crate::wire::Message;

/// Where a thread was when it was frozen. Addresses left `None` get sensible values.
#[derive(Debug, Clone, Default)]
pub struct Registers {
    /// Instruction pointer.
    pub ip: Option<u64>,
    /// Stack pointer.
    pub sp: Option<u64>,
    /// System call it is in.
    pub syscall: Option<u64>,
    /// Arguments of the system call.
    pub args: [u64; 6],
    /// Value in the result register.
    pub result: u64,
    /// Base of thread-local storage.
    pub tls: u64,
}

/// Identity and privileges.
#[derive(Debug, Clone)]
pub struct Creds {
    /// Real, effective, saved and file-system user.
    pub uids: [u32; 4],
    /// Real, effective, saved and file-system group.
    pub gids: [u32; 4],
    /// Supplementary groups.
    pub groups: Vec<u32>,
    /// Inheritable, permitted, effective, bounding and ambient capabilities.
    pub caps: [u64; 5],
    /// `SECBIT_*`.
    pub secbits: u32,
    /// `PR_SET_NO_NEW_PRIVS`.
    pub no_new_privs: bool,
    /// SELinux label or AppArmor profile.
    pub lsm_profile: Option<String>,
}

/// The capabilities that container engines grant by default.
pub const DEFAULT_CAPS: u64 = 0xa804_25fb;

impl Default for Creds {
    fn default() -> Self {
        Self {
            uids: [0; 4],
            gids: [0; 4],
            groups: vec![0],
            caps: [0, DEFAULT_CAPS, DEFAULT_CAPS, DEFAULT_CAPS, 0],
            secbits: 0,
            no_new_privs: false,
            lsm_profile: None,
        }
    }
}

/// A thread other than the leader.
#[derive(Debug, Clone)]
pub struct Thread {
    /// Thread id.
    pub tid: u32,
    /// Name.
    pub comm: Vec<u8>,
    /// Registers.
    pub registers: Registers,
    /// Credentials, if they differ from the leader's.
    pub creds: Option<Creds>,
    /// Nice value.
    pub nice: i64,
    /// Scheduling policy.
    pub policy: u32,
    /// Index of the oldest filter in `seccomp.img`.
    pub seccomp_filter: Option<u32>,
    /// Pending private signals: `(number, code, sender pid, sender uid)`.
    pub pending: Vec<(i32, i32, i32, u32)>,
}

/// Life of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Running or sleeping.
    Alive,
    /// Zombie with this wait status.
    Dead(u32),
    /// Stopped by this signal.
    Stopped(u32),
}

/// How the pages that hold argv and environment are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StackPages {
    /// In the pages image.
    Present,
    /// Left for lazy migration.
    Lazy,
    /// Unchanged since the parent dump.
    Parent,
    /// Not in the pagemap.
    Missing,
}

/// Ids of the namespaces a task lives in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Namespaces {
    /// Process ids.
    pub pid: u32,
    /// Network.
    pub net: u32,
    /// SysV IPC.
    pub ipc: u32,
    /// Host name.
    pub uts: u32,
    /// Mounts.
    pub mnt: u32,
    /// Users.
    pub user: u32,
    /// Control groups.
    pub cgroup: u32,
    /// Clocks.
    pub time: u32,
}

impl Namespaces {
    /// Those of the dumping program, that is the host's.
    pub const HOST: Self = Self { pid: 1, net: 2, ipc: 3, uts: 4, mnt: 6, user: 7, cgroup: 8, time: 5 };

    /// Those of an ordinary container.
    pub const CONTAINER: Self =
        Self { pid: 9, net: 10, ipc: 11, uts: 12, mnt: 13, user: 7, cgroup: 8, time: 5 };
}

/// A process: everything that is written about one pid.
#[derive(Debug, Clone)]
pub struct Process {
    /// Pid inside the container.
    pub pid: u32,
    /// Parent; set by [`Process::child`] and by the root.
    pub ppid: u32,
    /// Process group; `None` is the root's.
    pub pgid: Option<u32>,
    /// Session; `None` is the root's.
    pub sid: Option<u32>,
    /// Name.
    pub comm: Vec<u8>,
    /// Arguments.
    pub cmdline: Vec<Vec<u8>>,
    /// Environment.
    pub environ: Vec<Vec<u8>>,
    /// Program.
    pub exe: File,
    /// What the auxiliary vector says was executed; `None` is the program's path.
    pub execfn: Option<Vec<u8>>,
    /// Working directory.
    pub cwd: File,
    /// Root directory.
    pub root: File,
    /// Umask.
    pub umask: u32,
    /// State.
    pub state: State,
    /// Leader's registers.
    pub registers: Registers,
    /// Credentials.
    pub creds: Creds,
    /// Further threads.
    pub threads: Vec<Thread>,
    /// Mappings besides the usual ones.
    pub vmas: Vec<Vma>,
    /// Whether program, stack and vDSO mappings are added.
    pub usual_vmas: bool,
    /// How the argument pages are stored.
    pub stack_pages: StackPages,
    /// Descriptors: number, close-on-exec, file.
    pub fds: Vec<(u32, bool, File)>,
    /// Pid whose descriptor table is shared.
    pub shares_files_with: Option<u32>,
    /// Namespaces.
    pub namespaces: Namespaces,
    /// Index of the oldest filter in `seccomp.img`.
    pub seccomp_filter: Option<u32>,
    /// Audit login user.
    pub loginuid: u32,
    /// OOM adjustment.
    pub oom_score_adj: i64,
    /// `PF_*` flags.
    pub flags: u32,
    /// Personality as CRIU writes it.
    pub personality: u32,
    /// Signals that are ignored.
    pub ignored: Vec<u32>,
    /// Pending shared signals: `(number, code, sender pid, sender uid)`.
    pub pending: Vec<(i32, i32, i32, u32)>,
    /// Changed limits: `(RLIMIT number, soft, hard)`.
    pub rlimits: Vec<(usize, u64, u64)>,
    /// `mm.dumpable`; `None` is the usual 1.
    pub dumpable: Option<i64>,
    /// Index into the cgroup sets.
    pub cg_set: u32,
    /// Children.
    pub children: Vec<Process>,
    /// Further fields put behind the `core_entry.tc` message.
    pub extra_tc: Message,
    /// Further fields put behind the leader's `core_entry.thread_core` message.
    pub extra_thread: Message,
}

impl Process {
    /// A sleeping shell as root, with `/dev/null` as its standard files.
    pub fn new(pid: u32) -> Self {
        let null = format!("null-{pid}");
        Self {
            pid,
            ppid: 0,
            pgid: None,
            sid: None,
            comm: b"sh".to_vec(),
            cmdline: vec![b"/bin/sh".to_vec()],
            environ: vec![b"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_vec()],
            exe: File::mapped("/bin/sh"),
            execfn: None,
            cwd: File::directory("/"),
            root: File::directory("/"),
            umask: 0o22,
            state: State::Alive,
            registers: Registers::default(),
            creds: Creds::default(),
            threads: Vec::new(),
            vmas: Vec::new(),
            usual_vmas: true,
            stack_pages: StackPages::Present,
            fds: vec![
                (0, false, File::dev_null().label(&null)),
                (1, false, File::same_as(&null)),
                (2, false, File::same_as(&null)),
            ],
            shares_files_with: None,
            namespaces: Namespaces::CONTAINER,
            seccomp_filter: None,
            loginuid: u32::MAX,
            oom_score_adj: 0,
            flags: 0x40_0100,
            personality: 0,
            ignored: Vec::new(),
            pending: Vec::new(),
            rlimits: Vec::new(),
            dumpable: None,
            cg_set: 2,
            children: Vec::new(),
            extra_tc: Message::new(),
            extra_thread: Message::new(),
        }
    }

    /// Sets the name.
    pub fn comm(mut self, comm: impl Into<Vec<u8>>) -> Self {
        self.comm = comm.into();
        self
    }

    /// Sets the arguments.
    pub fn cmdline<T: Into<Vec<u8>>>(mut self, arguments: impl IntoIterator<Item = T>) -> Self {
        self.cmdline = arguments.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the environment, `NAME=value` each.
    pub fn environ<T: Into<Vec<u8>>>(mut self, variables: impl IntoIterator<Item = T>) -> Self {
        self.environ = variables.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the program by path.
    pub fn exe(self, path: &str) -> Self {
        self.exe_file(File::mapped(path))
    }

    /// Sets the program: a deleted file, a memfd.
    pub fn exe_file(mut self, file: File) -> Self {
        self.exe = file;
        if self.exe.label.is_none() {
            let label = format!("exe-{}", self.pid);
            self.exe = self.exe.label(&label);
        }
        self
    }

    /// Sets what `AT_EXECFN` points at.
    pub fn execfn(mut self, path: &str) -> Self {
        self.execfn = Some(path.into());
        self
    }

    /// Sets the working directory.
    pub fn cwd(mut self, path: &str) -> Self {
        self.cwd = File::directory(path);
        self
    }

    /// Sets the root directory.
    pub fn root(mut self, path: &str) -> Self {
        self.root = File::directory(path);
        self
    }

    /// Sets all four user ids.
    pub fn uid(mut self, uid: u32) -> Self {
        self.creds.uids = [uid; 4];
        self
    }

    /// Sets all four group ids.
    pub fn gid(mut self, gid: u32) -> Self {
        self.creds.gids = [gid; 4];
        self
    }

    /// Sets permitted, effective and bounding capabilities.
    pub fn caps(mut self, mask: u64) -> Self {
        self.creds.caps = [0, mask, mask, mask, 0];
        self
    }

    /// Sets `no_new_privs`.
    pub fn no_new_privs(mut self) -> Self {
        self.creds.no_new_privs = true;
        self
    }

    /// Sets the LSM label.
    pub fn lsm_profile(mut self, profile: &str) -> Self {
        self.creds.lsm_profile = Some(profile.to_owned());
        self
    }

    /// Adds a thread with the name of the process.
    pub fn thread(mut self, tid: u32) -> Self {
        let thread = Thread {
            tid,
            comm: self.comm.clone(),
            registers: Registers::default(),
            creds: None,
            nice: 0,
            policy: 0,
            seccomp_filter: self.seccomp_filter,
            pending: Vec::new(),
        };
        self.threads.push(thread);
        self
    }

    /// Adds a thread after changing it.
    pub fn thread_with(self, tid: u32, change: impl FnOnce(&mut Thread)) -> Self {
        let mut process = self.thread(tid);
        change(process.threads.last_mut().expect("just added"));
        process
    }

    /// Makes it a zombie with this wait status.
    pub fn zombie(mut self, exit_code: u32) -> Self {
        self.state = State::Dead(exit_code);
        self
    }

    /// Makes it stopped by a signal.
    pub fn stopped(mut self, signal: u32) -> Self {
        self.state = State::Stopped(signal);
        self
    }

    /// Adds a mapping.
    pub fn memory(mut self, vma: Vma) -> Self {
        self.vmas.push(vma);
        self
    }

    /// Leaves out the mappings that every process gets (no stack: no argv, no environment).
    pub fn bare(mut self) -> Self {
        self.usual_vmas = false;
        self
    }

    /// Sets how the pages with argv and environment are stored.
    pub fn stack_pages(mut self, pages: StackPages) -> Self {
        self.stack_pages = pages;
        self
    }

    /// Sets descriptor `fd`, replacing an earlier one.
    pub fn fd(mut self, fd: u32, file: File) -> Self {
        self.fds.retain(|(number, ..)| *number != fd);
        self.fds.push((fd, false, file));
        self
    }

    /// Closes all descriptors.
    pub fn no_fds(mut self) -> Self {
        self.fds.clear();
        self
    }

    /// Adds a descriptor that is closed on exec.
    pub fn fd_cloexec(mut self, fd: u32, file: File) -> Self {
        self.fds.push((fd, true, file));
        self
    }

    /// Puts one file on descriptors 0, 1 and 2.
    pub fn stdio(self, file: File) -> Self {
        let label = file.label.clone().unwrap_or_else(|| format!("stdio-{}", self.pid));
        self.fd(0, file.label(&label)).fd(1, File::same_as(&label)).fd(2, File::same_as(&label))
    }

    /// Shares the descriptor table of another process.
    pub fn shares_files_with(mut self, pid: u32) -> Self {
        self.shares_files_with = Some(pid);
        self
    }

    /// Sets the registers of the leader.
    pub fn registers(mut self, registers: Registers) -> Self {
        self.registers = registers;
        self
    }

    /// Sets session and process group to the own pid.
    pub fn session_leader(mut self) -> Self {
        self.sid = Some(self.pid);
        self.pgid = Some(self.pid);
        self
    }

    /// Sets the namespaces.
    pub fn namespaces(mut self, namespaces: Namespaces) -> Self {
        self.namespaces = namespaces;
        self
    }

    /// Filters the process by the chain that starts at this entry of `seccomp.img`.
    pub fn seccomp(mut self, filter: u32) -> Self {
        self.seccomp_filter = Some(filter);
        self
    }

    /// Adds a child process.
    pub fn child(mut self, child: Process) -> Self {
        self.children.push(child);
        self
    }

    /// Changes any field in the middle of a chain.
    pub fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    /// The process and its descendants, parents first, with parent ids filled in.
    pub(crate) fn flatten(&self, parent: u32, root: u32, out: &mut Vec<Process>) {
        let mut own = self.clone();
        own.children.clear();
        own.pgid.get_or_insert(root);
        own.sid.get_or_insert(root);
        if parent != 0 {
            own.ppid = parent;
        }
        out.push(own);
        for child in &self.children {
            child.flatten(self.pid, root, out);
        }
    }
}

/// The mappings and bounds that the kernel would give a process.
pub(crate) struct Layout {
    pub(crate) text: u64,
    pub(crate) data: u64,
    pub(crate) stack: u64,
    pub(crate) stack_length: u64,
    pub(crate) vvar: u64,
    pub(crate) vdso: u64,
}

impl Layout {
    pub(crate) fn new(arch: Arch, stack_bytes: u64) -> Self {
        let stack_length = (stack_bytes + 0x2_0000).next_multiple_of(0x1_0000);
        let (text, top) =
            if arch.narrow() { (0x0804_0000, 0xff80_0000) } else { (0x5555_5555_0000, 0x7ffd_1234_0000) };
        Self {
            text,
            data: text + 0x8_0000,
            stack: top - stack_length,
            stack_length,
            vvar: top + 0x4_0000,
            vdso: top + 0x8_0000,
        }
    }
}

/// The filled stack of a new program and the addresses in it.
pub(crate) struct Stack {
    pub(crate) contents: Contents,
    pub(crate) pointer: u64,
    pub(crate) args: (u64, u64),
    pub(crate) env: (u64, u64),
    pub(crate) auxv: Vec<u64>,
}
