//! Tests of the plan.

use super::*;

fn facts() -> Facts {
    Facts {
        root: "/bundle/rootfs".into(),
        root_read_only: false,
        user: ResolvedUser {
            uid: 5,
            gid: 6,
            groups: vec![7],
            home: "/home/five".into(),
        },
        device_mounts: Vec::new(),
        devices: Vec::new(),
        mounts: Vec::new(),
        secret_env: Vec::new(),
        network: Network::Host,
        no_new_privileges: true,
        no_devices: false,
        unified_cgroups: false,
        cgroup_path: None,
        limits: None,
        seccomp: None,
    }
}

fn op() -> ExecOp {
    ExecOp {
        args: vec!["true".into()],
        cwd: "/work".into(),
        network: lapstrake_llb::NetworkMode::Host,
        ..ExecOp::default()
    }
}

fn options_of(spec: &Spec, target: &str) -> Vec<String> {
    let mounts = spec.mounts().as_ref().unwrap();
    let found: Vec<_> = mounts
        .iter()
        .filter(|m| m.destination().to_str() == Some(target))
        .collect();
    assert_eq!(found.len(), 1, "{target}");
    found[0].options().clone().unwrap()
}

fn namespaces(spec: &Spec) -> Vec<LinuxNamespaceType> {
    let linux = spec.linux().as_ref().unwrap();
    linux
        .namespaces()
        .as_ref()
        .unwrap()
        .iter()
        .map(|n| n.typ())
        .collect()
}

#[test]
fn raw_sockets_only_where_the_network_is_allowed() {
    let has = |network: NetworkMode, real: Network, security: SecurityMode| {
        let facts = Facts {
            network: real,
            ..facts()
        };
        let op = ExecOp {
            network,
            security,
            ..op()
        };
        let spec = plan(&op, facts).unwrap();
        let process = spec.process().as_ref().unwrap();
        let capabilities = process.capabilities().as_ref().unwrap();
        capabilities
            .bounding()
            .as_ref()
            .unwrap()
            .contains(&Capability::NetRaw)
    };
    use SecurityMode::{Insecure, Sandbox};
    assert!(
        has(NetworkMode::Host, Network::Host, Sandbox),
        "allowed by the user"
    );
    assert!(has(NetworkMode::None, Network::Loopback, Sandbox), "its own");
    assert!(
        !has(NetworkMode::Sandbox, Network::Host, Sandbox),
        "in want of a sandbox"
    );
    assert!(has(NetworkMode::Sandbox, Network::Host, Insecure));
}

#[test]
fn a_sandbox_is_dockers() {
    let spec = plan(&op(), facts()).unwrap();
    let process = spec.process().as_ref().unwrap();
    assert_eq!(spec.hostname().as_deref(), Some("buildkitsandbox"));
    assert_eq!(process.no_new_privileges(), Some(true));
    assert_eq!(
        process
            .capabilities()
            .as_ref()
            .unwrap()
            .effective()
            .as_ref()
            .unwrap()
            .len(),
        14
    );
    assert_eq!((process.user().uid(), process.user().gid()), (5, 6));
    assert_eq!(process.user().additional_gids().as_deref(), Some(&[7][..]));
    assert_eq!(
        process.rlimits(),
        &None,
        "the limits of this process are inherited"
    );
    assert!(options_of(&spec, "/sys").contains(&"ro".to_owned()));
    assert!(options_of(&spec, "/dev/shm").contains(&"size=65536k".to_owned()));
    assert!(!options_of(&spec, "/dev").contains(&"nodev".to_owned()));
    let linux = spec.linux().as_ref().unwrap();
    assert!(
        linux
            .masked_paths()
            .as_ref()
            .unwrap()
            .contains(&"/proc/kcore".to_owned())
    );
    assert!(
        linux
            .readonly_paths()
            .as_ref()
            .unwrap()
            .contains(&"/proc/sys".to_owned())
    );
    let devices = linux.resources().as_ref().unwrap().devices().clone().unwrap();
    assert!(
        !devices[0].allow() && devices[0].typ().is_none(),
        "everything is forbidden first"
    );
    assert_eq!(devices.len(), 1 + DEVICE_RULES.len());
    assert!(!namespaces(&spec).contains(&LinuxNamespaceType::Network));
}

#[test]
fn nothing_comes_from_the_defaults_of_a_library() {
    let spec = plan(&op(), facts()).unwrap();
    let json = serde_json::to_value(&spec).unwrap();
    let keys = |value: &serde_json::Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(
        keys(&json),
        ["hostname", "linux", "mounts", "ociVersion", "process", "root"]
    );
    assert_eq!(
        keys(&json["linux"]),
        ["maskedPaths", "namespaces", "readonlyPaths", "resources"]
    );
    assert_eq!(keys(&json["linux"]["resources"]), ["devices"]);
    let process = [
        "args",
        "capabilities",
        "cwd",
        "env",
        "noNewPrivileges",
        "terminal",
        "user",
    ];
    assert_eq!(keys(&json["process"]), process);
}

#[test]
fn networks() {
    let loopback = plan(
        &op(),
        Facts {
            network: Network::Loopback,
            ..facts()
        },
    )
    .unwrap();
    assert!(namespaces(&loopback).contains(&LinuxNamespaceType::Network));
}

