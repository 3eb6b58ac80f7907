//! `mm-*.img` and the pages of a process: the stack a new program finds, the vDSO, the mappings.

use super::files::Files;
use crate::checkpoint::Checkpoint;
use crate::image::Images;
use crate::memory::{Backing, Contents, LAZY, PARENT, PRESENT, Pagemap, SharedKind, Vma};
use crate::process::{Layout, Process, Stack, StackPages};
use crate::version::Arch;
use crate::wire::Message;

/// An address space ready to be written.
pub(crate) struct Mm {
    head: Message,
    vmas: Vec<Message>,
}

/// The address space of a process and the pages that are dumped from it.
pub(crate) fn build(checkpoint: &Checkpoint, process: &Process, files: &mut Files<'_>) -> (Mm, Pagemap) {
    let lengths = process.cmdline.iter().chain(&process.environ).map(|text| text.len() + 17);
    let layout = Layout::new(checkpoint.arch, lengths.sum::<usize>() as u64);
    let stack = stack(checkpoint, process, &layout);
    let mut vmas = process.vmas.clone();
    if process.usual_vmas {
        vmas.extend(usual(checkpoint, process, &layout, &stack));
    }
    vmas.sort_by_key(|vma| (vma.at_end, vma.start));
    let mut pagemap = Pagemap::new(checkpoint.page_size);
    let mut messages = Vec::new();
    for vma in &vmas {
        let anonymous = matches!(vma.backing, Backing::Anonymous);
        let lazy = anonymous && checkpoint.criu.since(3, 5);
        let natural = if lazy { PRESENT | LAZY } else { PRESENT };
        pagemap.insert(vma.start, vma.length, &vma.contents, natural);
        messages.push(entry(checkpoint, vma, files));
    }
    let exe = files.id(&process.exe);
    let heap = process.vmas.iter().find(|vma| vma.status & 0x20 != 0);
    let brk = heap.map_or((layout.data + 0x1_0000, 0), |heap| (heap.start, heap.length));
    let bounds = [
        layout.text,
        layout.text + 0x3_0000,
        layout.data,
        layout.data + 0x8000,
        stack.pointer,
        brk.0,
        brk.0 + brk.1,
        stack.args.0,
        stack.args.1,
        stack.env.0,
        stack.env.1,
    ];
    let mut head = Message::new();
    for (field, value) in (1..).zip(bounds) {
        let value = if process.usual_vmas { value } else { 0 };
        head = head.uint(field, value);
    }
    let auxv = if process.usual_vmas { stack.auxv } else { vec![0; 44] };
    let head = head.uint(12, exe).repeated(13, auxv);
    let head = head.when(checkpoint.criu.since(1, 3), |head| head.int(15, process.dumpable.unwrap_or(1)));
    let mm = Mm { head, vmas: messages };
    (mm, pagemap)
}

/// Writes `mm-PID.img`, and `vmas-PID.img` where releases had one.
pub(crate) fn write(checkpoint: &Checkpoint, pid: u32, mm: Mm, images: &mut Images) {
    if checkpoint.criu.since(1, 2) {
        images.add("mm", pid, &mm.head.messages(14, &mm.vmas));
        return;
    }
    images.add("mm", pid, &mm.head);
    for vma in &mm.vmas {
        images.add("vmas", pid, vma);
    }
}

fn entry(checkpoint: &Checkpoint, vma: &Vma, files: &mut Files<'_>) -> Message {
    let (mut flags, mut status) = (vma.flags, vma.status);
    let shmid = match &vma.backing {
        Backing::Anonymous => 0,
        Backing::Raw(shmid) => *shmid,
        Backing::File(file, shared) => {
            if matches!(file.kind, crate::file::FileKind::Memfd(_)) {
                status |= 0x4000;
            }
            if *shared {
                status = status & !0x40 | 0x80;
            }
            u64::from(files.id(file))
        }
        Backing::Shared(key) => {
            let object = files.object(key);
            match object.kind {
                SharedKind::SysV(..) => {
                    status |= 0x501;
                    files.shmid(key)
                }
                SharedKind::Anonymous if !checkpoint.criu.since(3, 14) => {
                    status |= 0x101;
                    flags |= 0x20;
                    files.shmid(key)
                }
                _ => {
                    status |= 0x4081;
                    u64::from(files.mapped_object(key))
                }
            }
        }
    };
    Message::new()
        .uint(1, vma.start)
        .uint(2, vma.start.wrapping_add(vma.length))
        .uint(3, vma.pgoff)
        .uint(4, shmid)
        .uint(5, vma.prot)
        .uint(6, flags)
        .uint(7, status)
        .sint(8, -1)
        .when(vma.madv != 0, |entry| entry.uint(9, vma.madv))
        .when(checkpoint.criu.since(1, 3), |entry| entry.uint(10, 0_u32))
}

fn usual(checkpoint: &Checkpoint, process: &Process, layout: &Layout, stack: &Stack) -> Vec<Vma> {
    let mut vmas = vec![
        Vma::file(layout.text, 0x4_0000, process.exe.clone()),
        Vma::file(layout.data, 0x1_0000, process.exe.clone()).prot(3).offset(0x4_0000),
        Vma { contents: stack.contents.clone(), ..Vma::stack(layout.stack, layout.stack_length) },
        Vma::vvar(layout.vvar, 0x1_0000),
        Vma::vdso(layout.vdso, 0x1_0000).bytes(0, vdso(checkpoint.arch)),
    ];
    if checkpoint.arch == Arch::X86_64 {
        vmas.push(Vma::vsyscall());
    }
    vmas
}

