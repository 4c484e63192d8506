//! What a request says beside the build file: BuildKit's frontend options, build arguments, proxies, the epoch.
//! Knows no build language.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::types::{
    CdiDevice, ExecOp, HostIp, LinuxResources, Mount, MountKind, NetworkMode, ProxyEnv, Request, ResolveMode,
    Timestamp, TmpfsMount, Ulimit,
};

/// Options, read once for all platforms.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// `--build-arg`.
    pub build_args: BTreeMap<String, String>,
    /// What network commands have unless they say otherwise.
    pub network: NetworkMode,
    /// Whether a registry is asked for tags.
    pub resolve_mode: ResolveMode,
    /// Stages of which nothing is taken from the cache; an empty list: all.
    no_cache: Option<Vec<String>>,
    /// Whether names of vertices show the platform.
    pub multi_platform: bool,
    /// What comes before the ids of cache mounts.
    pub cache_namespace: String,
    /// SOURCE_DATE_EPOCH of the request.
    pub epoch: Option<Timestamp>,
    /// Whether `.git` of a context that is a repository is part of it.
    pub keep_git_dir: bool,
    /// Limits for the processes of commands.
    pub resources: Option<LinuxResources>,
    hosts: Vec<HostIp>,
    ulimits: Vec<Ulimit>,
    devices: Vec<CdiDevice>,
    cgroup_parent: Option<String>,
    hostname: Option<String>,
    shm_size: u64,
    proxy: Option<ProxyEnv>,
}

impl Options {
    /// Reads a request's options; the error names the one that is wrong.
    pub fn read(request: &Request) -> Result<Self, String> {
        let build_args: BTreeMap<String, String> = request
            .build_args
            .iter()
            .map(|pair| (pair.key.clone(), pair.value.clone()))
            .collect();
        let option = |name: &str| request.option(name).filter(|value| !value.is_empty());
        let multi_platform = build_args
            .get("BUILDKIT_MULTI_PLATFORM")
            .map(String::as_str)
            .or(option("multi-platform"));
        let multi_platform = match multi_platform {
            Some(text) => {
                let value = parse_bool(text).ok_or_else(|| wrong("multi-platform", text, "true or false"))?;
                if !value && request.platforms.len() > 1 {
                    return Err("several platforms are asked for, and multi-platform=false".to_owned());
                }
                value
            }
            None => request.platforms.len() > 1,
        };
        Ok(Self {
            network: match option("force-network-mode") {
                None | Some("sandbox") => NetworkMode::Sandbox,
                Some("host") => NetworkMode::HostNetwork,
                Some("none") => NetworkMode::NoNetwork,
                Some(other) => return Err(wrong("force-network-mode", other, "sandbox, host or none")),
            },
            resolve_mode: match option("image-resolve-mode") {
                None | Some("default") => ResolveMode::Default,
                Some("pull") => ResolveMode::ForcePull,
                Some("local") => ResolveMode::PreferLocal,
                Some(other) => return Err(wrong("image-resolve-mode", other, "default, pull or local")),
            },
            no_cache: request.option("no-cache").map(|names| {
                names
                    .split(',')
                    .map(str::trim)
                    .filter(|n| !n.is_empty())
                    .map(str::to_owned)
                    .collect()
            }),
            multi_platform,
            cache_namespace: build_args
                .get("BUILDKIT_CACHE_MOUNT_NS")
                .cloned()
                .unwrap_or_default(),
            epoch: request.source_date_epoch,
            keep_git_dir: request
                .build_arg("BUILDKIT_CONTEXT_KEEP_GIT_DIR")
                .and_then(parse_bool)
                .unwrap_or(false),
            resources: resources(&option)?,
            hosts: fields(option("add-hosts")).map(host).collect::<Result<_, _>>()?,
            ulimits: fields(option("ulimit")).map(ulimit).collect::<Result<_, _>>()?,
            devices: fields(option("device"))
                .map(|name| CdiDevice {
                    name: name.to_owned(),
                    optional: false,
                })
                .collect(),
            cgroup_parent: option("cgroup-parent").map(str::to_owned),
            hostname: build_args
                .get("BUILDKIT_SANDBOX_HOSTNAME")
                .map(String::as_str)
                .filter(|name| !name.is_empty())
                .or(option("hostname"))
                .map(str::to_owned),
            shm_size: number("shm-size", option("shm-size"))?.unwrap_or(0),
            proxy: proxy(&build_args),
            build_args,
        })
    }

