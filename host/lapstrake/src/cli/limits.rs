//! What commands get and may use: the words, and how frontends are told, in BuildKit's names of frontend options.
//! Knows nothing of how limits are kept.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};

use clap::Args;

use crate::config::Config;
use crate::spec::{self, SpecError};

use super::convert::{After, WordError};

/// What commands get and may use.
#[derive(Debug, Default, Args)]
pub struct LimitWords {
    /// A line of /etc/hosts; `host-gateway` stands for this machine
    #[arg(long, value_name = "HOST:IP")]
    pub add_host: Vec<String>,

    /// Resource limit, such as nofile=1024:2048
    #[arg(long, value_name = "NAME=SOFT[:HARD]")]
    pub ulimit: Vec<String>,

    /// Size of /dev/shm
    #[arg(long, value_name = "BYTES")]
    pub shm_size: Option<String>,

    /// Parent of the containers' control groups
    #[arg(long, value_name = "CGROUP")]
    pub cgroup_parent: Option<String>,

    /// Most memory that each command may use
    #[arg(short, long, value_name = "BYTES")]
    pub memory: Option<String>,

    /// Most memory and swap together; -1: any amount of swap
    #[arg(long, value_name = "BYTES", allow_hyphen_values = true)]
    pub memory_swap: Option<String>,

    /// Weight against other processes [default: 1024]
    #[arg(short, long, value_name = "NUMBER")]
    pub cpu_shares: Option<u64>,

    /// Length of a period in microseconds
    #[arg(long, value_name = "NUMBER")]
    pub cpu_period: Option<u64>,

    /// Microseconds of processor time in each period; -1: all
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true)]
    pub cpu_quota: Option<i64>,

    /// Processors that may be used, such as 0-3 or 0,1
    #[arg(long, value_name = "LIST")]
    pub cpuset_cpus: Option<String>,

    /// Memory nodes that may be used, such as 0-3 or 0,1
    #[arg(long, value_name = "LIST")]
    pub cpuset_mems: Option<String>,
}

impl LimitWords {
    /// The same as options of frontends.
    ///
    /// # Errors
    /// A word that has no meaning.
    pub fn options(&self, config: &Config) -> Result<Vec<(String, String)>, WordError> {
        let mut out = Vec::new();
        let mut add = |name: &str, value: Option<String>| {
            out.extend(value.map(|value| (name.to_owned(), value)));
        };
        let hosts = self.add_host.iter().map(|text| host(text, config));
        let hosts = hosts.collect::<Result<Vec<_>, _>>().after("--add-host")?;
        add("add-hosts", (!hosts.is_empty()).then(|| hosts.join(",")));
        for text in &self.ulimit {
            spec::pair(text).after("--ulimit")?;
        }
        add("ulimit", (!self.ulimit.is_empty()).then(|| self.ulimit.join(",")));
        add("shm-size", size(self.shm_size.as_deref(), "--shm-size")?);
        add("cgroup-parent", self.cgroup_parent.clone());
        add("memory", size(self.memory.as_deref(), "--memory")?);
        add(
            "memory-swap",
            match self.memory_swap.as_deref() {
                Some("-1") => Some("-1".to_owned()),
                other => size(other, "--memory-swap")?,
            },
        );
        add("cpu-shares", self.cpu_shares.map(|n| n.to_string()));
        add("cpu-period", self.cpu_period.map(|n| n.to_string()));
        add("cpu-quota", self.cpu_quota.map(|n| n.to_string()));
        for (option, list) in [
            ("--cpuset-cpus", &self.cpuset_cpus),
            ("--cpuset-mems", &self.cpuset_mems),
        ] {
            if let Some(list) = list {
                cpu_list(list).after(option)?;
                add(option.trim_start_matches('-'), Some(list.clone()));
            }
        }
        Ok(out)
    }
}

fn size(text: Option<&str>, option: &'static str) -> Result<Option<String>, WordError> {
    let bytes = text.map(spec::size).transpose().after(option)?;
    Ok(bytes.map(|bytes| bytes.to_string()))
}

