//! The JSON of an image configuration, with Docker's extensions, as the types that frontends get.
//! (OCI image specification, config.md; Docker's Shell, Healthcheck and OnBuild.)
//! Knows nothing of where the bytes come from, and writes no JSON.

use std::collections::BTreeMap;

use lapstrake_llb::{Digest, Healthcheck, HistoryEntry, ImageConfig, Platform, Timestamp};
use serde::Deserialize;

use crate::error::{Error, Result};
use crate::source::platform;

/// An image configuration, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadConfig {
    /// What frontends get.
    pub config: ImageConfig,
    /// Whether the configuration itself names a platform. Where not, the one in `config` is only assumed.
    pub has_platform: bool,
    /// Digests of the uncompressed layers, the lowest first.
    pub diff_ids: Vec<Digest>,
}

#[derive(Deserialize)]
struct RawImage {
    #[serde(default)]
    created: Option<String>,
    #[serde(default)]
    author: Option<String>,
    #[serde(default)]
    architecture: Option<String>,
    #[serde(default)]
    os: Option<String>,
    #[serde(default)]
    variant: Option<String>,
    #[serde(default, rename = "os.version")]
    os_version: Option<String>,
    #[serde(default, rename = "os.features")]
    os_features: Option<Vec<String>>,
    #[serde(default)]
    config: Option<RawConfig>,
    #[serde(default)]
    rootfs: Option<RawRootfs>,
    #[serde(default)]
    history: Option<Vec<RawHistory>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct RawConfig {
    user: Option<String>,
    exposed_ports: Option<BTreeMap<String, serde_json::Value>>,
    env: Option<Vec<String>>,
    entrypoint: Option<Vec<String>>,
    cmd: Option<Vec<String>>,
    volumes: Option<BTreeMap<String, serde_json::Value>>,
    working_dir: Option<String>,
    labels: Option<BTreeMap<String, String>>,
    stop_signal: Option<String>,
    shell: Option<Vec<String>>,
    healthcheck: Option<RawHealthcheck>,
    on_build: Option<Vec<String>>,
    args_escaped: Option<bool>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct RawHealthcheck {
    test: Option<Vec<String>>,
    interval: Option<i64>,
    timeout: Option<i64>,
    start_period: Option<i64>,
    start_interval: Option<i64>,
    retries: Option<i64>,
}

#[derive(Deserialize)]
struct RawRootfs {
    #[serde(default)]
    diff_ids: Option<Vec<String>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawHistory {
    created: Option<String>,
    created_by: Option<String>,
    comment: Option<String>,
    author: Option<String>,
    empty_layer: Option<bool>,
}

/// Reads an image configuration. `image` is what error messages call it, `assumed` the platform of one that names none.
///
/// # Errors
/// Not JSON of that form, a time that is none, a diff id that is not SHA-256.
pub fn read(bytes: &[u8], image: &str, assumed: &Platform) -> Result<ReadConfig> {
    let raw: RawImage = serde_json::from_slice(bytes).map_err(|source| Error::BadConfig {
        image: image.to_owned(),
        source,
    })?;
    let time = |text: Option<String>| timestamp(text, image);
    let diff_ids = raw.rootfs.and_then(|rootfs| rootfs.diff_ids).unwrap_or_default();
    let diff_ids = diff_ids
        .iter()
        .map(|text| text.parse())
        .collect::<Result<Vec<Digest>, _>>()
        .map_err(|source| Error::UnsupportedDigest {
            image: image.to_owned(),
            source,
        })?;
    let mut history = Vec::new();
    for entry in raw.history.unwrap_or_default() {
        history.push(HistoryEntry {
            created: time(entry.created)?,
            created_by: entry.created_by.unwrap_or_default(),
            comment: entry.comment.unwrap_or_default(),
            author: filled(entry.author),
            empty_layer: entry.empty_layer.unwrap_or(false),
        });
    }
    let architecture = filled(raw.architecture);
    let has_platform = architecture.is_some();
    let platform = match architecture {
        Some(architecture) => platform::normalise(&Platform {
            os: raw.os.unwrap_or_default(),
            architecture,
            variant: filled(raw.variant),
            os_version: filled(raw.os_version),
            os_features: raw.os_features.unwrap_or_default(),
        }),
        None => platform::normalise(assumed),
    };
    let config = raw.config.unwrap_or_default();
    Ok(ReadConfig {
        config: ImageConfig {
            platform,
            env: config.env.unwrap_or_default().into_iter().map(variable).collect(),
            entrypoint: config.entrypoint,
            cmd: config.cmd,
            shell: config.shell,
            working_dir: config.working_dir.unwrap_or_default(),
            user: config.user.unwrap_or_default(),
            exposed_ports: config.exposed_ports.unwrap_or_default().into_keys().collect(),
            volumes: config.volumes.unwrap_or_default().into_keys().collect(),
            labels: config.labels.unwrap_or_default().into_iter().collect(),
            annotations: Vec::new(),
            stop_signal: filled(config.stop_signal),
            healthcheck: config.healthcheck.map(healthcheck),
            on_build: config.on_build.unwrap_or_default(),
            author: filled(raw.author),
            created: time(raw.created)?,
            history,
            args_escaped: config.args_escaped.unwrap_or_default(),
        },
        has_platform,
        diff_ids,
    })
}

fn filled(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

/// An entry without `=` is a variable without value.
fn variable(entry: String) -> (String, String) {
    match entry.split_once('=') {
        Some((name, value)) => (name.to_owned(), value.to_owned()),
        None => (entry, String::new()),
    }
}

fn healthcheck(raw: RawHealthcheck) -> Healthcheck {
    // Docker writes 0 for "as the engine decides".
    let set = |value: Option<i64>| value.filter(|value| *value != 0);
    Healthcheck {
        test: raw.test.unwrap_or_default(),
        interval_ns: set(raw.interval),
        timeout_ns: set(raw.timeout),
        start_period_ns: set(raw.start_period),
        start_interval_ns: set(raw.start_interval),
        retries: set(raw.retries).and_then(|retries| u32::try_from(retries).ok()),
    }
}

fn timestamp(text: Option<String>, image: &str) -> Result<Option<Timestamp>> {
    let Some(text) = filled(text) else { return Ok(None) };
    let time: jiff::Timestamp = text.parse().map_err(|source| Error::BadTime {
        image: image.to_owned(),
        text: text.clone(),
        source,
    })?;
    let nanoseconds = time.as_nanosecond().rem_euclid(1_000_000_000);
    let seconds = time.as_nanosecond().div_euclid(1_000_000_000);
    Ok(Some(Timestamp {
        seconds: i64::try_from(seconds).unwrap_or_default(),
        nanoseconds: u32::try_from(nanoseconds).unwrap_or_default(),
    }))
}

/// The chain id of every layer: what identifies the stack up to it (OCI image specification, config.md).
pub fn chain_ids(diff_ids: &[Digest]) -> Vec<Digest> {
    let mut chain: Vec<Digest> = Vec::with_capacity(diff_ids.len());
    for diff_id in diff_ids {
        chain.push(match chain.last() {
            None => *diff_id,
            Some(below) => Digest::of(format!("{below} {diff_id}").as_bytes()),
        });
    }
    chain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn linux() -> Platform {
        Platform {
            os: "linux".to_owned(),
            architecture: "amd64".to_owned(),
            variant: None,
            os_version: None,
            os_features: Vec::new(),
        }
    }

    #[test]
    fn reads_everything_that_docker_writes() {
        let text = r#"{
          "architecture":"arm","variant":"v7","os":"linux","author":"A. N. Other",
          "created":"2024-02-03T04:05:06.789012345Z",
          "config":{"User":"1000:5","Env":["PATH=/bin:/usr/bin","EMPTY=","BARE","EQ=a=b"],"Entrypoint":["/e"],
            "Cmd":["c","d"],"WorkingDir":"/w","ExposedPorts":{"80/tcp":{},"53/udp":{}},"Volumes":{"/v":{}},
            "Labels":{"b":"2","a":"1"},"StopSignal":"SIGINT","Shell":["/bin/bash","-c"],"OnBuild":["RUN x"],
            "Healthcheck":{"Test":["CMD","t"],"Interval":5000000000,"Timeout":0,"Retries":3},"Hostname":"ignored"},
          "rootfs":{"type":"layers","diff_ids":["sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"]},
          "history":[{"created":"1970-01-01T00:00:01Z","created_by":"ADD x"},
                     {"created_by":"ENV y","comment":"c","empty_layer":true}]}"#;
        let ReadConfig {
            config,
            has_platform,
            diff_ids,
        } = read(text.as_bytes(), "x", &linux()).unwrap();
        assert!(has_platform);
        assert_eq!(platform::name(&config.platform), "linux/arm/v7");
        assert_eq!(config.env[2], ("BARE".to_owned(), String::new()));
        assert_eq!(config.env[3], ("EQ".to_owned(), "a=b".to_owned()));
        assert_eq!(
            config.created,
            Some(Timestamp {
                seconds: 1_706_933_106,
                nanoseconds: 789_012_345
            })
        );
        assert_eq!(config.exposed_ports, ["53/udp", "80/tcp"]);
        assert_eq!(config.labels[0].0, "a");
        let check = config.healthcheck.unwrap();
        assert_eq!(
            (check.interval_ns, check.timeout_ns, check.retries),
            (Some(5_000_000_000), None, Some(3))
        );
        assert_eq!(config.shell.unwrap(), ["/bin/bash", "-c"]);
        assert_eq!(config.on_build, ["RUN x"]);
        assert_eq!(diff_ids.len(), 1);
        assert_eq!(config.history.len(), 2);
        assert!(config.history[1].empty_layer);
        assert_eq!(
            config.history[0].created,
            Some(Timestamp {
                seconds: 1,
                nanoseconds: 0
            })
        );
    }

    #[test]
    fn what_is_missing_or_null_is_empty() {
        for text in [
            "{}",
            r#"{"config":null,"history":null,"rootfs":{"diff_ids":null}}"#,
            r#"{"config":{"Env":null,"Cmd":null}}"#,
        ] {
            let read = read(text.as_bytes(), "x", &linux()).unwrap();
            assert!(!read.has_platform);
            assert_eq!(read.config.platform, linux());
            assert_eq!(read.config.cmd, None);
            assert!(read.diff_ids.is_empty());
        }
    }

    #[test]
    fn an_early_time_keeps_its_nanoseconds_positive() {
        let text = r#"{"created":"0001-01-01T00:00:00.5Z"}"#;
        let created = read(text.as_bytes(), "x", &linux())
            .unwrap()
            .config
            .created
            .unwrap();
        assert_eq!(
            created,
            Timestamp {
                seconds: -62_135_596_800,
                nanoseconds: 500_000_000
            }
        );
    }

    #[test]
    fn refuses_what_is_no_configuration() {
        assert!(matches!(read(b"no", "x", &linux()), Err(Error::BadConfig { .. })));
        assert!(matches!(
            read(br#"{"created":"yesterday"}"#, "x", &linux()),
            Err(Error::BadTime { .. })
        ));
        let sha512 = br#"{"rootfs":{"diff_ids":["sha512:00"]}}"#;
        assert!(matches!(
            read(sha512, "x", &linux()),
            Err(Error::UnsupportedDigest { .. })
        ));
    }

    #[test]
    fn a_chain_id_names_the_whole_stack() {
        let ids = [Digest::of(b"a"), Digest::of(b"b"), Digest::of(b"c")];
        let chain = chain_ids(&ids);
        assert_eq!(chain[0], ids[0]);
        let text = format!("{} {}", chain[1], ids[2]);
        assert_eq!(chain[2], Digest::of(text.as_bytes()));
        assert!(chain_ids(&[]).is_empty());
    }
}
