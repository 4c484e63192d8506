//! The fields of a tar header block: where they are, and numbers and texts in them (POSIX.1-2017, pax, "ustar
//! Interchange Format"; GNU's binary numbers).
//! Knows nothing of what a member is.

use std::ops::Range;

use super::BLOCK;

pub(super) type Block = [u8; BLOCK];
pub(super) type Field = Range<usize>;

pub(super) const NAME: Field = 0..100;
pub(super) const MODE: Field = 100..108;
pub(super) const UID: Field = 108..116;
pub(super) const GID: Field = 116..124;
pub(super) const SIZE: Field = 124..136;
pub(super) const MTIME: Field = 136..148;
pub(super) const CHECKSUM: Field = 148..156;
pub(super) const TYPEFLAG: usize = 156;
pub(super) const LINK: Field = 157..257;
pub(super) const MAGIC: Field = 257..265;
pub(super) const DEV_MAJOR: Field = 329..337;
pub(super) const DEV_MINOR: Field = 337..345;
pub(super) const PREFIX: Field = 345..500;
/// GNU's old sparse headers.
pub(super) const SPARSE: Field = 386..482;
pub(super) const SPARSE_CONTINUES: usize = 482;
pub(super) const SPARSE_SIZE: Field = 483..495;
pub(super) const SPARSE_EXTENSION: Field = 0..504;
pub(super) const SPARSE_EXTENSION_CONTINUES: usize = 504;

pub(super) const POSIX_MAGIC: &[u8; 8] = b"ustar\x0000";

/// A text: up to the first NUL.
pub(super) fn text(field: &[u8]) -> &[u8] {
    field.split(|b| *b == 0).next().unwrap_or_default()
}

/// A number in octal, or binary where its first bit is set. None: it is malformed.
pub(super) fn number(field: &[u8]) -> Option<i64> {
    let first = *field.first()?;
    if first & 0x80 != 0 {
        // Two's complement, big endian; the first bit only says so.
        let negative = first & 0x40 != 0;
        let mut value: i64 = if negative { -1 } else { 0 };
        for (index, byte) in field.iter().enumerate() {
            let byte = match (index, negative) {
                (0, false) => byte & 0x7f,
                _ => *byte,
            };
            value = value.checked_mul(256)? | i64::from(byte);
        }
        return Some(value);
    }
    let digits = text(field).trim_ascii();
    let mut value: i64 = 0;
    for digit in digits {
        let digit = digit.checked_sub(b'0').filter(|d| *d < 8)?;
        value = value.checked_mul(8)?.checked_add(digit.into())?;
    }
    Some(value)
}

/// Writes a number in octal with a NUL behind it. False: it does not fit, and the field is 0.
pub(super) fn put_number(block: &mut Block, field: Field, value: i64) -> bool {
    let digits = field.len() - 1;
    let fits = value >= 0 && (value as u64) < 1u64 << (3 * digits);
    let text = format!("{:0digits$o}\0", if fits { value } else { 0 });
    block[field].copy_from_slice(text.as_bytes());
    fits
}

/// Writes as much of a text as fits.
pub(super) fn put_text(block: &mut Block, field: Field, text: &[u8]) {
    let length = text.len().min(field.len());
    block[field.start..field.start + length].copy_from_slice(&text[..length]);
}

/// Writes the checksum. All other fields MUST be there.
pub(super) fn put_checksum(block: &mut Block) {
    block[CHECKSUM].fill(b' ');
    let sum: u32 = block.iter().map(|b| u32::from(*b)).sum();
    let text = format!("{sum:06o}\0 ");
    block[CHECKSUM].copy_from_slice(text.as_bytes());
}

/// Whether the checksum is right. Some old programs added signed bytes.
pub(super) fn checksum_is_right(block: &Block) -> bool {
    let bytes = || {
        block
            .iter()
            .enumerate()
            .map(|(i, b)| if CHECKSUM.contains(&i) { b' ' } else { *b })
    };
    let unsigned: i64 = bytes().map(i64::from).sum();
    let signed: i64 = bytes().map(|b| i64::from(b as i8)).sum();
    number(&block[CHECKSUM]).is_some_and(|sum| sum == unsigned || sum == signed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        for (field, value) in [
            (&b"0000644\0"[..], Some(0o644)),
            (b"    644 ", Some(0o644)),
            (b"644 \0   ", Some(0o644)),
            (b"\0\0\0\0\0\0\0\0", Some(0)),
            (b"        ", Some(0)),
            (b"0000648\0", None),
            (b"-000001\0", None),
            (&[0x80, 0, 0, 0, 0, 0, 1, 0], Some(256)),
            (&[0xff; 12], Some(-1)),
            (&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe], Some(-2)),
            (
                &[0x80, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
                None,
            ),
            (
                &[0x80, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
                Some(i64::MAX),
            ),
        ] {
            assert_eq!(number(field), value, "{field:?}");
        }
    }

    #[test]
    fn numbers_are_written_where_they_fit() {
        for (value, fits) in [(0, true), (0o7777777, true), (0o10000000, false), (-1, false)] {
            let mut block = [0; BLOCK];
            assert_eq!(put_number(&mut block, UID, value), fits);
            assert_eq!(number(&block[UID]), Some(if fits { value } else { 0 }));
        }
    }

    #[test]
    fn checksums() {
        let mut block = [0xe9; BLOCK];
        put_checksum(&mut block);
        assert!(checksum_is_right(&block));
        block[0] ^= 1;
        assert!(!checksum_is_right(&block));
    }
}
