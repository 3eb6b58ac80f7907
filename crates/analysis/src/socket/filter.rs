//! Classic BPF programs attached to sockets, as `tcpdump -d` prints them.

/// The instructions, each from `code << 48 | jt << 40 | jf << 32 | k` (`format.md §9.1`).
pub(super) fn instructions(words: &[u64]) -> Vec<String> {
    words
        .iter()
        .enumerate()
        .map(|(index, word)| format!("({index:03}) {}", instruction(*word, index)))
        .collect()
}

/// One instruction. The names are those of `linux/bpf_common.h` in lower case.
fn instruction(word: u64, index: usize) -> String {
    let [code_high, code, jt, jf, k @ ..] = word.to_be_bytes();
    let k = u32::from_be_bytes(k);
    if code_high != 0 {
        return format!("unknown {word:#018x}");
    }
    let jump = |distance: u32| (index as u64).saturating_add(1).saturating_add(u64::from(distance));
    let source =
        |name: &str| if code & 0x08 != 0 { format!("{name:<8} x") } else { format!("{name:<8} #{k:#x}") };
    match code & 0x07 {
        class @ (0 | 1) => load(class == 1, code, k),
        2 => format!("{:<8} M[{k}]", "st"),
        3 => format!("{:<8} M[{k}]", "stx"),
        4 => match code & 0xf0 {
            0x00 => source("add"),
            0x10 => source("sub"),
            0x20 => source("mul"),
            0x30 => source("div"),
            0x40 => source("or"),
            0x50 => source("and"),
            0x60 => source("lsh"),
            0x70 => source("rsh"),
            0x80 => "neg".to_owned(),
            0x90 => source("mod"),
            0xa0 => source("xor"),
            _ => format!("unknown {word:#018x}"),
        },
        5 if code & 0xf0 == 0 => format!("{:<8} {}", "ja", jump(k)),
        5 => {
            let name = match code & 0xf0 {
                0x10 => "jeq",
                0x20 => "jgt",
                0x30 => "jge",
                0x40 => "jset",
                _ => return format!("unknown {word:#018x}"),
            };
            format!("{:<24} jt {}\tjf {}", source(name), jump(u32::from(jt)), jump(u32::from(jf)))
        }
        6 => match code & 0x18 {
            0x00 => format!("{:<8} #{k}", "ret"),
            0x08 => format!("{:<8} x", "ret"),
            _ => "ret".to_owned(),
        },
        _ if code & 0xf8 == 0x80 => "txa".to_owned(),
        _ => "tax".to_owned(),
    }
}

fn load(to_x: bool, code: u8, k: u32) -> String {
    let name = match (code & 0x18, to_x) {
        (0x00, false) => "ld",
        (0x08, false) => "ldh",
        (0x10, false) => "ldb",
        (0x10, true) => "ldxb",
        (_, true) => "ldx",
        _ => "ld?",
    };
    match code & 0xe0 {
        0x00 => format!("{name:<8} #{k:#x}"),
        0x20 => format!("{name:<8} [{k}]"),
        0x40 => format!("{name:<8} [x + {k}]"),
        0x60 => format!("{name:<8} M[{k}]"),
        0x80 => format!("{name:<8} #pktlen"),
        0xa0 => format!("{name:<8} 4*([{k}]&0xf)"),
        _ => format!("{name:<8} ?{k:#x}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `tcpdump -dd icmp`.
    #[test]
    fn a_capture_filter() {
        let word = |code: u64, jt: u64, jf: u64, k: u64| code << 48 | jt << 40 | jf << 32 | k;
        let program = [
            word(0x28, 0, 0, 12),
            word(0x15, 0, 3, 0x800),
            word(0x30, 0, 0, 23),
            word(0x15, 0, 1, 1),
            word(0x06, 0, 0, 0x4_0000),
            word(0x06, 0, 0, 0),
        ];
        let text: Vec<String> = instructions(&program)
            .iter()
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect();
        assert_eq!(
            text,
            [
                "(000) ldh [12]",
                "(001) jeq #0x800 jt 2 jf 5",
                "(002) ldb [23]",
                "(003) jeq #0x1 jt 4 jf 5",
                "(004) ret #262144",
                "(005) ret #0",
            ]
        );
    }

    #[test]
    fn anything_is_shown() {
        for code in 0..=u8::MAX {
            assert!(!instruction(u64::from(code) << 48 | u64::from(u32::MAX), usize::MAX).is_empty());
        }
        assert!(instruction(u64::MAX, 0).starts_with("unknown"));
    }
}
