//! What is written into the files of a cgroup for given limits.
//! Pure. Knows nothing of where the files are.

use lapstrake_llb::LinuxResources;

/// Files and values of one controller, by version of cgroups.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) v1: Vec<(&'static str, String)>,
    pub(crate) v2: Vec<(&'static str, String)>,
}

/// The settings of every controller that limits are set with, those without any included.
pub(crate) fn settings(limits: &LinuxResources) -> [(&'static str, Settings); 3] {
    [
        ("memory", memory(limits)),
        ("cpu", cpu(limits)),
        ("cpuset", cpuset(limits)),
    ]
}

fn memory(limits: &LinuxResources) -> Settings {
    let mut settings = Settings::default();
    if let Some(bytes) = limits.memory_bytes {
        settings.v1.push(("memory.limit_in_bytes", bytes.to_string()));
        settings.v2.push(("memory.max", bytes.to_string()));
    }
    if let Some(both) = limits.memory_swap_bytes {
        settings
            .v1
            .push(("memory.memsw.limit_in_bytes", both.to_string()));
        // Version 2 counts swap alone.
        let swap = match (u64::try_from(both), limits.memory_bytes) {
            (Err(_), _) => "max".to_owned(),
            (Ok(both), memory) => both.saturating_sub(memory.unwrap_or(0)).to_string(),
        };
        settings.v2.push(("memory.swap.max", swap));
    }
    settings
}

fn cpu(limits: &LinuxResources) -> Settings {
    let mut settings = Settings::default();
    if let Some(shares) = limits.cpu_shares {
        settings.v1.push(("cpu.shares", shares.to_string()));
        // 2..=262144 to 1..=10000, as runc and crun do it.
        let weight = 1 + shares.clamp(2, 262_144).saturating_sub(2) * 9_999 / 262_142;
        settings.v2.push(("cpu.weight", weight.to_string()));
    }
    if let Some(period) = limits.cpu_period_us {
        settings.v1.push(("cpu.cfs_period_us", period.to_string()));
    }
    if let Some(quota) = limits.cpu_quota_us {
        settings.v1.push(("cpu.cfs_quota_us", quota.to_string()));
    }
    if limits.cpu_period_us.is_some() || limits.cpu_quota_us.is_some() {
        let quota = limits
            .cpu_quota_us
            .filter(|q| *q > 0)
            .map_or("max".to_owned(), |q| q.to_string());
        settings.v2.push((
            "cpu.max",
            format!("{quota} {}", limits.cpu_period_us.unwrap_or(100_000)),
        ));
    }
    settings
}

fn cpuset(limits: &LinuxResources) -> Settings {
    let both: Vec<_> = [
        ("cpuset.cpus", &limits.cpuset_cpus),
        ("cpuset.mems", &limits.cpuset_mems),
    ]
    .into_iter()
    .filter_map(|(file, value)| Some((file, value.clone()?)))
    .collect();
    Settings {
        v1: both.clone(),
        v2: both,
    }
}

/// The number after `oom_kill` in memory.events (version 2) or memory.oom_control (version 1).
pub(crate) fn oom_kills(text: &str) -> u64 {
    text.lines()
        .filter_map(|l| l.strip_prefix("oom_kill ")?.trim().parse().ok())
        .next()
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(settings: &[(&'static str, String)]) -> Vec<String> {
        settings
            .iter()
            .map(|(file, value)| format!("{file}={value}"))
            .collect()
    }

    #[test]
    fn both_versions_say_the_same() {
        let limits = LinuxResources {
            memory_bytes: Some(1000),
            memory_swap_bytes: Some(1500),
            cpu_shares: Some(1024),
            cpu_period_us: None,
            cpu_quota_us: Some(50_000),
            cpuset_cpus: Some("0-1".into()),
            cpuset_mems: None,
        };
        let [(_, memory), (_, cpu), (_, cpuset)] = settings(&limits);
        assert_eq!(
            values(&memory.v1),
            ["memory.limit_in_bytes=1000", "memory.memsw.limit_in_bytes=1500"]
        );
        assert_eq!(values(&memory.v2), ["memory.max=1000", "memory.swap.max=500"]);
        assert_eq!(values(&cpu.v1), ["cpu.shares=1024", "cpu.cfs_quota_us=50000"]);
        assert_eq!(values(&cpu.v2), ["cpu.weight=39", "cpu.max=50000 100000"]);
        assert_eq!(values(&cpuset.v2), ["cpuset.cpus=0-1"]);
    }

    #[test]
    fn unlimited() {
        let limits = LinuxResources {
            memory_swap_bytes: Some(-1),
            cpu_quota_us: Some(-1),
            ..LinuxResources::default()
        };
        let [(_, memory), (_, cpu), (_, cpuset)] = settings(&limits);
        assert_eq!(values(&memory.v2), ["memory.swap.max=max"]);
        assert_eq!(values(&cpu.v2), ["cpu.max=max 100000"]);
        assert_eq!(cpuset, Settings::default());
    }

    #[test]
    fn kills_are_counted() {
        assert_eq!(oom_kills("oom_kill_disable 0\nunder_oom 0\noom_kill 2\n"), 2);
        assert_eq!(
            oom_kills("low 0\nmax 7\noom 1\noom_kill 1\noom_group_kill 0\n"),
            1
        );
        assert_eq!(oom_kills(""), 0);
    }
}
