//! Contexts that are not directories: repositories, archives by HTTP and on standard input, and build files from elsewhere.

use std::io::Write;
use std::process::Stdio;

use lapstrake_tests::repository::Repository;
use lapstrake_tests::web::{Page, Web};
use lapstrake_tests::{Place, Ran, find_program, skip};

fn archive(files: &[(&str, &str)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, text) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, name, text.as_bytes()).unwrap();
    }
    tar.into_inner().unwrap()
}

fn with_input(place: &Place, input: &[u8], arguments: &[&str]) -> Ran {
    let mut child = place
        .command()
        .args(["build", "--progress", "plain"])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A program that stops reading says why.
    let _ = child.stdin.take().unwrap().write_all(input);
    Ran::of(child.wait_with_output().unwrap())
}

fn out(place: &Place, name: &str) -> String {
    std::fs::read_to_string(place.path("out").join(name)).unwrap()
}

#[test]
fn a_repository_is_a_context_with_its_own_build_file() {
    if find_program("git").is_none() {
        skip!("git is not installed");
    }
    let (place, web) = (Place::new(), Web::new());
    let repository = Repository::new(&place.path("repositories/r.git"));
    repository
        .file("Dockerfile", "FROM scratch\nCOPY f /\n")
        .file("f", "top")
        .file(
            "dir/Dockerfile",
            "FROM scratch\nCOPY --from=more f /more\nCOPY f /\n",
        )
        .file("dir/f", "in dir")
        .file("dir/Other", "FROM scratch\nCOPY f /other\n")
        .commit();
    web.serve_git(&place.path("repositories"), None);
    let url = web.url("git/r.git");
    place.run(["build", &url, "-o", "out/top"]).ok();
    assert_eq!(out(&place, "top/f"), "top");
    let named = format!("more={url}#main");
    place
        .run([
            "build",
            &format!("{url}#main:dir"),
            "--build-context",
            &named,
            "-o",
            "out/dir",
        ])
        .ok();
    assert_eq!(
        (out(&place, "dir/f"), out(&place, "dir/more")),
        ("in dir".into(), "top".into())
    );
    place
        .run(["build", &format!("{url}#:dir"), "-f", "Other", "-o", "out/other"])
        .ok();
    assert_eq!(out(&place, "other/other"), "in dir");
    with_input(
        &place,
        b"FROM scratch\nCOPY dir/f /x\n",
        &[&url, "-f", "-", "-o", "out/stdin"],
    )
    .ok();
    assert_eq!(out(&place, "stdin/x"), "in dir");
    web.put("D", Page::of("FROM scratch\nCOPY f /y\n"));
    place
        .run(["build", &url, "-f", &web.url("D"), "-o", "out/url"])
        .ok();
    assert_eq!(out(&place, "url/y"), "top");
    place
        .run(["build", &url, "-f", "Missing"])
        .fails(1, &["there is no build file Missing of http://"]);
    place
        .run(["build", &format!("{url}#nowhere")])
        .fails(1, &["no branch or tag \"nowhere\""]);
    place.run(["llb", &url]).ok();
    place.assert_clean();
}

#[test]
fn an_archive_by_http_is_a_context_and_a_text_is_the_build_file() {
    let (place, web) = (Place::new(), Web::new());
    let tar = archive(&[
        ("Dockerfile", "FROM scratch\nCOPY f /\n"),
        ("Other", "FROM scratch\nCOPY f /g\n"),
        ("f", "in the archive"),
    ]);
    web.put("c.tar", Page::of(tar).header("ETag", "\"1\""));
    let url = web.url("c.tar");
    place
        .run(["build", &url, "-o", "out/a", "--progress", "plain"])
        .ok();
    assert_eq!(out(&place, "a/f"), "in the archive");
    assert_eq!(web.take_lines(), ["GET /c.tar"]);
    let ran = place
        .run(["build", &url, "-o", "out/b", "--progress", "plain"])
        .ok();
    assert_eq!(web.take_lines(), ["HEAD /c.tar"]);
    assert!(ran.count("CACHED") > 0, "{}", ran.stderr);
    place.run(["build", &url, "-f", "Other", "-o", "out/c"]).ok();
    assert_eq!(out(&place, "c/g"), "in the archive");

    web.put("x", Page::of("FROM scratch\nCOPY <<EOF /f\nby http\nEOF\n"));
    place.run(["build", &web.url("x"), "-o", "out/d"]).ok();
    assert_eq!(out(&place, "d/f"), "by http\n");
    place
        .run(["build", &web.url("x"), "-f", "Other"])
        .fails(1, &["is no archive, so it is the build file"]);
    place
        .run(["build", &web.url("none.tar")])
        .fails(3, &["404", "none.tar"]);
    place.assert_clean();
}

