//! Compression of layer archives: gzip, zstd or none. Readers find out by themselves which one they read.
//!
//! What a writer makes depends on its input and level only, never on the machine or the number of threads.
//! Knows nothing of archives.

mod any;
mod gzip;

use std::io::{self, BufReader, Chain, Cursor, Read, Write};

use serde::{Deserialize, Serialize};

pub use any::{AnyReader, any_reader};

/// How an archive is compressed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Compression {
    /// Not at all.
    None,
    /// RFC 1952.
    #[default]
    Gzip,
    /// RFC 8878.
    Zstd,
}

/// The first bytes of formats that layers and archives come in.
const MAGIC: [(&[u8], Format); 4] = [
    (&[0x1f, 0x8b], Format::Known(Compression::Gzip)),
    (&[0x28, 0xb5, 0x2f, 0xfd], Format::Known(Compression::Zstd)),
    (b"BZh", Format::Unknown("bzip2")),
    (&[0xfd, b'7', b'z', b'X', b'Z', 0], Format::Unknown("xz")),
];

#[derive(Clone, Copy)]
enum Format {
    Known(Compression),
    Unknown(&'static str),
}

/// Content is compressed in a way that this program does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} compression is not supported; gzip and zstd are")]
pub struct UnsupportedCompression(pub &'static str);

impl Compression {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::None, Self::Gzip, Self::Zstd];

    /// `none`, `gzip` or `zstd`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }

    /// The compression of a name that [`Compression::name`] gives.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.name() == name)
    }

    /// The levels that a writer takes.
    pub const fn levels(self) -> std::ops::RangeInclusive<i32> {
        match self {
            Self::None => 0..=0,
            Self::Gzip => 0..=9,
            Self::Zstd => 1..=22,
        }
    }

    /// The level of a writer that is given none.
    pub const fn default_level(self) -> i32 {
        match self {
            Self::None => 0,
            Self::Gzip => 6,
            Self::Zstd => 3,
        }
    }

    /// Tells from the first bytes how content is compressed. Anything unknown is taken for uncompressed.
    pub fn sniff(start: &[u8]) -> Result<Self, UnsupportedCompression> {
        match MAGIC.iter().find(|(magic, _)| start.starts_with(magic)) {
            Some((_, Format::Known(compression))) => Ok(*compression),
            Some((_, Format::Unknown(name))) => Err(UnsupportedCompression(name)),
            None => Ok(Self::None),
        }
    }
}

/// Compresses what is written to it. [`Writer::finish`] MUST be called, else the end is missing.
pub struct Writer<W: Write>(WriterKind<W>);

enum WriterKind<W: Write> {
    None(W),
    Gzip(Box<gzip::Writer<W>>),
    Zstd(Box<zstd::stream::write::Encoder<'static, W>>),
}

/// Makes a writer that compresses into `inner`. A level outside of [`Compression::levels`] is moved to the nearest.
pub fn writer<W: Write>(inner: W, compression: Compression, level: Option<i32>) -> io::Result<Writer<W>> {
    let levels = compression.levels();
    let level = level
        .unwrap_or(compression.default_level())
        .clamp(*levels.start(), *levels.end());
    Ok(Writer(match compression {
        Compression::None => WriterKind::None(inner),
        Compression::Gzip => WriterKind::Gzip(Box::new(gzip::Writer::new(inner, level.unsigned_abs()))),
        Compression::Zstd => {
            let mut encoder = zstd::stream::write::Encoder::new(inner, level)?;
            encoder.include_checksum(true)?;
            WriterKind::Zstd(Box::new(encoder))
        }
    }))
}

impl<W: Write> Writer<W> {
    /// Writes the end of the compressed stream and gives the inner writer back.
    pub fn finish(self) -> io::Result<W> {
        match self.0 {
            WriterKind::None(inner) => Ok(inner),
            WriterKind::Gzip(writer) => writer.finish(),
            WriterKind::Zstd(encoder) => encoder.finish(),
        }
    }
}

impl<W: Write> Write for Writer<W> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        match &mut self.0 {
            WriterKind::None(inner) => inner.write(data),
            WriterKind::Gzip(writer) => writer.write(data),
            WriterKind::Zstd(encoder) => encoder.write(data),
        }
    }

    /// Flushes the inner writer only: a flush of the compressor would change what it makes.
    fn flush(&mut self) -> io::Result<()> {
        match &mut self.0 {
            WriterKind::None(inner) => inner.flush(),
            WriterKind::Gzip(writer) => writer.flush(),
            WriterKind::Zstd(encoder) => encoder.get_mut().flush(),
        }
    }
}

