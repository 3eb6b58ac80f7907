//! Mappings and threads that are not as a program left to itself would have them (`format.md §16.2`, rules
//! 4–12), with the harmless causes that are known.

use ckptfx_parser::{
    Diagnostic, ImageDirectory,
    files::Remap,
    memory::{AddressSpace, Captured, Content, ObjectKind, SharedObjects, Vma, VmaKind, status},
    proto::core_entry::March,
};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    Case, Task, Text, memory::location, process::thread_image::ThreadImage, recover::ghost::GhostFile,
};

/// How much it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Usually harmless.
    Low,
    /// Needs review.
    Medium,
    /// Rare in ordinary programs.
    High,
    /// Explained by nothing but foreign code that runs.
    Critical,
}

impl Severity {
    /// All of them, the worst first.
    pub const ALL: [Self; 5] = [Self::Critical, Self::High, Self::Medium, Self::Low, Self::Info];

    /// The word used in output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

/// A fact that an anomaly rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Evidence {
    /// What the value is.
    pub what: &'static str,
    /// The image or address where it was found.
    pub r#where: String,
    /// The value.
    pub value: Text,
}

/// Something odd.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Anomaly {
    /// Stable name of the rule.
    pub rule: &'static str,
    /// How much it matters.
    pub severity: Severity,
    /// Why it is odd, in one sentence.
    pub why: String,
    /// Harmless causes that cannot be ruled out; null when none is known.
    pub caveat: Option<&'static str>,
    /// What it rests on.
    pub evidence: Vec<Evidence>,
}

const READ: u32 = 1;
const WRITE: u32 = 2;
const EXECUTE: u32 = 4;

/// Pages that are listed one by one.
const MAX_PAGES: usize = 16;
/// The page at the top of 32-bit ARM that the kernel maps into every process.
const ARM_VECTORS: u64 = 0xffff_0000;
/// The digit of the personality that holds `READ_IMPLIES_EXEC` (0x400000): CRIU reads hexadecimal digits as
/// decimal ones (`format.md §3.1`).
const READ_IMPLIES_EXEC_DIGIT: u32 = 100_000;
const READ_IMPLIES_EXEC: u32 = 4;

/// Memfds in which runtimes and libraries put code they make.
const CODE_MEMFDS: [&[u8]; 3] = [b"doublemapper", b"libffi", b"sljit"];
/// Memfds from which container runtimes run themselves.
const RUNTIME_MEMFDS: [&[u8]; 2] = [b"runc_cloned:", b"crun_cloned:"];

/// Programs and libraries that make code while they run, by the start of their file name.
const CODE_MAKERS: [&str; 32] = [
    "libjvm.so",
    "libnode.so",
    "libv8.so",
    "libcoreclr.so",
    "libclrjit.so",
    "libmono",
    "libluajit",
    "libmozjs",
    "libjavascriptcoregtk",
    "libQt5WebEngineCore",
    "libQt6WebEngineCore",
    "libpcre.so",
    "libpcre2-",
    "libgccjit.so",
    "libpypy",
    "libjulia",
    "libwasmtime",
    "opcache.so",
    "node",
    "deno",
    "bun",
    "mono",
    "luajit",
    "pypy",
    "qemu-",
    "beam.smp",
    "julia",
    "wasmtime",
    "wasmer",
    "chrome",
    "chromium",
    "firefox",
];

/// Directories in which nothing that runs is installed.
const TEMPORARY: [&[u8]; 5] = [b"/tmp/", b"/var/tmp/", b"/dev/shm/", b"/run/", b"/proc/"];

const CODE_MAKER_CAVEAT: &str = "the process has a JIT compiler or code-generating library mapped";
const MODIFIED_CAVEAT: &str = "text relocations, breakpoints of a debugger and probes of a tracer write to code pages too, and so does \
     a write of the bytes that were there already: compare the page with the file";

/// The page that CRIU itself wrote to while dumping a process: it runs its first system calls from the start of
/// the first executable mapping, and puts the bytes back (`format.md §6.4`).
pub fn criu_page(space: &AddressSpace<'_>) -> Option<u64> {
    let first = space.vmas.iter().find(|vma| vma.prot & EXECUTE != 0 && vma.kind != VmaKind::Vsyscall)?;
    space.pages.within(first.start, first.start.saturating_add(1)).next().map(|_| first.start)
}

