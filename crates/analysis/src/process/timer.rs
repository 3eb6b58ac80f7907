//! Interval and POSIX timers (`format.md §3.1`).

use ckptfx_parser::{
    Diagnostic, ImageDirectory,
    dynamic::lookup,
    proto::{ItimerEntry, PosixTimerEntry, TaskTimersEntry},
};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    Case, Task, Text,
    process::{State, thread},
};

/// What kind of timer it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// `ITIMER_REAL`.
    Real,
    /// `ITIMER_VIRTUAL`.
    Virtual,
    /// `ITIMER_PROF`.
    Prof,
    /// Made with `timer_create`.
    Posix,
}

/// A timer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Timer {
    /// The process.
    pub pid: u32,
    /// Its name.
    pub comm: Option<Text>,
    /// What kind of timer it is.
    pub kind: Kind,
    /// Id of a POSIX timer.
    pub id: Option<u32>,
    /// The clock it counts; null for the CPU time that `virtual` and `prof` count.
    pub clock: Option<String>,
    /// Whether it is running.
    pub armed: bool,
    /// Nanoseconds until it goes off, 0 when it is not armed; null when the image has a number too big.
    pub remaining_ns: Option<u64>,
    /// Nanoseconds after which it goes off again, 0 for once; null when the image has a number too big.
    pub interval_ns: Option<u64>,
    /// How it tells: `SIGEV_SIGNAL`, `SIGEV_NONE`, `SIGEV_THREAD`, `SIGEV_THREAD_ID`.
    pub notify: Option<String>,
    /// The signal it sends.
    pub signal: Option<String>,
    /// The thread it sends it to.
    pub notify_tid: Option<u32>,
    /// The value it hands over (`sival_ptr`).
    pub value: Option<String>,
    /// How often it went off without being noticed.
    pub overrun: Option<u32>,
}

/// The timers of the processes that `wanted` accepts. Interval timers exist always; only armed ones are given.
pub fn timers(case: &mut Case<'_>, wanted: &dyn Fn(&Task<'_>) -> bool) -> Vec<Timer> {
    let images = &case.checkpoint.images;
    let mut diagnostics = Vec::new();
    let mut found = Vec::new();
    for task in case.tasks.iter().filter(|task| wanted(task) && task.process.state != Some(State::Zombie)) {
        let Some(entry) = read(images, task, &mut diagnostics) else { continue };
        let intervals = [(Kind::Real, entry.real), (Kind::Virtual, entry.virt), (Kind::Prof, entry.prof)];
        found.extend(intervals.into_iter().filter_map(|(kind, entry)| interval(task, kind, entry?)));
        found.extend(entry.posix.iter().map(|entry| posix(task, entry)));
    }
    case.diagnostics.append(&mut diagnostics);
    found
}

fn read(
    images: &ImageDirectory,
    task: &Task<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<TaskTimersEntry> {
    let inline = task.core.as_ref().and_then(|core| core.tc.as_ref()?.timers.clone());
    inline.or_else(|| {
        // Before CRIU 1.3 they had images of their own: three interval timers, then the others.
        let pid = task.process.pid;
        let mut intervals =
            images.read::<ItimerEntry>(&format!("itimers-{pid}.img"), diagnostics).into_iter();
        let mut next = || intervals.next().map(|entry| entry.value);
        let (real, virt, prof) = (next(), next(), next());
        let posix = images.read::<PosixTimerEntry>(&format!("posix-timers-{pid}.img"), diagnostics);
        let posix = posix.into_iter().map(|entry| entry.value).collect();
        Some(TaskTimersEntry { real, virt, prof, posix })
    })
}

fn nanoseconds(seconds: Option<u64>, rest: Option<u64>, unit: u64) -> Option<u64> {
    seconds.unwrap_or(0).checked_mul(1_000_000_000)?.checked_add(rest.unwrap_or(0).checked_mul(unit)?)
}

fn interval(task: &Task<'_>, kind: Kind, entry: ItimerEntry) -> Option<Timer> {
    let remaining_ns = nanoseconds(entry.vsec, entry.vusec, 1000);
    if remaining_ns == Some(0) {
        return None;
    }
    let number = match kind {
        Kind::Virtual => 26,
        Kind::Prof => 27,
        _ => 14,
    };
    // MIPS numbers two of the three otherwise; all of them are known by what they belong to.
    let signal = crate::process::signal::usual_name(number);
    Some(Timer {
        pid: task.process.pid,
        comm: task.process.comm.clone(),
        kind,
        id: None,
        clock: (kind == Kind::Real).then(|| lookup::clock(1)),
        armed: true,
        remaining_ns,
        interval_ns: nanoseconds(entry.isec, entry.iusec, 1000),
        notify: None,
        signal: Some(signal),
        notify_tid: None,
        value: None,
        overrun: None,
    })
}

fn posix(task: &Task<'_>, entry: &PosixTimerEntry) -> Timer {
    let remaining_ns = nanoseconds(entry.vsec, entry.vnsec, 1);
    let notify = entry.it_sigev_notify.map(|notify| {
        let known = match notify {
            0 => "SIGEV_SIGNAL",
            1 => "SIGEV_NONE",
            2 => "SIGEV_THREAD",
            4 => "SIGEV_THREAD_ID",
            _ => return notify.to_string(),
        };
        known.to_owned()
    });
    let signal = entry.si_signo.filter(|signal| *signal != 0 && entry.it_sigev_notify != Some(1));
    Timer {
        pid: task.process.pid,
        comm: task.process.comm.clone(),
        kind: Kind::Posix,
        id: entry.it_id,
        clock: entry.clock_id.map(lookup::clock),
        armed: remaining_ns != Some(0),
        remaining_ns,
        interval_ns: nanoseconds(entry.isec, entry.insec, 1),
        notify,
        signal: signal.map(|signal| lookup::signal(signal, thread::numbering(task))),
        notify_tid: entry.notify_thread_id.and_then(|tid| u32::try_from(tid).ok()).filter(|tid| *tid != 0),
        value: entry.sival_ptr.map(|value| format!("{value:#x}")),
        overrun: entry.overrun,
    }
}
