//! Firewall rules as the tools of the host wrote them, and which of them are CRIU's network lock (`format.md §11.6`).

use schemars::JsonSchema;
use serde::Serialize;

use crate::Text;

/// One line of a firewall's rules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct FirewallLine {
    /// CRIU's number for the network namespace.
    pub net_ns: u32,
    /// `iptables`, `ip6tables` or `nftables`: whose language it is.
    pub tool: &'static str,
    /// Number of the line in the image, from 1.
    pub line: u64,
    /// Table that the line is in, such as `filter` or `inet filter`; null outside of one.
    pub table: Option<Text>,
    /// The line.
    pub text: Text,
    /// Whether CRIU put it there itself, to keep packets away while it dumped.
    pub criu_own: bool,
}

/// The lines of an image, without empty ones.
pub(super) fn lines(net_ns: u32, tool: &'static str, bytes: &[u8]) -> Vec<FirewallLine> {
    let is_nftables = tool == "nftables";
    let mut table: Option<Text> = None;
    let mut chain: Option<Vec<u8>> = None;
    let mut found: Vec<FirewallLine> = Vec::new();
    // Where the table began, and whether all of it so far may be CRIU's.
    let mut whole = (0, false);
    for (line, text) in (1..).zip(bytes.split(|byte| *byte == b'\n')) {
        if text.trim_ascii().is_empty() {
            continue;
        }
        let begins = if is_nftables {
            text.strip_prefix(b"table ").map(|rest| rest.strip_suffix(b"{").unwrap_or(rest).trim_ascii())
        } else {
            text.strip_prefix(b"*")
        };
        if let Some(name) = begins {
            table = Some(Text::from(name));
            whole = (found.len(), is_nftables && is_translated(name));
        }
        let name = table.as_ref().map(|table| table.0.as_slice()).unwrap_or_default();
        let words: Vec<&[u8]> =
            text.split(|byte| matches!(byte, b' ' | b'\t')).filter(|word| !word.is_empty()).collect();
        if let [b"chain", named, b"{"] = words.as_slice() {
            chain = Some(named.to_vec());
        }
        let inside = chain.as_deref().unwrap_or_default();
        let criu_own = match () {
            () if is_nftables && name.starts_with(b"inet CRIU-") => is_of_criu_table(&words),
            () if is_nftables && is_translated(name) => is_of_translated_lock(&words, inside),
            () if is_nftables => false,
            () => name == b"filter" && is_of_lock(&words),
        };
        whole.1 &= criu_own || is_around_lock(&words, inside);
        found.push(FirewallLine { net_ns, tool, line, table: table.clone(), text: text.into(), criu_own });
        if text == if is_nftables { b"}".as_slice() } else { b"COMMIT" } {
            claim(&mut found, whole);
            (table, chain, whole) = (None, None, (0, false));
        } else if words == [b"}"] {
            chain = None;
        }
    }
    found
}

/// Marks a table that holds the lock and nothing else, with the remark of `nft` before it.
fn claim(found: &mut [FirewallLine], (start, is_lock): (usize, bool)) {
    let has_jump = |lines: &[FirewallLine]| lines.iter().any(|line| line.text.0.ends_with(b" jump CRIU"));
    if !is_lock || !found.get(start..).is_some_and(has_jump) {
        return;
    }
    let is_remark = |line: &FirewallLine| {
        line.text.0.starts_with(b"# Warning: table ")
            && line.text.0.ends_with(b" is managed by iptables-nft, do not touch!")
    };
    let remark = start.checked_sub(1).filter(|before| found.get(*before).is_some_and(is_remark));
    for line in found.iter_mut().skip(remark.unwrap_or(start)) {
        line.criu_own = true;
    }
}

/// Tables into which iptables-nft translates the lock.
fn is_translated(table: &[u8]) -> bool {
    matches!(table, b"ip filter" | b"ip6 filter")
}

fn is_mark(word: &[u8]) -> bool {
    matches!(word, b"0x0000c114" | b"0xc114")
}

/// CRIU's table has two chains that let its own packets (mark 0xc114) through and drop the rest. Any other rule in
/// that table is not known to be CRIU's: the name alone proves nothing.
fn is_of_criu_table(words: &[&[u8]]) -> bool {
    match words {
        [b"table", b"inet", _, b"{"] | [b"chain", b"input" | b"output", b"{"] | [b"}"] => true,
        [
            b"type",
            b"filter",
            b"hook",
            b"input" | b"output",
            b"priority",
            b"filter;" | b"0;",
            b"policy",
            b"drop;",
        ] => true,
        [b"meta", b"mark", mark, b"accept"] => is_mark(mark),
        _ => false,
    }
}

/// The lock as iptables-nft writes it: the chain `CRIU` that lets CRIU's own packets through and drops the rest, and
/// the jumps to it. Any other rule in that chain is not CRIU's.
fn is_of_translated_lock(words: &[&[u8]], chain: &[u8]) -> bool {
    match (chain, words) {
        (b"CRIU", [b"chain", b"CRIU", b"{"] | [b"}"]) => true,
        (b"CRIU", [b"meta", b"mark", mark, rest @ .., b"accept"]) => is_mark(mark) && is_counter(rest),
        (b"CRIU", [rest @ .., b"drop"]) | (b"INPUT" | b"OUTPUT", [rest @ .., b"jump", b"CRIU"]) => {
            is_counter(rest)
        }
        _ => false,
    }
}

fn is_counter(words: &[&[u8]]) -> bool {
    let is_number = |word: &[u8]| !word.is_empty() && word.iter().all(u8::is_ascii_digit);
    match words {
        [] | [b"counter"] => true,
        [b"counter", b"packets", packets, b"bytes", bytes] => is_number(packets) && is_number(bytes),
        _ => false,
    }
}

/// What iptables-nft makes to hold the jumps, when it was not there: it may as well be the container's.
fn is_around_lock(words: &[&[u8]], chain: &[u8]) -> bool {
    match (chain, words) {
        (_, [b"table", b"ip" | b"ip6", b"filter", b"{"] | [b"}"]) => true,
        (b"INPUT" | b"OUTPUT", [b"chain", ..]) => true,
        (
            b"INPUT" | b"OUTPUT",
            [b"type", b"filter", b"hook", hook, b"priority", b"filter;" | b"0;", b"policy", b"accept;"],
        ) => hook.eq_ignore_ascii_case(chain),
        _ => false,
    }
}

/// CRIU makes a chain `CRIU` that lets its own packets (mark 0xc114) through and drops the rest. Any other rule in
/// that chain is not CRIU's.
fn is_of_lock(words: &[&[u8]]) -> bool {
    match words {
        [b":CRIU", ..] | [b"-A", b"INPUT" | b"OUTPUT", b"-j", b"CRIU"] | [b"-A", b"CRIU", b"-j", b"DROP"] => {
            true
        }
        [b"-A", b"CRIU", b"-m", b"mark", b"--mark", mark, b"-j", b"ACCEPT"] => {
            matches!(*mark, b"0xc114" | b"0xc114/0xffffffff")
        }
        _ => false,
    }
}
