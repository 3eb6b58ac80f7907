//! Signals: what processes do on them, which are blocked, which wait (`format.md §3.1`).

use ckptfx_parser::{
    Diagnostic, ImageDirectory,
    dynamic::{Numbering, lookup},
    proto::{self, core_entry::March},
};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    Case, Task, Text,
    memory::location::Location,
    process::{
        State, thread,
        thread_image::{self, ThreadImage},
    },
};

/// What a process does on a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Disposition {
    /// What the kernel does by default.
    Default,
    /// Nothing.
    Ignored,
    /// A function of the program runs.
    Handled,
}

/// A signal that was sent and not yet delivered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Pending {
    /// The thread it was sent to; null when it was sent to the process.
    pub tid: Option<u32>,
    /// How it was sent (`si_code`), by name or number.
    pub code: String,
    /// Who sent it, as seen in the receiver's pid namespace, 0 for outside it; null when a signal of this kind
    /// has no sender.
    pub sender_pid: Option<u32>,
    /// The sender's user id; null when a signal of this kind has no sender.
    pub sender_uid: Option<u32>,
    /// What the sender gave to it (`sigqueue`), or a timer or message queue was set up with; a number or an address.
    pub value: Option<String>,
    /// Exit status, or signal, of the child that a SIGCHLD is about.
    pub status: Option<i32>,
    /// Address that the fault was at.
    pub fault_address: Option<String>,
    /// Timer that expired.
    pub timer: Option<i32>,
    /// Times that the timer expired while the signal waited.
    pub overrun: Option<i32>,
    /// Descriptor that is ready.
    pub fd: Option<i32>,
}

/// A signal of a process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Signal {
    /// The process.
    pub pid: u32,
    /// Its name.
    pub comm: Option<Text>,
    /// The signal by name.
    pub signal: String,
    /// The signal by number.
    pub number: u32,
    /// What the process does on it; null when this is not in the checkpoint.
    pub disposition: Option<Disposition>,
    /// The function that runs.
    pub handler: Option<Location>,
    /// Flags of the action.
    pub flags: Vec<String>,
    /// Signals blocked while the function runs.
    pub mask: Vec<String>,
    /// Threads that block it.
    pub blocked_by: Vec<u32>,
    /// Such signals that wait to be delivered.
    pub pending: Vec<Pending>,
}

/// The highest signal but for MIPS, which has twice as many.
const SIGNALS: u32 = 64;
/// Actions for the signals of MIPS, without KILL and STOP.
const MAX_ACTIONS: usize = 126;
const SIGCHLD: u32 = 17;
const SIGILL: u32 = 4;
const SIGTRAP: u32 = 5;
const SIGBUS: u32 = 7;
const SIGFPE: u32 = 8;
const SIGSEGV: u32 = 11;
const SIGIO: u32 = 29;

/// Signals of the processes that `wanted` accepts: those that are handled, ignored, blocked or pending, or all.
pub fn signals(case: &mut Case<'_>, all: bool, wanted: &dyn Fn(&Task<'_>) -> bool) -> Vec<Signal> {
    let images = &case.checkpoint.images;
    let mut diagnostics = Vec::new();
    let mut found = Vec::new();
    for task in case.tasks.iter().filter(|task| wanted(task) && task.process.state != Some(State::Zombie)) {
        let mut actions = actions(images, task, &mut diagnostics);
        if actions.len() > MAX_ACTIONS {
            let message = format!("there are {} actions; the first {MAX_ACTIONS} are read", actions.len());
            let subject = format!("core-{}.img", task.process.pid);
            diagnostics.push(Diagnostic::loss("too-many-entries", subject, message));
            actions.truncate(MAX_ACTIONS);
        }
        let threads = thread_image::images_of(images, task, &mut diagnostics);
        let pending = pending(images, task, &threads, &mut diagnostics);
        let highest = u32::try_from(actions.len()).unwrap_or(0).saturating_add(2).max(SIGNALS);
        for number in 1..=highest {
            let signal = signal(task, number, &actions, &threads, &pending);
            let is_odd = signal.disposition.is_some_and(|disposition| disposition != Disposition::Default)
                || !signal.blocked_by.is_empty()
                || !signal.pending.is_empty();
            if is_odd || all {
                found.push(signal);
            }
        }
    }
    case.diagnostics.append(&mut diagnostics);
    found
}

