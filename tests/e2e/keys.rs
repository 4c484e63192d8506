//! What a key is made of, what making it costs, and what is run anew on purpose.

use std::path::Path;

use lapstrake_tests::gated::Gated;
use lapstrake_tests::opened::Opened;
use lapstrake_tests::{Place, base, can_run_containers, layout, skip};
use serde_json::{Value, json};

const UUID: &str = "cat /proc/sys/kernel/random/uuid";

fn read(out: &Path, name: &str) -> String {
    std::fs::read_to_string(out.join(name)).unwrap()
}

/// A registry with the test's base image, and the descriptors of two manifests of it.
fn registry(place: &Place) -> (Gated, Value, Value) {
    let folder = place.path("registry");
    copy_folder(base::busybox(), &folder);
    let index: Value = serde_json::from_slice(&std::fs::read(folder.join("index.json")).unwrap()).unwrap();
    let first = index["manifests"][0].clone();
    let hex = first["digest"].as_str().unwrap().trim_start_matches("sha256:");
    let mut manifest: Value =
        serde_json::from_slice(&std::fs::read(folder.join("blobs/sha256").join(hex)).unwrap()).unwrap();
    manifest["annotations"] = json!({ "built": "again" });
    let kind = "application/vnd.oci.image.manifest.v1+json";
    let second = layout::blob(&folder, kind, manifest.to_string().as_bytes());
    let gated = Gated::start(&folder);
    place.config(&format!("[registry.\"{}\"]\nhttp = true\n", gated.host));
    (gated, first, second)
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let to = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy_folder(&entry.path(), &to),
            false => drop(std::fs::copy(entry.path(), to).unwrap()),
        }
    }
}

#[test]
fn a_cached_build_opens_no_layer_and_no_file_of_the_context() {
    if !can_run_containers() {
        skip!("containers do not work here: see lapstrake doctor");
    }
    let place = Place::new();
    place
        .dockerfile("FROM base AS a\nCOPY src /src\nRUN cat /src/a > /b\nFROM base\nCOPY --from=a /b /b\nRUN --mount=from=a,source=/src,target=/m cp /m/a /c\n")
        .file("src/a", "1")
        .file("src/deep/er", "2")
        .file("not-copied", "3");
    place.build(&[]).ok();
    // A file that was written just before it was read is read once more.
    std::thread::sleep(std::time::Duration::from_millis(3100));
    place.build(&[]).ok();
    let (layers, context) = (
        Opened::below(&place.state().join("layers")),
        Opened::below(&place.path("context")),
    );
    let ran = place.build(&[]).ok();
    assert!(ran.count("CACHED") > 0, "{}", ran.stderr);
    assert_eq!(layers.all(), []);
    // The build file and its ignore file are the frontend's source, not the context's content.
    let opened: Vec<_> = context
        .files()
        .into_iter()
        .filter(|path| !path.ends_with("Dockerfile"))
        .collect();
    assert_eq!(opened, [] as [std::path::PathBuf; 0]);
    // The watch does see what is opened.
    std::fs::read(place.path("context/src/a")).unwrap();
    assert_eq!(context.files(), [place.path("context/src/a")]);
}

#[test]
fn of_a_registry_a_cached_build_asks_one_head_request_a_tag_and_all_at_once() {
    if !can_run_containers() {
        skip!("containers do not work here: see lapstrake doctor");
    }
    let place = Place::new();
    let (gated, image, _) = registry(&place);
    let host = gated.host.clone();
    let heads: Vec<String> = (0..5)
        .map(|n| {
            gated.tag(&format!("lib/i{n}:1"), &image);
            format!("HEAD /v2/lib/i{n}/manifests/1")
        })
        .collect();
    let digest = image["digest"].as_str().unwrap();
    place.dockerfile(&format!(
        "FROM {host}/lib/i0:1 AS a\nRUN echo a > /a\nFROM {host}/lib/i1:1 AS b\nCOPY --from={host}/lib/i2:1 /etc/passwd /p\n\
         RUN --mount=from={host}/lib/i3:1,target=/m true\nFROM {host}/lib/i4:1\nCOPY --from=a /a /a\nCOPY --from=b /p /p\n\
         COPY --from={host}/lib/i5@{digest} /etc/group /g\n"
    ));
    place.run(["build", "context"]).ok();
    let asked = gated.take_asked();
    assert!(
        asked.len() > heads.len() && heads.iter().all(|head| asked.contains(head)),
        "{asked:?}"
    );
    for more in [&[][..], &["--pull"]] {
        gated.hold(heads.len());
        place.run([&["build", "context"], more].concat()).ok();
        assert_eq!(gated.take_asked(), heads, "{more:?}");
        assert!(gated.came_together(), "one after the other");
    }
    gated.hold(0);
    place.run(["build", "context", "--offline"]).ok();
    assert_eq!(gated.take_asked(), [] as [&str; 0]);
}

#[test]
fn a_base_that_moved_to_another_manifest_of_the_same_image_is_no_change() {
    if !can_run_containers() {
        skip!("containers do not work here: see lapstrake doctor");
    }
    let place = Place::new();
    let (gated, first, second) = registry(&place);
    let host = gated.host.clone();
    gated.tag("base:1", &first).tag("other/base:2", &first);
    let build = |reference: &str, out: &str| {
        place.dockerfile(&format!("FROM {host}/{reference}\nRUN {UUID} > /u\n"));
        place.run(["build", "context", "-o", out]).ok();
        read(&place.path(out), "u")
    };
    let one = build("base:1", "out/1");
    assert_eq!(one, build("other/base:2", "out/2"), "another name");
    gated.tag("base:1", &second);
    assert_eq!(one, build("base:1", "out/3"), "another manifest");
    let digest = second["digest"].as_str().unwrap();
    assert_eq!(one, build(&format!("base@{digest}"), "out/4"), "by digest");
}

