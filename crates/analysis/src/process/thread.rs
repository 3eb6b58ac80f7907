//! Threads: where each one was, and what it was doing (`format.md §3.2`, `§3.5`).

use ckptfx_parser::{
    dynamic::{Numbering, lookup},
    proto::{self, core_entry::March},
};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    Case, Task, Text,
    memory::{
        anomaly::{self, Anomaly},
        location::Location,
    },
    process::{
        State,
        registers::{Cpu, Registers},
        syscall,
        thread_image::{ThreadImage, images_of},
    },
};

/// `-EINTR` as a result of a system call.
const INTERRUPTED: i64 = -4;

/// What becomes of a system call when the thread goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It would be made again: CRIU set the thread back to the instruction that makes it.
    Restart,
    /// It would return `EINTR`.
    Interrupted,
}

/// The system call a thread was in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Syscall {
    /// Its number.
    pub number: u32,
    /// Its name; null where the number is not known or the architecture has no table here.
    pub name: Option<&'static str>,
    /// Whether the images say that the thread was in a system call. AArch64, ARM, MIPS, RISC-V and LoongArch
    /// do not: there it is what the register for the number holds, and may be left over from an earlier call.
    pub certain: bool,
    /// Argument registers.
    pub arguments: Vec<String>,
    /// What would become of it; null when it is not known.
    pub outcome: Option<Outcome>,
}

/// Restartable sequences of a thread: the C library registers them, and the kernel writes the processor there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Rseq {
    /// Address of the area.
    pub address: Option<String>,
    /// Its size in bytes.
    pub size: Option<u32>,
    /// Value that stands before the address where a sequence is given up.
    pub signature: Option<String>,
    /// Descriptor of the sequence that it was in; null when it was in none.
    pub critical_section: Option<String>,
}

/// The stack on which signal handlers run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct SignalStack {
    /// Lowest address.
    pub address: Option<String>,
    /// Its size in bytes.
    pub size: Option<u64>,
    /// `SS_ONSTACK`, `SS_AUTODISARM`.
    pub flags: Vec<String>,
}

/// The guarded control stack of an AArch64 thread.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct GuardedStack {
    /// Pointer into the stack.
    pub pointer: Option<String>,
    /// What is switched on, as a bit mask.
    pub features: Option<String>,
}

/// A thread.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ThreadFacts {
    /// Its process.
    pub pid: u32,
    /// Thread id inside the pid namespace; the leader's is the pid.
    pub tid: u32,
    /// Its name; null before CRIU 3.11 for threads other than the leader.
    pub comm: Option<Text>,
    /// State, which the images hold for the process as a whole.
    pub state: Option<State>,
    /// Architecture as `uname -m` names it; `i386` for a 32-bit task on x86-64.
    pub architecture: Option<&'static str>,
    /// Where the instruction pointer was.
    pub ip: Option<Location>,
    /// Where the stack pointer was.
    pub sp: Option<Location>,
    /// The system call it was in; null when it was in none or this is not recorded.
    pub syscall: Option<Syscall>,
    /// Scheduling policy.
    pub scheduler: Option<String>,
    /// Nice value.
    pub nice: Option<i32>,
    /// Real-time priority; null when the image has none.
    pub priority: Option<u32>,
    /// Blocked signals; null when not recorded.
    pub blocked: Option<Vec<String>>,
    /// Signal the kernel sends when the parent thread ends.
    pub parent_death_signal: Option<String>,
    /// Base of thread-local storage.
    pub tls: Option<String>,
    /// Head of the list of locks that the kernel gives up when the thread ends; null when none is set.
    pub robust_list: Option<String>,
    /// Restartable sequences; null when none are registered, and before CRIU 3.17.
    pub rseq: Option<Rseq>,
    /// The stack of signal handlers; null when none is set.
    pub signal_stack: Option<SignalStack>,
    /// Address that the kernel clears when the thread ends; null when none is set.
    pub clear_child_tid: Option<String>,
    /// By how many nanoseconds timers may be late; not recorded before CRIU 4.3.
    pub timer_slack_ns: Option<u64>,
    /// The guarded control stack; null when there is none, and before CRIU 4.3.
    pub guarded_stack: Option<GuardedStack>,
    /// General registers; null when the register block is missing.
    pub registers: Option<Registers>,
    /// What is odd about where it was.
    pub anomalies: Vec<Anomaly>,
}

/// Numbering of signals and flags on the machine of a task.
pub(crate) fn numbering(task: &Task<'_>) -> Numbering {
    let machine = task.core.as_ref().and_then(|core| March::try_from(core.mtype?).ok());
    machine.map_or_else(Numbering::default, Numbering::of)
}

/// The threads of the processes that `wanted` accepts.
pub fn threads(case: &mut Case<'_>, wanted: &dyn Fn(&Task<'_>) -> bool) -> Vec<ThreadFacts> {
    let images = &case.checkpoint.images;
    let mut diagnostics = Vec::new();
    let mut found = Vec::new();
    for task in case.tasks.iter().filter(|task| wanted(task)) {
        let threads = images_of(images, task, &mut diagnostics);
        for thread in &threads {
            let anomalies = anomaly::of_thread(case, task, thread).into_iter().map(|(_, anomaly)| anomaly);
            found.push(facts(task, thread, anomalies.collect()));
        }
    }
    case.diagnostics.append(&mut diagnostics);
    found
}

