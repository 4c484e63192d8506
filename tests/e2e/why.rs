//! `lapstrake why`: what is said of real builds, and that saying it changes nothing.

use std::os::unix::fs::PermissionsExt;

use lapstrake_tests::servers::Registry;
use lapstrake_tests::{Place, Ran, base, can_run_containers, skip};

/// `lapstrake why context` with the options of a build, and the step.
fn why(place: &Place, more: &[&str]) -> Ran {
    let base = lapstrake_tests::base::context();
    place.run([&["why", "context", "--build-context", &base], more].concat())
}

/// What is said, on one line.
#[track_caller]
fn said(place: &Place, more: &[&str]) -> String {
    why(place, more).ok().stdout
}

#[track_caller]
fn assert_said(place: &Place, more: &[&str], texts: &[&str]) {
    let said = said(place, more);
    for text in texts {
        assert!(said.contains(text), "{text:?} is not said:\n{said}");
    }
}

const COPY: &str = "FROM scratch\nCOPY src /src\n";

#[test]
fn a_first_build_and_an_unchanged_one() {
    let place = Place::new();
    place.dockerfile(COPY).file("src/a.rs", "1");
    assert_said(
        &place,
        &["COPY src"],
        &["runs: there is no record of it, nor of an earlier version of it"],
    );
    assert_said(&place, &[], &["1 would run"]);
    place.build(&[]).ok();
    assert_said(
        &place,
        &["COPY src"],
        &["cached: nothing that it is made of changed; recorded"],
    );
    assert_said(&place, &[], &["nothing would run: what is wanted is cached"]);
}

