//! Keeps the processes of a cgroup from opening devices: a list of rules (version 1), or a BPF program
//! (version 2). Knows nothing of which devices are good.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd;
use std::path::Path;

use crate::exec::plan::DeviceRule;
use crate::exec::sys;

/// Restricts a cgroup of version 1.
pub(crate) fn restrict_v1(dir: &Path, rules: &[DeviceRule]) -> io::Result<()> {
    fs::write(dir.join("devices.deny"), "a")?;
    rules
        .iter()
        .try_for_each(|rule| fs::write(dir.join("devices.allow"), rule_text(rule)))
}

/// A rule as devices.allow takes it: `c 1:3 rwm`.
fn rule_text(rule: &DeviceRule) -> String {
    let number = |n: Option<u32>| n.map_or("*".to_owned(), |n| n.to_string());
    let kind = if rule.block { 'b' } else { 'c' };
    format!(
        "{kind} {}:{} {}",
        number(rule.major),
        number(rule.minor),
        rule.access
    )
}

/// Restricts a cgroup of version 2.
pub(crate) fn restrict_v2(dir: &Path, rules: &[DeviceRule]) -> io::Result<()> {
    sys::attach_device_program(File::open(dir)?.as_fd(), &program(rules))
}

// Fields of `struct bpf_cgroup_dev_ctx`: type in the lower and access in the upper half of the first word,
// then the numbers.
const BLOCK: u32 = 1;
const CHARACTER: u32 = 2;
const ACCESS: [(char, u32); 3] = [('m', 1), ('r', 2), ('w', 4)];

// Registers of the program.
const ANSWER: u8 = 0;
const CONTEXT: u8 = 1;
const KIND: u8 = 2;
const WANTED: u8 = 3;
const MAJOR: u8 = 4;
const MINOR: u8 = 5;
const SCRATCH: u8 = 6;

/// An eBPF program that allows what one of `rules` allows whole, and nothing else.
fn program(rules: &[DeviceRule]) -> Vec<u64> {
    let mut code = vec![
        load(KIND, CONTEXT, 0),
        move_register(WANTED, KIND),
        instruction(0x54, KIND, 0, 0, 0xffff), // and
        instruction(0x74, WANTED, 0, 0, 16),   // shift right
        load(MAJOR, CONTEXT, 4),
        load(MINOR, CONTEXT, 8),
    ];
    for rule in rules {
        let allowed = ACCESS
            .iter()
            .filter(|(letter, _)| rule.access.contains(*letter))
            .fold(0, |bits, (_, bit)| bits | bit);
        let mut tests = vec![(KIND, if rule.block { BLOCK } else { CHARACTER })];
        tests.extend(rule.major.map(|major| (MAJOR, major)));
        tests.extend(rule.minor.map(|minor| (MINOR, minor)));
        // What is wanted beyond what is allowed must be nothing.
        let mut body = vec![
            move_register(SCRATCH, WANTED),
            instruction(0x54, SCRATCH, 0, 0, !allowed),
            instruction(0x55, SCRATCH, 0, 2, 0), // skip the answer unless equal
            instruction(0xb7, ANSWER, 0, 0, 1),
            instruction(0x95, 0, 0, 0, 0), // exit
        ];
        let mut rule_code = Vec::new();
        for (done, (register, value)) in tests.iter().enumerate() {
            let skip = (tests.len() - done - 1 + body.len()) as i16;
            rule_code.push(instruction(0x55, *register, 0, skip, *value));
        }
        rule_code.append(&mut body);
        code.append(&mut rule_code);
    }
    code.extend([instruction(0xb7, ANSWER, 0, 0, 0), instruction(0x95, 0, 0, 0, 0)]);
    code
}

fn load(into: u8, from: u8, offset: i16) -> u64 {
    instruction(0x61, into, from, offset, 0)
}

fn move_register(into: u8, from: u8) -> u64 {
    instruction(0xbc, into, from, 0, 0)
}

/// `struct bpf_insn`: code, registers, offset, immediate value.
fn instruction(code: u8, destination: u8, source: u8, offset: i16, value: u32) -> u64 {
    let [low, high] = offset.to_ne_bytes();
    let [a, b, c, d] = value.to_ne_bytes();
    let registers = if cfg!(target_endian = "little") {
        source << 4 | destination
    } else {
        destination << 4 | source
    };
    u64::from_ne_bytes([code, registers, low, high, a, b, c, d])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::plan::DEVICE_RULES;

    #[test]
    fn rules_of_version_one() {
        let texts: Vec<_> = DEVICE_RULES.iter().map(rule_text).collect();
        assert_eq!(&texts[..3], ["c *:* m", "b *:* m", "c 1:3 rwm"]);
        assert_eq!(texts.last().unwrap(), "c 136:* rwm");
    }

    /// Executes the subset of eBPF that `program` uses.
    fn run(code: &[u64], kind: u32, access: u32, major: u32, minor: u32) -> u64 {
        let context = [access << 16 | kind, major, minor];
        let mut registers = [0u64; 11];
        let mut at = 0;
        loop {
            let bytes = code[at].to_ne_bytes();
            let (destination, source) = ((bytes[1] & 15) as usize, (bytes[1] >> 4) as usize);
            let offset = i16::from_ne_bytes([bytes[2], bytes[3]]);
            let value = i32::from_ne_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]);
            at += 1;
            match bytes[0] {
                0x61 => registers[destination] = context[offset as usize / 4].into(),
                0xbc => registers[destination] = registers[source] as u32 as u64,
                0x54 => registers[destination] = (registers[destination] as u32 & value as u32).into(),
                0x74 => registers[destination] = (registers[destination] as u32 >> value).into(),
                0x55 if registers[destination] != value as u64 => {
                    at = (at as i64 + i64::from(offset)) as usize
                }
                0x55 => {}
                0xb7 => registers[destination] = value as u64,
                0x95 => return registers[0],
                other => panic!("instruction {other:#x}"),
            }
        }
    }

    #[test]
    fn the_program_of_version_two_follows_the_rules() {
        let code = program(DEVICE_RULES);
        let (make, read, write) = (1, 2, 4);
        assert_eq!(run(&code, CHARACTER, read | write, 1, 3), 1, "/dev/null");
        assert_eq!(run(&code, CHARACTER, read, 136, 77), 1, "a pseudo terminal");
        assert_eq!(run(&code, CHARACTER, make, 10, 200), 1, "any node can be made");
        assert_eq!(run(&code, BLOCK, make, 8, 0), 1, "any node can be made");
        assert_eq!(run(&code, BLOCK, make | read, 8, 0), 0);
        assert_eq!(run(&code, BLOCK, read, 8, 0), 0, "a disk");
        assert_eq!(
            run(&code, BLOCK, read, 1, 3),
            0,
            "a block device of the numbers of /dev/null"
        );
        assert_eq!(run(&code, CHARACTER, read, 1, 1), 0, "/dev/mem");
        assert_eq!(run(&code, CHARACTER, write, 10, 200), 0, "/dev/net/tun");
    }
}