/// A vDSO that holds nothing but the kernel's version note.
fn vdso(arch: Arch) -> Vec<u8> {
    let big = arch.big_endian();
    let word = |value: u64, width: usize| {
        if big { value.to_be_bytes()[8 - width..].to_vec() } else { value.to_le_bytes()[..width].to_vec() }
    };
    let class: u8 = if arch.narrow() { 1 } else { 2 };
    let address = if arch.narrow() { 4 } else { 8 };
    let machine = match arch {
        Arch::X86_64 => 62,
        Arch::X86Compat => 3,
        Arch::Arm => 40,
        Arch::Aarch64 => 183,
        Arch::Ppc64le => 21,
        Arch::S390x => 22,
        Arch::Mips64 => 8,
        Arch::LoongArch64 => 258,
        Arch::Riscv64 => 243,
    };
    let (head, program) = if arch.narrow() { (52, 32) } else { (64, 56) };
    let mut elf = vec![0x7f, b'E', b'L', b'F', class, if big { 2 } else { 1 }, 1];
    elf.resize(16, 0);
    for (value, width) in [(3, 2), (machine, 2), (1, 4), (0, address), (head, address), (0, address), (0, 4)]
    {
        elf.extend(word(value, width));
    }
    for value in [head, program, 1, 0, 0, 0] {
        elf.extend(word(value, 2));
    }
    let at = head + program;
    elf.extend(word(4, 4));
    if !arch.narrow() {
        elf.extend(word(4, 4));
    }
    for value in [at, at, at, 24, 24] {
        elf.extend(word(value, address));
    }
    if arch.narrow() {
        elf.extend(word(4, 4));
    }
    elf.extend(word(4, address));
    for value in [6, 4, 0] {
        elf.extend(word(value, 4));
    }
    elf.extend(b"Linux\0\0\0");
    elf.extend(word(6 << 16 | 1 << 8, 4));
    elf
}

fn stack(checkpoint: &Checkpoint, process: &Process, layout: &Layout) -> Stack {
    let arch = checkpoint.arch;
    let width: u64 = if arch.narrow() { 4 } else { 8 };
    let number = |value: u64| {
        let bytes = if arch.big_endian() { value.to_be_bytes() } else { value.to_le_bytes() };
        if !arch.narrow() { bytes.to_vec() } else { bytes[..4].to_vec() }
    };
    let execfn = process.execfn.as_ref().unwrap_or(&process.exe.path);
    let size = |texts: &[Vec<u8>]| texts.iter().map(|text| text.len() as u64 + 1).sum::<u64>();
    let end = layout.stack + layout.stack_length - width;
    let execfn_at = end - execfn.len() as u64 - 1;
    let env = (execfn_at - size(&process.environ), execfn_at);
    let args = (env.0 - size(&process.cmdline), env.0);
    let random = (args.0 - 32) & !15;
    let mut strings = Vec::new();
    for text in process.cmdline.iter().chain(&process.environ).chain([execfn]) {
        strings.extend_from_slice(text);
        strings.push(0);
    }
    let uid = process.creds.uids.map(u64::from);
    let gid = process.creds.gids.map(u64::from);
    let pairs = [
        (33, layout.vdso),
        (16, 0x178b_fbff),
        (6, checkpoint.page_size),
        (17, 100),
        (3, layout.text + 0x40),
        (4, if arch.narrow() { 32 } else { 56 }),
        (5, 13),
        (7, 0),
        (8, 0),
        (9, layout.text + 0x1000),
        (11, uid[0]),
        (12, uid[1]),
        (13, gid[0]),
        (14, gid[1]),
        (23, u64::from(uid[0] != uid[1] || gid[0] != gid[1])),
        (25, random),
        (31, execfn_at),
        (0, 0),
    ];
    let mut words = vec![process.cmdline.len() as u64];
    for (start, texts) in [(args.0, &process.cmdline), (env.0, &process.environ)] {
        let mut at = start;
        for text in texts {
            words.push(at);
            at += text.len() as u64 + 1;
        }
        words.push(0);
    }
    words.extend(pairs.iter().flat_map(|(kind, value)| [*kind, *value]));
    let pointer = (random - words.len() as u64 * width) & !15;
    let mut contents = Contents::default();
    let table: Vec<u8> = words.iter().flat_map(|word| number(*word)).collect();
    contents.bytes(pointer - layout.stack, table);
    contents
        .bytes(random - layout.stack, *b"\xa5\x5a\xc3\x3c\x0f\xf0\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa");
    contents.bytes(args.0 - layout.stack, strings);
    let top = layout.stack_length - (pointer - layout.stack);
    let span = (pointer - layout.stack, top);
    match process.stack_pages {
        StackPages::Present => {}
        StackPages::Lazy => contents.flags(span.0, span.1, LAZY),
        StackPages::Parent => contents.flags(span.0, span.1, PARENT),
        StackPages::Missing => contents.hole(span.0, span.1),
    }
    let mut auxv: Vec<u64> = if arch == Arch::X86Compat {
        pairs.iter().map(|(kind, value)| kind | value << 32).collect()
    } else {
        pairs.iter().flat_map(|(kind, value)| [*kind, *value]).collect()
    };
    auxv.resize(arch.auxv_words(), 0);
    Stack { contents, pointer, args, env, auxv }
}