fn signal(
    task: &Task<'_>,
    number: u32,
    actions: &[proto::SaEntry],
    threads: &[ThreadImage],
    pending: &[(u32, Pending)],
) -> Signal {
    let numbering = thread::numbering(task);
    let action = position(number).and_then(|index| actions.get(index));
    let disposition = match (number, action.and_then(|action| action.sigaction)) {
        // Nobody can change what KILL and STOP do; they have no entry.
        (9 | 19, _) => Some(Disposition::Default),
        (_, Some(0)) => Some(Disposition::Default),
        (_, Some(1)) => Some(Disposition::Ignored),
        (_, Some(_)) => Some(Disposition::Handled),
        (_, None) => None,
    };
    let handled = action.filter(|_| disposition == Some(Disposition::Handled));
    let blocks = |thread: &&ThreadImage| {
        let bit = number.checked_sub(1).filter(|bit| *bit < SIGNALS);
        thread.blocked().zip(bit).is_some_and(|(mask, bit)| mask >> bit & 1 == 1)
    };
    Signal {
        pid: task.process.pid,
        comm: task.process.comm.clone(),
        signal: lookup::signal(number, numbering),
        number,
        disposition,
        handler: handled
            .and_then(|action| action.sigaction)
            .map(|address| Location::find(task.space.as_ref(), address)),
        flags: action
            .and_then(|action| action.flags)
            .map(|flags| lookup::sigaction_flags(flags, numbering))
            .unwrap_or_default(),
        mask: handled
            .and_then(|action| action.mask)
            .map(|mask| lookup::signals(mask, numbering))
            .unwrap_or_default(),
        blocked_by: threads.iter().filter(blocks).map(|thread| thread.tid).collect(),
        pending: pending.iter().filter(|(at, _)| *at == number).map(|(_, pending)| pending.clone()).collect(),
    }
}

/// Index of a signal among the actions, which lack KILL and STOP.
fn position(number: u32) -> Option<usize> {
    let index = match number {
        1..=8 => number - 1,
        10..=18 => number - 2,
        20.. => number - 3,
        _ => return None,
    };
    usize::try_from(index).ok()
}

