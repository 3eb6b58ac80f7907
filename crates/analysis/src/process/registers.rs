//! Registers of every architecture (`format.md §3.5`).

use std::borrow::Cow;

use ckptfx_parser::proto::{CoreEntry, core_entry::March};
use serde::{
    Serialize,
    ser::{SerializeMap as _, Serializer},
};

/// Register names and values, in the order of the kernel's structure. In JSON an object of `"0x…"` strings.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Registers(pub Vec<(Cow<'static, str>, u64)>);

impl Registers {
    /// The value of a register.
    pub fn get(&self, name: &str) -> Option<u64> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| *value)
    }

    /// Adds named registers; those that the image lacks are left out.
    fn named<const N: usize>(mut self, registers: [(&'static str, Option<u64>); N]) -> Self {
        let present = registers.into_iter().filter_map(|(name, value)| Some((Cow::Borrowed(name), value?)));
        self.0.extend(present);
        self
    }

    /// Adds numbered registers.
    fn numbered(mut self, stem: &str, values: &[u64], limit: usize) -> Self {
        let numbered = values.iter().take(limit).enumerate();
        self.0.extend(numbered.map(|(number, value)| (Cow::Owned(format!("{stem}{number}")), *value)));
        self
    }
}

impl Serialize for Registers {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, &format!("{value:#x}"))?;
        }
        map.end()
    }
}

impl schemars::JsonSchema for Registers {
    fn schema_name() -> Cow<'static, str> {
        "Registers".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "object",
            "description": "Registers by name, in the order of the kernel's structure.",
            "additionalProperties": {"type": "string", "pattern": "^0x[0-9a-f]+$"}
        })
    }
}

/// The system call number in the registers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallNumber {
    /// The number.
    pub number: u32,
    /// Whether the images say that the thread was in a system call. Where they do not, the number is only
    /// what the register for it holds, and may be left over.
    pub certain: bool,
}

/// The processor state of a thread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cpu {
    /// The machine.
    pub machine: March,
    /// Its name as `uname -m` gives it; `i386` for a 32-bit task on x86-64.
    pub architecture: &'static str,
    /// General registers.
    pub registers: Registers,
    /// Instruction pointer.
    pub ip: Option<u64>,
    /// Stack pointer.
    pub sp: Option<u64>,
    /// Base of thread-local storage.
    pub tls: Option<u64>,
    /// System call.
    pub call: Option<CallNumber>,
    /// Arguments of the system call.
    pub arguments: Vec<u64>,
    /// Result register.
    pub result: Option<u64>,
}

/// `TRAP` of a thread in a system call on POWER: `sc` and `scv`.
const POWER_CALLS: [u64; 2] = [0xc00, 0x3000];

