//! Digests of the ops of a `pb.Definition` as BuildKit 0.8 would have made them. Four things were different then: the
//! fields of an op stood in the order of their numbers, a file op named the platform of the build, an exec op did not say
//! that the parents of mount points are removed too (it has no such field), nor that a secret's mount has no input.
//! Everything else must be the same, byte for byte, for a digest to be.

use std::collections::HashMap;

use lapstrake_tests::layout;

pub const INPUTS: u64 = 1;
const EXEC: u64 = 2;
const META: u64 = 1;
const MOUNT: u64 = 2;
const MOUNT_INPUT: u64 = 1;
const SECRET: u64 = 21;
const REMOVE_MOUNT_STUBS_RECURSIVE: u64 = 11;
const FILE: u64 = 4;
const PLATFORM: u64 = 10;

/// Digests of all ops but the last, which only names the results.
pub fn of(definition: &[u8], platform: &[u8]) -> Vec<String> {
    let ops = fields(definition).into_iter().filter(|(number, _)| *number == 1);
    let mut ops: Vec<&[u8]> = ops.map(|(_, op)| payload(op)).collect();
    ops.pop();
    let mut renamed: HashMap<String, String> = HashMap::new();
    let mut digests = Vec::new();
    for op in ops {
        let old = old(op, platform, &renamed);
        digests.push(layout::digest(&old));
        renamed.insert(layout::digest(op), layout::digest(&old));
    }
    digests
}

/// `linux/ARCHITECTURE` as an op's platform.
pub fn linux(architecture: &str) -> Vec<u8> {
    [text(1, architecture), text(2, "linux")].concat()
}

fn old(op: &[u8], platform: &[u8], renamed: &HashMap<String, String>) -> Vec<u8> {
    let mut parts: Vec<(u64, Vec<u8>)> = Vec::new();
    for (number, field) in fields(op) {
        let field = match number {
            INPUTS => input(payload(field), renamed),
            EXEC => bytes(EXEC, &exec(payload(field))),
            _ => field.to_vec(),
        };
        if number == FILE {
            parts.push((PLATFORM, bytes(PLATFORM, platform)));
        }
        parts.push((number, field));
    }
    parts.sort_by_key(|(number, _)| *number);
    parts.into_iter().flat_map(|(_, field)| field).collect()
}

fn exec(exec: &[u8]) -> Vec<u8> {
    let change = |(number, field): (u64, &[u8])| match number {
        META => bytes(META, &without(payload(field), REMOVE_MOUNT_STUBS_RECURSIVE)),
        MOUNT if fields(payload(field)).iter().any(|(number, _)| *number == SECRET) => {
            bytes(MOUNT, &without(payload(field), MOUNT_INPUT))
        }
        _ => field.to_vec(),
    };
    fields(exec).into_iter().flat_map(change).collect()
}

/// A message without one of its fields.
fn without(message: &[u8], unwanted: u64) -> Vec<u8> {
    let kept = fields(message)
        .into_iter()
        .filter(|(number, _)| *number != unwanted);
    kept.flat_map(|(_, field)| field.to_vec()).collect()
}

/// An input with the digest that the op has now.
fn input(input: &[u8], renamed: &HashMap<String, String>) -> Vec<u8> {
    let mut out = Vec::new();
    for (number, field) in fields(input) {
        match number {
            1 => {
                let digest = std::str::from_utf8(payload(field)).unwrap();
                out.extend(text(1, &renamed[digest]));
            }
            _ => out.extend_from_slice(field),
        }
    }
    bytes(INPUTS, &out)
}

/// The fields of a message, each with its tag.
pub fn fields(message: &[u8]) -> Vec<(u64, &[u8])> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < message.len() {
        let (tag, mut end) = varint(message, at);
        match tag & 7 {
            0 => end = varint(message, end).1,
            2 => {
                let (length, start) = varint(message, end);
                end = start + length as usize;
            }
            other => panic!("a field of wire type {other}"),
        }
        found.push((tag >> 3, &message[at..end]));
        at = end;
    }
    found
}

/// What a field of bytes holds.
pub fn payload(field: &[u8]) -> &[u8] {
    let (_, length) = varint(field, 0);
    let (_, start) = varint(field, length);
    &field[start..]
}

fn varint(data: &[u8], mut at: usize) -> (u64, usize) {
    let mut value = 0;
    for shift in (0..).step_by(7) {
        value |= u64::from(data[at] & 0x7f) << shift;
        at += 1;
        if data[at - 1] < 0x80 {
            break;
        }
    }
    (value, at)
}

fn text(number: u64, text: &str) -> Vec<u8> {
    bytes(number, text.as_bytes())
}

fn bytes(number: u64, data: &[u8]) -> Vec<u8> {
    let mut out = vec![(number << 3 | 2) as u8];
    let mut length = data.len();
    while length >= 0x80 {
        out.push(length as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
    out.extend_from_slice(data);
    out
}