    /// Returns whether nothing of a stage is taken from the cache. It is meant by its name or by its number.
    pub fn ignores_cache(&self, stage: &str, number: usize) -> bool {
        let means = |text: &String| text.eq_ignore_ascii_case(stage) || *text == number.to_string();
        match &self.no_cache {
            None => false,
            Some(names) => names.is_empty() || names.iter().any(means),
        }
    }

    /// Gives a command what holds for all commands.
    pub fn apply(&self, exec: &mut ExecOp) {
        exec.hostname.clone_from(&self.hostname);
        exec.extra_hosts.clone_from(&self.hosts);
        exec.ulimits.clone_from(&self.ulimits);
        exec.devices.clone_from(&self.devices);
        exec.cgroup_parent.clone_from(&self.cgroup_parent);
        exec.proxy.clone_from(&self.proxy);
        if self.shm_size > 0 {
            let tmpfs = MountKind::Tmpfs(TmpfsMount {
                size: Some(self.shm_size),
            });
            let at = exec.mounts.partition_point(|mount| {
                !matches!(mount.kind, MountKind::Secret(_) | MountKind::Ssh(_))
                    && mount.target.as_str() < "/dev/shm"
            });
            exec.mounts.insert(
                at,
                Mount {
                    target: "/dev/shm".to_owned(),
                    kind: tmpfs,
                },
            );
        }
    }
}

/// Reads a truth value as Go's `strconv.ParseBool` does.
pub fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

fn wrong(name: &str, value: &str, expected: &str) -> String {
    format!("the option {name} is `{value}`, and not {expected}")
}

fn number<T: std::str::FromStr>(name: &str, value: Option<&str>) -> Result<Option<T>, String> {
    value
        .map(|text| text.parse().map_err(|_| wrong(name, text, "a number")))
        .transpose()
}

fn fields(value: Option<&str>) -> impl Iterator<Item = &str> {
    value
        .unwrap_or_default()
        .split(',')
        .map(|field| field.trim().trim_matches('"'))
        .filter(|field| !field.is_empty())
}

fn host(field: &str) -> Result<HostIp, String> {
    let lower = field.to_ascii_lowercase();
    let (host, ip) = lower
        .split_once('=')
        .ok_or_else(|| wrong("add-hosts", field, "name=address"))?;
    let ip: IpAddr = ip
        .parse()
        .map_err(|_| wrong("add-hosts", field, "name=address"))?;
    Ok(HostIp {
        host: host.to_owned(),
        ip: ip.to_string(),
    })
}

fn ulimit(field: &str) -> Result<Ulimit, String> {
    let error = || wrong("ulimit", field, "name=soft[:hard]");
    let (name, limits) = field.split_once('=').ok_or_else(error)?;
    let (soft, hard) = limits.split_once(':').unwrap_or((limits, limits));
    let limit = |text: &str| match text {
        "-1" | "unlimited" => Ok(None),
        text => text.parse().map(Some).map_err(|_| error()),
    };
    Ok(Ulimit {
        name: name.to_owned(),
        soft: limit(soft)?,
        hard: limit(hard)?,
    })
}

fn resources<'a>(option: &impl Fn(&str) -> Option<&'a str>) -> Result<Option<LinuxResources>, String> {
    let resources = LinuxResources {
        memory_bytes: number("memory", option("memory"))?,
        memory_swap_bytes: number("memory-swap", option("memory-swap"))?,
        cpu_shares: number("cpu-shares", option("cpu-shares"))?,
        cpu_period_us: number("cpu-period", option("cpu-period"))?,
        cpu_quota_us: number("cpu-quota", option("cpu-quota"))?,
        cpuset_cpus: option("cpuset-cpus").map(str::to_owned),
        cpuset_mems: option("cpuset-mems").map(str::to_owned),
    };
    Ok((resources != LinuxResources::default()).then_some(resources))
}

