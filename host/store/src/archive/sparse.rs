//! Which parts of a sparse file are in an archive, in the four ways that GNU tar has written it down
//! (GNU tar manual, "Storing Sparse Files").
//! Knows nothing of the rest of a header.

use super::field::{self, Block};

/// More parts than this are taken for an attack.
const MAX_EXTENTS: usize = 1 << 20;

/// A part of a sparse file that is in the archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// Where it starts in the file.
    pub offset: u64,
    /// Its length.
    pub length: u64,
}

/// What PAX records say of a sparse file.
#[derive(Debug, Default)]
pub(super) struct SparseRecords {
    pub(super) major: Option<u64>,
    pub(super) name: Option<Vec<u8>>,
    pub(super) real_size: Option<u64>,
    pub(super) map: Option<Vec<u8>>,
    /// Version 0.0: offset and length, each in a record of its own.
    pub(super) numbers: Vec<u64>,
}

/// Where the list of parts is.
pub(super) enum MapPlace {
    /// Here it is.
    Known(Vec<Extent>),
    /// At the start of the data.
    InData,
}

impl SparseRecords {
    /// Finds the list of parts; none: the file is not sparse. `Err`: it is malformed.
    pub(super) fn place(&self) -> Result<Option<MapPlace>, ()> {
        if self.major == Some(1) {
            return Ok(Some(MapPlace::InData));
        }
        let numbers = match &self.map {
            Some(map) => map
                .split(|b| *b == b',')
                .map(decimal)
                .collect::<Option<Vec<u64>>>()
                .ok_or(())?,
            None if self.numbers.is_empty() && self.real_size.is_none() => return Ok(None),
            None => self.numbers.clone(),
        };
        pairs(&numbers).map(|extents| Some(MapPlace::Known(extents)))
    }
}

/// The numbers of a list, two by two.
fn pairs(numbers: &[u64]) -> Result<Vec<Extent>, ()> {
    if !numbers.len().is_multiple_of(2) || numbers.len() / 2 > MAX_EXTENTS {
        return Err(());
    }
    Ok(numbers
        .chunks_exact(2)
        .map(|pair| Extent {
            offset: pair[0],
            length: pair[1],
        })
        .collect())
}

/// A decimal number.
pub(super) fn decimal(text: &[u8]) -> Option<u64> {
    let plain = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(text).ok().filter(|_| plain)?.parse().ok()
}

/// Reads the parts that a header or extension block of GNU's old format lists, up to the first empty one.
pub(super) fn old_extents(field: &[u8], extents: &mut Vec<Extent>) -> Result<(), ()> {
    for pair in field.chunks_exact(24) {
        if pair[0] == 0 {
            break;
        }
        let number = |bytes| field::number(bytes).and_then(|n| u64::try_from(n).ok()).ok_or(());
        extents.push(Extent {
            offset: number(&pair[..12])?,
            length: number(&pair[12..])?,
        });
    }
    if extents.len() > MAX_EXTENTS {
        Err(())
    } else {
        Ok(())
    }
}

/// Whether a block of the old format says that another one follows.
pub(super) fn continues(block: &Block, place: usize) -> bool {
    block[place] != 0 && block[place] != b'0'
}

/// Reads the list at the start of the data (version 1.0) a block at a time.
#[derive(Default)]
pub(super) struct MapReader {
    count: Option<u64>,
    numbers: Vec<u64>,
    /// A number that the last block ended in.
    rest: Vec<u8>,
}

impl MapReader {
    /// Takes a block. Returns the parts once the list is whole.
    pub(super) fn take(&mut self, block: &Block) -> Result<Option<Vec<Extent>>, ()> {
        for byte in block {
            if *byte != b'\n' {
                self.rest.push(*byte);
                if self.rest.len() > 20 {
                    return Err(());
                }
                continue;
            }
            let number = decimal(&self.rest).ok_or(())?;
            self.rest.clear();
            match self.count {
                None if number > MAX_EXTENTS as u64 => return Err(()),
                None => self.count = Some(number),
                Some(_) => self.numbers.push(number),
            }
            if self
                .count
                .is_some_and(|count| self.numbers.len() as u64 == count * 2)
            {
                return pairs(&self.numbers).map(Some);
            }
        }
        Ok(None)
    }
}

/// Whether the parts are in order, inside the file, and as long as the data in the archive.
pub(super) fn is_sound(extents: &[Extent], size: u64, stored: u64) -> bool {
    let mut end = 0u64;
    let mut total = 0u64;
    for extent in extents {
        let Some(next) = extent.offset.checked_add(extent.length) else {
            return false;
        };
        if extent.offset < end || next > size {
            return false;
        }
        end = next;
        total += extent.length;
    }
    total == stored
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn soundness() {
        let extents = |list: &[(u64, u64)]| -> Vec<Extent> {
            list.iter()
                .map(|(offset, length)| Extent {
                    offset: *offset,
                    length: *length,
                })
                .collect()
        };
        assert!(is_sound(&extents(&[]), 100, 0));
        assert!(is_sound(&extents(&[(0, 5), (10, 5), (100, 0)]), 100, 10));
        for (list, size, stored) in [
            (&[(0, 5)][..], 4, 5),
            (&[(0, 5)], 5, 4),
            (&[(5, 5), (0, 5)], 10, 10),
            (&[(0, 5), (4, 5)], 10, 10),
            (&[(u64::MAX, 2)], u64::MAX, 2),
        ] {
            assert!(!is_sound(&extents(list), size, stored), "{list:?}");
        }
    }

    #[test]
    fn lists_in_data() {
        let mut block = [0; super::super::BLOCK];
        block[..11].copy_from_slice(b"2\n0\n5\n10\n7\n");
        let extents = MapReader::default().take(&block).unwrap().unwrap();
        assert_eq!(
            extents,
            [
                Extent { offset: 0, length: 5 },
                Extent {
                    offset: 10,
                    length: 7
                }
            ]
        );
        block[..4].copy_from_slice(b"x\n0\n");
        assert!(MapReader::default().take(&block).is_err());
        block.fill(b'1');
        assert!(MapReader::default().take(&block).is_err());
        block[..9].copy_from_slice(b"99999999\n");
        assert!(MapReader::default().take(&block).is_err());
    }
}
