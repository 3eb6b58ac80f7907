//! Firewall rules as the tools of the host wrote them.

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
    let mut found = Vec::new();
    for (line, text) in (1..).zip(bytes.split(|byte| *byte == b'\n')) {
        if text.trim_ascii().is_empty() {
            continue;
        }
        let begins = if is_nftables {
            text.strip_prefix(b"table ").map(|rest| rest.strip_suffix(b"{").unwrap_or(rest).trim_ascii())
        } else {
            text.strip_prefix(b"*")
        };
        table = begins.map(Text::from).or(table);
        let criu_own = match &table {
            Some(table) if is_nftables => table.0.starts_with(b"inet CRIU-") && is_of_criu_table(text),
            _ => is_of_criu(text),
        };
        found.push(FirewallLine { net_ns, tool, line, table: table.clone(), text: text.into(), criu_own });
        if text == if is_nftables { b"}".as_slice() } else { b"COMMIT" } {
            table = None;
        }
    }
    found
}

/// CRIU's table has two chains that let its own packets (mark 0xc114) through and drop the rest. Any other rule in
/// that table is not known to be CRIU's: the name alone proves nothing.
fn is_of_criu_table(line: &[u8]) -> bool {
    let words: Vec<&[u8]> = line.trim_ascii().split(|byte| *byte == b' ').collect();
    match words.as_slice() {
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
        [b"meta", b"mark", mark, b"accept"] => matches!(*mark, b"0x0000c114" | b"0xc114"),
        _ => false,
    }
}

/// CRIU makes a chain `CRIU` that lets its own packets (mark 0xc114) through and drops the rest. Any other rule in
/// that chain is not CRIU's.
fn is_of_criu(line: &[u8]) -> bool {
    let words: Vec<&[u8]> = line.split(|byte| *byte == b' ').filter(|word| !word.is_empty()).collect();
    match words.as_slice() {
        [b":CRIU", ..] | [b"-A", b"INPUT" | b"OUTPUT", b"-j", b"CRIU"] | [b"-A", b"CRIU", b"-j", b"DROP"] => {
            true
        }
        [b"-A", b"CRIU", b"-m", b"mark", b"--mark", mark, b"-j", b"ACCEPT"] => {
            mark.split(|byte| *byte == b'/').next() == Some(b"0xc114")
        }
        _ => false,
    }
}
