//! Classic BPF programs as text, in the notation of the kernel's `bpf_asm`, with what seccomp makes of them.

use ckptfx_parser::{image::ByteOrder, proto::core_entry::March};

use crate::process::syscall;

/// One instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instruction {
    /// Operation.
    pub code: u16,
    /// Instructions to skip when a comparison holds.
    pub jt: u8,
    /// Instructions to skip when it does not.
    pub jf: u8,
    /// Operand.
    pub k: u32,
}

/// Size of an instruction in bytes.
pub const INSTRUCTION: usize = 8;

/// Offsets in `struct seccomp_data`.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;

/// First number of a system call of the x32 ABI.
const X32: u32 = 0x4000_0000;

/// Audit architectures by name, with the machine whose system calls they have if their names are known here.
const ARCHITECTURES: &[(u32, &str, Option<March>)] = &[
    (0xc000_003e, "x86_64", Some(March::X8664)),
    (0x4000_0003, "i386", None),
    (0xc000_00b7, "aarch64", Some(March::Aarch64)),
    (0x4000_0028, "arm", None),
    (0xc000_0015, "ppc64le", None),
    (0x8000_0015, "ppc64", None),
    (0x8000_0016, "s390x", None),
    (0x0000_0016, "s390", None),
    (0xc000_00f3, "riscv64", Some(March::Riscv64)),
    (0xc000_0102, "loongarch64", Some(March::Loongarch64)),
    (0xc000_0008, "mips64el", None),
    (0x8000_0008, "mips64", None),
];

impl From<u64> for Instruction {
    /// From the form that CRIU writes filters of sockets in: `code << 48 | jt << 40 | jf << 32 | k`.
    fn from(word: u64) -> Self {
        let [code_high, code_low, jt, jf, k @ ..] = word.to_be_bytes();
        Self { code: u16::from_be_bytes([code_high, code_low]), jt, jf, k: u32::from_be_bytes(k) }
    }
}

/// Reads a program. An incomplete instruction at its end is left out.
pub fn read(program: &[u8], order: ByteOrder) -> Vec<Instruction> {
    let instructions = program.chunks_exact(INSTRUCTION).filter_map(|bytes| {
        Some(Instruction {
            code: order.half(bytes, 0)?,
            jt: *bytes.get(2)?,
            jf: *bytes.get(3)?,
            k: order.word(bytes, 4)?,
        })
    });
    instructions.collect()
}

impl std::fmt::Display for Instruction {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { code, jt, jf, k } = *self;
        let size = match code & 0x18 {
            0x00 => "",
            0x08 => "h",
            0x10 => "b",
            // Arithmetic and jumps use these bits otherwise.
            _ if code & 0x07 > 1 => "",
            _ => return write!(formatter, "unknown {code:#06x} {jt} {jf} {k:#x}"),
        };
        let source = |hexadecimal: bool| match (code & 0x08 != 0, hexadecimal) {
            (true, _) => "x".to_owned(),
            (false, true) => format!("#{k:#x}"),
            (false, false) => format!("#{k}"),
        };
        match (code & 0x07, code & 0xe0) {
            (0, 0x00) => write!(formatter, "ld #{k:#x}"),
            (0, 0x20) => write!(formatter, "ld{size} [{k}]"),
            (0, 0x40) => write!(formatter, "ld{size} [x + {k}]"),
            (0, 0x60) => write!(formatter, "ld M[{k}]"),
            (0, 0x80) => write!(formatter, "ld len"),
            (1, 0x00) => write!(formatter, "ldx #{k:#x}"),
            (1, 0x60) => write!(formatter, "ldx M[{k}]"),
            (1, 0x80) => write!(formatter, "ldx len"),
            (1, 0xa0) => write!(formatter, "ldxb 4*([{k}]&0xf)"),
            (2, _) => write!(formatter, "st M[{k}]"),
            (3, _) => write!(formatter, "stx M[{k}]"),
            (4, _) => match code & 0xf0 {
                0x00 => write!(formatter, "add {}", source(false)),
                0x10 => write!(formatter, "sub {}", source(false)),
                0x20 => write!(formatter, "mul {}", source(false)),
                0x30 => write!(formatter, "div {}", source(false)),
                0x40 => write!(formatter, "or {}", source(true)),
                0x50 => write!(formatter, "and {}", source(true)),
                0x60 => write!(formatter, "lsh {}", source(false)),
                0x70 => write!(formatter, "rsh {}", source(false)),
                0x80 => write!(formatter, "neg"),
                0x90 => write!(formatter, "mod {}", source(false)),
                0xa0 => write!(formatter, "xor {}", source(true)),
                _ => write!(formatter, "unknown {code:#06x} {jt} {jf} {k:#x}"),
            },
            (5, _) => match code & 0xf0 {
                0x00 => write!(formatter, "ja {k}"),
                0x10 => write!(formatter, "jeq {}, {jt}, {jf}", source(true)),
                0x20 => write!(formatter, "jgt {}, {jt}, {jf}", source(true)),
                0x30 => write!(formatter, "jge {}, {jt}, {jf}", source(true)),
                0x40 => write!(formatter, "jset {}, {jt}, {jf}", source(true)),
                _ => write!(formatter, "unknown {code:#06x} {jt} {jf} {k:#x}"),
            },
            (6, _) if code & 0x18 == 0x10 => write!(formatter, "ret a"),
            (6, _) => write!(formatter, "ret #{k:#x}"),
            (7, _) if code & 0xf8 == 0x80 => write!(formatter, "txa"),
            (7, _) if code & 0xf8 == 0 => write!(formatter, "tax"),
            _ => write!(formatter, "unknown {code:#06x} {jt} {jf} {k:#x}"),
        }
    }
}