/// What is needed to judge the mappings of one process.
pub(crate) struct Judge<'c, 'a> {
    case: &'c Case<'a>,
    task: &'c Task<'a>,
    space: &'c AddressSpace<'a>,
    code_maker: bool,
    criu_page: Option<u64>,
}

impl<'c, 'a> Judge<'c, 'a> {
    pub fn new(case: &'c Case<'a>, task: &'c Task<'a>) -> Option<Self> {
        let space = task.space.as_ref()?;
        Some(Self { case, task, space, code_maker: makes_code(case, space), criu_page: criu_page(space) })
    }

    /// What is odd about the mapping with an index.
    pub fn mapping(
        &self,
        index: usize,
        images: &'a ImageDirectory,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Vec<Anomaly> {
        let Some(vma) = self.space.vmas.get(index).filter(|vma| vma.prot & EXECUTE != 0) else {
            return Vec::new();
        };
        let mut found = Vec::new();
        found.extend(self.deleted_file(vma));
        found.extend(self.memfd(vma));
        found.extend(self.anonymous(vma));
        found.extend(self.writable_file(vma));
        found.extend(self.modified_code(index, vma, images, diagnostics));
        found
    }

    fn image(&self) -> String {
        format!("mm-{}.img", self.task.process.pid)
    }

    fn perms(&self, vma: &Vma) -> Evidence {
        evidence("permissions", self.image(), vma.permissions())
    }

    fn captured(&self, vma: &Vma) -> Evidence {
        let bytes = captured_bytes(self.space, vma, &self.case.shared);
        evidence("captured bytes", format!("pagemap-{}.img", self.task.process.pid), bytes.to_string())
    }

    /// Rule 4.
    fn deleted_file(&self, vma: &Vma) -> Option<Anomaly> {
        let (VmaKind::FilePrivate(id) | VmaKind::FileShared(id)) = vma.kind else { return None };
        let remap = self.case.files.remap(id)?;
        let path = self.case.files.regular(id).and_then(|file| file.name.clone()).unwrap_or_default();
        let is_exe = self.task.mm.as_ref().and_then(|mm| mm.exe_file_id) == Some(id);
        let subject = if is_exe { "the program itself" } else { "mapped code" };
        let (severity, why, caveat) = match remap {
            Remap::Ghost(_) if is_exe || is_temporary(&path) => {
                (Severity::High, format!("{subject} is a file that was deleted"), None)
            }
            Remap::Ghost(_) => (
                Severity::Medium,
                format!("{subject} is a file that was deleted"),
                Some("an upgrade of the package replaces libraries that are in use"),
            ),
            Remap::Linked(_) => (
                Severity::Low,
                format!("{subject} is a file whose name was removed or taken by another file"),
                Some("an upgrade of the package replaces libraries that are in use"),
            ),
            Remap::DeadProcess(_) => return None,
        };
        let (remap, target) = match remap {
            Remap::Ghost(target) => ("saved as", format!("ghost-file-{target:x}.img")),
            Remap::Linked(target) => ("linked to file", target.to_string()),
            Remap::DeadProcess(_) => return None,
        };
        let evidence = vec![
            evidence("path", "files.img".to_owned(), path),
            evidence(remap, "remap-fpath.img".to_owned(), target),
        ];
        Some(Anomaly { rule: "deleted-code", severity, why, caveat, evidence })
    }

    /// Rule 5.
    fn memfd(&self, vma: &Vma) -> Option<Anomaly> {
        let (VmaKind::Shared(key) | VmaKind::MemfdPrivate(key)) = vma.kind else { return None };
        let object = self.case.shared.objects.get(&key)?;
        let ObjectKind::Memfd(name) = &object.kind else { return None };
        let begins = |names: &[&[u8]]| names.iter().any(|known| name.starts_with(known));
        let (severity, caveat) = if begins(&RUNTIME_MEMFDS) {
            (Severity::Info, Some("container runtimes run from a memfd to protect their own file"))
        } else if begins(&CODE_MEMFDS) {
            (Severity::Low, Some("the name is one that JIT compilers use for generated code"))
        } else {
            (Severity::High, None)
        };
        let evidence = vec![
            evidence("memfd name", "memfd.img".to_owned(), name.clone()),
            evidence("content", "memfd.img".to_owned(), format!("pagemap-shmem-{key}.img")),
            self.perms(vma),
        ];
        let why = "code is mapped from a memfd (fileless)".to_owned();
        Some(Anomaly { rule: "memfd-code", severity, why, caveat, evidence })
    }

