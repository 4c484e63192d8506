//! Tests of the documents: golden texts, and the repair of histories.

use lapstrake_llb::Healthcheck;

use super::*;

fn platform() -> Platform {
    Platform {
        os: "linux".to_owned(),
        architecture: "arm64".to_owned(),
        variant: Some("v8".to_owned()),
        os_version: None,
        os_features: Vec::new(),
    }
}

fn config_of(history: Vec<HistoryEntry>) -> ImageConfig {
    ImageConfig {
        platform: platform(),
        env: Vec::new(),
        entrypoint: None,
        cmd: None,
        shell: None,
        working_dir: String::new(),
        user: String::new(),
        exposed_ports: Vec::new(),
        volumes: Vec::new(),
        labels: Vec::new(),
        annotations: Vec::new(),
        stop_signal: None,
        healthcheck: None,
        on_build: Vec::new(),
        author: None,
        created: None,
        history,
        args_escaped: false,
    }
}

fn at(seconds: i64) -> Timestamp {
    Timestamp {
        seconds,
        nanoseconds: 0,
    }
}

fn layer(name: &str, created: i64) -> PackedLayer {
    PackedLayer {
        digest: Digest::of(name.as_bytes()),
        size: 7,
        compression: Compression::Gzip,
        diff_id: Digest::of(format!("{name} diff").as_bytes()),
        description: name.to_owned(),
        created,
    }
}

fn entry(text: &str, created: Option<i64>, empty_layer: bool) -> HistoryEntry {
    HistoryEntry {
        created: created.map(at),
        created_by: text.to_owned(),
        empty_layer,
        ..HistoryEntry::default()
    }
}

fn shown(timeline: &Timeline) -> Vec<(String, i64, bool)> {
    let show = |e: &HistoryEntry| (e.created_by.clone(), e.created.unwrap().seconds, e.empty_layer);
    timeline.entries.iter().map(show).collect()
}

fn expected(list: &[(&str, i64, bool)]) -> Vec<(String, i64, bool)> {
    list.iter()
        .map(|(text, time, empty)| ((*text).to_owned(), *time, *empty))
        .collect()
}

#[test]
fn a_whole_configuration() {
    let list = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let image = ImageConfig {
        env: vec![
            ("PATH".to_owned(), "/bin".to_owned()),
            ("A".to_owned(), "x=<&>".to_owned()),
        ],
        entrypoint: Some(list(&["/init", "--"])),
        cmd: Some(list(&["run"])),
        shell: Some(list(&["/bin/bash", "-c"])),
        working_dir: "/srv".to_owned(),
        user: "me:us".to_owned(),
        exposed_ports: list(&["80/tcp", "53/udp"]),
        volumes: list(&["/data"]),
        labels: vec![("b".to_owned(), "2".to_owned()), ("a".to_owned(), "1".to_owned())],
        stop_signal: Some("SIGINT".to_owned()),
        healthcheck: Some(Healthcheck {
            test: list(&["CMD", "check"]),
            interval_ns: Some(30_000_000_000),
            timeout_ns: Some(0),
            start_period_ns: None,
            start_interval_ns: Some(1),
            retries: Some(3),
        }),
        on_build: list(&["RUN true"]),
        args_escaped: true,
        author: Some("somebody".to_owned()),
        ..config_of(vec![
            HistoryEntry {
                created: Some(Timestamp {
                    seconds: 1_700_000_000,
                    nanoseconds: 500_000_000,
                }),
                author: Some("base".to_owned()),
                ..entry("/bin/sh -c #(nop) ADD file:1 in / ", None, false)
            },
            HistoryEntry {
                comment: "buildkit.dockerfile.v0".to_owned(),
                ..entry("RUN /bin/sh -c a && b # buildkit", None, false)
            },
            entry("CMD [\"run\"]", None, true),
        ])
    };
    let layers = [layer("base", 1), layer("step", 1_700_000_100)];
    let times = timeline(&image, &layers, None, at(9));
    let diff_ids: Vec<Digest> = layers.iter().map(|layer| layer.diff_id).collect();
    let written = String::from_utf8(config(&image, &platform(), &times, &diff_ids).unwrap()).unwrap();
    let golden = concat!(
        r#"{"architecture":"arm64","author":"somebody","config":{"User":"me:us","ExposedPorts":{"53/udp":{},"#,
        r#""80/tcp":{}},"Env":["PATH=/bin","A=x=\u003c\u0026\u003e"],"Entrypoint":["/init","--"],"Cmd":["run"],"#,
        r#""Volumes":{"/data":{}},"WorkingDir":"/srv","Labels":{"a":"1","b":"2"},"StopSignal":"SIGINT","ArgsEscaped":true,"#,
        r#""Healthcheck":{"Test":["CMD","check"],"Interval":30000000000,"StartInterval":1,"Retries":3},"#,
        r#""OnBuild":["RUN true"],"Shell":["/bin/bash","-c"]},"created":"2023-11-14T22:15:00Z","history":["#,
        r#"{"created":"2023-11-14T22:13:20.5Z","created_by":"/bin/sh -c #(nop) ADD file:1 in / ","author":"base"},"#,
        r#"{"created":"2023-11-14T22:15:00Z","created_by":"RUN /bin/sh -c a \u0026\u0026 b # buildkit","#,
        r#""comment":"buildkit.dockerfile.v0"},"#,
        r#"{"created":"2023-11-14T22:15:00Z","created_by":"CMD [\"run\"]","empty_layer":true}],"os":"linux","#,
        r#""rootfs":{"type":"layers","diff_ids":["sha256:DIFF1","sha256:DIFF2"]},"variant":"v8"}"#,
    );
    let golden = golden
        .replace("DIFF1", &diff_ids[0].hex())
        .replace("DIFF2", &diff_ids[1].hex());
    assert_eq!(written, golden);
    // A second opinion on the format.
    let read: oci_spec::image::ImageConfiguration = serde_json::from_str(&written).unwrap();
    assert_eq!(read.rootfs().diff_ids().len(), 2);
}

