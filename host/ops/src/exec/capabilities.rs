//! Linux capabilities: Docker's default ones, and the kernel's numbers of all.
//! Data only. Knows nothing of when a process gets them.

use oci_spec::runtime::Capability;

/// What a process in a sandbox may do, as root of its container. Docker's.
pub(crate) const DEFAULT_CAPABILITIES: &[Capability] = &[
    Capability::Chown,
    Capability::DacOverride,
    Capability::Fsetid,
    Capability::Fowner,
    Capability::Mknod,
    Capability::NetRaw,
    Capability::Setgid,
    Capability::Setuid,
    Capability::Setfcap,
    Capability::Setpcap,
    Capability::NetBindService,
    Capability::SysChroot,
    Capability::Kill,
    Capability::AuditWrite,
];

/// All capabilities, each at the place of its number in linux/capability.h.
pub(crate) const ALL_CAPABILITIES: &[Capability] = &[
    Capability::Chown,
    Capability::DacOverride,
    Capability::DacReadSearch,
    Capability::Fowner,
    Capability::Fsetid,
    Capability::Kill,
    Capability::Setgid,
    Capability::Setuid,
    Capability::Setpcap,
    Capability::LinuxImmutable,
    Capability::NetBindService,
    Capability::NetBroadcast,
    Capability::NetAdmin,
    Capability::NetRaw,
    Capability::IpcLock,
    Capability::IpcOwner,
    Capability::SysModule,
    Capability::SysRawio,
    Capability::SysChroot,
    Capability::SysPtrace,
    Capability::SysPacct,
    Capability::SysAdmin,
    Capability::SysBoot,
    Capability::SysNice,
    Capability::SysResource,
    Capability::SysTime,
    Capability::SysTtyConfig,
    Capability::Mknod,
    Capability::Lease,
    Capability::AuditWrite,
    Capability::AuditControl,
    Capability::Setfcap,
    Capability::MacOverride,
    Capability::MacAdmin,
    Capability::Syslog,
    Capability::WakeAlarm,
    Capability::BlockSuspend,
    Capability::AuditRead,
    Capability::Perfmon,
    Capability::Bpf,
    Capability::CheckpointRestore,
];

/// The bits of `capabilities`, as the kernel numbers them.
pub(crate) fn bits<'a>(capabilities: impl IntoIterator<Item = &'a Capability>) -> u64 {
    capabilities
        .into_iter()
        .filter_map(|c| ALL_CAPABILITIES.iter().position(|known| known == c))
        .fold(0, |bits, number| bits | 1 << number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_what_docker_shows() {
        assert_eq!(
            bits(DEFAULT_CAPABILITIES),
            0xa804_25fb,
            "CapEff of a process in `docker run`"
        );
        assert_eq!(bits(ALL_CAPABILITIES), 0x1ff_ffff_ffff);
    }
}
