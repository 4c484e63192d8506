//! Times for people, and for programs.

use std::time::{Duration, SystemTime};

/// How long ago, in one unit, as `docker` says it.
pub fn ago(at: SystemTime, now: SystemTime) -> String {
    let seconds = now.duration_since(at).unwrap_or_default().as_secs();
    let (count, unit) = match seconds {
        0 => return "just now".to_owned(),
        1..60 => (seconds, "second"),
        60..3600 => (seconds / 60, "minute"),
        3600..172_800 => (seconds / 3600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {unit}{plural} ago")
}

/// A length of time with as many digits as matter.
pub fn length(length: Duration) -> String {
    let seconds = length.as_secs_f64();
    match length.as_secs() {
        0 if seconds < 0.1 => format!("{:.1}ms", seconds * 1000.0),
        0..10 => format!("{seconds:.2}s"),
        10..60 => format!("{seconds:.1}s"),
        whole @ 60..3600 => format!("{}m{:02}s", whole / 60, whole % 60),
        whole => format!("{}h{:02}m", whole / 3600, whole % 3600 / 60),
    }
}

/// RFC 3339.
pub fn stamp(at: SystemTime) -> String {
    jiff::Timestamp::try_from(at)
        .map(|at| at.to_string())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_short() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(10_000_000);
        let before = |seconds| ago(now - Duration::from_secs(seconds), now);
        assert_eq!(before(0), "just now");
        assert_eq!(before(1), "1 second ago");
        assert_eq!(before(7200), "2 hours ago");
        assert_eq!(before(864_000), "10 days ago");
        assert_eq!(length(Duration::from_micros(4250)), "4.2ms");
        assert_eq!(length(Duration::from_millis(1234)), "1.23s");
        assert_eq!(length(Duration::from_secs(75)), "1m15s");
        assert_eq!(length(Duration::from_secs(7260)), "2h01m");
    }
}
