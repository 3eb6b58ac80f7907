//! Processes as a tree.

use std::collections::{HashMap, HashSet};

use ckptfx_analysis::process::Process;

/// Characters of the tree before a command: deeper levels are drawn at this one.
const MAX_INDENT: usize = 96;

/// One line of the tree.
pub struct Line<'p> {
    /// What stands before the command.
    pub branch: String,
    /// The process.
    pub process: &'p Process,
}

/// Orders processes as a tree, children by pid, without recursion. Those whose parents lead nowhere or in
/// a circle become roots.
pub fn lines<'p>(processes: &[&'p Process]) -> Vec<Line<'p>> {
    let pids: HashSet<u32> = processes.iter().map(|process| process.pid).collect();
    let mut children: HashMap<u32, Vec<&'p Process>> = HashMap::new();
    let mut roots = Vec::new();
    for process in processes.iter().copied() {
        match process.ppid {
            Some(ppid) if pids.contains(&ppid) && ppid != process.pid => {
                children.entry(ppid).or_default().push(process);
            }
            _ => roots.push(process),
        }
    }
    for list in children.values_mut() {
        list.sort_by_key(|process| process.pid);
    }
    let mut lines = Vec::new();
    let mut seen = HashSet::new();
    let mut pending: Vec<(&'p Process, String, bool)> =
        roots.into_iter().rev().map(|process| (process, String::new(), true)).collect();
    let mut rest = processes.iter().copied();
    loop {
        while let Some((process, indent, last)) = pending.pop() {
            if !seen.insert(process.pid) {
                continue;
            }
            let is_root = indent.is_empty();
            let branch = match (is_root, last) {
                (true, _) => String::new(),
                (false, true) => format!("{}\\_ ", &indent[1..]),
                (false, false) => format!("{}|_ ", &indent[1..]),
            };
            let deeper = match (is_root, last) {
                (true, _) => " ".to_owned(),
                // A chain of parents can be as long as an attacker likes; its drawing cannot.
                _ if indent.len() > MAX_INDENT => indent.clone(),
                (false, true) => format!("{indent}   "),
                (false, false) => format!("{indent}|  "),
            };
            let below = children.get(&process.pid).map(Vec::as_slice).unwrap_or_default();
            for (index, child) in below.iter().enumerate().rev() {
                pending.push((child, deeper.clone(), index + 1 == below.len()));
            }
            lines.push(Line { branch, process });
        }
        // What is still not seen is in a circle of parents.
        match rest.find(|process| !seen.contains(&process.pid)) {
            Some(process) => pending.push((process, String::new(), true)),
            None => return lines,
        }
    }
}
