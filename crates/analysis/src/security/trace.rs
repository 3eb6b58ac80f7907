//! Which process may attach to which as a debugger, by the kernel's rules (`ptrace(2)`, "Ptrace access mode checking").

use crate::{Task, process::Ids};

/// `PTRACE_MODE_ATTACH_REALCREDS` as far as credentials decide it. A security module such as Yama can forbid more, and
/// is not recorded. None when the credentials of either are not known.
pub fn may_trace(tracer: &Task<'_>, target: &Task<'_>) -> Option<bool> {
    let (one, other) = (&tracer.process, &target.process);
    let (own, wanted) = (one.capabilities.as_ref()?, other.capabilities.as_ref()?);
    let same_user_namespace =
        one.namespaces.get("user").map(|user| user.id) == other.namespaces.get("user").map(|user| user.id);
    // In another user namespace a capability counts only for its descendants, which the images do not tell.
    if !same_user_namespace {
        return None;
    }
    if own.effective.iter().any(|name| name == "CAP_SYS_PTRACE") {
        return Some(true);
    }
    let same = |one: Ids, other: Ids| {
        let real = one.real;
        real.is_some() && other.real == real && other.effective == real && other.saved == real
    };
    let same_ids = same(one.uid?, other.uid?) && same(one.gid?, other.gid?);
    // A process that gained rights by its executable is not dumpable; CRIU records 1 for those that are.
    let is_dumpable = target.mm.as_ref().is_none_or(|mm| mm.dumpable.is_none_or(|value| value == 1));
    let has_more = wanted.permitted.iter().any(|name| !own.permitted.contains(name));
    Some(same_ids && is_dumpable && !has_more)
}