fn actions(
    images: &ImageDirectory,
    task: &Task<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<proto::SaEntry> {
    let inline = task.core.as_ref().and_then(|core| core.tc.as_ref()).map(|tc| tc.sigactions.as_slice());
    match inline {
        Some(actions) if !actions.is_empty() => actions.to_vec(),
        // Before CRIU 3.1 they had an image of their own.
        _ => {
            let name = format!("sigacts-{}.img", task.process.pid);
            images.read(&name, diagnostics).into_iter().map(|entry| entry.value).collect()
        }
    }
}

/// Signals that wait, with their number.
fn pending(
    images: &ImageDirectory,
    task: &Task<'_>,
    threads: &[ThreadImage],
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<(u32, Pending)> {
    let mut queue = |inline: Option<&proto::SignalQueueEntry>, name: String| -> Vec<proto::SiginfoEntry> {
        match inline {
            Some(queue) => queue.signals.clone(),
            // Before CRIU 1.3 they had images of their own.
            None => images.read(&name, diagnostics).into_iter().map(|entry| entry.value).collect(),
        }
    };
    let of_process = task.core.as_ref().and_then(|core| core.tc.as_ref()?.signals_s.as_ref());
    let pid = task.process.pid;
    let mut waiting: Vec<(Option<u32>, proto::SiginfoEntry)> =
        queue(of_process, format!("signal-s-{pid}.img")).into_iter().map(|info| (None, info)).collect();
    for thread in threads {
        let own = thread.core.thread_core.as_ref().and_then(|own| own.signals_p.as_ref());
        let infos = queue(own, format!("signal-p-{}.img", thread.tid));
        waiting.extend(infos.into_iter().map(|info| (Some(thread.tid), info)));
    }
    let machine = task.core.as_ref().and_then(|core| March::try_from(core.mtype?).ok());
    let mut found = Vec::with_capacity(waiting.len());
    for (tid, info) in waiting {
        match siginfo(info.siginfo.as_deref().unwrap_or_default(), tid, images, machine) {
            Some(pending) => found.push(pending),
            None => {
                let subject = format!("core-{}.img", tid.unwrap_or(pid));
                diagnostics.push(Diagnostic::loss("bad-siginfo", subject, "a pending signal is cut short"));
            }
        }
    }
    found
}

/// Reads a `siginfo_t`.
fn siginfo(
    bytes: &[u8],
    tid: Option<u32>,
    images: &ImageDirectory,
    machine: Option<March>,
) -> Option<(u32, Pending)> {
    let word = |offset: usize| images.order.word(bytes, offset);
    let number = word(0)?;
    // MIPS has the code before the error number; where longs have 32 bits nothing is padded.
    let code = word(if machine == Some(March::Mips) { 4 } else { 8 })?.cast_signed();
    let sender = if machine == Some(March::Arm) { 12 } else { 16 };
    let has_sender = matches!(code, 0 | -1 | -3 | -6) || (number == SIGCHLD && (1..=6).contains(&code));
    let name = match code {
        0 => "SI_USER",
        0x80 => "SI_KERNEL",
        -1 => "SI_QUEUE",
        -2 => "SI_TIMER",
        -3 => "SI_MESGQ",
        -4 => "SI_ASYNCIO",
        -5 => "SI_SIGIO",
        -6 => "SI_TKILL",
        1 if number == SIGCHLD => "CLD_EXITED",
        2 if number == SIGCHLD => "CLD_KILLED",
        3 if number == SIGCHLD => "CLD_DUMPED",
        4 if number == SIGCHLD => "CLD_TRAPPED",
        5 if number == SIGCHLD => "CLD_STOPPED",
        6 if number == SIGCHLD => "CLD_CONTINUED",
        _ => "",
    };
    let is_narrow = machine == Some(March::Arm);
    let signed = |offset: usize| word(offset).map(u32::cast_signed);
    let long = |offset: usize| match is_narrow {
        true => word(offset).map(u64::from),
        false => images.order.long(bytes, offset),
    };
    let hexadecimal = |value: u64| format!("{value:#x}");
    // What follows two words: for a long they end at a border of its size.
    let third = sender + 8;
    // MIPS numbers signals in its own way.
    let is_usual = machine != Some(March::Mips);
    let is_fault = is_usual
        && code > 0
        && code != 0x80
        && matches!(number, SIGILL | SIGTRAP | SIGBUS | SIGFPE | SIGSEGV);
    let is_ready = is_usual && number == SIGIO && (code == -5 || (1..=6).contains(&code));
    let is_timer = code == -2;
    let pending = Pending {
        value: long(third).filter(|_| matches!(code, -3..=-1)).map(hexadecimal),
        status: signed(third).filter(|_| number == SIGCHLD && (1..=6).contains(&code)),
        fault_address: long(sender).filter(|_| is_fault).map(hexadecimal),
        timer: signed(sender).filter(|_| is_timer),
        overrun: signed(sender + 4).filter(|_| is_timer),
        fd: signed(if is_narrow { sender + 4 } else { third }).filter(|_| is_ready),
        tid,
        code: if name.is_empty() { code.to_string() } else { name.to_owned() },
        sender_pid: has_sender.then(|| word(sender)).flatten(),
        sender_uid: has_sender.then(|| word(sender + 4)).flatten(),
    };
    Some((number, pending))
}

/// The name of a signal where numbers are the usual ones.
pub(crate) fn usual_name(number: u32) -> String {
    lookup::signal(number, Numbering::Generic)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_lack_kill_and_stop() {
        let positions: Vec<_> = [1, 8, 9, 10, 18, 19, 20, 64].map(position).to_vec();
        let expected = [Some(0), Some(7), None, Some(8), Some(16), None, Some(17), Some(61)];
        assert_eq!(positions, expected);
    }
}
