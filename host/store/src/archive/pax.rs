//! PAX extended headers: records of a key and a value that replace a header's fields (POSIX.1-2017, pax, "pax Extended
//! Header"), with the extended attributes of star and the sparse files of GNU tar.
//! Knows nothing of header blocks.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use lapstrake_llb::Timestamp;

use super::member::Member;
use super::sparse::{SparseRecords, decimal};

/// Stands before the name of an extended attribute.
const XATTR: &[u8] = b"SCHILY.xattr.";

/// What the records before a member say.
#[derive(Debug, Default)]
pub(super) struct Records {
    pub(super) path: Option<PathBuf>,
    pub(super) link: Option<PathBuf>,
    pub(super) size: Option<u64>,
    pub(super) uid: Option<u32>,
    pub(super) gid: Option<u32>,
    pub(super) mtime: Option<Timestamp>,
    pub(super) xattrs: BTreeMap<OsString, Vec<u8>>,
    pub(super) sparse: SparseRecords,
}

impl Records {
    /// Reads the data of an extended header. `Err`: it is malformed.
    pub(super) fn read(&mut self, mut data: &[u8]) -> Result<(), ()> {
        while !data.is_empty() {
            let space = data.iter().take(20).position(|b| *b == b' ').ok_or(())?;
            let length = decimal(&data[..space])
                .and_then(|n| usize::try_from(n).ok())
                .ok_or(())?;
            if length <= space + 1 || length > data.len() || data[length - 1] != b'\n' {
                return Err(());
            }
            let record = &data[space + 1..length - 1];
            let equals = record.iter().position(|b| *b == b'=').ok_or(())?;
            self.record(&record[..equals], &record[equals + 1..])?;
            data = &data[length..];
        }
        Ok(())
    }

    /// An empty value takes back what an earlier record said.
    fn record(&mut self, key: &[u8], value: &[u8]) -> Result<(), ()> {
        let given = !value.is_empty();
        let number = || {
            if given {
                decimal(value).map(Some).ok_or(())
            } else {
                Ok(None)
            }
        };
        let id = || number()?.map(|n| u32::try_from(n).map_err(|_| ())).transpose();
        let path = || -> Result<Option<PathBuf>, ()> {
            if value.contains(&0) {
                return Err(());
            }
            Ok(given.then(|| PathBuf::from(OsString::from_vec(value.to_vec()))))
        };
        match key {
            b"path" => self.path = path()?,
            b"linkpath" => self.link = path()?,
            b"size" => self.size = number()?,
            b"uid" => self.uid = id()?,
            b"gid" => self.gid = id()?,
            b"mtime" => {
                self.mtime = if given {
                    Some(parse_time(value).ok_or(())?)
                } else {
                    None
                }
            }
            b"GNU.sparse.major" => self.sparse.major = number()?,
            b"GNU.sparse.name" => self.sparse.name = given.then(|| value.to_vec()),
            b"GNU.sparse.size" | b"GNU.sparse.realsize" => self.sparse.real_size = number()?,
            b"GNU.sparse.map" => self.sparse.map = given.then(|| value.to_vec()),
            b"GNU.sparse.offset" | b"GNU.sparse.numbytes" => self.sparse.numbers.extend(number()?),
            _ => {
                if let Some(name) = key.strip_prefix(XATTR)
                    && !name.is_empty()
                    && !name.contains(&0)
                {
                    self.xattrs
                        .insert(OsStr::from_bytes(name).to_owned(), value.to_vec());
                }
            }
        }
        Ok(())
    }
}

/// Records to be written.
#[derive(Debug, Default)]
pub(super) struct RecordWriter(Vec<(Vec<u8>, Vec<u8>)>);

impl RecordWriter {
    pub(super) fn add(&mut self, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) {
        self.0.push((key.into(), value.into()));
    }

    pub(super) fn add_xattrs(&mut self, member: &Member) {
        for (name, value) in &member.xattrs {
            // There is no way to write such a name.
            if !name.as_bytes().contains(&b'=') {
                self.add([XATTR, name.as_bytes()].concat(), value.as_slice());
            }
        }
    }

    /// The data of the extended header; none: no records.
    pub(super) fn finish(mut self) -> Option<Vec<u8>> {
        self.0.sort();
        let mut data = Vec::new();
        for (key, value) in &self.0 {
            // The length counts its own digits.
            let rest = key.len() + value.len() + 3;
            let mut length = rest + 1;
            while length != rest + length.to_string().len() {
                length = rest + length.to_string().len();
            }
            data.extend_from_slice(length.to_string().as_bytes());
            data.push(b' ');
            data.extend_from_slice(key);
            data.push(b'=');
            data.extend_from_slice(value);
            data.push(b'\n');
        }
        (!data.is_empty()).then_some(data)
    }
}

