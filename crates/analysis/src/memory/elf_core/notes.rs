//! Notes of a core file, as the kernel writes them (`fs/binfmt_elf.c`).

use ckptfx_parser::{
    Diagnostic,
    memory::{AddressSpace, Vma, VmaKind},
    proto::{UserAarch64FpsimdContextEntry, UserX86FpregsEntry, core_entry::March},
};

use super::writer::Writer;
use crate::{
    Task,
    process::{State, thread_image::ThreadImage},
};

const NT_PRSTATUS: u32 = 1;
const NT_FPREGSET: u32 = 2;
const NT_PRPSINFO: u32 = 3;
const NT_AUXV: u32 = 6;
const NT_FILE: u32 = 0x4649_4c45;
const NT_X86_XSTATE: u32 = 0x202;
const NT_ARM_TLS: u32 = 0x401;

/// Number of general registers.
const X86_REGISTERS: usize = 27;
const AARCH64_REGISTERS: usize = 34;
/// Features in an XSAVE area with the upper halves of the AVX registers and nothing more.
const X87_SSE_AVX: u64 = 7;
const AVX: u64 = 4;

fn note(out: &mut Writer, owner: &str, kind: u32, content: &[u8]) {
    let length = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    let owner = [owner.as_bytes(), b"\0"].concat();
    out.u32(length(&owner)).u32(length(content)).u32(kind).bytes(&owner).align(4).bytes(content).align(4);
}

