//! Archives that people have: whatever tar makes of them, bzip2 and xz too, which layers are never in.
//! Knows nothing of archives but how they begin.

use std::io::{self, BufReader, Chain, Cursor, Read};

use super::Reader;

/// Most memory that an archive may make its reader use, KiB: more than any preset of xz asks for.
const XZ_MEMORY: u32 = 1 << 20;

type Whole<R> = BufReader<Chain<Cursor<Vec<u8>>, R>>;

/// Decompresses what it reads.
pub struct AnyReader<R: Read>(Kind<R>);

enum Kind<R: Read> {
    OfLayers(Box<Reader<Whole<R>>>),
    Bzip2(Box<bzip2::bufread::MultiBzDecoder<Whole<R>>>),
    Xz(Box<lzma_rust2::XzReader<Whole<R>>>),
}

/// Makes a reader that finds out how `inner` is compressed and decompresses it. What is not compressed in a known way is
/// read as it is.
///
/// # Errors
/// What `inner` gives.
pub fn any_reader<R: Read>(mut inner: R) -> io::Result<AnyReader<R>> {
    let mut start = Vec::with_capacity(8);
    (&mut inner).take(8).read_to_end(&mut start)?;
    let head = start.clone();
    let whole = BufReader::with_capacity(128 << 10, Cursor::new(start).chain(inner));
    Ok(AnyReader(if head.starts_with(b"BZh") {
        Kind::Bzip2(Box::new(bzip2::bufread::MultiBzDecoder::new(whole)))
    } else if head.starts_with(&[0xfd, b'7', b'z', b'X', b'Z', 0]) {
        Kind::Xz(Box::new(lzma_rust2::XzReader::new_mem_limit(
            whole, true, XZ_MEMORY,
        )))
    } else {
        Kind::OfLayers(Box::new(super::reader(whole)?))
    }))
}

impl<R: Read> Read for AnyReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.0 {
            Kind::OfLayers(reader) => reader.read(buffer),
            Kind::Bzip2(decoder) => decoder.read(buffer),
            Kind::Xz(decoder) => decoder.read(buffer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `hello\n`, as `bzip2 -c` and `xz -c` have it.
    const BZIP2: &[u8] = &[
        0x42, 0x5a, 0x68, 0x39, 0x31, 0x41, 0x59, 0x26, 0x53, 0x59, 0xc1, 0xc0, 0x80, 0xe2, 0x00, 0x00, 0x01,
        0x41, 0x00, 0x00, 0x10, 0x02, 0x44, 0xa0, 0x00, 0x30, 0xcd, 0x00, 0xc3, 0x46, 0x29, 0x97, 0x17, 0x72,
        0x45, 0x38, 0x50, 0x90, 0xc1, 0xc0, 0x80, 0xe2,
    ];
    const XZ: &[u8] = &[
        0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00, 0x00, 0x04, 0xe6, 0xd6, 0xb4, 0x46, 0x02, 0x00, 0x21, 0x01, 0x16,
        0x00, 0x00, 0x00, 0x74, 0x2f, 0xe5, 0xa3, 0x01, 0x00, 0x05, 0x68, 0x65, 0x6c, 0x6c, 0x6f, 0x0a, 0x00,
        0x00, 0x00, 0xa5, 0x60, 0x97, 0xf1, 0x94, 0xf6, 0xfd, 0xe0, 0x00, 0x01, 0x1e, 0x06, 0xc1, 0x2f, 0xa4,
        0x1d, 0x1f, 0xb6, 0xf3, 0x7d, 0x01, 0x00, 0x00, 0x00, 0x00, 0x04, 0x59, 0x5a,
    ];

    fn read(data: &[u8]) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        any_reader(data)?.read_to_end(&mut out)?;
        Ok(out)
    }

    #[test]
    fn every_form_is_read() {
        for data in [BZIP2, XZ] {
            assert_eq!(read(data).unwrap(), b"hello\n");
            // Several streams in a row are one content.
            assert_eq!(read(&[data, data].concat()).unwrap(), b"hello\nhello\n");
        }
        assert_eq!(read(b"plain").unwrap(), b"plain");
        assert_eq!(read(b"").unwrap(), b"");
        assert_eq!(
            read(&zstd::encode_all(&b"hello"[..], 3).unwrap()).unwrap(),
            b"hello"
        );
    }

    #[test]
    fn damage_is_found() {
        for data in [BZIP2, XZ] {
            assert!(read(&data[..data.len() - 6]).is_err());
            let mut bad = data.to_vec();
            bad[20] ^= 0x40;
            assert!(read(&bad).is_err());
        }
    }
}
