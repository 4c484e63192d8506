//! Files that builds make: COPY, ADD, WORKDIR and what the image then holds.

use std::os::unix::fs::{MetadataExt, PermissionsExt};

use lapstrake_tests::{Place, can_run_containers, skip};

#[test]
fn copy_of_files_directories_and_wildcards() {
    let place = Place::new();
    place.dockerfile(
        "FROM scratch\nWORKDIR /app\nCOPY a.txt ./\nCOPY dir sub/\nCOPY *.md /docs/\nCOPY [\"with space\", \"/x y\"]\n",
    );
    place
        .file("a.txt", "a")
        .file("dir/b.txt", "b")
        .file("dir/.hidden", "h")
        .file("1.md", "1")
        .file("2.md", "2");
    place.file("with space", "s");
    let (out, _) = place.build_local(&[]);
    let read = |name: &str| std::fs::read_to_string(out.join(name)).unwrap();
    assert_eq!(read("app/a.txt"), "a");
    assert_eq!(read("app/sub/b.txt"), "b");
    assert_eq!(read("app/sub/.hidden"), "h");
    assert_eq!(read("docs/1.md") + &read("docs/2.md"), "12");
    assert_eq!(read("x y"), "s");
}

#[test]
fn dockerignore_and_its_exceptions() {
    let place = Place::new();
    place
        .dockerfile("FROM scratch\nCOPY . /\n")
        .file(".dockerignore", "*.log\n!keep.log\nnode_modules\nDockerfile\n");
    place
        .file("a.log", "")
        .file("keep.log", "")
        .file("node_modules/x/y", "")
        .file("src/z", "");
    let (out, _) = place.build_local(&[]);
    let mut names: Vec<_> = std::fs::read_dir(&out)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, [".dockerignore", "keep.log", "src"]);
}

#[test]
fn owners_and_modes() {
    if !rustix::process::geteuid().is_root() {
        skip!("owners need root");
    }
    let place = Place::new();
    place.dockerfile("FROM base\nCOPY --chown=user a /a\nCOPY --chown=12:34 --chmod=0640 a /b\nCOPY a /c\n");
    place.file("a", "x");
    let file = place.path("context/a");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
    std::os::unix::fs::chown(&file, Some(777), Some(777)).unwrap();
    let (out, _) = place.build_local(&[]);
    let of = |name: &str| {
        let data = std::fs::symlink_metadata(out.join(name)).unwrap();
        (data.uid(), data.gid(), data.mode() & 0o7777)
    };
    assert_eq!(of("a"), (1000, 1000, 0o755));
    assert_eq!(of("b"), (12, 34, 0o640));
    assert_eq!(of("c"), (0, 0, 0o755));
}

#[test]
fn copy_from_a_stage_an_index_an_image_and_a_context() {
    let place = Place::new();
    std::fs::create_dir(place.path("other")).unwrap();
    std::fs::write(place.path("other/o"), "o").unwrap();
    place.dockerfile(
        "FROM scratch AS one\nCOPY f /f\nFROM scratch\nCOPY --from=one /f /a\nCOPY --from=0 /f /b\n\
         COPY --from=base /etc/passwd /c\nCOPY --from=other o /d\n",
    );
    place.file("f", "f");
    let (out, _) = place.build_local(&["--build-context", "other=other"]);
    let read = |name: &str| std::fs::read_to_string(out.join(name)).unwrap();
    assert_eq!(read("a") + &read("b") + &read("d"), "ffo");
    assert!(read("c").starts_with("root:"));
}

#[test]
fn add_unpacks_a_local_archive() {
    let place = Place::new();
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_mode(0o644);
    header.set_size(1);
    tar.append_data(&mut header, "in/side", &b"x"[..]).unwrap();
    place.file("x.tar", tar.into_inner().unwrap()).file("plain", "p");
    place.dockerfile("FROM scratch\nADD x.tar plain /to/\nCOPY x.tar /kept.tar\n");
    let (out, _) = place.build_local(&[]);
    assert_eq!(std::fs::read_to_string(out.join("to/in/side")).unwrap(), "x");
    assert_eq!(std::fs::read_to_string(out.join("to/plain")).unwrap(), "p");
    assert!(out.join("kept.tar").is_file() && !out.join("to/x.tar").exists());
}

#[test]
fn deleted_and_replaced_files() {
    if !can_run_containers() {
        skip!("containers do not work here: see lapstrake doctor");
    }
    let place = Place::new();
    place.dockerfile(
        "FROM base\nRUN mkdir /d && echo 1 > /d/old && echo 1 > /f\nRUN rm -r /d /f && mkdir /d && echo 2 > /d/new\n",
    );
    let (out, _) = place.build_local(&[]);
    assert!(!out.join("f").exists() && !out.join("d/old").exists());
    assert_eq!(std::fs::read_to_string(out.join("d/new")).unwrap(), "2\n");
}

#[test]
fn a_link_in_the_way_does_not_lead_out_of_the_image() {
    let place = Place::new();
    std::fs::create_dir(place.path("outside")).unwrap();
    let target = place.path("outside");
    std::os::unix::fs::symlink(&target, place.path("context/link")).unwrap();
    place
        .file("f", "f")
        .dockerfile("FROM scratch\nCOPY . /\nCOPY f /link/f\n");
    let (out, _) = place.build_local(&[]);
    assert_eq!(
        std::fs::read_dir(&target).unwrap().count(),
        0,
        "the build wrote outside of the image"
    );
    let inside = out.join(target.strip_prefix("/").unwrap()).join("f");
    assert_eq!(std::fs::read_to_string(inside).unwrap(), "f");
}

#[test]
fn a_build_file_elsewhere_brings_its_own_ignore_file() {
    let place = Place::new();
    place.file("a", "").file("b", "").file(".dockerignore", "a\n");
    std::fs::write(place.path("Own"), "FROM scratch\nCOPY . /\n").unwrap();
    std::fs::write(place.path("Own.dockerignore"), "b\n.dockerignore\n").unwrap();
    let (out, _) = place.build_local(&["-f", "Own"]);
    let names: Vec<_> = std::fs::read_dir(&out)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names, ["a"]);
}

#[test]
fn a_build_file_of_another_name_that_a_frontend_declares() {
    let place = Place::new();
    place
        .file("Containerfile", "FROM scratch\nCOPY a /\n")
        .file("a", "x");
    let (out, _) = place.build_local(&[]);
    assert!(out.join("a").is_file());
}
