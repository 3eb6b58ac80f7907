//! Words that tables, pages and pictures have in common.

use ckptfx_analysis::{
    finding::{Finding, Story},
    memory::mapping::Mapping,
    network::socket::Endpoint,
    process::Process,
};

use crate::untrusted::{show, show_short};

/// Longest command line of a headline, in characters.
const WIDTH: usize = 100;

/// A size for people, in binary units.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut unit = 0;
    let mut whole = bytes;
    let mut rest = 0;
    while whole >= 1024 && unit + 1 < UNITS.len() {
        rest = whole % 1024;
        whole /= 1024;
        unit += 1;
    }
    match unit {
        0 => format!("{whole} B"),
        _ => format!("{whole}.{} {}", rest * 10 / 1024, UNITS.get(unit).copied().unwrap_or_default()),
    }
}

/// A number of things, in words.
pub fn count(what: &str, number: usize) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// What the story of a finding is about.
pub fn headline<'p>(finding: &Finding, process: impl Fn(u32) -> Option<&'p Process>) -> String {
    match finding.story {
        Story::Container => "container".to_owned(),
        Story::FileSystem => "file system".to_owned(),
        Story::Process(pid) => match process(pid) {
            Some(process) => {
                let comm = process.comm.as_ref().map_or_else(|| "?".to_owned(), |comm| show(&comm.0));
                format!("process {} {comm}: {}", process.pid, show_short(&process.command(), WIDTH))
            }
            None => finding.story.to_string(),
        },
    }
}

/// As `/proc/PID/maps` has it, so that lines can be compared.
pub fn range(mapping: &Mapping) -> String {
    let bare = |address: &str| address.trim_start_matches("0x").to_owned();
    format!("{:0>8}-{:0>8}", bare(&mapping.start), bare(&mapping.end))
}

/// Address and port as `ss` writes them.
pub fn endpoint(endpoint: &Endpoint) -> String {
    let port = endpoint.port.map_or_else(|| "*".to_owned(), |port| port.to_string());
    match &endpoint.address {
        Some(address) if address.contains(':') => format!("[{address}]:{port}"),
        Some(address) => format!("{address}:{port}"),
        None => port,
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn sizes_are_rounded_down() {
        assert_eq!(super::size(1023), "1023 B");
        assert_eq!(super::size(1536), "1.5 KiB");
        assert_eq!(super::size(u64::MAX), "16777215.9 TiB");
    }
}