/// cpuset(7), "List format".
fn cpu_list(text: &str) -> Result<(), SpecError> {
    let number = |text: &str| text.parse::<u32>().ok();
    let good = |range: &str| match range.split_once('-') {
        Some((first, last)) => matches!((number(first), number(last)), (Some(a), Some(b)) if a <= b),
        None => number(range).is_some(),
    };
    match text.split(',').all(good) {
        true => Ok(()),
        false => Err(SpecError(format!("{text:?} is not a list such as 0-3 or 0,1"))),
    }
}

fn host(text: &str, config: &Config) -> Result<String, SpecError> {
    let (host, ip) = text
        .split_once(['=', ':'])
        .filter(|(host, ip)| !host.is_empty() && !ip.is_empty())
        .ok_or_else(|| SpecError(format!("{text:?} is not HOST:IP")))?;
    if ip != "host-gateway" {
        return Ok(format!("{host}={}", ip.trim_matches(['[', ']'])));
    }
    let gateway = config.network.host_gateway_ip.or_else(own_address).ok_or_else(|| {
        SpecError(
            "this machine has no address that `host-gateway` could stand for; name one with host-gateway-ip under \
             [network] in the configuration file"
                .to_owned(),
        )
    })?;
    Ok(format!("{host}={gateway}"))
}

/// The address that this machine reaches others from. Nothing is sent for it.
fn own_address() -> Option<IpAddr> {
    // Of the blocks for documentation: whatever the route to them is, it is the default one.
    let any: [(IpAddr, IpAddr); 2] = [
        (Ipv4Addr::UNSPECIFIED.into(), Ipv4Addr::new(203, 0, 113, 1).into()),
        (
            Ipv6Addr::UNSPECIFIED.into(),
            Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into(),
        ),
    ];
    any.into_iter().find_map(|(own, other)| {
        let socket = UdpSocket::bind((own, 0)).ok()?;
        socket.connect((other, 9)).ok()?;
        Some(socket.local_addr().ok()?.ip())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(change: impl FnOnce(&mut LimitWords)) -> Result<Vec<(String, String)>, String> {
        let mut words = LimitWords::default();
        change(&mut words);
        let mut config = Config::default();
        config.network.host_gateway_ip = Some(Ipv4Addr::new(10, 9, 8, 7).into());
        words
            .options(&config)
            .map_err(|error| crate::error::chain(&error))
    }

    fn one(change: impl FnOnce(&mut LimitWords)) -> String {
        match &options(change).unwrap()[..] {
            [(name, value)] => format!("{name} {value}"),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn words_become_options() {
        assert_eq!(one(|w| w.memory = Some("64m".into())), "memory 67108864");
        assert_eq!(one(|w| w.memory_swap = Some("-1".into())), "memory-swap -1");
        assert_eq!(one(|w| w.memory_swap = Some("1k".into())), "memory-swap 1024");
        assert_eq!(one(|w| w.cpu_quota = Some(-1)), "cpu-quota -1");
        assert_eq!(one(|w| w.cpuset_cpus = Some("0-2,5".into())), "cpuset-cpus 0-2,5");
        assert_eq!(one(|w| w.cpuset_mems = Some("0".into())), "cpuset-mems 0");
        assert_eq!(options(|_| {}), Ok(Vec::new()));
        assert!(
            options(|w| w.memory = Some("-1".into()))
                .unwrap_err()
                .starts_with("--memory")
        );
        for wrong in ["a", "3-1", "0,", ""] {
            assert!(
                options(|w| w.cpuset_cpus = Some(wrong.into())).is_err(),
                "{wrong}"
            );
        }
    }

    #[test]
    fn hosts() {
        let hosts = |list: &[&str]| {
            options(|w| w.add_host = list.iter().map(|s| (*s).to_owned()).collect())
                .map(|options| options[0].1.clone())
        };
        assert_eq!(hosts(&["a:1.2.3.4", "b=[::1]"]), Ok("a=1.2.3.4,b=::1".to_owned()));
        assert_eq!(hosts(&["me:host-gateway"]), Ok("me=10.9.8.7".to_owned()));
        assert!(hosts(&["a"]).unwrap_err().contains("HOST:IP"));
    }
}