    /// Rules 6, 7 and 8.
    fn anonymous(&self, vma: &Vma) -> Option<Anomaly> {
        let shared = match vma.kind {
            VmaKind::Anonymous | VmaKind::Heap | VmaKind::Stack | VmaKind::Droppable => false,
            VmaKind::Shared(key) => match self.case.shared.objects.get(&key).map(|object| &object.kind) {
                Some(ObjectKind::Memfd(_)) => return None,
                _ => true,
            },
            _ => return None,
        };
        let mut evidence = vec![self.perms(vma), self.captured(vma)];
        if let Some(magic) = self.magic(vma) {
            evidence.push(self::evidence("starts with", format!("{:#x}", vma.start), magic));
        }
        let has_program = evidence.iter().any(|fact| fact.what == "starts with");
        let implied = vma.prot & READ != 0
            && self
                .task
                .core
                .as_ref()
                .and_then(|core| core.tc.as_ref()?.personality)
                .is_some_and(|bits| (bits / READ_IMPLIES_EXEC_DIGIT % 10) & READ_IMPLIES_EXEC != 0);
        let caveat = match (implied, self.code_maker) {
            (true, _) => Some("the personality of the process makes all its readable memory executable"),
            (false, true) => Some(CODE_MAKER_CAVEAT),
            (false, false) => None,
        };
        let explained = caveat.is_some();
        let writable = vma.prot & WRITE != 0;
        let (rule, severity, why) = match vma.kind {
            VmaKind::Heap => ("executable-heap", Severity::High, "the heap is executable"),
            VmaKind::Stack => ("executable-stack", Severity::High, "a stack is executable"),
            _ if writable && shared => {
                ("writable-code", Severity::Medium, "shared anonymous memory is writable and executable")
            }
            _ if writable => ("writable-code", Severity::High, "anonymous memory is writable and executable"),
            _ => (
                "anonymous-code",
                Severity::Medium,
                "anonymous memory is executable: its code is not backed by a file",
            ),
        };
        let severity = match severity {
            _ if has_program => Severity::High,
            Severity::High if explained => Severity::Medium,
            Severity::Medium if explained => Severity::Low,
            severity => severity,
        };
        Some(Anomaly { rule, severity, why: why.to_owned(), caveat, evidence })
    }

