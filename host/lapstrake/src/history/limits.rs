//! How much history is kept. Pure: it says how many of the oldest records are too many.

use std::time::Duration;

/// What is kept. Each limit holds by itself; none: no such limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Records.
    pub max_entries: Option<usize>,
    /// Time since the build began.
    pub max_age: Option<Duration>,
    /// Bytes of all records.
    pub max_size: Option<u64>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_entries: Some(100),
            max_age: Some(Duration::from_secs(7 * 24 * 3600)),
            max_size: Some(256 * 1024 * 1024),
        }
    }
}

impl Limits {
    /// How many of the oldest records are beyond the limits: of builds that began at `began` (milliseconds, oldest first),
    /// with `sizes` where they are looked at. The latest one is always kept.
    pub fn beyond(&self, began: &[u64], sizes: Option<&[u64]>, now: u64) -> usize {
        let count = began.len();
        let most = self.max_entries.unwrap_or(count).max(1);
        let mut beyond = count.saturating_sub(most);
        if let Some(age) = self.max_age {
            let oldest = now.saturating_sub(u64::try_from(age.as_millis()).unwrap_or(u64::MAX));
            beyond = beyond.max(began.partition_point(|began| *began < oldest));
        }
        if let (Some(most), Some(sizes)) = (self.max_size, sizes) {
            let mut total = 0_u64;
            let kept = sizes.iter().rev().take_while(|size| {
                total = total.saturating_add(**size);
                total <= most
            });
            beyond = beyond.max(sizes.len() - kept.count());
        }
        beyond.min(count.saturating_sub(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: Limits = Limits {
        max_entries: None,
        max_age: None,
        max_size: None,
    };

    #[test]
    fn each_limit_holds_by_itself() {
        let began = [1000, 2000, 3000, 4000];
        let sizes = [10, 10, 10, 10];
        assert_eq!(NONE.beyond(&began, Some(&sizes), 9000), 0);
        let entries = Limits {
            max_entries: Some(3),
            ..NONE
        };
        assert_eq!(entries.beyond(&began, None, 9000), 1);
        let age = Limits {
            max_age: Some(Duration::from_secs(6)),
            ..NONE
        };
        assert_eq!(age.beyond(&began, None, 9000), 2);
        let size = Limits {
            max_size: Some(25),
            ..NONE
        };
        assert_eq!(size.beyond(&began, Some(&sizes), 9000), 2);
        assert_eq!(size.beyond(&began, None, 9000), 0, "sizes were not looked at");
    }

    #[test]
    fn the_latest_is_kept() {
        let all = Limits {
            max_entries: Some(0),
            max_age: Some(Duration::ZERO),
            max_size: Some(0),
        };
        assert_eq!(all.beyond(&[1, 2], Some(&[5, 5]), 9), 1);
        assert_eq!(all.beyond(&[], Some(&[]), 9), 0);
    }
}