type Sniffed<R> = Chain<Cursor<Vec<u8>>, R>;

/// Decompresses what it reads.
pub struct Reader<R: Read>(ReaderKind<R>);

enum ReaderKind<R: Read> {
    None(Sniffed<R>),
    Gzip(Box<flate2::bufread::MultiGzDecoder<BufReader<Sniffed<R>>>>),
    Zstd(Box<zstd::stream::read::Decoder<'static, BufReader<Sniffed<R>>>>),
}

/// Makes a reader that finds out how `inner` is compressed and decompresses it.
///
/// # Errors
/// What `inner` gives, and [`UnsupportedCompression`] inside an `Unsupported` error.
pub fn reader<R: Read>(mut inner: R) -> io::Result<Reader<R>> {
    let mut start = Vec::with_capacity(8);
    (&mut inner).take(8).read_to_end(&mut start)?;
    let compression =
        Compression::sniff(&start).map_err(|e| io::Error::new(io::ErrorKind::Unsupported, e))?;
    let whole = Cursor::new(start).chain(inner);
    let buffered = |whole| BufReader::with_capacity(128 << 10, whole);
    Ok(Reader(match compression {
        Compression::None => ReaderKind::None(whole),
        Compression::Gzip => {
            ReaderKind::Gzip(Box::new(flate2::bufread::MultiGzDecoder::new(buffered(whole))))
        }
        Compression::Zstd => ReaderKind::Zstd(Box::new(zstd::stream::read::Decoder::with_buffer(buffered(
            whole,
        ))?)),
    }))
}

impl<R: Read> Reader<R> {
    /// What the content turned out to be.
    pub fn compression(&self) -> Compression {
        match &self.0 {
            ReaderKind::None(_) => Compression::None,
            ReaderKind::Gzip(_) => Compression::Gzip,
            ReaderKind::Zstd(_) => Compression::Zstd,
        }
    }
}

impl<R: Read> Read for Reader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.0 {
            ReaderKind::None(inner) => inner.read(buffer),
            ReaderKind::Gzip(decoder) => decoder.read(buffer),
            ReaderKind::Zstd(decoder) => decoder.read(buffer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes that compress, but not to nothing.
    fn sample(length: usize) -> Vec<u8> {
        let mut state = 1u32;
        (0..length)
            .map(|i| {
                state = state.wrapping_mul(1664525).wrapping_add(1013904223);
                if i % 7 < 4 {
                    b"layer"[i % 5]
                } else {
                    (state >> 24) as u8 & 0x1f
                }
            })
            .collect()
    }

    fn compress(data: &[u8], compression: Compression, level: Option<i32>, step: usize) -> Vec<u8> {
        let mut writer = writer(Vec::new(), compression, level).unwrap();
        for part in data.chunks(step) {
            writer.write_all(part).unwrap();
        }
        writer.finish().unwrap()
    }

    fn decompress(data: &[u8]) -> io::Result<(Compression, Vec<u8>)> {
        let mut reader = reader(data)?;
        let mut out = Vec::new();
        reader.read_to_end(&mut out)?;
        Ok((reader.compression(), out))
    }

    #[test]
    fn round_trips() {
        for compression in Compression::ALL {
            for length in [0, 1, 5, 70_000, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 5_000_000] {
                let data = sample(length);
                let packed = compress(&data, compression, None, 100_000);
                if length > 8 || compression != Compression::None {
                    assert_eq!(decompress(&packed).unwrap().0, compression);
                }
                assert!(decompress(&packed).unwrap().1 == data, "{compression:?} {length}");
            }
        }
    }

    #[test]
    fn same_input_same_bytes_however_it_is_written() {
        let data = sample(3_500_000);
        for compression in Compression::ALL {
            let one = compress(&data, compression, None, data.len());
            assert!(one == compress(&data, compression, None, 4097), "{compression:?}");
            let mut flushed = writer(Vec::new(), compression, None).unwrap();
            for part in data.chunks(1 << 19) {
                flushed.write_all(part).unwrap();
                flushed.flush().unwrap();
            }
            assert!(one == flushed.finish().unwrap(), "{compression:?}");
        }
    }

    #[test]
    fn levels_matter_and_are_clamped() {
        let data = sample(300_000);
        for compression in [Compression::Gzip, Compression::Zstd] {
            let fast = compress(&data, compression, Some(1), 1 << 20);
            let best = compress(&data, compression, Some(9), 1 << 20);
            assert!(best.len() < fast.len(), "{compression:?}");
            assert!(
                decompress(&compress(&data, compression, Some(1000), 1 << 20))
                    .unwrap()
                    .1
                    == data
            );
        }
    }

    #[test]
    fn gzip_is_one_member_that_single_member_readers_take() {
        let data = sample(3_000_000);
        let packed = compress(&data, Compression::Gzip, None, 1 << 20);
        let mut out = Vec::new();
        flate2::read::GzDecoder::new(&packed[..])
            .read_to_end(&mut out)
            .unwrap();
        assert!(out == data);
        let whole = {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
            encoder.write_all(&data).unwrap();
            encoder.finish().unwrap()
        };
        assert!(
            packed.len() < whole.len() * 101 / 100,
            "{} against {}",
            packed.len(),
            whole.len()
        );
    }

    #[test]
    fn several_gzip_members_are_one_stream() {
        let mut packed = compress(b"one, ", Compression::Gzip, None, 10);
        packed.extend(compress(b"two", Compression::Gzip, None, 10));
        assert_eq!(decompress(&packed).unwrap().1, b"one, two");
    }

    #[test]
    fn damage_is_an_error() {
        let data = sample(200_000);
        for compression in [Compression::Gzip, Compression::Zstd] {
            let packed = compress(&data, compression, None, 1 << 20);
            assert!(
                decompress(&packed[..packed.len() / 2]).is_err(),
                "{compression:?}: cut"
            );
            let mut changed = packed.clone();
            let middle = changed.len() / 2;
            changed[middle] ^= 0x40;
            assert!(decompress(&changed).is_err(), "{compression:?}: changed");
        }
    }

    #[test]
    fn other_compressions_are_named() {
        for (start, name) in [(&b"BZh91AY"[..], "bzip2"), (b"\xfd7zXZ\0\0\x04", "xz")] {
            let error = decompress(start).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::Unsupported);
            assert_eq!(error.to_string(), UnsupportedCompression(name).to_string());
        }
    }

    #[test]
    fn names() {
        for one in Compression::ALL {
            assert_eq!(Compression::from_name(one.name()), Some(one));
        }
        assert_eq!(Compression::from_name("lzip"), None);
    }

    #[test]
    fn a_failing_inner_writer_is_an_error() {
        struct Full;
        impl Write for Full {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::StorageFull.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        for compression in Compression::ALL {
            let mut writer = writer(Full, compression, None).unwrap();
            let written = writer
                .write_all(&sample(8_000_000))
                .and_then(|()| writer.finish().map(drop));
            assert_eq!(
                written.unwrap_err().kind(),
                io::ErrorKind::StorageFull,
                "{compression:?}"
            );
        }
    }
}
