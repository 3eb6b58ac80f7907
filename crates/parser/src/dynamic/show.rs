//! Single values as people read them.

use std::net::{Ipv4Addr, Ipv6Addr};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::Value as Json;

use super::{names, numbering::Numbering, presentation::Show};
use crate::image::ByteOrder;

/// What the values of an image depend on besides themselves.
#[derive(Debug, Clone, Copy)]
pub(super) struct Host {
    pub(super) order: ByteOrder,
    pub(super) numbering: Numbering,
}

/// Bytes in base64.
pub(super) fn base64(bytes: &[u8]) -> Json {
    Json::String(STANDARD.encode(bytes))
}

/// Bytes as text; bytes that are no UTF-8 become `\xNN`, and then the second value is true.
pub(super) fn text(bytes: &[u8]) -> (String, bool) {
    let mut text = String::with_capacity(bytes.len());
    let mut escaped = false;
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            escaped = true;
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    (text, escaped)
}

/// A link layer address.
pub(super) fn mac(bytes: &[u8]) -> Json {
    Json::String(bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":"))
}

/// A number.
pub(super) fn number(show: Show, value: u64, host: Host) -> Json {
    if let Some(flags) = names::flags(show, host.numbering) {
        return Json::String(flag_names(flags, value));
    }
    if let Some(numbers) = names::numbers(show, host.numbering) {
        return names::name(numbers, value).map_or_else(|| Json::from(value), Json::from);
    }
    match show {
        Show::Octal => Json::String(format!("{value:#o}").replacen("0o", "0", 1)),
        Show::Device => Json::String(format!("{}:{}", value >> 20, value & 0xf_ffff)),
        Show::UserDevice => {
            let minor = value & 0xff | value >> 12 & 0xf_ff00;
            Json::String(format!("{}:{minor}", value >> 8 & 0xfff))
        }
        Show::Handler => match value {
            0 => Json::from("SIG_DFL"),
            1 => Json::from("SIG_IGN"),
            _ => hexadecimal(value),
        },
        Show::Limit if value == u64::MAX => Json::from("unlimited"),
        Show::Ethernet => ethernet(value, host.order),
        Show::Signals | Show::Madvice => Json::String(member_names(show, &[value], 64, host)),
        // What remains of the presentations by bits has no table for this architecture.
        Show::Hex | Show::OpenFlags | Show::MmapFlags | Show::SigactionFlags => hexadecimal(value),
        _ => Json::from(value),
    }
}

/// A list of numbers that is one value, if the presentation says so.
pub(super) fn words(show: Show, words: &[u64], host: Host, is_ipv4: bool) -> Option<Json> {
    match show {
        Show::Capabilities => Some(Json::String(member_names(show, words, 32, host))),
        Show::BuildId => {
            let bytes = words.iter().filter_map(|word| u32::try_from(*word).ok()).flat_map(u32::to_le_bytes);
            Some(Json::String(hex::encode(bytes.collect::<Vec<_>>())))
        }
        Show::Ip => address(words, host.order, is_ipv4).map(Json::String),
        _ => None,
    }
}

fn hexadecimal(value: u64) -> Json {
    Json::String(format!("{value:#x}"))
}

/// Names of the bits of a value; bits without a name in hexadecimal, as the whole value where the architecture
/// has no table. The members of sets of numbers, such as signals, are named one by one.
#[must_use]
pub fn bit_names(show: Show, value: u64, numbering: Numbering) -> Vec<String> {
    match (names::flags(show, numbering), show) {
        (Some(flags), _) => flag_list(flags, value),
        (None, Show::Signals | Show::Madvice | Show::Capabilities) => {
            member_list(show, &[value], 64, numbering)
        }
        (None, _) => vec![format!("{value:#x}")],
    }
}

/// The name of a number; `None` for one without a name.
#[must_use]
pub fn number_name(show: Show, value: u64, numbering: Numbering) -> Option<&'static str> {
    names::name(names::numbers(show, numbering)?, value)
}

/// Names of bits joined by bars; bits without a name in hexadecimal.
fn flag_names(flags: names::Flags, value: u64) -> String {
    let found = flag_list(flags, value);
    if found.is_empty() { format!("{value:#x}") } else { found.join(" | ") }
}

fn flag_list(flags: names::Flags, value: u64) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut rest = value;
    if let Some(name) = names::name(flags.numbers, value & flags.mask)
        && (flags.mask != 0 || value == 0)
    {
        found.push(name.to_owned());
        rest &= !flags.mask;
    }
    for (bit, name) in flags.bits {
        if rest & bit == *bit {
            found.push((*name).to_owned());
            rest &= !bit;
        }
    }
    if rest != 0 {
        found.push(format!("{rest:#x}"));
    }
    found
}

/// Names of the members of a set, given as words of `width` bits.
fn member_names(show: Show, words: &[u64], width: u32, host: Host) -> String {
    let found = member_list(show, words, width, host.numbering);
    if found.is_empty() { "0x0".to_owned() } else { found.join(" | ") }
}

fn member_list(show: Show, words: &[u64], width: u32, numbering: Numbering) -> Vec<String> {
    let mut found = Vec::new();
    for (word, base) in words.iter().zip((0_u32..).step_by(width as usize)) {
        for bit in (0..width).filter(|bit| word >> bit & 1 == 1) {
            let index = base.saturating_add(bit);
            let name = names::member(show, index, numbering).map(str::to_owned);
            found.push(name.unwrap_or_else(|| match show {
                Show::Signals => (u64::from(index) + 1).to_string(),
                _ => index.to_string(),
            }));
        }
    }
    found
}