/// Reads the register block that `mtype` selects. None for zombies and where the block is missing.
pub fn read(core: &CoreEntry) -> Option<Cpu> {
    let machine = March::try_from(core.mtype?).ok()?;
    let wide = |value: Option<u32>| value.map(u64::from);
    let number = |value: Option<u64>, certain: bool| {
        let number = u32::try_from(value?).ok()?;
        Some(CallNumber { number, certain })
    };
    let all = Registers::default();
    let (architecture, registers, [ip, sp, result], tls, call, arguments) = match machine {
        March::X8664 => {
            let info = core.thread_info.as_ref()?;
            let r = info.gpregs.as_ref()?;
            let registers = all.named([
                ("r15", r.r15),
                ("r14", r.r14),
                ("r13", r.r13),
                ("r12", r.r12),
                ("bp", r.bp),
                ("bx", r.bx),
                ("r11", r.r11),
                ("r10", r.r10),
                ("r9", r.r9),
                ("r8", r.r8),
                ("ax", r.ax),
                ("cx", r.cx),
                ("dx", r.dx),
                ("si", r.si),
                ("di", r.di),
                ("orig_ax", r.orig_ax),
                ("ip", r.ip),
                ("cs", r.cs),
                ("flags", r.flags),
                ("sp", r.sp),
                ("ss", r.ss),
                ("fs_base", r.fs_base),
                ("gs_base", r.gs_base),
                ("ds", r.ds),
                ("es", r.es),
                ("fs", r.fs),
                ("gs", r.gs),
            ]);
            let compat = r.mode == Some(2);
            // A 32-bit task has it in the segment that gs selects.
            let segment = r.gs.map(|selector| selector >> 3);
            let in_segment = || {
                let entry = info.tls.iter().find(|entry| wide(entry.entry_number) == segment)?;
                wide(entry.base_addr)
            };
            let tls = if compat { in_segment() } else { r.fs_base };
            let arguments = if compat {
                [r.bx, r.cx, r.dx, r.si, r.di, r.bp]
            } else {
                [r.di, r.si, r.dx, r.r10, r.r8, r.r9]
            };
            // Negative is "not in a system call". The kernel looks at the low half only.
            let call = r.orig_ax.map(|value| value & 0xffff_ffff).filter(|value| value >> 31 == 0);
            let name = if compat { "i386" } else { "x86_64" };
            (name, registers, [r.ip, r.sp, r.ax], tls, number(call, true), arguments)
        }
        March::Arm => {
            let info = core.ti_arm.as_ref()?;
            let r = info.gpregs.as_ref()?;
            let registers = all.named([
                ("r0", wide(r.r0)),
                ("r1", wide(r.r1)),
                ("r2", wide(r.r2)),
                ("r3", wide(r.r3)),
                ("r4", wide(r.r4)),
                ("r5", wide(r.r5)),
                ("r6", wide(r.r6)),
                ("r7", wide(r.r7)),
                ("r8", wide(r.r8)),
                ("r9", wide(r.r9)),
                ("r10", wide(r.r10)),
                ("fp", wide(r.fp)),
                ("ip", wide(r.ip)),
                ("sp", wide(r.sp)),
                ("lr", wide(r.lr)),
                ("pc", wide(r.pc)),
                ("cpsr", wide(r.cpsr)),
                ("orig_r0", wide(r.orig_r0)),
            ]);
            let arguments = [r.orig_r0, r.r1, r.r2, r.r3, r.r4, r.r5].map(wide);
            let points = [wide(r.pc), wide(r.sp), wide(r.r0)];
            ("arm", registers, points, wide(info.tls), number(wide(r.r7), false), arguments)
        }
        March::Aarch64 => {
            let info = core.ti_aarch64.as_ref()?;
            let r = info.gpregs.as_ref()?;
            let x = |index: usize| r.regs.get(index).copied();
            let registers =
                all.numbered("x", &r.regs, 31).named([("sp", r.sp), ("pc", r.pc), ("pstate", r.pstate)]);
            let arguments = [x(0), x(1), x(2), x(3), x(4), x(5)];
            ("aarch64", registers, [r.pc, r.sp, x(0)], info.tls, number(x(8), false), arguments)
        }
        March::Ppc64 => {
            let r = core.ti_ppc64.as_ref()?.gpregs.as_ref()?;
            let gpr = |index: usize| r.gpr.get(index).copied();
            let registers = all.numbered("r", &r.gpr, 32).named([
                ("nip", r.nip),
                ("msr", r.msr),
                ("orig_gpr3", r.orig_gpr3),
                ("ctr", r.ctr),
                ("link", r.link),
                ("xer", r.xer),
                ("ccr", r.ccr),
                ("trap", r.trap),
            ]);
            let in_call = r.trap.is_some_and(|trap| POWER_CALLS.contains(&(trap & !0xf)));
            let arguments = [r.orig_gpr3, gpr(4), gpr(5), gpr(6), gpr(7), gpr(8)];
            ("ppc64", registers, [r.nip, gpr(1), gpr(3)], gpr(13), number(gpr(0), in_call), arguments)
        }
        March::S390 => {
            let r = core.ti_s390.as_ref()?.gpregs.as_ref()?;
            let gpr = |index: usize| r.gprs.get(index).copied();
            let registers = all
                .named([("psw_mask", r.psw_mask), ("psw_addr", r.psw_addr)])
                .numbered("r", &r.gprs, 16)
                .numbered("a", &r.acrs.iter().copied().map(u64::from).collect::<Vec<_>>(), 16)
                .named([("orig_gpr2", r.orig_gpr2), ("system_call", wide(r.system_call))]);
            let tls = r.acrs.first().zip(r.acrs.get(1));
            let tls = tls.map(|(high, low)| u64::from(*high) << 32 | u64::from(*low));
            let call = wide(r.system_call).map(|value| value & 0xffff).filter(|value| *value != 0);
            let arguments = [r.orig_gpr2, gpr(3), gpr(4), gpr(5), gpr(6), gpr(7)];
            ("s390x", registers, [r.psw_addr, gpr(15), gpr(2)], tls, number(call, true), arguments)
        }
        March::Mips => {
            let info = core.ti_mips.as_ref()?;
            let r = info.gpregs.as_ref()?;
            let registers = all.named([
                ("r0", r.r0),
                ("r1", r.r1),
                ("r2", r.r2),
                ("r3", r.r3),
                ("r4", r.r4),
                ("r5", r.r5),
                ("r6", r.r6),
                ("r7", r.r7),
                ("r8", r.r8),
                ("r9", r.r9),
                ("r10", r.r10),
                ("r11", r.r11),
                ("r12", r.r12),
                ("r13", r.r13),
                ("r14", r.r14),
                ("r15", r.r15),
                ("r16", r.r16),
                ("r17", r.r17),
                ("r18", r.r18),
                ("r19", r.r19),
                ("r20", r.r20),
                ("r21", r.r21),
                ("r22", r.r22),
                ("r23", r.r23),
                ("r24", r.r24),
                ("r25", r.r25),
                ("r26", r.r26),
                ("r27", r.r27),
                ("r28", r.r28),
                ("r29", r.r29),
                ("r30", r.r30),
                ("r31", r.r31),
                ("lo", r.lo),
                ("hi", r.hi),
                ("cp0_epc", r.cp0_epc),
                ("cp0_badvaddr", r.cp0_badvaddr),
                ("cp0_status", r.cp0_status),
                ("cp0_cause", r.cp0_cause),
            ]);
            let arguments = [r.r4, r.r5, r.r6, r.r7, r.r8, r.r9];
            ("mips64", registers, [r.cp0_epc, r.r29, r.r2], info.tls, number(r.r2, false), arguments)
        }
        March::Loongarch64 => {
            let info = core.ti_loongarch64.as_ref()?;
            let r = info.gpregs.as_ref()?;
            let gpr = |index: usize| r.regs.get(index).copied();
            let registers = all.numbered("r", &r.regs, 32).named([("pc", r.pc)]);
            let arguments = [gpr(4), gpr(5), gpr(6), gpr(7), gpr(8), gpr(9)];
            ("loongarch64", registers, [r.pc, gpr(3), gpr(4)], info.tls, number(gpr(11), false), arguments)
        }
        March::Riscv64 => {
            let info = core.ti_riscv64.as_ref()?;
            let r = info.gpregs.as_ref()?;
            let registers = all.named([
                ("pc", r.pc),
                ("ra", r.ra),
                ("sp", r.sp),
                ("gp", r.gp),
                ("tp", r.tp),
                ("t0", r.t0),
                ("t1", r.t1),
                ("t2", r.t2),
                ("s0", r.s0),
                ("s1", r.s1),
                ("a0", r.a0),
                ("a1", r.a1),
                ("a2", r.a2),
                ("a3", r.a3),
                ("a4", r.a4),
                ("a5", r.a5),
                ("a6", r.a6),
                ("a7", r.a7),
                ("s2", r.s2),
                ("s3", r.s3),
                ("s4", r.s4),
                ("s5", r.s5),
                ("s6", r.s6),
                ("s7", r.s7),
                ("s8", r.s8),
                ("s9", r.s9),
                ("s10", r.s10),
                ("s11", r.s11),
                ("t3", r.t3),
                ("t4", r.t4),
                ("t5", r.t5),
                ("t6", r.t6),
            ]);
            let arguments = [r.a0, r.a1, r.a2, r.a3, r.a4, r.a5];
            ("riscv64", registers, [r.pc, r.sp, r.a0], info.tls, number(r.a7, false), arguments)
        }
        March::Unknown => return None,
    };
    Some(Cpu {
        machine,
        architecture,
        registers,
        ip,
        sp,
        tls,
        call,
        arguments: arguments.into_iter().flatten().collect(),
        result,
    })
}
