//! Makes a program of classic BPF of the default profile: a decision per ABI by binary search over ranges of
//! call numbers. Pure. Knows nothing of which calls are good.

use std::collections::BTreeMap;

use oci_spec::runtime::Capability;

use super::syscalls::{Abi, SYSCALLS};
use super::{Condition, Verdict, native_abis, rules};
use crate::exec::sys::SockFilter;

// Instructions of classic BPF (linux/bpf_common.h).
const LOAD_WORD: u16 = 0x20;
const AND: u16 = 0x54;
const JUMP: u16 = 0x05;
pub(super) const JUMP_EQUAL: u16 = 0x15;
const JUMP_NOT_BELOW: u16 = 0x35;
const RETURN: u16 = 0x06;

// Answers of a filter (linux/seccomp.h).
const ANSWER_KILL_PROCESS: u32 = 0x8000_0000;
const ANSWER_ERRNO: u32 = 0x0005_0000;
pub(super) const ANSWER_ALLOW: u32 = 0x7fff_0000;

// Offsets in `struct seccomp_data`. The machines that there are tables for are little-endian.
pub(super) const NUMBER: u32 = 0;
pub(super) const ARCHITECTURE: u32 = 4;
pub(super) const FIRST_ARGUMENT_LOW: u32 = 16;
const FIRST_ARGUMENT_HIGH: u32 = 20;

/// Numbers from here on are private ones of 32-bit Arm, no part of the sequence.
const PRIVATE_NUMBERS: u32 = 0xf_0000;

/// Compiles the profile for this machine. Empty: there is no table for its architecture.
///
/// A call of another ABI kills the process. A number above all that the table knows is answered with
/// `ENOSYS`, so that programs fall back to older calls, as runc does it.
pub(crate) fn compile(capabilities: &[Capability]) -> Vec<SockFilter> {
    let abis = native_abis();
    if abis.is_empty() {
        return Vec::new();
    }
    let mut program = vec![load(ARCHITECTURE)];
    for abi in abis {
        let mut body = vec![load(NUMBER)];
        body.extend(search(&ranges(*abi, capabilities)));
        // A body can be longer than a conditional jump reaches.
        program.push(jump_if(JUMP_EQUAL, audit_architecture(*abi), 1, 0));
        program.push(instruction(JUMP, body.len() as u32));
        program.extend(body);
    }
    program.push(answer(ANSWER_KILL_PROCESS));
    program
}

/// `AUDIT_ARCH_*` of linux/audit.h.
pub(super) fn audit_architecture(abi: Abi) -> u32 {
    match abi {
        Abi::X86_64 => 0xC000_003E,
        Abi::X86 => 0x4000_0003,
        Abi::Aarch64 => 0xC000_00B7,
        Abi::Arm => 0x4000_0028,
        Abi::Riscv64 => 0xC000_00F3,
    }
}

/// Verdicts by the first number of the range that they hold for. The first range starts at 0.
fn ranges(abi: Abi, capabilities: &[Capability]) -> Vec<(u32, Verdict)> {
    let known: BTreeMap<u32, Verdict> = rules(capabilities)
        .filter_map(|(row, verdict)| Some((row.number(abi)?, verdict)))
        .collect();
    let newest = SYSCALLS
        .iter()
        .filter_map(|row| row.number(abi))
        .filter(|n| *n < PRIVATE_NUMBERS)
        .max()
        .unwrap_or(0);
    let unlisted = |number: u32| {
        Verdict::Errno(if number <= newest {
            libc::EPERM
        } else {
            libc::ENOSYS
        } as u32)
    };

    let mut ranges: Vec<(u32, Verdict)> = Vec::new();
    let mut add = |start: u32, verdict: Verdict| {
        if ranges.last().is_none_or(|(_, last)| *last != verdict) {
            ranges.push((start, verdict));
        }
    };
    let mut next = 0;
    for (number, verdict) in &known {
        if next < *number {
            add(next, unlisted(next));
            if next <= newest && newest < *number - 1 {
                add(newest + 1, unlisted(newest + 1));
            }
        }
        add(*number, *verdict);
        next = number + 1;
    }
    add(next, unlisted(next));
    add(newest.max(next) + 1, unlisted(u32::MAX));
    ranges
}

