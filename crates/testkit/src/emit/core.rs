//! `core-*.img`: task and thread state, with the registers of each machine.

use crate::checkpoint::Checkpoint;
use crate::image::Images;
use crate::process::{Creds, Layout, Process, Registers, State};
use crate::version::{Arch, Criu};
use crate::wire::Message;

/// The core images of a process and its threads, and what older releases wrote beside them.
pub(crate) fn tasks(checkpoint: &Checkpoint, process: &Process, images: &mut Images) {
    let criu = checkpoint.criu;
    let tc = task(checkpoint, process);
    if let State::Dead(_) = process.state {
        let core = Message::new().uint(1, mtype(checkpoint.arch)).message(3, &tc);
        images.add("core", process.pid, &core);
        return;
    }
    let layout = Layout::new(checkpoint.arch, 0);
    let registers = |registers: &Registers, tid: u32| {
        let mut registers = registers.clone();
        registers.ip.get_or_insert(layout.text + 0x1500);
        registers.sp.get_or_insert(layout.stack + layout.stack_length - 0x3000);
        if registers.tls == 0 {
            registers.tls = layout.data + u64::from(tid % 0x1000) * 8;
        }
        thread_info(checkpoint.arch, &registers, criu)
    };
    let (field, info) = registers(&process.registers, process.pid);
    let thread = thread_core(
        checkpoint,
        &process.comm,
        &process.creds,
        (0, 0),
        process.seccomp_filter,
        &[],
        process.cg_set,
    )
    .raw(process.extra_thread.as_bytes());
    let core = Message::new()
        .uint(1, mtype(checkpoint.arch))
        .when(field == 2, |core| core.message(2, &info))
        .message(3, &tc)
        .message(5, &thread)
        .when(field != 2, |core| core.message(field, &info));
    images.add("core", process.pid, &core);
    for thread in &process.threads {
        let (field, info) = registers(&thread.registers, thread.tid);
        let state = thread_core(
            checkpoint,
            &thread.comm,
            thread.creds.as_ref().unwrap_or(&process.creds),
            (thread.nice, thread.policy),
            thread.seccomp_filter,
            &thread.pending,
            process.cg_set,
        );
        let core = Message::new()
            .uint(1, mtype(checkpoint.arch))
            .when(field == 2, |core| core.message(2, &info))
            .message(5, &state)
            .when(field != 2, |core| core.message(field, &info));
        images.add("core", thread.tid, &core);
    }
    if !criu.since(2, 0) {
        images.add("creds", process.pid, &creds(checkpoint, &process.creds));
    }
    if !criu.since(3, 1) {
        for action in sigactions(process, criu) {
            images.add("sigacts", process.pid, &action);
        }
    }
    if !criu.since(1, 3) {
        for limit in rlimits(process) {
            images.add("rlimit", process.pid, &limit);
        }
        for _ in 0..3 {
            images.add("itimers", process.pid, &zeros(1..=4));
        }
        for signal in &process.pending {
            images.add("signal-s", process.pid, &siginfo(checkpoint, *signal));
        }
    }
}

fn mtype(arch: Arch) -> u32 {
    match arch {
        Arch::X86_64 | Arch::X86Compat => 1,
        Arch::Arm => 2,
        Arch::Aarch64 => 3,
        Arch::Ppc64le => 4,
        Arch::S390x => 5,
        Arch::Mips64 => 6,
        Arch::LoongArch64 => 7,
        Arch::Riscv64 => 8,
    }
}

/// A message whose given fields are all zero.
fn zeros(fields: impl IntoIterator<Item = u32>) -> Message {
    fields.into_iter().fold(Message::new(), |message, field| message.uint(field, 0_u32))
}

/// A message of numbered unsigned fields.
fn fields(values: impl IntoIterator<Item = (u32, u64)>) -> Message {
    values.into_iter().fold(Message::new(), |message, (field, value)| message.uint(field, value))
}

fn rlimits(process: &Process) -> Vec<Message> {
    (0..16)
        .map(|index| {
            let changed = process.rlimits.iter().find(|(number, ..)| *number == index);
            let (soft, hard) = match (index, changed) {
                (_, Some((_, soft, hard))) => (*soft, *hard),
                (3, None) => (8 << 20, u64::MAX),
                (4, None) => (0, u64::MAX),
                (7, None) => (1024, 524_288),
                _ => (u64::MAX, u64::MAX),
            };
            Message::new().uint(1, soft).uint(2, hard)
        })
        .collect()
}

fn sigactions(process: &Process, criu: Criu) -> Vec<Message> {
    (1..=64)
        .filter(|signal| *signal != 9 && *signal != 19)
        .map(|signal| {
            let ignored = u32::from(process.ignored.contains(&signal));
            zeros([])
                .uint(1, ignored)
                .uint(2, 0_u32)
                .uint(3, 0_u32)
                .uint(4, 0_u32)
                .when(criu.since(3, 0), |action| action.flag(5, false))
        })
        .collect()
}

