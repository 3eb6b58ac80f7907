//! Releases of CRIU and machines: what decides which form an image takes.

/// A release of CRIU, ordered by age.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Criu {
    /// First number.
    pub major: u16,
    /// Second number.
    pub minor: u16,
}

impl Criu {
    /// Separate `vmas-PID.img`.
    pub const V1_1: Self = Self::new(1, 1);
    /// The last release without class magics.
    pub const V1_5: Self = Self::new(1, 5);
    /// Credentials still in `creds-PID.img`.
    pub const V1_8: Self = Self::new(1, 8);
    /// A middle-aged release: inline SysV memory, `sigacts-PID.img`.
    pub const V2_12: Self = Self::new(2, 12);
    /// The last release with one image per file type.
    pub const V3_3: Self = Self::new(3, 3);
    /// The last release that writes shared anonymous memory as such.
    pub const V3_13: Self = Self::new(3, 13);
    /// What enterprise distributions shipped for long.
    pub const V3_19: Self = Self::new(3, 19);
    /// The last release with 32-bit page counts.
    pub const V4_1: Self = Self::new(4, 1);
    /// 64-bit page counts.
    pub const V4_2: Self = Self::new(4, 2);

    /// Any release.
    pub const fn new(major: u16, minor: u16) -> Self {
        Self { major, minor }
    }

    /// Whether this release has what appeared in `major.minor`.
    pub fn since(self, major: u16, minor: u16) -> bool {
        self >= Self::new(major, minor)
    }
}

/// The machine of the dumped tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arch {
    /// 64-bit x86.
    X86_64,
    /// 32-bit tasks on 64-bit x86.
    X86Compat,
    /// 32-bit Arm.
    Arm,
    /// 64-bit Arm.
    Aarch64,
    /// 64-bit POWER, little-endian.
    Ppc64le,
    /// IBM Z: the only big-endian one here.
    S390x,
    /// 64-bit MIPS.
    Mips64,
    /// 64-bit LoongArch.
    LoongArch64,
    /// 64-bit RISC-V.
    Riscv64,
}

impl Arch {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::X86_64,
        Self::X86Compat,
        Self::Arm,
        Self::Aarch64,
        Self::Ppc64le,
        Self::S390x,
        Self::Mips64,
        Self::LoongArch64,
        Self::Riscv64,
    ];

    /// Whether raw words are big-endian.
    pub fn big_endian(self) -> bool {
        self == Self::S390x
    }

    /// Whether user addresses have 32 bits.
    pub fn narrow(self) -> bool {
        matches!(self, Self::Arm | Self::X86Compat)
    }

    /// The page size most kernels of this machine use.
    pub fn usual_page_size(self) -> u64 {
        match self {
            Self::Ppc64le => 65536,
            Self::LoongArch64 | Self::Mips64 => 16384,
            _ => 4096,
        }
    }

    /// Number of words in the saved auxiliary vector.
    pub(crate) fn auxv_words(self) -> usize {
        match self {
            Self::X86_64 | Self::X86Compat => 44,
            _ => 48,
        }
    }

    /// Name as `uname -m` gives it.
    pub fn machine(self) -> &'static str {
        match self {
            Self::X86_64 | Self::X86Compat => "x86_64",
            Self::Arm => "armv7l",
            Self::Aarch64 => "aarch64",
            Self::Ppc64le => "ppc64le",
            Self::S390x => "s390x",
            Self::Mips64 => "mips64",
            Self::LoongArch64 => "loongarch64",
            Self::Riscv64 => "riscv64",
        }
    }

    /// Name as OCI images give it.
    pub fn oci(self) -> &'static str {
        match self {
            Self::X86_64 | Self::X86Compat => "amd64",
            Self::Arm => "arm",
            Self::Aarch64 => "arm64",
            Self::Mips64 => "mips64le",
            Self::LoongArch64 => "loong64",
            other => other.machine(),
        }
    }
}