    /// What kind of program a mapping starts with, if it does.
    fn magic(&self, vma: &Vma) -> Option<&'static str> {
        let bytes = self.space.bytes(vma.start, vma.end, 4, &self.case.shared).ok()?;
        match &*bytes {
            b"\x7fELF" => Some("ELF"),
            [b'M', b'Z', ..] => Some("MZ"),
            _ => None,
        }
    }

    /// Rule 10.
    fn writable_file(&self, vma: &Vma) -> Option<Anomaly> {
        let is_file = matches!(vma.kind, VmaKind::FilePrivate(_) | VmaKind::FileShared(_));
        if !is_file || vma.prot & WRITE == 0 {
            return None;
        }
        Some(Anomaly {
            rule: "writable-file-code",
            severity: Severity::Medium,
            why: "file mapping is writable and executable".to_owned(),
            caveat: Some("programs linked with writable code sections have such mappings"),
            evidence: vec![self.perms(vma), self.captured(vma)],
        })
    }

    /// Rule 9. Pages that nobody wrote to are not in a dump, so that any page of code in it was written to.
    fn modified_code(
        &self,
        index: usize,
        vma: &Vma,
        images: &'a ImageDirectory,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Option<Anomaly> {
        if vma.prot & WRITE != 0 || vma.status & status::UPROBES != 0 {
            return None;
        }
        self.space.pages.within(vma.start, vma.end).next()?;
        self.space.pages.unpack(diagnostics);
        let original = match vma.kind {
            VmaKind::FilePrivate(id) => {
                GhostFile::find(images, &self.case.files, id, diagnostics).map(Original::Ghost)
            }
            VmaKind::MemfdPrivate(key) => self.case.shared.objects.get(&key).map(|object| {
                object.pages.unpack(diagnostics);
                Original::Object(&object.pages)
            }),
            _ => return None,
        };
        let mut count: u64 = 0;
        let mut pages = Vec::new();
        for run in self.space.pages.within(vma.start, vma.end) {
            if !matches!(run.content, Content::Captured { .. }) {
                continue;
            }
            let Some(bytes) = run.read() else { continue };
            let size = usize::try_from(self.space.page_size).ok()?;
            for (page, address) in bytes.chunks(size).zip((run.start..).step_by(size)) {
                let Some(offset) = location::file_offset(vma, address) else { continue };
                let same = original.as_ref().and_then(|original| original.holds(offset, page));
                if same == Some(true) || (same.is_none() && Some(address) == self.criu_page) {
                    continue;
                }
                count += 1;
                if pages.len() < MAX_PAGES {
                    let value = format!("file offset {offset:#x}");
                    pages.push(evidence("modified page", format!("{address:#x}"), value));
                }
            }
        }
        if count == 0 {
            return None;
        }
        let compared = original.is_some();
        let mut facts = vec![evidence("modified pages", self.image(), count.to_string())];
        facts.append(&mut pages);
        if self.is_split(index, vma) {
            let value = "the mapping continues a neighbour of the same file: its permissions were changed";
            facts.push(evidence("split mapping", self.image(), value));
        }
        let why = if compared {
            "code pages differ from the mapped file"
        } else {
            "code pages were written to after mapping"
        };
        Some(Anomaly {
            rule: "modified-code",
            severity: Severity::High,
            why: why.to_owned(),
            caveat: (!compared).then_some(MODIFIED_CAVEAT),
            evidence: facts,
        })
    }

    /// Whether a neighbour maps the same file where this mapping leaves off, with the same permissions: the kernel
    /// keeps the two apart only after one of them was written to.
    fn is_split(&self, index: usize, vma: &Vma) -> bool {
        let joins = |before: &Vma, after: &Vma| {
            before.end == after.start
                && before.kind == after.kind
                && before.prot == after.prot
                && before.offset.checked_add(before.length()) == Some(after.offset)
        };
        let neighbour = |index: Option<usize>| index.and_then(|index| self.space.vmas.get(index));
        neighbour(index.checked_sub(1)).is_some_and(|before| joins(before, vma))
            || neighbour(index.checked_add(1)).is_some_and(|after| joins(vma, after))
    }
}

