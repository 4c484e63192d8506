//! From a command and what is known of its surroundings to an OCI runtime specification (config.md,
//! config-linux.md): what a container of Docker's and BuildKit's kind looks like. Pure. Knows nothing of how
//! the specification is carried out.

use std::collections::HashSet;
use std::path::PathBuf;

use lapstrake_llb::{ExecOp, LinuxResources as Limits, NetworkMode, ProxyEnv, SecurityMode, Ulimit};
use oci_spec::OciSpecError;
use oci_spec::runtime::{
    Capability, Linux, LinuxBuilder, LinuxCapabilitiesBuilder, LinuxCpuBuilder, LinuxDeviceCgroup,
    LinuxDeviceCgroupBuilder, LinuxDeviceType, LinuxMemoryBuilder, LinuxNamespace, LinuxNamespaceBuilder,
    LinuxNamespaceType, LinuxResources, LinuxResourcesBuilder, LinuxSeccomp, Mount, MountBuilder,
    PosixRlimit, PosixRlimitBuilder, PosixRlimitType, Process, ProcessBuilder, RootBuilder, Spec,
    SpecBuilder, UserBuilder,
};

use crate::cdi::DeviceNode;

use super::capabilities::{ALL_CAPABILITIES, DEFAULT_CAPABILITIES};
use super::error::SetupError;
use super::hosts::DEFAULT_HOSTNAME;
use super::request::Network;
use super::user::ResolvedUser;

/// PATH of a command that sets none. Docker's.
pub(crate) const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What a plan depends on besides the command.
#[derive(Debug)]
pub(crate) struct Facts {
    /// Where the root file system is.
    pub(crate) root: PathBuf,
    pub(crate) root_read_only: bool,
    pub(crate) user: ResolvedUser,
    /// In the order of mounting, after the mounts that every container has. A later one at the same place
    /// replaces an earlier one.
    pub(crate) mounts: Vec<Mount>,
    /// Mounts of devices, which come last.
    pub(crate) device_mounts: Vec<Mount>,
    /// What it may open besides [`DEVICE_RULES`].
    pub(crate) devices: Vec<DeviceRule>,
    pub(crate) secret_env: Vec<(String, String)>,
    pub(crate) network: Network,
    pub(crate) no_new_privileges: bool,
    /// Whether nothing else keeps the container from opening devices of the machine, so that its mounts must.
    pub(crate) no_devices: bool,
    /// Whether cgroups are version 2 only, so that a container can see its own.
    pub(crate) unified_cgroups: bool,
    /// Path of the container's cgroup, for a runtime that makes it.
    pub(crate) cgroup_path: Option<PathBuf>,
    pub(crate) limits: Option<Limits>,
    /// The system call filter, for a runtime that has none of its own.
    pub(crate) seccomp: Option<LinuxSeccomp>,
}

/// Makes the specification. Fails on an unknown ulimit.
pub(crate) fn plan(op: &ExecOp, facts: Facts) -> Result<Spec, SetupError> {
    let rlimits = op.ulimits.iter().map(rlimit).collect::<Result<Vec<_>, _>>()?;
    specification(op, facts, rlimits).map_err(|_| SetupError::Request)
}

fn specification(op: &ExecOp, facts: Facts, rlimits: Vec<PosixRlimit>) -> Result<Spec, OciSpecError> {
    let insecure = op.security == SecurityMode::Insecure;
    let hostname = op
        .hostname
        .as_deref()
        .filter(|h| !h.is_empty())
        .unwrap_or(DEFAULT_HOSTNAME);
    let mut spec = SpecBuilder::default()
        .version("1.0.2")
        .root(
            RootBuilder::default()
                .path(facts.root.clone())
                .readonly(facts.root_read_only)
                .build()?,
        )
        .hostname(hostname)
        .process(process(op, &facts, rlimits, insecure)?)
        .mounts(mounts(&facts, insecure)?)
        .linux(linux(facts, insecure)?)
        .build()?;
    spec.set_annotations(None);
    Ok(spec)
}