#[test]
fn changed_files_are_said_by_name_and_by_what_changed() {
    let place = Place::new();
    place
        .dockerfile(COPY)
        .file("src/a.rs", "1")
        .file("src/b.rs", "1")
        .file("src/c.rs", "1");
    let mode = |mode: u32| {
        let path = place.path("context/src/b.rs");
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    mode(0o644);
    place.build(&[]).ok();
    place.file("src/a.rs", "2").file("src/d.rs", "1");
    mode(0o755);
    std::fs::remove_file(place.path("context/src/c.rs")).unwrap();
    let all = "COPY src: src/a.rs changed (content), src/b.rs changed (mode 0644 -> 0755), src/d.rs added, src/c.rs removed";
    let some = "COPY src: src/a.rs changed (content), src/b.rs changed (mode 0644 -> 0755), src/d.rs added, and 1 more";
    assert_said(
        &place,
        &["COPY src"],
        &["it differs from what was recorded", some],
    );
    assert_said(&place, &["-v", "COPY src"], &[all]);
    let json = said(&place, &["--format", "json", "COPY src"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let step = &json["steps"][0];
    assert_eq!(
        (&step["state"], &step["reason"]),
        (&"runs".into(), &"differs".into())
    );
    let files = step["causes"][0]["files"].as_array().unwrap();
    assert_eq!(files.len(), 4, "{json}");
    assert_eq!(files[0]["name"], "src/a.rs");
}

#[test]
fn a_file_that_is_not_copied_is_no_reason() {
    let place = Place::new();
    place.dockerfile(COPY).file("src/a.rs", "1").file("notes", "1");
    place.build(&[]).ok();
    place.file("notes", "2");
    let text = said(&place, &["COPY src"]);
    assert!(text.contains("cached:"), "{text}");
}

#[test]
fn options_of_a_copy_are_said() {
    let place = Place::new();
    place
        .dockerfile("FROM scratch\nCOPY --chmod=644 a /x\n")
        .file("a", "1");
    place.build(&[]).ok();
    place.dockerfile("FROM scratch\nCOPY --chmod=755 --chown=1:2 a /y\n");
    assert_said(
        &place,
        &["COPY"],
        &[
            "chmod: 0644 -> 0755",
            "chown: added, 1:2",
            "destination: /x -> /y",
        ],
    );
}

#[test]
fn commands_variables_and_arguments_are_said() {
    if !can_run_containers() {
        skip!("containers do not work here: see lapstrake doctor");
    }
    let place = Place::new();
    let text = |foo: &str, make: &str| {
        format!("FROM base\nENV FOO={foo} OLD=1\nARG LEVEL=0\nWORKDIR /w\nRUN {make}\nRUN echo end\n")
    };
    place.dockerfile(&text("x", "true make"));
    place.build(&[]).ok();
    place.dockerfile(&text("y", "true make all"));
    assert_said(
        &place,
        &["RUN true"],
        &["command: true make -> true make all", "ENV FOO: x -> y"],
    );
    // A step above tells what changed below it.
    assert_said(
        &place,
        &["echo end"],
        &[
            "ENV FOO: x -> y",
            "RUN true make all: command: true make -> true make all",
        ],
    );
    place.dockerfile(&text("x", "true make").replace(" OLD=1", " NEW=1"));
    assert_said(
        &place,
        &["RUN true"],
        &["ENV OLD: removed, was 1", "ENV NEW: added, 1"],
    );
    place.dockerfile(&text("x", "true make"));
    assert_said(
        &place,
        &["--build-arg", "LEVEL=3", "RUN true"],
        &["ENV LEVEL: 0 -> 3 (build argument)"],
    );
    place.dockerfile(&text("x", "true make").replace("/w", "/other"));
    assert_said(&place, &["RUN true"], &["working directory: /w -> /other"]);
    place.dockerfile(&text("x", "true make").replace("WORKDIR", "USER 7\nWORKDIR"));
    assert_said(&place, &["RUN true"], &["user: added, 7"]);
    place.dockerfile(&text("x", "true make").replace("RUN true", "RUN --network=none true"));
    assert_said(&place, &["RUN --network=none"], &["network: sandbox -> none"]);
    place.dockerfile(&text("x", "true make").replace("RUN true", "RUN --mount=type=cache,target=/c true"));
    assert_said(&place, &["RUN --mount"], &["mount /c: added, cache"]);
}

#[test]
fn a_changed_input_is_followed_to_the_file() {
    if !can_run_containers() {
        skip!("containers do not work here: see lapstrake doctor");
    }
    let place = Place::new();
    place
        .dockerfile("FROM base\nCOPY src /src\nRUN ls /src > /list\nRUN wc /list > /count\n")
        .file("src/a.rs", "1");
    place.build(&[]).ok();
    place.file("src/a.rs", "2");
    assert_said(
        &place,
        &["wc /list"],
        &[
            "runs: it differs",
            "input [1/4] COPY src /src: COPY src: src/a.rs changed (content)",
        ],
    );
    let all = said(&place, &[]);
    assert!(all.contains("3 would run"), "{all}");
    let before = said(&place, &[]);
    assert_eq!(all, before, "asking changes nothing");
    assert_eq!(place.build(&[]).ok().count("CACHED"), 1, "only FROM was cached");
}

#[test]
fn a_new_step_and_one_that_is_gone_are_said() {
    if !can_run_containers() {
        skip!("containers do not work here: see lapstrake doctor");
    }
    let place = Place::new();
    place.dockerfile("FROM base\nRUN echo one\nRUN echo two\n");
    place.build(&[]).ok();
    place.dockerfile("FROM base\nRUN echo one\nRUN echo between\nRUN echo two\n");
    assert_said(
        &place,
        &["RUN echo two"],
        &["new before it: [2/4] RUN echo between"],
    );
    place.dockerfile("FROM base\nRUN echo two\n");
    assert_said(
        &place,
        &["RUN echo two"],
        &["no longer before it: [1/3] RUN echo one"],
    );
}

/// Builds an image with one more layer than the base into a layout.
fn image(place: &Place, text: &str) {
    let context = place.path("image");
    std::fs::create_dir_all(&context).unwrap();
    std::fs::write(context.join("Dockerfile"), "FROM base\nCOPY f /f\n").unwrap();
    std::fs::write(context.join("f"), text).unwrap();
    let base = lapstrake_tests::base::context();
    let _ = std::fs::remove_dir_all(place.path("out/layout"));
    let out = "type=oci,tar=false,dest=out/layout,name=my:latest";
    place
        .run(["build", "image", "--build-context", &base, "-o", out])
        .ok();
}

#[test]
fn a_base_image_that_moved_is_said() {
    if !can_run_containers() {
        skip!("containers do not work here: see lapstrake doctor");
    }
    let place = Place::new();
    image(&place, "1");
    place.dockerfile("FROM mine\nRUN echo hello\n");
    let mine = format!("mine=oci-layout://{}:latest", place.path("out/layout").display());
    let context = ["--build-context", mine.as_str()];
    place.build(&context).ok();
    let same = said(&place, &[&context[..], &["RUN echo"]].concat());
    assert!(same.contains("cached:"), "{same}");
    image(&place, "2");
    let moved = said(&place, &[&context[..], &["RUN echo"]].concat());
    assert!(
        moved.contains("OCI load from client: base image digest moved: sha256:"),
        "{moved}"
    );
    assert!(
        moved.contains(" -> sha256:") && moved.contains(" (mine:latest)"),
        "{moved}"
    );
    let own = said(&place, &[&context[..], &["context mine"]].concat());
    assert!(own.contains("    base image digest moved: sha256:"), "{own}");
}

#[test]
fn a_tag_that_moved_in_a_registry_is_said() {
    if !can_run_containers() {
        skip!("containers do not work here: see lapstrake doctor");
    }
    let place = Place::new();
    let Some(registry) = Registry::start(&place.path("out"), None) else {
        skip!("docker-registry is not installed");
    };
    if !registry.push(base::busybox(), "lib/base:1", None) {
        skip!("skopeo is not installed");
    }
    place.config(&format!("[registry.\"{}\"]\nhttp = true\n", registry.host));
    let name = format!("{}/lib/base:1", registry.host);
    place.dockerfile(&format!("FROM {name}\nRUN echo hello\n"));
    place.run(["build", "context"]).ok();
    image(&place, "moved");
    assert!(registry.push(&place.path("out/layout"), "lib/base:1", None));
    let moved = place.run(["why", "context", "RUN echo"]).ok().stdout;
    assert!(
        moved.contains(&format!("FROM {name}"))
            && moved.contains(": base image digest moved: sha256:")
            && moved.contains(&format!(" ({name})")),
        "{moved}"
    );
    // Another tag with the same layers is no change.
    assert!(registry.push(base::busybox(), "lib/base:2", None));
    place.dockerfile(&format!("FROM {}/lib/base:2\nRUN echo hello\n", registry.host));
    let same = place.run(["why", "context", "RUN echo"]).ok().stdout;
    assert!(
        same.contains("cached: nothing that it is made of changed"),
        "{same}"
    );
    place.dockerfile(&format!("FROM {}/lib/base:1\nRUN echo other\n", registry.host));
    let both = place.run(["why", "context", "RUN echo"]).ok().stdout;
    assert!(both.contains("command: echo hello -> echo other"), "{both}");
    assert!(both.contains("base image digest moved"), "{both}");
}

#[test]
fn no_cache_its_filter_and_a_record_that_is_gone() {
    if !can_run_containers() {
        skip!("containers do not work here: see lapstrake doctor");
    }
    let place = Place::new();
    place.dockerfile("FROM base AS one\nRUN echo 1 > /f\nFROM base\nCOPY --from=one /f /f\nRUN echo 2\n");
    place.build(&[]).ok();
    assert_said(
        &place,
        &["--no-cache", "RUN echo 2"],
        &["runs: the cache is switched off for it"],
    );
    let filter = ["--no-cache-filter", "one"];
    assert_said(
        &place,
        &[&filter[..], &["RUN echo 1"]].concat(),
        &["runs: the cache is switched off for it"],
    );
    assert_said(
        &place,
        &[&filter[..], &["COPY --from"]].concat(),
        &[
            "may be cached by content once [one 1/2] RUN echo 1 > /f has run",
            "input [one 1/2] RUN echo 1 > /f: made anew",
        ],
    );
    // What is not needed is said, and why.
    assert_said(
        &place,
        &["RUN echo 1"],
        &[
            "not needed: [stage-1 2/3] RUN echo 2 is cached",
            "cached: nothing that it is made of changed",
        ],
    );
}

#[test]
fn what_is_cached_by_content_is_said() {
    if !can_run_containers() {
        skip!("containers do not work here: see lapstrake doctor");
    }
    let place = Place::new();
    let text = |command: &str| {
        format!("FROM base AS one\nRUN {command} > /f\nFROM base\nCOPY --from=one /f /f\nRUN echo 2\n")
    };
    place.dockerfile(&text("echo same"));
    place.build(&[]).ok();
    place.dockerfile(&text("printf 'same\\n'"));
    assert_said(
        &place,
        &["COPY --from"],
        &[
            "may be cached by content once",
            "command: echo same > /f -> printf 'same\\n' > /f",
        ],
    );
    place.build(&["--target", "one"]).ok();
    assert_said(
        &place,
        &["COPY --from"],
        &["cached: its inputs are others, but hold the same as before"],
    );
}

#[test]
fn a_record_that_was_pruned_is_told_from_one_that_never_was() {
    let place = Place::new();
    place.dockerfile(COPY).file("src/a.rs", "1");
    place.build(&[]).ok();
    place.run(["prune", "--force"]).ok();
    assert_said(
        &place,
        &["COPY src"],
        &[
            "runs: nothing changed since it was recorded",
            "but the record is gone",
        ],
    );
    place.file("src/a.rs", "2");
    assert_said(&place, &["COPY src"], &["COPY src: src/a.rs changed (content)"]);
    place.run(["prune", "--all", "--force"]).ok();
    assert_said(&place, &["COPY src"], &["runs: there is no record of it"]);
}

#[test]
fn another_target_and_platform_are_other_graphs() {
    let place = Place::new();
    place
        .dockerfile("FROM scratch AS one\nCOPY a /a\nFROM scratch\nCOPY b /b\n")
        .file("a", "1")
        .file("b", "1");
    place.build(&[]).ok();
    let text = said(&place, &["--target", "one"]);
    assert!(
        text.contains("COPY a /a") && text.contains("1 would run"),
        "{text}"
    );
    assert!(!text.contains("COPY b"), "{text}");
    if !can_run_containers() {
        skip!("containers do not work here: see lapstrake doctor");
    }
    place.dockerfile("FROM base\nRUN echo\n");
    place.build(&[]).ok();
    let both = ["--platform", "linux/amd64,linux/arm64"];
    let many = why(&place, &[&both[..], &["RUN echo"]].concat());
    if many.code == 2 {
        assert!(
            many.stderr.contains("several steps") && many.stderr.contains("linux/arm64"),
            "{}",
            many.stderr
        );
    }
}

#[test]
fn a_step_is_found_by_label_name_and_digest() {
    let place = Place::new();
    place
        .dockerfile("FROM scratch AS one\nCOPY a /a\nCOPY b /b\n")
        .file("a", "1")
        .file("b", "1");
    let found = said(&place, &["1/2"]);
    assert!(found.starts_with("[1/2] COPY a /a\n"), "{found}");
    assert_eq!(said(&place, &["[1/2]"]), found);
    assert_eq!(said(&place, &["[1/2] COPY a /a"]), found);
    assert_eq!(said(&place, &["copy A"]), found);
    let json: serde_json::Value =
        serde_json::from_str(&said(&place, &["--format", "json", "COPY a"])).unwrap();
    let digest = json["steps"][0]["digest"].as_str().unwrap().to_owned();
    assert_eq!(said(&place, &[&digest]), found);
    assert_eq!(said(&place, &[&digest["sha256:".len()..][..12]]), found);
    why(&place, &["#1"]).fails(2, &["no build of this context and file is in the history"]);
    let shown = place.build(&[]).ok().stderr;
    let line = shown
        .lines()
        .find(|line| line.ends_with(" [1/2] COPY a /a"))
        .unwrap();
    let number = line.split(' ').next().unwrap();
    let by_number = said(&place, &[number]);
    assert!(
        by_number.starts_with("[1/2] COPY a /a\n  not needed"),
        "{line}\n{by_number}"
    );
    let without = said(&place, &[number.trim_start_matches('#')]);
    assert!(without.starts_with("[1/2] COPY a /a\n  not needed"), "{without}");
    why(&place, &["#99"]).fails(2, &["had ", " steps"]);
    why(&place, &["COPY"]).fails(
        2,
        &[
            "\"COPY\" is in the names of several steps",
            "[1/2] COPY a /a",
            "say more",
        ],
    );
    why(&place, &["COPY b /x"]).fails(
        2,
        &["no step of this build is called", "did you mean \"COPY b /b\"?"],
    );
    why(&place, &["--check"]).fails(2, &["does not go with --call"]);
    place.dockerfile("FROM scratch\nCOPI a /a\n");
    why(&place, &[]).fails(1, &["COPI"]);
}

#[test]
fn asking_writes_nothing_and_runs_nothing() {
    let place = Place::new();
    place.dockerfile(COPY).file("src/a.rs", "1");
    place.build(&[]).ok();
    place.file("src/a.rs", "2");
    let layers = || std::fs::read_dir(place.state().join("layers")).unwrap().count();
    let before = layers();
    said(&place, &[]);
    assert_eq!(layers(), before);
    let (out, ran) = place.build_local(&[]);
    assert_eq!(std::fs::read_to_string(out.join("src/a.rs")).unwrap(), "2");
    assert_eq!(ran.count("CACHED"), 0, "{}", ran.stderr);
    place.assert_clean();
}

#[test]
fn the_value_of_a_secret_is_never_told() {
    if !can_run_containers() {
        skip!("containers do not work here: see lapstrake doctor");
    }
    let place = Place::new();
    place.dockerfile("FROM base\nRUN --mount=type=secret,id=key cat /run/secrets/key | wc -c > /n\n");
    std::fs::write(place.path("key"), "do-not-tell").unwrap();
    place.build(&["--secret", "id=key,src=key"]).ok();
    place.dockerfile(
        "FROM base\nRUN --mount=type=secret,id=key,mode=0444 cat /run/secrets/key | wc -c > /n\n",
    );
    let text = said(&place, &["--secret", "id=key,src=key", "-v", "RUN"]);
    assert!(text.contains("mount /run/secrets/key: secret"), "{text}");
    assert!(!text.contains("do-not-tell"), "{text}");
    for file in ["lapstrake.db", "lapstrake.db-wal"] {
        if let Ok(bytes) = std::fs::read(place.state().join(file)) {
            assert!(!bytes.windows(11).any(|part| part == b"do-not-tell"), "{file}");
        }
    }
}
