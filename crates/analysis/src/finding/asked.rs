//! What processes asked of the kernel about themselves.

use ckptfx_parser::memory::VmaKind;

use crate::{
    Case, Task,
    process::{
        State,
        signal::{self, Disposition},
    },
};

/// `MADV_DONTDUMP`.
const DONTDUMP: u32 = 16;

/// What a process asked of the kernel about itself.
#[derive(Debug, Clone)]
pub struct Conduct {
    /// The process.
    pub pid: u32,
    /// `PF_*` flags.
    pub flags: Option<u32>,
    /// `PR_SET_DUMPABLE`; null when it is not recorded.
    pub dumpable: Option<i32>,
    /// `PR_SET_CHILD_SUBREAPER`.
    pub subreaper: bool,
    /// Start and length in bytes of anonymous memory that core files are to leave out.
    pub left_out: Vec<(u64, u64)>,
    /// Signals that it ignores.
    pub ignored: Vec<u32>,
}

impl Conduct {
    /// That of every process that runs.
    pub fn read(case: &mut Case<'_>) -> Vec<Self> {
        let signals = signal::signals(case, false, &|_| true);
        let running = case.tasks.iter().filter(|task| task.process.state != Some(State::Zombie));
        let conduct = |task: &Task<'_>| {
            let tc = task.core.as_ref().and_then(|core| core.tc.as_ref());
            let vmas = task.space.iter().flat_map(|space| &space.vmas);
            let hidden =
                vmas.filter(|vma| vma.kind == VmaKind::Anonymous && vma.advice & (1 << DONTDUMP) != 0);
            let of_it = signals.iter().filter(|signal| signal.pid == task.process.pid);
            Self {
                pid: task.process.pid,
                flags: tc.and_then(|tc| tc.flags),
                dumpable: task.mm.as_ref().and_then(|mm| mm.dumpable),
                subreaper: tc.and_then(|tc| tc.child_subreaper).unwrap_or(false),
                left_out: hidden.map(|vma| (vma.start, vma.length())).collect(),
                ignored: of_it
                    .filter(|signal| signal.disposition == Some(Disposition::Ignored))
                    .map(|signal| signal.number)
                    .collect(),
            }
        };
        running.map(conduct).collect()
    }
}