fn search(ranges: &[(u32, Verdict)]) -> Vec<SockFilter> {
    if let [(_, verdict)] = ranges {
        return decide(*verdict);
    }
    let (low, high) = ranges.split_at(ranges.len() / 2);
    let low_code = search(low);
    let mut code = Vec::new();
    match (u8::try_from(low_code.len()), high.first()) {
        (Ok(distance), Some((start, _))) => code.push(jump_if(JUMP_NOT_BELOW, *start, distance, 0)),
        (Err(_), Some((start, _))) => {
            code.push(jump_if(JUMP_NOT_BELOW, *start, 0, 1));
            code.push(instruction(JUMP, low_code.len() as u32));
        }
        (_, None) => {}
    }
    code.extend(low_code);
    code.extend(search(high));
    code
}

fn decide(verdict: Verdict) -> Vec<SockFilter> {
    match verdict {
        Verdict::Allow => vec![answer(ANSWER_ALLOW)],
        Verdict::Errno(errno) => vec![answer(ANSWER_ERRNO | errno)],
        Verdict::FirstArgument(conditions) => decide_by_first_argument(conditions),
    }
}

/// Each condition is one test that jumps to the answer "allow" behind the last one.
fn decide_by_first_argument(conditions: &[Condition]) -> Vec<SockFilter> {
    let mut code = Vec::new();
    let whole = !conditions.iter().any(|c| matches!(c, Condition::NoneOf(_)));
    if whole {
        // All values that are compared with are below 2^32.
        code.extend([
            load(FIRST_ARGUMENT_HIGH),
            jump_if(JUMP_EQUAL, 0, 1, 0),
            answer(ANSWER_ERRNO | libc::EPERM as u32),
        ]);
    }
    code.push(load(FIRST_ARGUMENT_LOW));
    let tests: usize = conditions
        .iter()
        .map(|c| if matches!(c, Condition::NoneOf(_)) { 2 } else { 1 })
        .sum();
    let end = code.len() + tests;
    for condition in conditions {
        // From the instruction after the test, over the refusal that stands at `end`.
        let to_allow = |code: &Vec<SockFilter>| (end - code.len()) as u8;
        match *condition {
            Condition::Equal(value) => code.push(jump_if(JUMP_EQUAL, value, to_allow(&code), 0)),
            Condition::Below(limit) => code.push(jump_if(JUMP_NOT_BELOW, limit, 0, to_allow(&code))),
            Condition::NoneOf(bits) => {
                code.push(instruction(AND, bits));
                code.push(jump_if(JUMP_EQUAL, 0, to_allow(&code), 0));
            }
        }
    }
    code.extend([answer(ANSWER_ERRNO | libc::EPERM as u32), answer(ANSWER_ALLOW)]);
    code
}

pub(super) fn load(offset: u32) -> SockFilter {
    instruction(LOAD_WORD, offset)
}

pub(super) fn answer(value: u32) -> SockFilter {
    instruction(RETURN, value)
}

fn instruction(code: u16, k: u32) -> SockFilter {
    SockFilter {
        code,
        jt: 0,
        jf: 0,
        k,
    }
}