#[test]
fn two_names_of_one_image_in_one_build_are_one() {
    if !can_run_containers() {
        skip!("containers do not work here: see lapstrake doctor");
    }
    let place = Place::new();
    let (gated, first, second) = registry(&place);
    let host = gated.host.clone();
    gated.tag("a:1", &first).tag("b:1", &second);
    place.dockerfile(&format!(
        "FROM {host}/a:1 AS x\nRUN {UUID} > /u\nFROM {host}/b:1 AS y\nRUN {UUID} > /u\n\
         FROM scratch\nCOPY --from=x /u /x\nCOPY --from=y /u /y\n"
    ));
    for jobs in ["1", "4"] {
        let out = format!("out/{jobs}");
        place
            .run([
                "build",
                "context",
                "-j",
                jobs,
                "--no-cache-filter",
                "none",
                "-o",
                &out,
            ])
            .ok();
        assert_eq!(read(&place.path(&out), "x"), read(&place.path(&out), "y"));
    }
}

#[test]
fn offline_says_what_is_missing_and_what_to_do() {
    let place = Place::new();
    let (gated, first, _) = registry(&place);
    let host = gated.host.clone();
    gated.tag("base:1", &first);
    let text = format!("FROM {host}/base:1\nLABEL a=b\n");
    place.dockerfile(&text);
    for command in ["build", "llb"] {
        let ran = place.run([command, "context", "--offline"]);
        ran.fails(
            3,
            &[
                &format!("{host}/base:1 is not in the store"),
                "offline",
                "--offline",
            ],
        );
    }
    assert_eq!(gated.take_asked(), [] as [&str; 0]);
    // What was seen once is known, its manifest and configuration too.
    place.run(["build", "context"]).ok();
    gated.take_asked();
    place.run(["build", "context", "--offline"]).ok();
    // But not its files, which nobody has needed.
    place.dockerfile(&format!("{text}COPY --from={host}/base:1 /etc/passwd /p\n"));
    place
        .run(["build", "context", "--offline"])
        .fails(3, &["is not in the store", "--offline"]);
    assert_eq!(gated.take_asked(), [] as [&str; 0]);
    place
        .run(["build", "context", "--offline", "--pull"])
        .fails(2, &["--pull"]);
}

#[test]
fn a_mount_counts_by_what_its_source_selects() {
    if !can_run_containers() {
        skip!("containers do not work here: see lapstrake doctor");
    }
    let place = Place::new();
    let text = |stage: &str| {
        format!(
            "FROM base AS made\nCOPY . /all\nRUN echo {stage} > /all/made\nFROM base\n\
             RUN --mount=source=src,target=/m --mount=from=made,source=/all/src,target=/n {UUID} > /u\n"
        )
    };
    place
        .dockerfile(&text("one"))
        .file("src/a", "1")
        .file("src/b", "1")
        .file("other", "1");
    let build = |place: &Place| read(&place.build_local(&[]).0, "u");
    let first = build(&place);
    place.file("other", "2").dockerfile(&text("two"));
    assert_eq!(first, build(&place), "nothing of the two sources has changed");
    // The same content at another time: a bind shows times, but they do not count, as in COPY.
    place.file("src/a", "1");
    assert_eq!(first, build(&place));
    place.file("src/a", "2");
    let second = build(&place);
    assert_ne!(first, second);
    std::fs::remove_file(place.path("context/src/b")).unwrap();
    assert_ne!(second, build(&place));
}

#[test]
fn stages_are_run_anew_by_name_and_by_number_and_others_are_not() {
    if !can_run_containers() {
        skip!("containers do not work here: see lapstrake doctor");
    }
    let place = Place::new();
    // `same` makes the same whenever it runs; `below` stands on `other`.
    place.dockerfile(&format!(
        "FROM base AS first\nRUN : first; {UUID} > /u\nFROM base AS Other\nRUN : other; {UUID} > /u\nFROM other AS below\nRUN {UUID} > /v\n\
         FROM base AS same\nRUN echo same > /s; {UUID} > /dev/null\nFROM base AS user\nCOPY --from=same /s /s\nRUN {UUID} > /w\n\
         FROM scratch\nCOPY --from=first /u /first\nCOPY --from=below /u /other\nCOPY --from=below /v /below\nCOPY --from=user /w /user\n"
    ));
    let names = ["first", "other", "below", "user"];
    let build = |more: &[&str]| {
        let (out, _) = place.build_local(more);
        names.map(|name| read(&out, name))
    };
    let mut last = build(&[]);
    // What stands on a stage that was run anew is made of its new result; what takes equal files of it is not run.
    for (filter, anew) in [
        ("first", &["first"][..]),
        ("0", &["first"]),
        ("other", &["other", "below"]),
        ("OTHER", &["other", "below"]),
        ("below", &["below"]),
        ("same", &[]),
        ("first,below", &["first", "below"]),
        ("nothing", &[]),
    ] {
        let now = build(&["--no-cache-filter", filter]);
        for (n, name) in names.iter().enumerate() {
            assert_eq!(now[n] != last[n], anew.contains(name), "{name} with {filter}");
        }
        assert_eq!(build(&[]), now, "the newest result is the one that is found");
        last = now;
    }
}
