//! Numbers that differ between architectures.

use crate::proto::core_entry::March;

/// Which numbers the architecture of the dumped host gives to open flags, mapping flags and signals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Numbering {
    /// x86, s390, riscv, loongarch.
    #[default]
    Generic,
    /// 32-bit and 64-bit ARM.
    Arm,
    /// POWER.
    Power,
    /// MIPS: shown as numbers.
    Mips,
}

impl Numbering {
    /// The numbering of an architecture (`core_entry.mtype`); that of most for unknown ones.
    #[must_use]
    pub fn of(march: March) -> Self {
        match march {
            March::Arm | March::Aarch64 => Self::Arm,
            March::Ppc64 => Self::Power,
            March::Mips => Self::Mips,
            _ => Self::Generic,
        }
    }
}
