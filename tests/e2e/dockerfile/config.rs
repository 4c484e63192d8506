//! What is written beside the files: `WORKDIR`, `ENTRYPOINT` and `CMD`, `ENV`, `ARG`, `ONBUILD`, the history.

use lapstrake_tests::{Place, can_run_containers, has_users, skip};
use serde_json::json;

use super::image;

#[test]
fn working_directories() {
    let place = Place::new();
    place
        .file("passwd", "root:x:0:0::/:\napp:x:1000:1001::/:\n")
        .dockerfile(
            "FROM scratch\nCOPY passwd /etc/passwd\nWORKDIR /\nWORKDIR /a\nWORKDIR b/../c\n\
         USER app\nWORKDIR /a/of-user/deep\nUSER 44:45\nWORKDIR /numbers\nUSER app\nWORKDIR /a\n",
        );
    let image = image(&place, &[]);
    assert_eq!(image.what("a/c"), "Directory 755 0:0");
    assert_eq!(image.what("a/of-user"), "Directory 755 1000:1001");
    assert_eq!(image.what("a/of-user/deep"), "Directory 755 1000:1001");
    assert_eq!(image.what("numbers"), "Directory 755 44:45");
    // One that is there stays whose it was.
    assert_eq!(image.what("a"), "Directory 755 0:0");
    let history = image.config["history"].as_array().unwrap();
    let layers: Vec<_> = history
        .iter()
        .filter(|entry| entry["empty_layer"] != true)
        .map(|entry| entry["created_by"].as_str().unwrap())
        .collect();
    // `/` is no layer.
    assert!(!layers.contains(&"WORKDIR /"), "{layers:?}");
    assert_eq!(layers.len(), image.layers);
}

#[test]
fn commands_and_entry_points() {
    let place = Place::new();
    for (dockerfile, entrypoint, cmd) in [
        ("ENTRYPOINT [\"e\"]", json!(["e"]), json!(null)),
        ("CMD [\"own\"]\nENTRYPOINT [\"e\"]", json!(["e"]), json!(["own"])),
        ("ENTRYPOINT [\"e\"]\nCMD [\"own\"]", json!(["e"]), json!(["own"])),
        ("LABEL a=b", json!(null), json!(["/bin/sh"])),
        (
            "ENTRYPOINT ['no json']",
            json!(["/bin/sh", "-c", "['no json']"]),
            json!(null),
        ),
        (
            "SHELL [\"/sh\", \"-x\"]\nCMD shell form",
            json!(null),
            json!(["/sh", "-x", "shell form"]),
        ),
    ] {
        place.dockerfile(&format!("FROM base\n{dockerfile}\n"));
        let config = &image(&place, &[]).config["config"];
        assert_eq!(
            (&config["Entrypoint"], &config["Cmd"]),
            (&entrypoint, &cmd),
            "{dockerfile}"
        );
        let by_cmd = dockerfile.contains("CMD");
        assert_eq!(config["ArgsEscaped"] == true, by_cmd, "{dockerfile}");
    }
}

#[test]
fn variables() {
    if !can_run_containers() {
        skip!("containers do not work here: see lapstrake doctor");
    }
    let place = Place::new();
    place.dockerfile(
        "ARG GLOBAL=g\nFROM base AS below\nRUN echo \"$GLOBAL\" > /unseen\nARG GLOBAL\nRUN echo \"$GLOBAL\" > /seen\n\
         ARG KEPT=k\n\
         FROM below\nRUN echo \"$KEPT\" > /inherited\n\
         ENV A=1\nENV A=2 B=$A\nARG A=3\nENV C=env\nARG C=arg\nRUN echo \"$A $B $C\" > /env\n\
         ARG HTTP_PROXY\nRUN echo \"$HTTP_PROXY\" > /proxy\n",
    );
    let image = image(
        &place,
        &[
            "--build-arg",
            "HTTP_PROXY=http://p",
            "--build-arg",
            "HTTPS_PROXY=http://q",
        ],
    );
    for (path, text) in [
        ("unseen", "\n"),
        ("seen", "g\n"),
        ("inherited", "k\n"),
        // A line is expanded with what was before it; an argument after ENV takes its place for commands, as in BuildKit.
        ("env", "3 1 arg\n"),
        ("proxy", "http://p\n"),
    ] {
        assert_eq!(image.text(path), text, "{path}");
    }
    assert_eq!(
        image.config["config"]["Env"],
        json!(["PATH=/bin:/usr/bin", "A=2", "B=1", "C=env"])
    );
    let history: Vec<_> = image.config["history"].as_array().unwrap().iter().collect();
    let last = history.last().unwrap();
    assert_eq!(
        last["created_by"],
        "RUN |5 GLOBAL=g KEPT=k A=3 C=arg HTTP_PROXY=http://p /bin/sh -c echo \"$HTTP_PROXY\" > /proxy # buildkit"
    );
    assert_eq!(last["comment"], "buildkit.dockerfile.v0");
    let env = history
        .iter()
        .find(|entry| entry["created_by"] == "ENV A=2 B=1")
        .unwrap();
    assert_eq!(env["empty_layer"], true);
    // A proxy that nobody declares is in no history.
    assert!(!image.config.to_string().contains("http://q"));
}

#[test]
fn triggers_run_once_in_the_child_and_bring_stages() {
    if !can_run_containers() || !has_users() {
        skip!("commands cannot be other users here");
    }
    let place = Place::new();
    place.file("f", "f").dockerfile(
        "FROM scratch AS files\nCOPY f /from-stage\n\
         FROM base AS parent\nONBUILD COPY --from=files /from-stage /a\nONBUILD RUN echo t >> /times\n\
         ONBUILD COPY <<EOF /heredoc\nh\nEOF\n\
         FROM parent AS child\nRUN echo own > /own\n\
         FROM child\nLABEL grand=child\n",
    );
    let image = image(&place, &[]);
    assert_eq!(image.text("a"), "f");
    assert_eq!(image.text("times"), "t\n");
    assert_eq!(image.text("heredoc"), "h\n");
    assert_eq!(image.config["config"]["OnBuild"], json!(null));
}

#[test]
fn unreachable_stages_are_not_evaluated() {
    let place = Place::new();
    place.file("f", "f").dockerfile(
        "FROM no.such.host/image AS unused\nRUN false\nFROM scratch AS Named\nCOPY f /f\n\
         FROM scratch\nCOPY --from=NAMED /f /g\n",
    );
    assert_eq!(image(&place, &[]).names(""), ["g"]);
    place.dockerfile("FROM scratch AS one\nCOPY --from=two / /\nFROM scratch AS two\nCOPY --from=one / /\n");
    place.build(&["--offline"]).fails(1, &["one", "two"]);
}

#[test]
fn the_same_input_is_the_same_image() {
    let build = || {
        let place = Place::new();
        place.file("b", "b").file("a/c", "c");
        let epoch = ["--build-arg", "SOURCE_DATE_EPOCH=1000000000"];
        place.dockerfile("FROM base\nCOPY . /x\nWORKDIR /w\nCOPY <<EOF /h\ntext\nEOF\n");
        let made = image(&place, &epoch);
        let times: Vec<_> = ["x/b", "x/a/c", "w", "h"]
            .map(|path| made.files[path].modified)
            .into();
        assert_eq!(times, [1_000_000_000; 4]);
        // The base's files keep their times.
        assert_eq!(made.files["bin/busybox"].modified, 1_600_000_000);
        assert_eq!(made.config["created"], "2001-09-09T01:46:40Z");
        made.config.to_string()
    };
    assert_eq!(build(), build());
}
