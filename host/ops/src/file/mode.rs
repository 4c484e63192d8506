//! Permission bits as chmod(1) takes them: octal, or symbolic clauses such as `u=rwX,go-w`.
//! Pure. A clause without `u`, `g`, `o` or `a` is for all, whatever the umask.

use lapstrake_llb::FileMode;

use super::FileError;

/// New permission bits, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Mode {
    Bits(u32),
    Clauses(Vec<Clause>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Clause {
    /// Which of 0o700, 0o070 and 0o007 it is for.
    who: u32,
    operator: u8,
    permissions: Vec<u8>,
}

impl Mode {
    /// Reads a mode.
    pub(super) fn read(mode: &FileMode) -> Result<Self, FileError> {
        match mode {
            FileMode::Octal(bits) => Ok(Self::Bits(bits & 0o7777)),
            FileMode::Symbolic(text) => {
                let clauses = text.split(',').map(clauses).collect::<Option<Vec<_>>>();
                let clauses = clauses.ok_or_else(|| FileError::BadMode { mode: text.clone() })?;
                Ok(Self::Clauses(clauses.into_iter().flatten().collect()))
            }
        }
    }

    /// The bits that a file with bits `old` gets.
    pub(super) fn apply(&self, old: u32, is_dir: bool) -> u32 {
        match self {
            Self::Bits(bits) => *bits,
            Self::Clauses(clauses) => clauses
                .iter()
                .fold(old, |bits, clause| clause.apply(bits, is_dir)),
        }
    }
}

/// One clause between commas: `who`, then one or more of operator and permissions.
fn clauses(text: &str) -> Option<Vec<Clause>> {
    let bytes = text.as_bytes();
    let end = bytes
        .iter()
        .position(|byte| !b"ugoa".contains(byte))
        .unwrap_or(bytes.len());
    let (names, mut rest) = bytes.split_at(end);
    let who = names.iter().fold(0, |who, name| {
        who | match name {
            b'u' => 0o700,
            b'g' => 0o070,
            b'o' => 0o007,
            _ => 0o777,
        }
    });
    let who = if who == 0 { 0o777 } else { who };
    let mut out = Vec::new();
    while let Some((operator, tail)) = rest.split_first() {
        if !b"+-=".contains(operator) {
            return None;
        }
        let end = tail
            .iter()
            .position(|byte| b"+-=".contains(byte))
            .unwrap_or(tail.len());
        let (permissions, next) = tail.split_at(end);
        let copies = permissions.len() == 1 && b"ugo".contains(&permissions[0]);
        if !copies && !permissions.iter().all(|byte| b"rwxXst".contains(byte)) {
            return None;
        }
        out.push(Clause {
            who,
            operator: *operator,
            permissions: permissions.to_vec(),
        });
        rest = next;
    }
    (!out.is_empty()).then_some(out)
}

impl Clause {
    fn apply(&self, old: u32, is_dir: bool) -> u32 {
        let mut bits = 0;
        for permission in &self.permissions {
            bits |= match permission {
                b'r' => 0o444 & self.who,
                b'w' => 0o222 & self.who,
                b'x' => 0o111 & self.who,
                b'X' if is_dir || old & 0o111 != 0 => 0o111 & self.who,
                b's' => {
                    (if self.who & 0o700 != 0 { 0o4000 } else { 0 })
                        | (if self.who & 0o070 != 0 { 0o2000 } else { 0 })
                }
                b't' => 0o1000,
                b'u' => spread(old >> 6) & self.who,
                b'g' => spread(old >> 3) & self.who,
                b'o' => spread(old) & self.who,
                _ => 0,
            };
        }
        match self.operator {
            b'+' => old | bits,
            b'-' => old & !bits,
            _ => {
                // The special bits of those who are named go, too; of directories they stay, as chmod(1) has it.
                let special = if is_dir {
                    0
                } else {
                    (if self.who & 0o700 != 0 { 0o4000 } else { 0 })
                        | (if self.who & 0o070 != 0 { 0o2000 } else { 0 })
                };
                old & !(self.who | special) | bits
            }
        }
    }
}

/// Three bits, for each of user, group and others.
fn spread(bits: u32) -> u32 {
    (bits & 7) * 0o111
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apply(text: &str, old: u32, is_dir: bool) -> u32 {
        Mode::read(&FileMode::Symbolic(text.to_owned()))
            .unwrap()
            .apply(old, is_dir)
    }

    #[test]
    fn symbolic_modes_are_those_of_chmod() {
        for (text, old, is_dir, expected) in [
            ("u=rwX,go=rX", 0o600, false, 0o644),
            ("u=rwX,go=rX", 0o700, false, 0o755),
            ("u=rwX,go=rX", 0o600, true, 0o755),
            ("+x", 0o644, false, 0o755),
            ("a-w", 0o666, false, 0o444),
            ("g=u", 0o740, false, 0o770),
            ("u+s,g+s", 0o755, false, 0o6755),
            ("o+t", 0o777, true, 0o1777),
            ("u=rw+x", 0o000, false, 0o700),
            ("go=", 0o777, false, 0o700),
            ("u=rwx", 0o4644, false, 0o744),
        ] {
            assert_eq!(apply(text, old, is_dir), expected, "{text} on {old:o}");
        }
    }

    #[test]
    fn nonsense_is_an_error() {
        for text in ["", "u", "u=q", "rwx", "u+x,", "+ug"] {
            let error = Mode::read(&FileMode::Symbolic(text.to_owned()));
            assert!(matches!(error, Err(FileError::BadMode { .. })), "{text}");
        }
        assert_eq!(Mode::read(&FileMode::Octal(0o644)).unwrap().apply(0, true), 0o644);
    }
}