/// An address in words as the host kept them (`format.md §9.2`).
fn address(words: &[u64], order: ByteOrder, is_ipv4: bool) -> Option<String> {
    let bytes: Vec<u8> = words
        .iter()
        .filter_map(|word| u32::try_from(*word).ok())
        .flat_map(|word| match order {
            ByteOrder::Little => word.to_le_bytes(),
            ByteOrder::Big => word.to_be_bytes(),
        })
        .collect();
    match bytes.len() {
        4 => bytes.first_chunk::<4>().map(|bytes| Ipv4Addr::from(*bytes).to_string()),
        // Very old dumps keep four words for IPv4 as well.
        16 if is_ipv4 => bytes.first_chunk::<4>().map(|bytes| Ipv4Addr::from(*bytes).to_string()),
        16 => bytes.first_chunk::<16>().map(|bytes| Ipv6Addr::from(*bytes).to_string()),
        _ => None,
    }
}

/// An `EtherType` that the host kept in network order.
fn ethernet(value: u64, order: ByteOrder) -> Json {
    let Ok(value) = u16::try_from(value) else { return hexadecimal(value) };
    let value = if order == ByteOrder::Little { value.swap_bytes() } else { value };
    match value {
        0x0003 => Json::from("ETH_P_ALL"),
        0x0800 => Json::from("ETH_P_IP"),
        0x0806 => Json::from("ETH_P_ARP"),
        0x8100 => Json::from("ETH_P_8021Q"),
        0x86dd => Json::from("ETH_P_IPV6"),
        0x88cc => Json::from("ETH_P_LLDP"),
        _ => Json::String(format!("{value:#06x}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: Host = Host { order: ByteOrder::Little, numbering: Numbering::Generic };

    #[track_caller]
    fn check(show: Show, value: u64, expected: impl Into<Json>) {
        assert_eq!(number(show, value, HOST), expected.into());
    }

    #[test]
    fn numbers() {
        check(Show::Plain, 7, 7);
        check(Show::Hex, u64::MAX, "0xffffffffffffffff");
        check(Show::Octal, 0o100_644, "0100644");
        check(Show::Octal, 0, "00");
        check(Show::Device, 0x80_0010, "8:16");
        check(Show::UserDevice, 34816, "136:0");
        check(Show::UserDevice, 1282, "5:2");
        check(Show::Handler, 1, "SIG_IGN");
        check(Show::Handler, 0x401_000, "0x401000");
        check(Show::Limit, u64::MAX, "unlimited");
        check(Show::Limit, 1024, 1024);
        check(Show::Ethernet, 768, "ETH_P_ALL");
        check(Show::SocketState, 10, "LISTEN");
        check(Show::SocketState, 99, 99);
        check(Show::Signals, 0x4002, "SIGINT | SIGTERM");
        check(Show::Signals, 1 << 63, "64");
        check(Show::Madvice, 1 << 16, "MADV_DONTDUMP");
    }

    #[test]
    fn bits() {
        check(Show::OpenFlags, 0, "O_RDONLY");
        check(Show::OpenFlags, 0o2_000_002, "O_RDWR | O_CLOEXEC");
        check(Show::OpenFlags, 0x41_0002, "O_RDWR | O_TMPFILE");
        check(Show::OpenFlags, 0x101_001, "O_WRONLY | O_SYNC");
        check(Show::OpenFlags, 0x8000_0000, "O_RDONLY | 0x80000000");
        check(Show::MmapProt, 0, "PROT_NONE");
        check(Show::MmapProt, 7, "PROT_READ | PROT_WRITE | PROT_EXEC");
        check(Show::MmapFlags, 0x122, "MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN");
        check(Show::MmapFlags, 0x20, "MAP_ANONYMOUS");
        check(Show::MmapFlags, 0x4, "0x4");
        check(Show::VmaStatus, 0x221, "VMA_AREA_REGULAR | VMA_AREA_HEAP | VMA_ANON_PRIVATE");
        check(Show::PagemapFlags, 0, "0x0");
        let mips = Host { numbering: Numbering::Mips, ..HOST };
        assert_eq!(number(Show::OpenFlags, 2, mips), "0x2");
        let arm = Host { numbering: Numbering::Arm, ..HOST };
        assert_eq!(number(Show::OpenFlags, 0x4000, arm), "O_RDONLY | O_DIRECTORY");
    }

    #[test]
    fn lists() {
        let big = Host { order: ByteOrder::Big, ..HOST };
        assert_eq!(words(Show::Ip, &[16_777_343], HOST, true).unwrap(), "127.0.0.1");
        assert_eq!(words(Show::Ip, &[0x7f00_0001], big, true).unwrap(), "127.0.0.1");
        assert_eq!(words(Show::Ip, &[16_777_343, 0, 0, 0], HOST, true).unwrap(), "127.0.0.1");
        assert_eq!(words(Show::Ip, &[0, 0, 0, 0x0100_0000], HOST, false).unwrap(), "::1");
        assert_eq!(words(Show::Ip, &[1, 2], HOST, false), None);
        assert_eq!(
            words(Show::Capabilities, &[1 << 21, 1 << 7], HOST, false).unwrap(),
            "CAP_SYS_ADMIN | CAP_BPF"
        );
        assert_eq!(words(Show::Capabilities, &[0, 1 << 31], HOST, false).unwrap(), "63");
        assert_eq!(words(Show::BuildId, &[0x0403_0201, 0xff], HOST, false).unwrap(), "01020304ff000000");
    }

    #[test]
    fn bytes() {
        assert_eq!(text("é\n".as_bytes()), ("é\n".to_owned(), false));
        assert_eq!(text(b"a\xff\xc3b"), ("a\\xff\\xc3b".to_owned(), true));
        assert_eq!(mac(&[2, 0x42, 0xac]), "02:42:ac");
    }
}