fn process(
    op: &ExecOp,
    facts: &Facts,
    rlimits: Vec<PosixRlimit>,
    insecure: bool,
) -> Result<Process, OciSpecError> {
    let capabilities = capabilities(op, facts, insecure);
    let user = UserBuilder::default()
        .uid(facts.user.uid)
        .gid(facts.user.gid)
        .additional_gids(facts.user.groups.clone());
    let process = ProcessBuilder::default()
        .terminal(false)
        .user(user.build()?)
        .args(op.args.clone())
        .env(environment(op, facts))
        .cwd(if op.cwd.is_empty() { "/" } else { op.cwd.as_str() })
        .capabilities(
            LinuxCapabilitiesBuilder::default()
                .bounding(capabilities.clone())
                .permitted(capabilities.clone())
                .effective(capabilities)
                .inheritable(HashSet::new())
                .ambient(HashSet::new())
                .build()?,
        )
        .no_new_privileges(facts.no_new_privileges && !insecure);
    let mut process = process.build()?;
    // None: those of this process are inherited. The builder has a default of its own.
    process.set_rlimits(Some(rlimits).filter(|r| !r.is_empty()));
    Ok(process)
}

/// Docker's. Where the machine's network stands in for a sandbox that nobody could make, raw sockets would read and
/// forge everything on it, which nobody has allowed.
fn capabilities(op: &ExecOp, facts: &Facts, insecure: bool) -> HashSet<Capability> {
    let all = if insecure {
        ALL_CAPABILITIES
    } else {
        DEFAULT_CAPABILITIES
    };
    let borrowed = !insecure && facts.network == Network::Host && op.network != NetworkMode::Host;
    all.iter()
        .copied()
        .filter(|capability| !(borrowed && *capability == Capability::NetRaw))
        .collect()
}

/// The variables as `NAME=value`, each name once. PATH and HOME are there in any case.
fn environment(op: &ExecOp, facts: &Facts) -> Vec<String> {
    let mut env: Vec<(&str, &str)> = vec![("PATH", DEFAULT_PATH), ("HOME", &facts.user.home)];
    let mut set = |name, value| match env.iter_mut().find(|(known, _)| *known == name) {
        Some(entry) => entry.1 = value,
        None => env.push((name, value)),
    };
    op.env.iter().for_each(|(name, value)| set(name, value));
    if let Some(proxy) = &op.proxy {
        proxy_variables(proxy).for_each(|(name, value)| set(name, value));
    }
    facts.secret_env.iter().for_each(|(name, value)| set(name, value));
    env.into_iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect()
}

fn proxy_variables(proxy: &ProxyEnv) -> impl Iterator<Item = (&'static str, &str)> {
    [
        ("HTTP_PROXY", &proxy.http),
        ("http_proxy", &proxy.http),
        ("HTTPS_PROXY", &proxy.https),
        ("https_proxy", &proxy.https),
        ("FTP_PROXY", &proxy.ftp),
        ("ftp_proxy", &proxy.ftp),
        ("NO_PROXY", &proxy.no),
        ("no_proxy", &proxy.no),
        ("ALL_PROXY", &proxy.all),
        ("all_proxy", &proxy.all),
    ]
    .into_iter()
    .filter(|(_, value)| !value.is_empty())
    .map(|(name, value)| (name, value.as_str()))
}

fn rlimit(ulimit: &Ulimit) -> Result<PosixRlimit, SetupError> {
    use PosixRlimitType::*;
    let kind = match ulimit.name.as_str() {
        "as" => RlimitAs,
        "core" => RlimitCore,
        "cpu" => RlimitCpu,
        "data" => RlimitData,
        "fsize" => RlimitFsize,
        "locks" => RlimitLocks,
        "memlock" => RlimitMemlock,
        "msgqueue" => RlimitMsgqueue,
        "nice" => RlimitNice,
        "nofile" => RlimitNofile,
        "nproc" => RlimitNproc,
        "rss" => RlimitRss,
        "rtprio" => RlimitRtprio,
        "rttime" => RlimitRttime,
        "sigpending" => RlimitSigpending,
        "stack" => RlimitStack,
        _ => {
            return Err(SetupError::UnknownUlimit {
                name: ulimit.name.clone(),
            });
        }
    };
    let value = |limit: Option<u64>| limit.unwrap_or(u64::MAX);
    PosixRlimitBuilder::default()
        .typ(kind)
        .soft(value(ulimit.soft))
        .hard(value(ulimit.hard))
        .build()
        .map_err(|_| SetupError::Request)
}