fn siginfo(checkpoint: &Checkpoint, (number, code, pid, uid): (i32, i32, i32, u32)) -> Message {
    let style = checkpoint.style();
    let mut raw = Vec::new();
    for word in [number as u32, 0, code as u32, 0, pid as u32, uid] {
        raw.extend(style.word(word));
    }
    raw.resize(128, 0);
    Message::new().bytes(1, raw)
}

fn task(checkpoint: &Checkpoint, process: &Process) -> Message {
    let criu = checkpoint.criu;
    let (state, exit_code, stop_signal) = match process.state {
        State::Alive => (1, 0, None),
        State::Dead(status) => (2, status, None),
        State::Stopped(signal) => (3, 0, Some(signal)),
    };
    let task = Message::new()
        .uint(1, u64::from(state as u32))
        .uint(2, exit_code)
        .uint(3, process.personality)
        .uint(4, process.flags)
        .uint(5, 0_u32)
        .bytes(6, &process.comm);
    if state == 2 {
        return task.raw(process.extra_tc.as_bytes());
    }
    let timer = zeros(1..=4);
    let timers = Message::new().message(1, &timer).message(2, &timer).message(3, &timer);
    let signals: Vec<Message> = process.pending.iter().map(|signal| siginfo(checkpoint, *signal)).collect();
    task.when(criu.since(1, 3), |task| {
        task.message(7, &timers)
            .message(8, &Message::new().messages(1, &rlimits(process)))
            .when(!criu.since(3, 18), |task| task.uint(9, process.cg_set))
            .message(10, &Message::new().messages(1, &signals))
    })
    .when(criu.since(1, 8) && !criu.since(3, 10) && process.seccomp_filter.is_some(), |task| {
        task.uint(11, 2_u32).uint(12, process.seccomp_filter.unwrap_or(0))
    })
    .when(criu.since(2, 0), |task| task.uint(13, process.loginuid).int(14, process.oom_score_adj))
    .when(criu.since(3, 1), |task| task.messages(15, &sigactions(process, criu)))
    .when(criu.since(3, 13), |task| task.flag(18, false))
    .when(criu.since(3, 18), |task| task.maybe(stop_signal, |task, signal| task.uint(21, signal)))
    .raw(process.extra_tc.as_bytes())
}

fn thread_core(
    checkpoint: &Checkpoint,
    comm: &[u8],
    creds_of: &Creds,
    (nice, policy): (i64, u32),
    filter: Option<u32>,
    pending: &[(i32, i32, i32, u32)],
    cg_set: u32,
) -> Message {
    let criu = checkpoint.criu;
    let signals: Vec<Message> = pending.iter().map(|signal| siginfo(checkpoint, *signal)).collect();
    Message::new()
        .uint(1, 0_u32)
        .uint(2, 24_u32)
        .sint(3, nice)
        .uint(4, policy)
        .uint(6, 0_u32)
        .message(7, &Message::new().uint(1, 0_u32).uint(2, 0_u32).uint(3, 2_u32))
        .when(criu.since(1, 3), |core| core.message(9, &Message::new().messages(1, &signals)))
        .when(criu.since(2, 0), |core| core.message(10, &creds(checkpoint, creds_of)))
        .when(criu.since(3, 10), |core| {
            core.maybe(filter, |core, filter| core.uint(11, 2_u32).uint(12, filter))
        })
        .when(criu.since(3, 11), |core| core.bytes(13, comm))
        .when(criu.since(3, 18), |core| core.uint(16, cg_set))
}

fn creds(checkpoint: &Checkpoint, creds: &Creds) -> Message {
    let criu = checkpoint.criu;
    let caps = |index: usize| {
        let mask = creds.caps[index];
        [mask & 0xffff_ffff, mask >> 32]
    };
    let ids = (0..4).flat_map(|index| [creds.uids[index], creds.gids[index]]);
    let mut message = Message::new();
    for (field, id) in (1..).zip(ids) {
        message = message.uint(field, id);
    }
    for (field, index) in (9..).zip(0..4) {
        message = message.repeated(field, caps(index));
    }
    message
        .uint(13, creds.secbits)
        .repeated(14, creds.groups.iter().copied())
        .maybe(creds.lsm_profile.as_ref(), |message, label| message.bytes(15, label))
        .when(criu.since(3, 19) && creds.no_new_privs, |message| message.uint(18, 1_u32))
        .when(criu.since(4, 1), |message| message.repeated(19, caps(4)))
}

