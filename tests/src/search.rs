//! Looks for a value in everything that a build leaves: names, contents, compressed ones and databases included.
//! Knows nothing of what the value is.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// A value that occurs nowhere by chance.
pub fn marker(name: &str) -> String {
    let mut random = [0u8; 16];
    fs::File::open("/dev/urandom")
        .unwrap()
        .read_exact(&mut random)
        .unwrap();
    format!("{name}-{}", hex(&random))
}

/// Bytes as digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Ways in which a value could be written down.
fn forms(value: &str) -> Vec<Vec<u8>> {
    let utf16 = value.encode_utf16().flat_map(u16::to_le_bytes).collect();
    vec![
        value.as_bytes().to_vec(),
        value.bytes().rev().collect(),
        hex(value.as_bytes()).into_bytes(),
        base64(value.as_bytes()),
        utf16,
    ]
}

/// Base64 of some bytes in full.
pub fn base64_whole(bytes: &[u8]) -> String {
    let missing = (3 - bytes.len() % 3) % 3;
    let mut padded = bytes.to_vec();
    padded.resize(bytes.len() + missing, 0);
    let mut text = String::from_utf8(base64(&padded)).unwrap();
    text.truncate(text.len() - missing);
    text + &"=".repeat(missing)
}

/// Base64 without the last characters, which depend on what follows.
fn base64(bytes: &[u8]) -> Vec<u8> {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let threes = bytes.chunks_exact(3).flat_map(|three| {
        let all = u32::from(three[0]) << 16 | u32::from(three[1]) << 8 | u32::from(three[2]);
        [18, 12, 6, 0].map(|shift| LETTERS[(all >> shift & 63) as usize])
    });
    threes.collect()
}

/// Whether bytes have a value in them, in one of the ways to write it.
pub fn holds(bytes: &[u8], value: &str) -> bool {
    forms(value)
        .iter()
        .any(|form| bytes.windows(form.len()).any(|window| window == form))
}

/// Files below a directory that hold a value in their names, contents, attributes or unpacked contents.
pub fn files_with(dir: &Path, value: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut todo = vec![dir.to_owned()];
    while let Some(dir) = todo.pop() {
        let Ok(entries) = fs::read_dir(&dir) else { continue };
        for entry in entries.flatten() {
            let path = entry.path();
            let Ok(kind) = entry.file_type() else { continue };
            let mut bytes = path.as_os_str().as_encoded_bytes().to_vec();
            if kind.is_dir() {
                todo.push(path.clone());
            } else if kind.is_symlink() {
                let target = fs::read_link(&path).unwrap_or_default();
                bytes.extend(target.as_os_str().as_encoded_bytes());
            } else if kind.is_file() {
                let content = fs::read(&path).unwrap_or_default();
                let mut plain = Vec::new();
                if content.starts_with(&[0x1f, 0x8b]) {
                    let _ = flate2::read::MultiGzDecoder::new(&content[..]).read_to_end(&mut plain);
                }
                bytes.extend(content);
                bytes.extend(plain);
            }
            if holds(&bytes, value) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}
