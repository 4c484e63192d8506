//! What is written beside the files: `WORKDIR`, `ENTRYPOINT` and `CMD`, `ENV`, `ARG`, `ONBUILD`, the history.

use lapstrake_tests::repository::Repository;
use lapstrake_tests::web::{Page, Web};
use lapstrake_tests::{Place, can_run_containers, has_users, skip};
use serde_json::json;

use super::{image, saved};

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

#[test]
fn the_time_of_a_context() {
    let place = Place::new();
    let repository = Repository::new(&place.path("git/code.git"));
    repository
        .file("Dockerfile", "FROM scratch\nCOPY f /\n")
        .file("f", "f")
        .commit();
    let web = Web::new();
    web.serve_git(&place.path("git"), None);
    let mut tar = tar::Builder::new(Vec::new());
    for (path, text) in [("Dockerfile", "FROM scratch\nCOPY f /\n"), ("f", "f")] {
        let mut header = tar::Header::new_ustar();
        header.set_size(text.len() as u64);
        header.set_mtime(1_200_000_000);
        tar.append_data(&mut header, path, text.as_bytes()).unwrap();
    }
    let tar = tar.into_inner().unwrap();
    let time = "Wed, 01 Jan 2020 00:00:00 GMT";
    web.put("plain.tar", Page::of(&tar));
    web.put("dated.tar", Page::of(&tar).header("Last-Modified", time));
    place
        .file("Dockerfile", "FROM scratch\nCOPY f /\n")
        .file("f", "f");
    let created = |context: &str| {
        let file = place.path("out/it.tar");
        let output = format!("type=docker,dest={}", file.display());
        let epoch = "SOURCE_DATE_EPOCH=context";
        place
            .run([
                "build",
                "-t",
                "it:1",
                "--build-arg",
                epoch,
                "-o",
                &output,
                context,
            ])
            .ok();
        let image = saved::read(&file).pop_first().unwrap().1;
        image.config["created"].as_str().unwrap().to_owned()
    };
    assert_eq!(created(&web.url("git/code.git")), "2020-09-13T12:26:40Z");
    assert_eq!(created(&web.url("dated.tar")), "2020-01-01T00:00:00Z");
    assert_eq!(created(&web.url("plain.tar")), "2008-01-10T21:20:00Z");
    // A directory has no time of its own: it is as if nobody had asked.
    assert!(created("context").as_str() > "2021");
}