/// What a page of code was mapped from.
enum Original<'c, 'a> {
    Ghost(GhostFile<'a>),
    Object(&'c ckptfx_parser::memory::Pages<'a>),
}

impl Original<'_, '_> {
    fn holds(&self, offset: u64, page: &[u8]) -> Option<bool> {
        match self {
            Self::Ghost(file) => file.holds(offset, page),
            Self::Object(pages) => {
                let end = offset.checked_add(page.len() as u64)?;
                let mut runs = pages.within(offset, end);
                match (runs.next(), runs.next()) {
                    (None, _) => Some(page.iter().all(|byte| *byte == 0)),
                    (Some(run), None) if matches!(run.content, Content::Captured { .. }) => {
                        Some(run.read()? == page)
                    }
                    _ => None,
                }
            }
        }
    }
}

/// Rules 11 and 12 for one thread, each with the mapping it concerns.
pub(crate) fn of_thread(
    case: &Case<'_>,
    task: &Task<'_>,
    thread: &ThreadImage,
) -> Vec<(Option<usize>, Anomaly)> {
    let (Some(space), Some(cpu)) = (&task.space, &thread.cpu) else { return Vec::new() };
    let at = |address: u64| {
        let index = space.vmas.partition_point(|vma| vma.end <= address);
        space.vmas.get(index).filter(|vma| vma.contains(address)).map(|_| index)
    };
    let place = format!("core-{}.img", thread.tid);
    let mut found = Vec::new();
    if let Some(ip) = cpu.ip.filter(|ip| !(cpu.machine == March::Arm && *ip >= ARM_VECTORS)) {
        let index = at(ip);
        let vma = index.and_then(|index| space.vmas.get(index));
        if let Some((severity, why, caveat)) = judge_ip(case, space, vma) {
            let evidence = vec![
                evidence("thread", place.clone(), thread.tid.to_string()),
                evidence("instruction pointer", place.clone(), format!("{ip:#x}")),
            ];
            let why = why.to_owned();
            found.push((index, Anomaly { rule: "foreign-code-running", severity, why, caveat, evidence }));
        }
    }
    if let Some(sp) = cpu.sp {
        // A stack on which nothing lies begins at the end of its mapping.
        let index = at(sp).or_else(|| at(sp.checked_sub(1)?));
        let vma = index.and_then(|index| space.vmas.get(index));
        let alternative = thread.core.thread_core.as_ref().and_then(|own| own.sas).is_some_and(|stack| {
            let start = stack.ss_sp.unwrap_or(0);
            (start..=start.saturating_add(stack.ss_size.unwrap_or(0))).contains(&sp) && start != 0
        });
        let why = match vma.map(|vma| vma.kind) {
            None => Some("stack pointer is in unmapped memory"),
            Some(_) if alternative => None,
            Some(VmaKind::Heap) => Some("stack pointer is inside the heap"),
            Some(VmaKind::FilePrivate(_) | VmaKind::FileShared(_) | VmaKind::Vdso | VmaKind::Vvar) => {
                Some("stack pointer is inside a mapped file")
            }
            Some(_) => None,
        };
        if let Some(why) = why {
            let evidence = vec![
                evidence("thread", place.clone(), thread.tid.to_string()),
                evidence("stack pointer", place, format!("{sp:#x}")),
            ];
            let caveat = Some("programs that make stacks for their own coroutines may put them there");
            let (severity, why) = (Severity::Medium, why.to_owned());
            found.push((index, Anomaly { rule: "pivoted-stack", severity, why, caveat, evidence }));
        }
    }
    found
}

/// What is odd about an instruction pointer in a mapping.
fn judge_ip(
    case: &Case<'_>,
    space: &AddressSpace<'_>,
    vma: Option<&Vma>,
) -> Option<(Severity, &'static str, Option<&'static str>)> {
    let Some(vma) = vma else {
        return Some((Severity::High, "thread was at an unmapped address", None));
    };
    if vma.prot & EXECUTE == 0 {
        return Some((Severity::High, "thread was at an address that is not executable", None));
    }
    let anonymous = match vma.kind {
        VmaKind::Anonymous | VmaKind::Heap | VmaKind::Stack | VmaKind::Droppable => true,
        VmaKind::Shared(key) => {
            !matches!(case.shared.objects.get(&key).map(|object| &object.kind), Some(ObjectKind::Memfd(_)))
        }
        _ => false,
    };
    if !anonymous {
        return None;
    }
    let why = "thread was executing code that is not backed by a file";
    Some(match (makes_code(case, space), vma.prot & WRITE != 0) {
        (true, _) => (Severity::Medium, why, Some(CODE_MAKER_CAVEAT)),
        (false, true) => (Severity::Critical, why, None),
        (false, false) => (Severity::High, why, None),
    })
}

/// Whether a program or library is mapped that makes code while it runs. A deleted file has no say.
fn makes_code(case: &Case<'_>, space: &AddressSpace<'_>) -> bool {
    space.vmas.iter().any(|vma| {
        let VmaKind::FilePrivate(id) = vma.kind else { return false };
        if vma.prot & EXECUTE == 0 || vma.deleted {
            return false;
        }
        let name = case.files.regular(id).and_then(|file| file.name.as_deref()).unwrap_or_default();
        let last = name.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        !is_temporary(name) && CODE_MAKERS.iter().any(|known| last.starts_with(known.as_bytes()))
    })
}

/// Whether a path is of a kind from which nothing installed runs: temporary, or hidden.
fn is_temporary(path: &[u8]) -> bool {
    TEMPORARY.iter().any(|start| path.starts_with(start)) || path.windows(2).any(|pair| pair == b"/.")
}

/// Bytes that the evidence has of what a mapping shows, those of a shared object included.
pub(crate) fn captured_bytes<'a>(space: &AddressSpace<'a>, vma: &Vma, shared: &SharedObjects<'a>) -> u64 {
    let runs = space.runs(vma.start, vma.end, shared);
    runs.iter().filter(|run| matches!(run.content, Ok(Captured::Page(_)))).map(|run| run.length).sum()
}

fn evidence(what: &'static str, r#where: String, value: impl Into<Vec<u8>>) -> Evidence {
    Evidence { what, r#where, value: Text(value.into()) }
}