/// Field number and message of the register block.
fn thread_info(arch: Arch, registers: &Registers, criu: Criu) -> (u32, Message) {
    let ip = registers.ip.unwrap_or(0);
    let sp = registers.sp.unwrap_or(0);
    let (args, result, tls) = (registers.args, registers.result, registers.tls);
    let call = registers.syscall;
    let none: [u64; 0] = [];
    match arch {
        Arch::X86_64 | Arch::X86Compat => (2, x86(arch, registers, criu)),
        Arch::Arm => {
            let mut values = [0; 18];
            values[..6].copy_from_slice(&args);
            values[7] = call.unwrap_or(0);
            values[13] = sp;
            values[15] = ip;
            values[16] = 0x6000_0010;
            values[17] = args[0];
            let general = fields((1..).zip(values));
            let float = Message::new().repeated(1, [0_u32; 32]).raw(zeros(2..=5).as_bytes());
            (6, Message::new().uint(1, tls).uint(2, tls).message(3, &general).message(4, &float))
        }
        Arch::Aarch64 => {
            let mut values = [0; 31];
            values[..6].copy_from_slice(&args);
            values[8] = call.unwrap_or(0);
            let general = Message::new().repeated(1, values).uint(2, sp).uint(3, ip).uint(4, 0x8000_0000_u32);
            let float = Message::new().repeated(1, [0_u32; 64]).uint(2, 0_u32).uint(3, 0_u32);
            (8, Message::new().uint(1, tls).uint(2, tls).message(3, &general).message(4, &float))
        }
        Arch::Ppc64le => {
            let mut values = [0; 32];
            values[0] = call.unwrap_or(0);
            values[1] = sp;
            values[3..9].copy_from_slice(&args);
            values[13] = tls;
            let general = Message::new().repeated(1, values).uint(2, ip).raw(zeros(3..=9).as_bytes());
            (9, Message::new().uint(1, tls).message(2, &general))
        }
        Arch::S390x => {
            let mut values = [0; 16];
            values[2..8].copy_from_slice(&args);
            values[15] = sp;
            let access = [(tls >> 32) as u32, tls as u32];
            let general = Message::new()
                .uint(1, 0x0705_2001_8000_0000_u64)
                .uint(2, ip)
                .repeated(3, values)
                .repeated(4, access.into_iter().chain([0; 14]))
                .uint(5, args[0])
                .uint(6, call.unwrap_or(0));
            let float = Message::new().uint(1, 0_u32).repeated(2, [0_u32; 16]);
            (10, Message::new().uint(1, tls).message(2, &general).message(3, &float))
        }
        Arch::Mips64 => {
            let mut values = [0; 38];
            values[2] = call.unwrap_or(0);
            values[4..10].copy_from_slice(&args);
            values[29] = sp;
            values[34] = ip;
            let general = fields((1..).zip(values));
            let float = zeros(1..=36);
            (11, Message::new().uint(1, tls).uint(2, tls).message(3, &general).message(4, &float))
        }
        Arch::LoongArch64 => {
            let mut values = [0; 32];
            values[2] = tls;
            values[3] = sp;
            values[4..10].copy_from_slice(&args);
            values[11] = call.unwrap_or(0);
            let general = Message::new().repeated(1, values).uint(2, ip);
            let float = Message::new().repeated(1, [0_u32; 32]).uint(2, 0_u32).uint(3, 0_u32);
            (12, Message::new().uint(1, tls).uint(2, tls).message(3, &general).message(4, &float))
        }
        Arch::Riscv64 => {
            let mut values = [0; 32];
            values[0] = ip;
            values[2] = sp;
            values[4] = tls;
            values[10..16].copy_from_slice(&args);
            values[10] = if call.is_some() { args[0] } else { result };
            values[17] = call.unwrap_or(0);
            let general = fields((1..).zip(values));
            let float = Message::new().repeated(1, none).uint(2, 0_u32);
            (13, Message::new().uint(1, tls).uint(2, tls).message(3, &general).message(4, &float))
        }
    }
}

fn x86(arch: Arch, registers: &Registers, criu: Criu) -> Message {
    let (ip, sp) = (registers.ip.unwrap_or(0), registers.sp.unwrap_or(0));
    let compat = arch == Arch::X86Compat;
    let [di, si, dx, r10, r8, r9] = registers.args;
    let mut values = [0; 27];
    let set = |values: &mut [u64; 27], field: usize, value| values[field - 1] = value;
    for (field, value) in [
        (8, r10),
        (9, r9),
        (10, r8),
        (11, registers.result),
        (13, dx),
        (14, si),
        (15, di),
        (16, registers.syscall.unwrap_or(u64::MAX)),
        (17, ip),
        (18, if compat { 35 } else { 51 }),
        (19, 0x246),
        (20, sp),
        (21, 43),
        (22, registers.tls),
    ] {
        set(&mut values, field, value);
    }
    let general = fields((1..).zip(values))
        .when(criu.since(3, 0), |registers| registers.uint(28, if compat { 2_u32 } else { 1 }));
    let float = fields([(1, 895), (2, 0), (3, 0), (4, 0), (5, 0), (6, 0), (7, 8064), (8, 0x2_ffff)])
        .repeated(9, [0_u32; 32])
        .repeated(10, [0_u32; 64]);
    Message::new().uint(1, registers.tls).message(2, &general).message(3, &float)
}