/// What the accumulator holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Accumulator {
    Unknown,
    /// The word of `struct seccomp_data` at an offset.
    Field(u32),
}

/// Which architecture a system call can have where an instruction is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Architecture {
    /// Nothing was compared yet.
    Any,
    /// This one.
    Is(u32),
    /// Several, or one that is not known.
    Unclear,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct State {
    accumulator: Accumulator,
    architecture: Architecture,
}

impl State {
    /// What is certain when an instruction is reached from two places.
    fn join(self, other: Self) -> Self {
        Self {
            accumulator: if self.accumulator == other.accumulator {
                self.accumulator
            } else {
                Accumulator::Unknown
            },
            architecture: if self.architecture == other.architecture {
                self.architecture
            } else {
                Architecture::Unclear
            },
        }
    }
}

/// A seccomp filter as text, one line an instruction: actions by name, and behind a semicolon the names of the
/// fields that are loaded and of the system calls and architectures that are compared with.
pub fn seccomp(program: &[Instruction], machine: March) -> Vec<String> {
    let start = State { accumulator: Accumulator::Unknown, architecture: Architecture::Any };
    let mut states: Vec<Option<State>> = vec![None; program.len()];
    if let Some(first) = states.first_mut() {
        *first = Some(start);
    }
    let mut lines = Vec::with_capacity(program.len());
    for (index, instruction) in program.iter().enumerate() {
        let state = states.get(index).copied().flatten();
        let (text, comment) = line(*instruction, state, machine);
        lines.push(if comment.is_empty() { text } else { format!("{text}  ; {comment}") });
        // Jumps lead forward only, so that a state is complete when its instruction is looked at.
        let Some(state) = state else { continue };
        for (skip, next) in successors(*instruction, state) {
            let target = index.checked_add(1).and_then(|after| after.checked_add(skip));
            if let Some(slot) = target.and_then(|target| states.get_mut(target)) {
                *slot = Some(slot.map_or(next, |before| before.join(next)));
            }
        }
    }
    lines
}

/// Where an instruction leads to, and what is known there.
fn successors(instruction: Instruction, state: State) -> Vec<(usize, State)> {
    let Instruction { code, jt, jf, k } = instruction;
    match code & 0x07 {
        6 => Vec::new(),
        5 if code & 0xf0 == 0 => usize::try_from(k).map(|skip| vec![(skip, state)]).unwrap_or_default(),
        5 => {
            let (mut then, mut otherwise) = (state, state);
            let is_constant = code & 0x08 == 0;
            if code & 0xf0 == 0x10 && is_constant && state.accumulator == Accumulator::Field(ARCHITECTURE) {
                then.architecture = Architecture::Is(k);
                otherwise.architecture = Architecture::Unclear;
            }
            vec![(jt.into(), then), (jf.into(), otherwise)]
        }
        // Anything else that changes the accumulator.
        0 | 4 => {
            let accumulator = if code == 0x20 { Accumulator::Field(k) } else { Accumulator::Unknown };
            vec![(0, State { accumulator, ..state })]
        }
        7 if code & 0xf8 == 0x80 => vec![(0, State { accumulator: Accumulator::Unknown, ..state })],
        _ => vec![(0, state)],
    }
}

/// An instruction and a comment on it.
fn line(instruction: Instruction, state: Option<State>, machine: March) -> (String, String) {
    let Instruction { code, k, .. } = instruction;
    let text = instruction.to_string();
    match code & 0x07 {
        0 if code == 0x20 => (text, field(k)),
        5 if code & 0xf0 != 0 && code & 0x08 == 0 => {
            let comment = match state.map(|state| (state.accumulator, state.architecture)) {
                Some((Accumulator::Field(ARCHITECTURE), _)) => {
                    ARCHITECTURES.iter().find(|(id, ..)| *id == k).map(|(_, name, _)| *name)
                }
                // Numbers from here on are those of the x32 ABI.
                Some((Accumulator::Field(NUMBER), _)) if k == X32 && code & 0xf0 != 0x10 => Some("x32"),
                Some((Accumulator::Field(NUMBER), architecture)) if code & 0xf0 != 0x40 => {
                    let machine = match architecture {
                        Architecture::Any => Some(machine),
                        Architecture::Is(id) => {
                            ARCHITECTURES.iter().find(|(known, ..)| *known == id).and_then(|known| known.2)
                        }
                        Architecture::Unclear => None,
                    };
                    machine.and_then(|machine| syscall::name(machine, k))
                }
                _ => None,
            };
            (text, comment.unwrap_or_default().to_owned())
        }
        6 if code & 0x18 != 0x10 => (format!("ret {}", action(k)), String::new()),
        _ => (text, String::new()),
    }
}