fn facts(task: &Task<'_>, thread: &ThreadImage, anomalies: Vec<Anomaly>) -> ThreadFacts {
    let numbering = numbering(task);
    let space = task.space.as_ref();
    let own = thread.core.thread_core.as_ref();
    let cpu = thread.cpu.as_ref();
    let signal = own.and_then(|own| own.pdeath_sig).filter(|signal| *signal != 0);
    ThreadFacts {
        pid: task.process.pid,
        tid: thread.tid,
        comm: thread.comm.clone(),
        state: task.process.state,
        architecture: cpu.map(|cpu| cpu.architecture),
        ip: cpu.and_then(|cpu| cpu.ip).map(|address| Location::find(space, address)),
        sp: cpu.and_then(|cpu| cpu.sp).map(|address| Location::find(space, address)),
        syscall: cpu.and_then(syscall_of),
        scheduler: own.and_then(|own| own.sched_policy).map(lookup::scheduler),
        nice: own.and_then(|own| own.sched_nice),
        priority: own.and_then(|own| own.sched_prio),
        blocked: thread.blocked().map(|mask| lookup::signals(mask, numbering)),
        parent_death_signal: signal.map(|signal| lookup::signal(signal, numbering)),
        tls: cpu.and_then(|cpu| cpu.tls).map(|address| format!("{address:#x}")),
        robust_list: own.and_then(|own| own.futex_rla).and_then(address),
        rseq: own.and_then(|own| own.rseq_entry.as_ref()).and_then(rseq),
        signal_stack: own.and_then(|own| own.sas.as_ref()).and_then(signal_stack),
        clear_child_tid: clear_child_tid(&thread.core).and_then(address),
        timer_slack_ns: own.and_then(|own| own.timerslack_ns),
        guarded_stack: thread.core.ti_aarch64.as_ref().and_then(|info| info.gcs.as_ref()).map(|stack| {
            GuardedStack {
                pointer: stack.gcspr_el0.map(|pointer| format!("{pointer:#x}")),
                features: stack.features_enabled.map(|features| format!("{features:#x}")),
            }
        }),
        registers: cpu.map(|cpu| cpu.registers.clone()),
        anomalies,
    }
}

/// An address; none for null.
fn address(value: u64) -> Option<String> {
    (value != 0).then(|| format!("{value:#x}"))
}

fn rseq(entry: &proto::RseqEntry) -> Option<Rseq> {
    Some(Rseq {
        address: Some(entry.rseq_abi_pointer.and_then(address)?),
        size: entry.rseq_abi_size,
        signature: entry.signature.map(|signature| format!("{signature:#x}")),
        critical_section: entry.rseq_cs_pointer.and_then(address),
    })
}

fn signal_stack(entry: &proto::ThreadSasEntry) -> Option<SignalStack> {
    /// `SS_DISABLE`.
    const DISABLED: u32 = 2;
    const NAMES: [(u32, &str); 2] = [(1, "SS_ONSTACK"), (1 << 31, "SS_AUTODISARM")];
    let flags = entry.ss_flags.unwrap_or(0);
    let set = NAMES.iter().filter(|(bit, _)| flags & bit != 0).map(|(_, name)| (*name).to_owned());
    (flags & DISABLED == 0 && entry.ss_sp.is_some_and(|stack| stack != 0)).then(|| SignalStack {
        address: entry.ss_sp.and_then(address),
        size: entry.ss_size,
        flags: set.collect(),
    })
}

/// What `set_tid_address` set, which each machine has in its own block.
fn clear_child_tid(core: &proto::CoreEntry) -> Option<u64> {
    match March::try_from(core.mtype?).ok()? {
        March::X8664 => core.thread_info.as_ref()?.clear_tid_addr,
        March::Arm => core.ti_arm.as_ref()?.clear_tid_addr,
        March::Aarch64 => core.ti_aarch64.as_ref()?.clear_tid_addr,
        March::Ppc64 => core.ti_ppc64.as_ref()?.clear_tid_addr,
        March::S390 => core.ti_s390.as_ref()?.clear_tid_addr,
        March::Mips => core.ti_mips.as_ref()?.clear_tid_addr,
        March::Loongarch64 => core.ti_loongarch64.as_ref()?.clear_tid_addr,
        March::Riscv64 => core.ti_riscv64.as_ref()?.clear_tid_addr,
        March::Unknown => None,
    }
}

fn syscall_of(cpu: &Cpu) -> Option<Syscall> {
    let call = cpu.call?;
    let result = cpu.result.filter(|_| call.certain);
    let outcome = match result {
        // Only x86 keeps the number and the result in registers of their own.
        Some(result) if cpu.machine == March::X8664 && result == u64::from(call.number) => {
            Some(Outcome::Restart)
        }
        Some(result) if result.cast_signed() == INTERRUPTED => Some(Outcome::Interrupted),
        _ => None,
    };
    let named = cpu.architecture != "i386";
    Some(Syscall {
        number: call.number,
        name: if named { syscall::name(cpu.machine, call.number) } else { None },
        certain: call.certain,
        arguments: cpu.arguments.iter().map(|argument| format!("{argument:#x}")).collect(),
        outcome,
    })
}