/// Build arguments that mean something without being declared, in upper case, and beginnings of further ones.
const PREDEFINED: [&str; 6] = [
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "FTP_PROXY",
    "NO_PROXY",
    "ALL_PROXY",
    "SOURCE_DATE_EPOCH",
];
const PREDEFINED_PREFIXES: [&str; 3] = ["BUILDKIT_", "TARGET", "BUILD"];

/// Returns whether a build argument means something without the file asking for it.
pub fn is_predefined(name: &str) -> bool {
    let upper = name.to_ascii_uppercase();
    // Proxies are known in both cases, the others as they are.
    PREDEFINED.contains(&upper.as_str()) || PREDEFINED_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// Proxies are given to commands whether the file declares them or not. Of two spellings the one that sorts last wins.
fn proxy(build_args: &BTreeMap<String, String>) -> Option<ProxyEnv> {
    let mut proxy = ProxyEnv::default();
    let mut found = false;
    for (key, value) in build_args {
        let field = match key.to_ascii_lowercase().as_str() {
            "http_proxy" => &mut proxy.http_proxy,
            "https_proxy" => &mut proxy.https_proxy,
            "ftp_proxy" => &mut proxy.ftp_proxy,
            "no_proxy" => &mut proxy.no_proxy,
            "all_proxy" => &mut proxy.all_proxy,
            _ => continue,
        };
        field.clone_from(value);
        found = true;
    }
    found.then_some(proxy)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(options: &[(&str, &str)]) -> Result<Options, String> {
        let options = options.iter().map(|pair| (*pair).into()).collect();
        Options::read(&Request {
            options,
            ..Request::default()
        })
    }

    #[test]
    fn reads_all() {
        let options = read(&[
            ("add-hosts", "Db=10.0.0.1,v6=::1"),
            ("ulimit", "nofile=1024:2048,core=-1"),
            ("shm-size", "1024"),
            ("force-network-mode", "none"),
            ("memory", "4096"),
            ("no-cache", "a,B,3"),
        ])
        .unwrap();
        let mut exec = ExecOp::default();
        options.apply(&mut exec);
        assert_eq!(
            exec.extra_hosts[0],
            HostIp {
                host: "db".into(),
                ip: "10.0.0.1".into()
            }
        );
        assert_eq!(
            exec.ulimits[1],
            Ulimit {
                name: "core".into(),
                soft: None,
                hard: None
            }
        );
        assert_eq!(exec.mounts[0].target, "/dev/shm");
        assert_eq!(options.network, NetworkMode::NoNetwork);
        assert_eq!(options.resources.as_ref().unwrap().memory_bytes, Some(4096));
        assert!(options.ignores_cache("b", 0) && !options.ignores_cache("c", 0));
        assert!(options.ignores_cache("c", 3) && !options.ignores_cache("c", 33));
        assert!(read(&[("no-cache", "")]).unwrap().ignores_cache("x", 0));
    }

    #[test]
    fn names_what_is_wrong() {
        for (key, value) in [
            ("ulimit", "x"),
            ("add-hosts", "a=b"),
            ("shm-size", "y"),
            ("force-network-mode", "z"),
        ] {
            assert!(read(&[(key, value)]).unwrap_err().contains(key), "{key}");
        }
    }

    #[test]
    fn proxies() {
        let build_args = [("HTTP_PROXY", "a"), ("http_proxy", "b"), ("X", "c")]
            .iter()
            .map(|p| (*p).into())
            .collect();
        let options = Options::read(&Request {
            build_args,
            ..Request::default()
        })
        .unwrap();
        assert_eq!(options.proxy.unwrap().http_proxy, "b");
    }
}