#[test]
fn an_archive_on_standard_input_is_a_context_and_leaves_nothing_behind() {
    let place = Place::new();
    let tar = archive(&[
        ("Dockerfile", "FROM scratch\nCOPY . /\n"),
        ("Other", "FROM scratch\nCOPY f /other\n"),
        (".dockerignore", "ignored\n"),
        ("ignored", "x"),
        ("f", "from stdin"),
    ]);
    let pack = |program: &[&str]| {
        let mut child = std::process::Command::new(program[0])
            .args(&program[1..])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(&tar).unwrap();
        child.wait_with_output().unwrap().stdout
    };
    let mut forms = vec![tar.clone()];
    for program in [
        &["gzip", "-c"][..],
        &["bzip2", "-c"],
        &["xz", "-c"],
        &["zstd", "-c", "-q"],
    ] {
        if find_program(program[0]).is_some() {
            forms.push(pack(program));
        }
    }
    assert!(forms.len() > 1, "gzip at least is on every machine");
    for form in forms {
        let name = format!("out/{:02x}{:02x}", form[0], form[1]);
        with_input(&place, &form, &["-", "-o", &name]).ok();
        assert_eq!(
            std::fs::read_to_string(place.path(&name).join("f")).unwrap(),
            "from stdin"
        );
        assert!(!place.path(&name).join("ignored").exists());
    }
    with_input(&place, &tar, &["-", "-f", "Other", "-o", "out/other"]).ok();
    assert_eq!(out(&place, "other/other"), "from stdin");
    with_input(&place, &tar, &["-", "-f", "Missing"]).fails(1, &["there is no build file"]);
    with_input(&place, &tar, &["-", "-f", "-"]).fails(2, &["standard input is the context already"]);
    let index = std::fs::read_dir(place.state().join("index"));
    assert_eq!(index.map_or(0, Iterator::count), 0);
    place.assert_clean();
}

#[test]
fn an_archive_is_no_layer_wherever_it_comes_from() {
    let (place, web) = (Place::new(), Web::new());
    let tar = archive(&[
        ("Dockerfile", "FROM scratch\nCOPY d /\n"),
        ("d/f", "f"),
        ("d/.wh.f", "a name like others"),
        ("d/.wh..wh..opq", "and this"),
        ("d/.wh.", "and that"),
    ]);
    web.put("c.tar", Page::of(&tar));
    place.run(["build", &web.url("c.tar"), "-o", "out/http"]).ok();
    with_input(&place, &tar, &["-", "-o", "out/stdin"]).ok();
    for from in ["http", "stdin"] {
        for (name, text) in [
            ("f", "f"),
            (".wh.f", "a name like others"),
            (".wh..wh..opq", "and this"),
            (".wh.", "and that"),
        ] {
            assert_eq!(out(&place, &format!("{from}/{name}")), text, "{from} {name}");
        }
    }
}

#[test]
fn a_hostile_archive_on_standard_input_stays_in_its_folder() {
    let place = Place::new();
    let mut tar = tar::Builder::new(Vec::new());
    let mut link = tar::Header::new_ustar();
    link.set_entry_type(tar::EntryType::Symlink);
    link.set_size(0);
    tar.append_link(&mut link, "out", place.path("home")).unwrap();
    let mut header = tar::Header::new_ustar();
    header.set_size(1);
    header.set_mode(0o644);
    tar.append_data(&mut header, "out/escaped", &b"x"[..]).unwrap();
    let mut header = tar::Header::new_ustar();
    header.as_mut_bytes()[..12].copy_from_slice(b"../../../top");
    header.set_size(1);
    header.set_mode(0o644);
    header.set_cksum();
    tar.append(&header, &b"x"[..]).unwrap();
    let data = tar.into_inner().unwrap();
    with_input(&place, &data, &["-"]).fails(1, &["cannot unpack the context on standard input"]);
    assert_eq!(std::fs::read_dir(place.path("home")).unwrap().count(), 0);
    assert!(!place.state().join("top").exists());
    place.assert_clean();
}

