//! What the exporters write, read by other tools: skopeo, umoci, and a real Docker Engine that loads and runs it.

use std::path::Path;
use std::process::Command;

use lapstrake_tests::servers::Engine;
use lapstrake_tests::{Place, can_run_containers, find_program, skip};
use serde_json::Value;

const DOCKERFILE: &str = "# syntax=docker/dockerfile:1\nFROM base AS build\nRUN mkdir /made && echo made > /made/file && ln /made/file /made/link\n\
    FROM base\nLABEL a=b\nENV GREETING=hello\nCOPY --from=build /made /made\nRUN rm /etc/group && chmod 4755 /bin/busybox\n\
    EXPOSE 80 53/udp\nVOLUME /data\nSTOPSIGNAL SIGINT\nWORKDIR /made\nUSER user\n\
    HEALTHCHECK --interval=5s CMD true\nENTRYPOINT [\"/bin/sh\", \"-c\"]\nCMD [\"echo $GREETING $(cat file) $(id -un)\"]\n";

fn json_of(program: &str, arguments: &[&str]) -> Value {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(
        output.status.success(),
        "{program}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

fn check_config(image: &Value) {
    let config = &image["config"];
    assert_eq!(config["Labels"]["a"], "b");
    assert_eq!(config["Entrypoint"], serde_json::json!(["/bin/sh", "-c"]));
    assert_eq!(config["WorkingDir"], "/made");
    assert_eq!(config["User"], "user");
    assert_eq!(config["StopSignal"], "SIGINT");
    assert!(config["ExposedPorts"]["80/tcp"].is_object() && config["ExposedPorts"]["53/udp"].is_object());
    assert!(config["Volumes"]["/data"].is_object());
    let env: Vec<_> = config["Env"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| line.as_str().unwrap())
        .collect();
    assert!(
        env.contains(&"GREETING=hello") && env.contains(&"PATH=/bin:/usr/bin"),
        "{env:?}"
    );
    let history = image["history"].as_array().unwrap();
    let layers = history
        .iter()
        .filter(|entry| entry["empty_layer"] != true)
        .count();
    assert_eq!(
        layers,
        image["rootfs"]["diff_ids"].as_array().unwrap().len(),
        "history and layers"
    );
    assert!(
        history.iter().any(|entry| entry["created_by"] == "LABEL a=b"),
        "{history:?}"
    );
    let run = "RUN /bin/sh -c rm /etc/group && chmod 4755 /bin/busybox # buildkit";
    assert!(
        history.iter().any(|entry| entry["created_by"] == run),
        "{history:?}"
    );
}

#[test]
fn oci_archive_and_directory_are_read_by_skopeo_and_umoci() {
    if !can_run_containers() {
        skip!("containers do not work here: see lapstrake doctor");
    }
    let (Some(_), Some(_)) = (find_program("skopeo"), find_program("umoci")) else {
        skip!("skopeo or umoci is not installed");
    };
    let place = Place::new();
    place.dockerfile(DOCKERFILE);
    let out = |name: &str| place.path("out").join(name).display().to_string();
    let archive = format!("type=oci,dest={}", out("a.tar"));
    let folder = format!("type=oci,tar=false,dest={}", out("dir"));
    place
        .build(&["-t", "example.com/test:1", "-o", &archive, "-o", &folder])
        .ok();
    check_config(&json_of(
        "skopeo",
        &["inspect", "--config", &format!("oci-archive:{}", out("a.tar"))],
    ));
    check_config(&json_of(
        "skopeo",
        &["inspect", "--config", &format!("oci:{}:1", out("dir"))],
    ));
    let bundle = out("bundle");
    let rootless = (!rustix::process::geteuid().is_root()).then_some("--rootless");
    let unpack = Command::new("umoci")
        .arg("unpack")
        .args(rootless)
        .args(["--image", &format!("{}:1", out("dir")), &bundle])
        .output()
        .unwrap();
    assert!(
        unpack.status.success(),
        "{}",
        String::from_utf8_lossy(&unpack.stderr)
    );
    let root = Path::new(&bundle).join("rootfs");
    assert_eq!(std::fs::read_to_string(root.join("made/file")).unwrap(), "made\n");
    assert!(!root.join("etc/group").exists() && root.join("etc/passwd").exists());
    use std::os::unix::fs::MetadataExt;
    assert_eq!(
        root.join("bin/busybox").metadata().unwrap().mode() & 0o7777,
        0o4755
    );
    // skopeo copies it: every digest is right.
    let copy = Command::new("skopeo")
        .args([
            "copy",
            "-q",
            &format!("oci:{}:1", out("dir")),
            &format!("dir:{}", out("copy")),
        ])
        .output()
        .unwrap();
    assert!(copy.status.success(), "{}", String::from_utf8_lossy(&copy.stderr));
}

#[test]
fn the_same_input_gives_the_same_archive() {
    let place = Place::new();
    place
        .dockerfile("FROM base\nCOPY a /a\nWORKDIR /x\n")
        .file("a", "a");
    let build = |state: &str, out: &str| {
        let spec = format!("type=oci,dest={}", place.path("out").join(out).display());
        let base = lapstrake_tests::base::context();
        let ran = place
            .command()
            .env("SOURCE_DATE_EPOCH", "1700000000")
            .env("LAPSTRAKE_ROOT", place.path(state))
            .args(["build", "context", "--build-context", &base, "-o", &spec])
            .output()
            .unwrap();
        lapstrake_tests::Ran::of(ran).ok();
        std::fs::read(place.path("out").join(out)).unwrap()
    };
    assert!(
        build("s1", "1.tar") == build("s2", "2.tar"),
        "two archives of one input differ"
    );
}

#[test]
fn a_docker_engine_loads_and_runs_it() {
    if !can_run_containers() {
        skip!("containers do not work here: see lapstrake doctor");
    }
    let place = Place::new();
    place.dockerfile(DOCKERFILE);
    let out = place.path("out/docker.tar").display().to_string();
    place
        .build(&["-t", "test:1", "-o", &format!("type=docker,dest={out}")])
        .ok();
    let Some(engine) = Engine::start(&place.path("engine")) else {
        skip!("there is no Docker Engine here");
    };
    let loaded = engine.docker(&["load", "-i", &out]).unwrap();
    assert!(loaded.contains("test:1"), "{loaded}");
    let said = engine
        .docker(&["run", "--rm", "--network", "none", "test:1"])
        .unwrap();
    assert_eq!(said, "hello made user\n");
    let image: Value = serde_json::from_str(&engine.docker(&["inspect", "test:1"]).unwrap()).unwrap();
    assert_eq!(image[0]["Config"]["Healthcheck"]["Interval"], 5_000_000_000_i64);
}

#[test]
fn standard_output_and_tar() {
    let place = Place::new();
    place
        .dockerfile("FROM scratch\nCOPY a /dir/a\n")
        .file("a", "text");
    let ran = place.build(&["-o", "-"]).ok();
    let mut archive = tar::Archive::new(&ran.bytes[..]);
    let names: Vec<_> = archive
        .entries()
        .unwrap()
        .map(|entry| entry.unwrap().path().unwrap().into_owned())
        .collect();
    assert!(names.iter().any(|name| name == Path::new("dir/a")), "{names:?}");
    place.build(&["-o", "type=tar,dest=out/x.tar"]).ok();
    assert!(place.path("out/x.tar").is_file());
    place.build(&["-o", "type=cacheonly"]).ok();
}

#[test]
fn an_output_that_cannot_be_written() {
    let place = Place::new();
    place.dockerfile("FROM scratch\nCOPY a /a\n").file("a", "a");
    place
        .build(&["-o", "type=oci,dest=context/a/x.tar"])
        .fails(1, &["context/a"]);
    place
        .build(&["-o", "type=local,dest=context/a"])
        .fails(1, &["context/a"]);
    place.assert_clean();
}

#[test]
fn iidfile_metadata_and_quiet() {
    let place = Place::new();
    place.dockerfile("FROM scratch\nCOPY a /a\n").file("a", "a");
    let ran = place
        .build(&[
            "-q",
            "--iidfile",
            "out/iid",
            "--metadata-file",
            "out/meta.json",
            "-o",
            "type=oci,dest=out/x.tar",
        ])
        .ok();
    let id = std::fs::read_to_string(place.path("out/iid")).unwrap();
    assert_eq!(ran.stdout.trim(), id.trim());
    assert!(id.starts_with("sha256:"), "{id}");
    let text = std::fs::read_to_string(place.path("out/meta.json")).unwrap();
    let metadata: Value = serde_json::from_str(&text).unwrap();
    assert!(
        metadata["containerimage.digest"]
            .as_str()
            .unwrap()
            .starts_with("sha256:")
    );
    assert_eq!(metadata["containerimage.config.digest"], id.trim());
}