pub(super) fn jump_if(code: u16, k: u32, jt: u8, jf: u8) -> SockFilter {
    SockFilter { code, jt, jf, k }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::syscalls::{CLONE, CLONE3, PERSONALITY, SOCKET};
    use super::*;
    use crate::exec::capabilities::DEFAULT_CAPABILITIES;

    const EPERM: u32 = ANSWER_ERRNO | 1;
    const ENOSYS: u32 = ANSWER_ERRNO | 38;

    /// Executes a filter as the kernel would.
    pub(in crate::exec::seccomp) fn run(
        program: &[SockFilter],
        architecture: u32,
        number: u32,
        arguments: &[u64],
    ) -> u32 {
        let data = |offset: u32| match offset {
            NUMBER => number,
            ARCHITECTURE => architecture,
            16.. => {
                let argument = arguments[(offset as usize - 16) / 8];
                (if offset.is_multiple_of(8) {
                    argument
                } else {
                    argument >> 32
                }) as u32
            }
            other => panic!("load from {other}"),
        };
        let (mut at, mut accumulator) = (0usize, 0u32);
        loop {
            let SockFilter { code, jt, jf, k } = program[at];
            at += 1;
            match code {
                LOAD_WORD => accumulator = data(k),
                AND => accumulator &= k,
                JUMP => at += k as usize,
                JUMP_EQUAL => at += usize::from(if accumulator == k { jt } else { jf }),
                JUMP_NOT_BELOW => at += usize::from(if accumulator >= k { jt } else { jf }),
                RETURN => return k,
                other => panic!("instruction {other:#x}"),
            }
        }
    }

    #[test]
    fn every_call_gets_the_answer_of_its_rule() {
        let program = compile(DEFAULT_CAPABILITIES);
        if program.is_empty() {
            return println!("skipped: no table for this architecture");
        }
        assert!(program.len() < 1000, "{} instructions", program.len());
        for abi in native_abis() {
            let arch = audit_architecture(*abi);
            let rules: BTreeMap<u32, Verdict> = rules(DEFAULT_CAPABILITIES)
                .filter_map(|(r, v)| Some((r.number(*abi)?, v)))
                .collect();
            let newest = SYSCALLS
                .iter()
                .filter_map(|r| r.number(*abi))
                .filter(|n| *n < PRIVATE_NUMBERS)
                .max()
                .unwrap();
            for number in (0..2000).chain(PRIVATE_NUMBERS - 1..PRIVATE_NUMBERS + 10) {
                let expected = match rules.get(&number) {
                    Some(Verdict::Allow) => ANSWER_ALLOW,
                    Some(Verdict::Errno(e)) => ANSWER_ERRNO | e,
                    Some(Verdict::FirstArgument(_)) => continue,
                    None if number <= newest => EPERM,
                    None => ENOSYS,
                };
                assert_eq!(run(&program, arch, number, &[0]), expected, "{abi:?} {number}");
            }
            assert_eq!(run(&program, arch, u32::MAX, &[0]), ENOSYS);
            let call = |row: &super::super::SyscallRow, arg: u64| {
                run(&program, arch, row.number(*abi).unwrap(), &[arg])
            };
            for family in [0, 1, 2, 10, 11, 16, 17, 45] {
                assert_eq!(call(&SOCKET, family), ANSWER_ALLOW, "family {family}");
            }
            for family in [12, 19, 38, 40, 46, 1 << 32, (1 << 32) + 2] {
                assert_eq!(call(&SOCKET, family), EPERM, "family {family}");
            }
            assert_eq!(call(&PERSONALITY, 0xffff_ffff), ANSWER_ALLOW);
            assert_eq!(call(&PERSONALITY, 0x0040000), EPERM);
            assert_eq!(call(&CLONE, 0x0111), ANSWER_ALLOW);
            assert_eq!(call(&CLONE, 0x1000_0000), EPERM, "CLONE_NEWUSER");
            assert_eq!(call(&CLONE3, 0), ENOSYS);
        }
        assert_eq!(run(&program, 0x1234, 0, &[0]), ANSWER_KILL_PROCESS);
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn capabilities_open_their_calls() {
        let mount = libc::SYS_mount as u32;
        let arch = audit_architecture(Abi::X86_64);
        assert_eq!(run(&compile(&[]), arch, mount, &[0]), EPERM);
        assert_eq!(run(&compile(&[]), arch, libc::SYS_chroot as u32, &[0]), EPERM);
        let admin = compile(&[Capability::SysAdmin]);
        assert_eq!(run(&admin, arch, mount, &[0]), ANSWER_ALLOW);
        assert_eq!(
            run(&admin, arch, libc::SYS_clone as u32, &[0x1000_0000]),
            ANSWER_ALLOW
        );
        assert_eq!(run(&admin, arch, libc::SYS_clone3 as u32, &[0]), ANSWER_ALLOW);
        assert_eq!(run(&admin, arch, 0x4000_0000, &[0]), ENOSYS, "x32 is off");
    }
}