/// The mounts of every container, then the command's own.
fn mounts(facts: &Facts, insecure: bool) -> Result<Vec<Mount>, OciSpecError> {
    let sys_options: &[&str] = if insecure {
        &["nosuid", "noexec", "nodev"]
    } else {
        &["nosuid", "noexec", "nodev", "ro"]
    };
    let dev_options: &[&str] = &["nosuid", "strictatime", "mode=755", "size=65536k"];
    let pts_options: &[&str] = &[
        "nosuid",
        "noexec",
        "newinstance",
        "ptmxmode=0666",
        "mode=0620",
        "gid=5",
    ];
    let shm_options: &[&str] = &["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"];
    let mut mounts = vec![
        mount("/proc", "proc", "proc", &["nosuid", "noexec", "nodev"])?,
        mount("/dev", "tmpfs", "tmpfs", dev_options)?,
        mount("/dev/pts", "devpts", "devpts", pts_options)?,
        mount("/dev/shm", "tmpfs", "shm", shm_options)?,
        mount("/dev/mqueue", "mqueue", "mqueue", &["nosuid", "noexec", "nodev"])?,
        mount("/sys", "sysfs", "sysfs", sys_options)?,
    ];
    if facts.unified_cgroups {
        mounts.push(mount("/sys/fs/cgroup", "cgroup", "cgroup", sys_options)?);
    }
    for own in &facts.mounts {
        mounts.retain(|m| m.destination() != own.destination());
        mounts.push(own.clone());
    }
    if facts.no_devices && !insecure {
        for mount in mounts.iter_mut().filter(|m| m.typ().as_deref() != Some("devpts")) {
            let mut options = mount.options().clone().unwrap_or_default();
            if !options.iter().any(|o| o == "nodev") {
                options.push("nodev".to_owned());
            }
            mount.set_options(Some(options));
        }
    }
    mounts.extend(facts.device_mounts.iter().cloned());
    Ok(mounts)
}

/// Makes a mount of a specification.
pub(crate) fn mount(target: &str, kind: &str, source: &str, options: &[&str]) -> Result<Mount, OciSpecError> {
    MountBuilder::default()
        .destination(target)
        .typ(kind)
        .source(source)
        .options(options.iter().map(|o| (*o).to_owned()).collect::<Vec<_>>())
        .build()
}

fn linux(facts: Facts, insecure: bool) -> Result<Linux, OciSpecError> {
    let mut kinds = vec![
        LinuxNamespaceType::Pid,
        LinuxNamespaceType::Ipc,
        LinuxNamespaceType::Uts,
        LinuxNamespaceType::Mount,
        LinuxNamespaceType::Cgroup,
    ];
    if facts.network == Network::Loopback {
        kinds.push(LinuxNamespaceType::Network);
    }
    let mut namespaces: Vec<LinuxNamespace> = kinds
        .into_iter()
        .map(|kind| LinuxNamespaceBuilder::default().typ(kind).build())
        .collect::<Result<_, _>>()?;
    if facts.network == Network::Isolated {
        // The one that this process has made, and that is connected.
        let network = LinuxNamespaceBuilder::default().typ(LinuxNamespaceType::Network);
        namespaces.push(network.path("/proc/self/ns/net").build()?);
    }

    let owned = |paths: &[&str]| paths.iter().map(|p| (*p).to_owned()).collect::<Vec<_>>();
    let mut linux = LinuxBuilder::default()
        .namespaces(namespaces)
        .resources(resources(facts.limits.as_ref(), insecure, &facts.devices)?)
        .masked_paths(if insecure { Vec::new() } else { owned(MASKED_PATHS) })
        .readonly_paths(if insecure {
            Vec::new()
        } else {
            owned(READ_ONLY_PATHS)
        });
    if let Some(path) = facts.cgroup_path {
        linux = linux.cgroups_path(path);
    }
    if let Some(seccomp) = facts.seccomp.filter(|_| !insecure) {
        linux = linux.seccomp(seccomp);
    }
    linux.build()
}