/// Seconds with a fraction, possibly negative.
fn parse_time(text: &[u8]) -> Option<Timestamp> {
    let (negative, text) = match text.strip_prefix(b"-") {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let mut parts = text.splitn(2, |b| *b == b'.');
    let seconds = i64::try_from(decimal(parts.next()?)?).ok()?;
    let fraction = parts.next().unwrap_or_default();
    if !fraction.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let digits = fraction.iter().chain(std::iter::repeat(&b'0')).take(9);
    let nanoseconds = digits.fold(0u32, |n, digit| n * 10 + u32::from(digit - b'0'));
    Some(match (negative, nanoseconds) {
        (false, _) => Timestamp { seconds, nanoseconds },
        (true, 0) => Timestamp {
            seconds: -seconds,
            nanoseconds,
        },
        (true, _) => Timestamp {
            seconds: -seconds - 1,
            nanoseconds: 1_000_000_000 - nanoseconds,
        },
    })
}

/// The text of a time as [`parse_time`] reads it.
pub(super) fn format_time(time: Timestamp) -> String {
    if time.nanoseconds == 0 {
        return time.seconds.to_string();
    }
    let (sign, seconds, nanoseconds) = match time.seconds {
        0.. => ("", time.seconds.unsigned_abs(), time.nanoseconds),
        _ => (
            "-",
            time.seconds.unsigned_abs() - 1,
            1_000_000_000 - time.nanoseconds,
        ),
    };
    let text = format!("{sign}{seconds}.{nanoseconds:09}");
    text.trim_end_matches('0').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(seconds: i64, nanoseconds: u32) -> Timestamp {
        Timestamp { seconds, nanoseconds }
    }

    #[test]
    fn times() {
        for (text, expected) in [
            ("0", time(0, 0)),
            ("1600000000.5", time(1_600_000_000, 500_000_000)),
            ("1.123456789", time(1, 123_456_789)),
            ("-1", time(-1, 0)),
            ("-1.5", time(-2, 500_000_000)),
            ("-0.25", time(-1, 750_000_000)),
        ] {
            assert_eq!(parse_time(text.as_bytes()), Some(expected), "{text}");
            assert_eq!(format_time(expected), text);
        }
        assert_eq!(parse_time(b"1.1234567899"), Some(time(1, 123_456_789)));
        for bad in ["", "-", "x", "1.x", ".5", "1e3", "99999999999999999999"] {
            assert_eq!(parse_time(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn records() {
        let mut records = Records::default();
        records
            .read(b"6 a=b\n12 path=abc\n11 uid=1000\n23 SCHILY.xattr.user.k=\n")
            .unwrap_err();
        let mut records = Records::default();
        records
            .read(b"6 a=b\n12 path=abc\n12 uid=1000\n24 SCHILY.xattr.user.k=\n10 uid=\n")
            .unwrap_err();
        let mut writer = RecordWriter::default();
        writer.add("path", "abc");
        writer.add("uid", "1000");
        writer.add("SCHILY.xattr.user.k", vec![b'\n', 0, b'=']);
        writer.add("comment", "x".repeat(90));
        let data = writer.finish().unwrap();
        let mut records = Records::default();
        records.read(&data).unwrap();
        assert_eq!(records.path, Some("abc".into()));
        assert_eq!(records.uid, Some(1000));
        assert_eq!(records.xattrs, [("user.k".into(), vec![b'\n', 0, b'='])].into());
        records.read(b"7 uid=\n").unwrap();
        assert_eq!(records.uid, None, "an empty value takes back");
        assert_eq!(RecordWriter::default().finish(), None);
    }

    #[test]
    fn lengths_count_their_own_digits() {
        for length in [1, 2, 3, 4, 5, 6, 90, 91, 92, 93, 94, 989, 990, 991, 992, 993, 994] {
            let mut writer = RecordWriter::default();
            writer.add("k", "v".repeat(length));
            let data = writer.finish().unwrap();
            let written = data.split(|b| *b == b' ').next().unwrap();
            assert_eq!(decimal(written), Some(data.len() as u64), "{length}");
        }
    }

    #[test]
    fn malformed_records() {
        for data in [
            &b"x"[..],
            b"5 a=b\n",
            b"7 a=b\n",
            b"6 a=bx",
            b"6 ab_\n",
            b"0 a=b\n",
            b"99999999999999999999 a=b\n",
            b"12 path=a\0c\n",
            b"9 uid=x1\n",
            b"18 uid=4294967296\n",
            b"-6 a=b\n",
        ] {
            assert!(
                Records::default().read(data).is_err(),
                "{:?}",
                String::from_utf8_lossy(data)
            );
        }
    }
}
