//! How much an archive may hold, and counting it.
//! Knows nothing of where members are written to.

use super::error::{ArchiveError, Result};
use super::member::Member;

/// How much an archive may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Number of members.
    pub members: u64,
    /// Data of all regular files, holes included, bytes.
    pub bytes: u64,
    /// Length of a path, bytes.
    pub path: u64,
}

impl Default for Limits {
    /// Ten million members, 1 TiB, and what Linux takes for a path.
    fn default() -> Self {
        Self {
            members: 10_000_000,
            bytes: 1 << 40,
            path: 4095,
        }
    }
}

/// What was seen of an archive.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    /// Number of members.
    pub members: u64,
    /// Data of the regular files, holes included, bytes.
    pub bytes: u64,
}

impl Count {
    /// Counts a member, before any of it is written.
    ///
    /// # Errors
    /// [`ArchiveError::TooLarge`]: it is one too many, or too large.
    pub fn add(&mut self, member: &Member, limits: &Limits) -> Result<()> {
        let too_large = |limit, what| Err(ArchiveError::TooLarge { limit, what });
        self.members += 1;
        self.bytes = self.bytes.saturating_add(member.size);
        if self.members > limits.members {
            return too_large(limits.members, "members");
        }
        if self.bytes > limits.bytes {
            return too_large(limits.bytes, "bytes of data");
        }
        if member.path.as_os_str().len() as u64 > limits.path {
            return too_large(limits.path, "bytes in a path");
        }
        Ok(())
    }
}