#[test]
fn links_of_an_archive_on_standard_input_are_followed_inside_of_it_only() {
    let place = Place::new();
    let canary = place.path("canary");
    std::fs::write(&canary, "FROM scratch\nCANARY\n").unwrap();
    let linked = |name: &str, target: &std::path::Path, files: &[(&str, &str)]| {
        let mut tar = tar::Builder::new(Vec::new());
        let mut link = tar::Header::new_ustar();
        link.set_entry_type(tar::EntryType::Symlink);
        link.set_size(0);
        tar.append_link(&mut link, name, target).unwrap();
        let mut data = tar.into_inner().unwrap();
        // Without the two blocks at its end the other archive goes on.
        data.truncate(512);
        data.extend(archive(files));
        data
    };
    let up = std::path::Path::new("../../../../../../../..").join(canary.strip_prefix("/").unwrap());
    for target in [&canary, &up] {
        for (name, more) in [("Dockerfile", &[][..]), ("Other", &["-f", "Other"])] {
            let arguments = [&["-"][..], more].concat();
            let ran = with_input(&place, &linked(name, target, &[("f", "x")]), &arguments);
            let ran = ran.fails(1, &[&format!("there is no build file {name} of standard input")]);
            assert!(!ran.stderr.contains("CANARY"), "{}", ran.stderr);
        }
    }
    let whole = canary.to_str().unwrap();
    with_input(&place, &archive(&[("f", "x")]), &["-", "-f", whole]).fails(1, &["there is no build file"]);
    // Its ignore file's link: what the file outside says has no effect.
    std::fs::write(&canary, "f\n").unwrap();
    let files = [("Dockerfile", "FROM scratch\nCOPY . /\n"), ("f", "x")];
    with_input(
        &place,
        &linked("Dockerfile.dockerignore", &canary, &files),
        &["-", "-o", "out/a"],
    )
    .ok();
    assert_eq!(out(&place, "a/f"), "x");
    // A link that stays inside is as good as the file.
    let files = [("sub/Own", "FROM scratch\nCOPY f /\n"), ("f", "y")];
    let inside = linked("Dockerfile", "/sub/Own".as_ref(), &files);
    with_input(&place, &inside, &["-", "-o", "out/b"]).ok();
    assert_eq!(out(&place, "b/f"), "y");
    place.assert_clean();
}

#[test]
fn a_pipe_is_no_build_file() {
    let place = Place::new();
    let mut tar = tar::Builder::new(Vec::new());
    let mut pipe = tar::Header::new_ustar();
    pipe.set_entry_type(tar::EntryType::Fifo);
    pipe.set_size(0);
    pipe.set_mode(0o644);
    tar.append_data(&mut pipe, "Dockerfile", &b""[..]).unwrap();
    let data = tar.into_inner().unwrap();
    with_input(&place, &data, &["-"]).fails(
        1,
        &["the build file Dockerfile of standard input is not a regular file"],
    );
    std::fs::create_dir(place.path("piped")).unwrap();
    let made = std::process::Command::new("mkfifo")
        .arg(place.path("piped/Dockerfile"))
        .status();
    assert!(made.unwrap().success());
    place
        .run(["build", "piped"])
        .fails(1, &["the build file piped/Dockerfile is not a regular file"]);
    place.assert_clean();
}

#[test]
fn a_build_file_on_standard_input_has_no_context() {
    let place = Place::new();
    with_input(
        &place,
        b"FROM scratch\nCOPY <<EOF /f\ntext\nEOF\n",
        &["-", "-o", "out/a"],
    )
    .ok();
    assert_eq!(out(&place, "a/f"), "text\n");
    with_input(&place, b"FROM scratch\n", &["-", "-f", "Dockerfile"])
        .fails(1, &["standard input is no archive, so it is the build file"]);
    // A directory is a directory, whatever its name looks like.
    std::fs::create_dir_all(place.path("github.com/a/b")).unwrap();
    std::fs::write(
        place.path("github.com/a/b/Dockerfile"),
        "FROM scratch\nCOPY Dockerfile /\n",
    )
    .unwrap();
    place.run(["build", "github.com/a/b", "-o", "out/b"]).ok();
    assert!(place.path("out/b/Dockerfile").is_file());
}