/// What a filter returns, as `SECCOMP_RET_*` without the prefix.
fn action(value: u32) -> String {
    let data = value & 0xffff;
    match value & 0xffff_0000 {
        0x8000_0000 => "KILL_PROCESS".to_owned(),
        0x0000_0000 => "KILL_THREAD".to_owned(),
        0x0003_0000 => format!("TRAP({data})"),
        0x0005_0000 => format!("ERRNO({data})"),
        0x7fc0_0000 => "USER_NOTIF".to_owned(),
        0x7ff0_0000 => format!("TRACE({data})"),
        0x7ffc_0000 => "LOG".to_owned(),
        0x7fff_0000 => "ALLOW".to_owned(),
        _ => format!("#{value:#x}"),
    }
}

/// A word of `struct seccomp_data`.
fn field(offset: u32) -> String {
    match offset {
        NUMBER => "nr".to_owned(),
        ARCHITECTURE => "arch".to_owned(),
        8 | 12 => format!("instruction_pointer+{}", offset - 8),
        16..64 if offset.is_multiple_of(4) => {
            let (argument, half) = ((offset - 16) / 8, offset % 8);
            if half == 0 { format!("args[{argument}]") } else { format!("args[{argument}]+{half}") }
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(instructions: &[(u16, u8, u8, u32)]) -> Vec<Instruction> {
        instructions.iter().map(|&(code, jt, jf, k)| Instruction { code, jt, jf, k }).collect()
    }

    #[test]
    fn a_filter_reads_like_assembly() {
        let filter = program(&[
            (0x20, 0, 0, 4),
            (0x15, 1, 0, 0xc000_003e),
            (0x06, 0, 0, 0x8000_0000),
            (0x20, 0, 0, 0),
            (0x35, 3, 0, 0x4000_0000),
            (0x15, 1, 0, 257),
            (0x15, 0, 1, 59),
            (0x06, 0, 0, 0x7fff_0000),
            (0x06, 0, 0, 0x0005_0001),
        ]);
        assert_eq!(
            seccomp(&filter, March::X8664),
            [
                "ld [4]  ; arch",
                "jeq #0xc000003e, 1, 0  ; x86_64",
                "ret KILL_PROCESS",
                "ld [0]  ; nr",
                "jge #0x40000000, 3, 0  ; x32",
                "jeq #0x101, 1, 0  ; openat",
                "jeq #0x3b, 0, 1  ; execve",
                "ret ALLOW",
                "ret ERRNO(1)",
            ]
        );
    }

    #[test]
    fn calls_of_another_architecture_are_not_named() {
        let filter = program(&[
            (0x20, 0, 0, 4),
            (0x15, 0, 2, 0x4000_0003),
            (0x20, 0, 0, 0),
            (0x15, 0, 0, 11),
            (0x20, 0, 0, 0),
            (0x15, 0, 0, 11),
            (0x05, 0, 0, u32::MAX),
        ]);
        let lines = seccomp(&filter, March::X8664);
        assert_eq!(lines[3], "jeq #0xb, 0, 0");
        assert_eq!(lines[5], "jeq #0xb, 0, 0");
        let plain = program(&[(0x20, 0, 0, 0), (0x15, 0, 0, 221)]);
        assert_eq!(seccomp(&plain, March::Aarch64)[1], "jeq #0xdd, 0, 0  ; execve");
    }

    #[test]
    fn every_operation_code_has_some_text() {
        for code in 0..=u16::MAX {
            let text = Instruction { code, jt: 1, jf: 2, k: 3 }.to_string();
            assert!(!text.is_empty());
        }
        let text = |code, k| Instruction { code, jt: 0, jf: 0, k }.to_string();
        assert_eq!(text(0x28, 12), "ldh [12]");
        assert_eq!(Instruction::from(0x0015_0103_0000_0800).to_string(), "jeq #0x800, 1, 3");
        assert_eq!(text(0x30, 23), "ldb [23]");
        assert_eq!(text(0x48, 14), "ldh [x + 14]");
        assert_eq!(text(0xb1, 14), "ldxb 4*([14]&0xf)");
        assert_eq!(text(0x54, 0xf0), "and #0xf0");
        assert_eq!(text(0x0c, 0), "add x");
        assert_eq!(text(0x5c, 0), "and x");
        assert_eq!(text(0x1d, 0), "jeq x, 0, 0");
        assert!(text(0x38, 0).starts_with("unknown"));
        assert_eq!(text(0x45, 0x1fff), "jset #0x1fff, 0, 0");
        assert_eq!(text(0x16, 0), "ret a");
        assert_eq!(text(0x87, 0), "txa");
        assert_eq!(text(0x07, 0), "tax");
    }
}
