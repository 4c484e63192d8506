//! What makes two vertices one: op, platform and constraints, as in BuildKit's vertex digest.
//! The hash only finds candidates and never leaves the graph. Knows nothing of edges.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hash, Hasher};

use crate::types::Vertex;

/// Hashes what makes a vertex equal to another, the same way on every machine and in every run.
pub(super) fn of_identity(vertex: &Vertex) -> u64 {
    let mut hasher = Multiplying::default();
    (&vertex.op, &vertex.platform, &vertex.constraints).hash(&mut hasher);
    hasher.finish()
}

/// Whether two vertices do the same.
pub(super) fn same_identity(a: &Vertex, b: &Vertex) -> bool {
    (&a.op, &a.platform, &a.constraints) == (&b.op, &b.platform, &b.constraints)
}

/// Multiply and rotate, eight bytes at a time: small code, and fast enough for texts of any length.
#[derive(Clone, Default)]
pub(super) struct Multiplying(u64);

impl Multiplying {
    fn word(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }
}

impl Hasher for Multiplying {
    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 32)
    }

    fn write(&mut self, bytes: &[u8]) {
        let mut words = bytes.chunks_exact(8);
        for word in &mut words {
            let mut buffer = [0; 8];
            buffer.copy_from_slice(word);
            self.word(u64::from_le_bytes(buffer));
        }
        let mut buffer = [0; 8];
        buffer[..words.remainder().len()].copy_from_slice(words.remainder());
        self.word(u64::from_le_bytes(buffer));
    }

    fn write_u8(&mut self, value: u8) {
        self.word(u64::from(value));
    }

    fn write_u32(&mut self, value: u32) {
        self.word(u64::from(value));
    }

    fn write_u64(&mut self, value: u64) {
        self.word(value);
    }

    fn write_usize(&mut self, value: usize) {
        self.word(value as u64);
    }

    fn write_isize(&mut self, value: isize) {
        self.word(value as u64);
    }
}

/// Maps from such a hash.
pub(super) type ByHash<T> = HashMap<u64, T, BuildHasherDefault<Multiplying>>;