#[test]
fn insecure_has_everything() {
    let insecure = ExecOp {
        security: SecurityMode::Insecure,
        ..op()
    };
    let seccomp = super::super::seccomp::oci_profile(DEFAULT_CAPABILITIES).unwrap();
    let spec = plan(
        &insecure,
        Facts {
            seccomp,
            no_devices: true,
            ..facts()
        },
    )
    .unwrap();
    let process = spec.process().as_ref().unwrap();
    assert_eq!(process.no_new_privileges(), Some(false));
    assert_eq!(
        process
            .capabilities()
            .as_ref()
            .unwrap()
            .bounding()
            .as_ref()
            .unwrap()
            .len(),
        41
    );
    let linux = spec.linux().as_ref().unwrap();
    assert_eq!(linux.seccomp(), &None);
    assert_eq!(linux.masked_paths().as_deref(), Some(&[][..]));
    assert_eq!(linux.readonly_paths().as_deref(), Some(&[][..]));
    let devices = linux.resources().as_ref().unwrap().devices().clone().unwrap();
    assert_eq!((devices.len(), devices[0].allow()), (1, true));
    assert!(!options_of(&spec, "/sys").contains(&"ro".to_owned()));
    assert!(!options_of(&spec, "/dev").contains(&"nodev".to_owned()));
}

#[test]
fn variables_once_and_the_last_wins() {
    let op = ExecOp {
        env: vec![
            ("A".into(), "1".into()),
            ("HTTP_PROXY".into(), "mine".into()),
            ("A".into(), "2=3".into()),
        ],
        proxy: Some(ProxyEnv {
            http: "http://p:1".into(),
            ..ProxyEnv::default()
        }),
        ..op()
    };
    let spec = plan(
        &op,
        Facts {
            secret_env: vec![("TOKEN".into(), "s".into())],
            ..facts()
        },
    )
    .unwrap();
    let env = spec.process().as_ref().unwrap().env().clone().unwrap();
    let path = format!("PATH={DEFAULT_PATH}");
    let expected = [
        path.as_str(),
        "HOME=/home/five",
        "A=2=3",
        "HTTP_PROXY=http://p:1",
        "http_proxy=http://p:1",
        "TOKEN=s",
    ];
    assert_eq!(env, expected);
    let op = ExecOp {
        env: vec![("PATH".into(), "/mine".into()), ("HOME".into(), "/h".into())],
        ..op
    };
    let env = plan(&op, facts())
        .unwrap()
        .process()
        .as_ref()
        .unwrap()
        .env()
        .clone()
        .unwrap();
    assert_eq!(&env[..2], ["PATH=/mine", "HOME=/h"]);
}

#[test]
fn ulimits() {
    let nofile = Ulimit {
        name: "nofile".into(),
        soft: Some(10),
        hard: None,
    };
    let spec = plan(
        &ExecOp {
            ulimits: vec![nofile],
            ..op()
        },
        facts(),
    )
    .unwrap();
    let rlimits = spec.process().as_ref().unwrap().rlimits().clone().unwrap();
    assert_eq!(
        (rlimits[0].typ(), rlimits[0].soft(), rlimits[0].hard()),
        (PosixRlimitType::RlimitNofile, 10, u64::MAX)
    );
    let odd = Ulimit {
        name: "files".into(),
        soft: None,
        hard: None,
    };
    let error = plan(
        &ExecOp {
            ulimits: vec![odd],
            ..op()
        },
        facts(),
    )
    .unwrap_err();
    assert_eq!(error, SetupError::UnknownUlimit { name: "files".into() });
}

#[test]
fn own_mounts_replace_those_at_the_same_place() {
    let own = mount("/dev/shm", "tmpfs", "tmpfs", &["size=1g"]).unwrap();
    let spec = plan(
        &op(),
        Facts {
            mounts: vec![own],
            ..facts()
        },
    )
    .unwrap();
    assert_eq!(options_of(&spec, "/dev/shm"), ["size=1g"]);
    let spec = plan(
        &op(),
        Facts {
            no_devices: true,
            unified_cgroups: true,
            ..facts()
        },
    )
    .unwrap();
    assert!(options_of(&spec, "/dev").contains(&"nodev".to_owned()));
    assert!(!options_of(&spec, "/dev/pts").contains(&"nodev".to_owned()));
    assert!(options_of(&spec, "/sys/fs/cgroup").contains(&"ro".to_owned()));
}

#[test]
fn limits_are_in_the_specification() {
    let limits = Limits {
        memory_bytes: Some(1 << 20),
        cpu_quota_us: Some(5000),
        cpuset_cpus: Some("0".into()),
        ..Limits::default()
    };
    let spec = plan(
        &op(),
        Facts {
            limits: Some(limits),
            cgroup_path: Some("/a/b".into()),
            ..facts()
        },
    )
    .unwrap();
    let linux = spec.linux().as_ref().unwrap();
    let resources = linux.resources().as_ref().unwrap();
    assert_eq!(resources.memory().as_ref().unwrap().limit(), Some(1 << 20));
    assert_eq!(resources.cpu().as_ref().unwrap().quota(), Some(5000));
    assert_eq!(resources.cpu().as_ref().unwrap().cpus().as_deref(), Some("0"));
    assert_eq!(
        linux.cgroups_path().as_deref(),
        Some(std::path::Path::new("/a/b"))
    );
}