#[test]
fn a_configuration_of_nothing() {
    let image = config_of(Vec::new());
    let times = timeline(&image, &[], None, at(1_700_000_000));
    let written = config(&image, &platform(), &times, &[]).unwrap();
    let golden = concat!(
        r#"{"architecture":"arm64","config":{},"created":"2023-11-14T22:13:20Z","history":[],"os":"linux","#,
        r#""rootfs":{"type":"layers","diff_ids":[]},"variant":"v8"}"#,
    );
    assert_eq!(String::from_utf8(written).unwrap(), golden);
}

#[test]
fn a_manifest_and_an_index() {
    let config = descriptor(Family::Oci.config(), Digest::of(b"config"), 3);
    let annotations = BTreeMap::from([("b".to_owned(), "2".to_owned()), ("a".to_owned(), "1".to_owned())]);
    let zstd = PackedLayer {
        compression: Compression::Zstd,
        ..layer("second", 0)
    };
    let written = manifest(Family::Oci, config, &[layer("first", 0), zstd], annotations).unwrap();
    let written = String::from_utf8(written).unwrap();
    let golden = r#"{
  "schemaVersion": 2,
  "mediaType": "application/vnd.oci.image.manifest.v1+json",
  "config": {
    "mediaType": "application/vnd.oci.image.config.v1+json",
    "digest": "CONFIG",
    "size": 3
  },
  "layers": [
    {
      "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
      "digest": "FIRST",
      "size": 7
    },
    {
      "mediaType": "application/vnd.oci.image.layer.v1.tar+zstd",
      "digest": "SECOND",
      "size": 7
    }
  ],
  "annotations": {
    "a": "1",
    "b": "2"
  }
}"#;
    let golden = golden
        .replace("CONFIG", &Digest::of(b"config").to_string())
        .replace("FIRST", &Digest::of(b"first").to_string())
        .replace("SECOND", &Digest::of(b"second").to_string());
    assert_eq!(written, golden);
    serde_json::from_str::<oci_spec::image::ImageManifest>(&written).unwrap();

    let entry = descriptor(Family::Oci.manifest(), Digest::of(b"manifest"), 3);
    let entry = for_platform(entry, &platform(), BTreeMap::new());
    let written = String::from_utf8(index(Family::Oci, vec![entry], &BTreeMap::new()).unwrap()).unwrap();
    let read: oci_spec::image::ImageIndex = serde_json::from_str(&written).unwrap();
    let read = read.manifests()[0].platform().as_ref().unwrap();
    assert_eq!(read.architecture().to_string(), "arm64");
    assert_eq!(read.variant().as_deref(), Some("v8"));
}

#[test]
fn layers_without_history_get_entries() {
    let image = config_of(vec![entry("known", Some(5), false)]);
    let times = timeline(
        &image,
        &[layer("a", 10), layer("b", 20), layer("c", 30)],
        None,
        at(99),
    );
    assert_eq!(
        shown(&times),
        expected(&[("known", 5, false), ("b", 20, false), ("c", 30, false)])
    );
    assert_eq!(times.entries[2].comment, COMMENT);
    assert_eq!(times.created, at(30));
}

#[test]
fn history_without_layers_becomes_empty() {
    let image = config_of(vec![
        entry("a", Some(5), false),
        entry("b", Some(6), false),
        entry("c", None, false),
    ]);
    let times = timeline(&image, &[layer("a", 10)], None, at(99));
    assert_eq!(
        shown(&times),
        expected(&[("a", 5, false), ("b", 6, true), ("c", 6, true)])
    );
}

#[test]
fn empty_entries_take_their_times_from_the_layers_around() {
    let image = config_of(vec![
        entry("base", Some(5), false),
        entry("ENV", None, true),
        entry("RUN", None, false),
        entry("LABEL", None, true),
        entry("RUN 2", None, false),
        entry("CMD", None, true),
    ]);
    let layers = [layer("base", 1), layer("run", 100), layer("run 2", 200)];
    let times = timeline(&image, &layers, None, at(999));
    let list = [
        ("base", 5, false),
        ("ENV", 100, true),
        ("RUN", 100, false),
        ("LABEL", 100, true),
        ("RUN 2", 200, false),
        ("CMD", 200, true),
    ];
    assert_eq!(shown(&times), expected(&list));
    assert_eq!(
        times.created,
        at(200),
        "the same layers have the same time at every export"
    );

    let image = config_of(vec![entry("base", Some(5), false), entry("CMD", None, true)]);
    let times = timeline(&image, &layers[..1], None, at(999));
    assert_eq!(shown(&times), expected(&[("base", 5, false), ("CMD", 5, true)]));
}

#[test]
fn no_time_is_later_than_the_epoch() {
    let image = config_of(vec![
        entry("old", Some(5), false),
        entry("RUN", None, false),
        entry("CMD", None, true),
    ]);
    let layers = [layer("old", 1), layer("run", 100)];
    let times = timeline(&image, &layers, Some(at(50)), at(999));
    assert_eq!(
        shown(&times),
        expected(&[("old", 5, false), ("RUN", 50, false), ("CMD", 50, true)])
    );
    assert_eq!(times.created, at(50));
    assert_eq!(
        timeline(&config_of(Vec::new()), &[], Some(at(50)), at(999)).created,
        at(50)
    );
}