fn resources(
    limits: Option<&Limits>,
    insecure: bool,
    more: &[DeviceRule],
) -> Result<LinuxResources, OciSpecError> {
    let resources = LinuxResourcesBuilder::default().devices(device_rules(insecure, more)?);
    let Some(limits) = limits else {
        return resources.build();
    };
    let mut memory = LinuxMemoryBuilder::default();
    if let Some(bytes) = limits.memory_bytes.and_then(|b| i64::try_from(b).ok()) {
        memory = memory.limit(bytes);
    }
    if let Some(bytes) = limits.memory_swap_bytes {
        memory = memory.swap(bytes);
    }
    let mut cpu = LinuxCpuBuilder::default();
    if let Some(shares) = limits.cpu_shares {
        cpu = cpu.shares(shares);
    }
    if let Some(period) = limits.cpu_period_us {
        cpu = cpu.period(period);
    }
    if let Some(quota) = limits.cpu_quota_us {
        cpu = cpu.quota(quota);
    }
    if let Some(cpus) = &limits.cpuset_cpus {
        cpu = cpu.cpus(cpus.clone());
    }
    if let Some(mems) = &limits.cpuset_mems {
        cpu = cpu.mems(mems.clone());
    }
    resources.memory(memory.build()?).cpu(cpu.build()?).build()
}

/// What a container must not even read. Docker's.
const MASKED_PATHS: &[&str] = &[
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
];

/// What a container must not write to. Docker's.
const READ_ONLY_PATHS: &[&str] = &[
    "/proc/bus",
    "/proc/fs",
    "/proc/irq",
    "/proc/sys",
    "/proc/sysrq-trigger",
];

/// A device: type, major and minor number; none: any number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DeviceRule {
    pub(crate) block: bool,
    pub(crate) major: Option<u32>,
    pub(crate) minor: Option<u32>,
    /// Letters of `rwm`: read, write, make the node.
    pub(crate) access: &'static str,
}

impl DeviceRule {
    /// What a device of a request may be used for.
    pub(crate) fn of_node(node: &DeviceNode) -> DeviceRule {
        DeviceRule {
            block: node.block,
            major: Some(node.major),
            minor: Some(node.minor),
            access: match (node.read, node.write) {
                (true, true) => "rwm",
                (true, false) => "rm",
                (false, true) => "wm",
                (false, false) => "m",
            },
        }
    }
}

const fn device(major: u32, minor: Option<u32>) -> DeviceRule {
    DeviceRule {
        block: false,
        major: Some(major),
        minor,
        access: "rwm",
    }
}

/// What a container may do with devices: make any node, but open only these: null, zero, full, random,
/// urandom, tty, ptmx and pseudo terminals. As Docker with runc.
pub(crate) const DEVICE_RULES: &[DeviceRule] = &[
    DeviceRule {
        block: false,
        major: None,
        minor: None,
        access: "m",
    },
    DeviceRule {
        block: true,
        major: None,
        minor: None,
        access: "m",
    },
    device(1, Some(3)),
    device(1, Some(5)),
    device(1, Some(7)),
    device(1, Some(8)),
    device(1, Some(9)),
    device(5, Some(0)),
    device(5, Some(2)),
    device(136, None),
];

fn device_rules(insecure: bool, more: &[DeviceRule]) -> Result<Vec<LinuxDeviceCgroup>, OciSpecError> {
    let all = LinuxDeviceCgroupBuilder::default()
        .allow(insecure)
        .access("rwm")
        .build()?;
    let allowed = DEVICE_RULES.iter().chain(more).filter(|_| !insecure).map(|rule| {
        let mut builder = LinuxDeviceCgroupBuilder::default()
            .allow(true)
            .typ(if rule.block {
                LinuxDeviceType::B
            } else {
                LinuxDeviceType::C
            })
            .access(rule.access);
        if let Some(major) = rule.major {
            builder = builder.major(major);
        }
        if let Some(minor) = rule.minor {
            builder = builder.minor(minor);
        }
        builder.build()
    });
    [Ok(all)].into_iter().chain(allowed).collect()
}

#[cfg(test)]
mod tests;