/// All notes: the leader's registers first, which debuggers take for the current thread. None when these are not
/// complete.
pub(super) fn notes(
    task: &Task<'_>,
    space: &AddressSpace<'_>,
    threads: &[ThreadImage],
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Vec<u8>> {
    let (leader, others) = threads.split_first()?;
    let mut out = Writer::default();
    note(&mut out, "CORE", NT_PRSTATUS, &status(task, leader)?);
    note(&mut out, "CORE", NT_PRPSINFO, &process_info(task));
    if let Some(mm) = &task.mm {
        let auxv: Vec<u8> = mm.mm_saved_auxv.iter().flat_map(|word| word.to_le_bytes()).collect();
        note(&mut out, "CORE", NT_AUXV, &auxv);
    }
    note(&mut out, "CORE", NT_FILE, &mapped_files(space));
    further(&mut out, leader);
    for thread in others {
        let Some(status) = status(task, thread) else {
            let message = format!("thread {} is not in the core: its registers are not complete", thread.tid);
            diagnostics.push(Diagnostic::loss("left-out", format!("core-{}.img", thread.tid), message));
            continue;
        };
        note(&mut out, "CORE", NT_PRSTATUS, &status);
        further(&mut out, thread);
    }
    Some(out.0)
}

/// `struct elf_prstatus`.
fn status(task: &Task<'_>, thread: &ThreadImage) -> Option<Vec<u8>> {
    let cpu = thread.cpu.as_ref()?;
    let expected = match cpu.machine {
        March::X8664 => X86_REGISTERS,
        March::Aarch64 => AARCH64_REGISTERS,
        _ => return None,
    };
    if cpu.registers.0.len() != expected {
        return None;
    }
    let process = &task.process;
    let mut out = Writer::default();
    // siginfo and current signal: no signal ended the process.
    out.u32(0).u32(0).u32(0).u16(0).align(8);
    // Pending signals are not told by mask in the images; blocked ones are.
    out.u64(0).u64(thread.blocked().unwrap_or(0));
    out.u32(thread.tid)
        .u32(process.ppid.unwrap_or(0))
        .u32(process.pgid.unwrap_or(0))
        .u32(process.sid.unwrap_or(0));
    // CPU times, which are not in the images.
    out.bytes(&[0; 64]);
    for (_, value) in &cpu.registers.0 {
        out.u64(*value);
    }
    let has_float = match cpu.machine {
        March::X8664 => thread.core.thread_info.as_ref().is_some_and(|info| info.fpregs.is_some()),
        _ => thread.core.ti_aarch64.as_ref().is_some_and(|info| info.fpsimd.is_some()),
    };
    out.u32(u32::from(has_float)).align(8);
    Some(out.0)
}

/// `struct elf_prpsinfo`.
fn process_info(task: &Task<'_>) -> Vec<u8> {
    let process = &task.process;
    let (number, letter) = if process.state == Some(State::Stopped) { (3, b'T') } else { (0, b'R') };
    let nice = process.nice.and_then(|nice| i8::try_from(nice).ok()).unwrap_or(0);
    let flags = task.core.as_ref().and_then(|core| core.tc.as_ref()?.flags).unwrap_or(0);
    let mut out = Writer::default();
    out.bytes(&[number, letter, 0, nice.to_le_bytes()[0]]).align(8).u64(flags.into());
    let id = |id: Option<u32>| id.unwrap_or(u32::MAX);
    out.u32(id(process.uid.and_then(|uid| uid.real))).u32(id(process.gid.and_then(|gid| gid.real)));
    out.u32(process.pid)
        .u32(process.ppid.unwrap_or(0))
        .u32(process.pgid.unwrap_or(0))
        .u32(process.sid.unwrap_or(0))
        .text(process.comm.as_ref().map_or(b"", |comm| &comm.0), 16)
        .text(&process.command(), 80);
    out.0
}

/// `NT_FILE`: which file lies where.
fn mapped_files(space: &AddressSpace<'_>) -> Vec<u8> {
    let has_file = |vma: &&Vma| {
        matches!(
            vma.kind,
            VmaKind::FilePrivate(_) | VmaKind::FileShared(_) | VmaKind::Shared(_) | VmaKind::MemfdPrivate(_)
        )
    };
    let vmas: Vec<&Vma> = space.vmas.iter().filter(has_file).collect();
    let mut out = Writer::default();
    out.u64(vmas.len() as u64).u64(space.page_size);
    for vma in &vmas {
        out.u64(vma.start).u64(vma.end).u64(vma.offset / space.page_size.max(1));
    }
    for vma in &vmas {
        out.bytes(vma.name.split(|byte| *byte == 0).next().unwrap_or_default()).bytes(b"\0");
    }
    out.0
}

/// Notes of a thread after its status.
fn further(out: &mut Writer, thread: &ThreadImage) {
    if let Some(float) = thread.core.thread_info.as_ref().and_then(|info| info.fpregs.as_ref()) {
        let area = fxsave(float);
        note(out, "CORE", NT_FPREGSET, &area);
        if let Some(area) = xsave(float, area) {
            note(out, "LINUX", NT_X86_XSTATE, &area);
        }
    }
    if let Some(info) = &thread.core.ti_aarch64 {
        if let Some(float) = &info.fpsimd {
            note(out, "CORE", NT_FPREGSET, &fpsimd(float));
        }
        if let Some(tls) = info.tls {
            note(out, "LINUX", NT_ARM_TLS, &tls.to_le_bytes());
        }
    }
}

/// So many words of a list; the ones that are missing are zero.
fn words(out: &mut Writer, words: &[u32], count: usize) {
    for word in words.iter().copied().chain(std::iter::repeat(0)).take(count) {
        out.u32(word);
    }
}

/// The 512 bytes that FXSAVE writes.
fn fxsave(float: &UserX86FpregsEntry) -> Vec<u8> {
    // CRIU keeps the 16-bit fields in words.
    let half = |value: Option<u32>| u16::try_from(value.unwrap_or(0) & 0xffff).unwrap_or(0);
    let mut out = Writer::default();
    out.u16(half(float.cwd)).u16(half(float.swd)).u16(half(float.twd)).u16(half(float.fop));
    out.u64(float.rip.unwrap_or(0)).u64(float.rdp.unwrap_or(0));
    out.u32(float.mxcsr.unwrap_or(0)).u32(float.mxcsr_mask.unwrap_or(0));
    words(&mut out, &float.st_space, 32);
    words(&mut out, &float.xmm_space, 64);
    words(&mut out, &float.padding, 24);
    out.0
}

/// The area that XSAVE writes, with the upper halves of the AVX registers. Where further features lie depends on
/// the processor, so that they are left out.
fn xsave(float: &UserX86FpregsEntry, mut area: Vec<u8>) -> Option<Vec<u8>> {
    let state = float.xsave.as_ref()?;
    let present = state.xstate_bv? & X87_SSE_AVX;
    if present & AVX == 0 || state.ymmh_space.len() != 64 {
        return None;
    }
    // Debuggers read the features the area has room for from bytes that the processor leaves free.
    area.get_mut(464..472)?.copy_from_slice(&X87_SSE_AVX.to_le_bytes());
    let mut out = Writer(area);
    out.u64(present).bytes(&[0; 56]);
    words(&mut out, &state.ymmh_space, 64);
    Some(out.0)
}

/// `struct user_fpsimd_state`.
fn fpsimd(float: &UserAarch64FpsimdContextEntry) -> Vec<u8> {
    let mut out = Writer::default();
    for word in float.vregs.iter().copied().chain(std::iter::repeat(0)).take(64) {
        out.u64(word);
    }
    out.u32(float.fpsr.unwrap_or(0)).u32(float.fpcr.unwrap_or(0)).u64(0);
    out.0
}
