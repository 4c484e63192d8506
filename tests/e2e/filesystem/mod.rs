//! Everything that a file system can hold, through everything that a build does with files. What comes out is compared
//! with what went in, path by path; images are unpacked by other programs too.

mod listing;
mod zoo;

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use lapstrake_tests::{Place, can_run_containers, find_program, skip};
use listing::{Listing, Loses, assert_same, list};

/// Tar's times are whole seconds here, and it has no way to write some attributes.
const TAR: Loses = Loses {
    fractions: true,
    attributes: true,
    dir_times: false,
};

/// The zoo in the context, and how it is to look.
fn zoo(place: &Place, loses: Loses) -> Listing {
    let dir = place.path("context/zoo");
    fs::create_dir_all(&dir).unwrap();
    zoo::make(&dir);
    rustix::fs::lremovexattr(dir.join("attributes/file"), "trusted.machine").unwrap();
    let expected = list(&dir, loses);
    let secret = rustix::fs::lsetxattr(
        dir.join("attributes/file"),
        "trusted.machine",
        b"secret",
        rustix::fs::XattrFlags::empty(),
    );
    secret.unwrap();
    expected
}

/// The same, as COPY makes it: everything of the context is root's, and of links there is one name each.
fn copied(mut listing: Listing) -> Listing {
    for text in listing.values_mut() {
        if let Some(at) = text.find(" of 2 names").filter(|_| text.starts_with("link")) {
            text.truncate(at);
        }
        let owner = text
            .split(' ')
            .find(|word| {
                word.split_once(':')
                    .is_some_and(|(a, b)| is_number(a) && is_number(b))
            })
            .filter(|_| !text.starts_with("char") && !text.starts_with("block"))
            .map(str::to_owned);
        if let Some(owner) = owner {
            *text = text.replacen(&format!(" {owner} "), " 0:0 ", 1);
        } else if let Some(at) = text.find("660 0:6") {
            text.replace_range(at..at + 7, "660 0:0");
        }
    }
    listing
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn tool(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Unpacks the image `dir` (an OCI layout, `latest`) with umoci.
fn unpacked_by_umoci(dir: &Path, bundle: &Path) -> PathBuf {
    tool(
        Command::new("umoci")
            .args(["unpack", "--image"])
            .arg(format!("{}:latest", dir.display()))
            .arg(bundle),
    );
    bundle.join("rootfs")
}

#[test]
fn a_context_through_copies_and_merges_to_a_directory() {
    if !lapstrake_tests::is_root() {
        skip!("the fixture has devices, which need root");
    }
    if !can_run_containers() {
        skip!("devices and owners need root");
    }
    let place = Place::new();
    let expected = copied(zoo(&place, Loses::default()));
    for (what, text) in [
        ("COPY", "FROM scratch\nCOPY zoo /\n"),
        ("COPY --link", "FROM scratch\nCOPY --link zoo /\n"),
        (
            "COPY, then COPY --from",
            "FROM scratch AS one\nCOPY zoo /in/\nFROM scratch\nCOPY --from=one /in /\n",
        ),
        (
            "COPY --link onto a stage",
            "FROM base AS one\nCOPY --link zoo /in/\nFROM scratch\nCOPY --link --from=one /in /\n",
        ),
        ("ADD", "FROM scratch\nADD zoo /\n"),
    ] {
        let (out, ran) = {
            place.dockerfile(text);
            place.build_local(&[])
        };
        assert_same(&expected, &list(&out, Loses::default()), what);
        assert!(!ran.stderr.contains("could not"), "{}", ran.stderr);
        for (name, most) in [("sparse", 1 << 20), ("hole", 1 << 16)] {
            let stored = fs::metadata(out.join(name)).unwrap().blocks() * 512;
            assert!(stored <= most, "{what}: {name} takes {stored} bytes");
        }
        fs::remove_dir_all(out).unwrap();
    }
}

#[test]
fn an_image_as_other_programs_unpack_it() {
    if !lapstrake_tests::is_root() {
        skip!("the fixture has devices, which need root");
    }
    if !can_run_containers() {
        skip!("devices and owners need root");
    }
    let (Some(_), Some(_)) = (find_program("skopeo"), find_program("umoci")) else {
        skip!("skopeo or umoci is not installed");
    };
    let place = Place::new();
    let expected = copied(zoo(&place, TAR));
    place.dockerfile("FROM scratch\nCOPY zoo /\n");
    let tar = place.path("out/image.tar");
    for compression in ["gzip", "uncompressed"] {
        let spec = format!("type=oci,dest={},compression={compression}", tar.display());
        place.build(&["-t", "x:latest", "-o", &spec]).ok();
        let layout = place.path("out").join(compression);
        tool(
            Command::new("skopeo")
                .args(["copy", "-q"])
                .arg(format!("oci-archive:{}", tar.display()))
                .arg(format!("oci:{}:latest", layout.display())),
        );
        let root = unpacked_by_umoci(&layout, &place.path(format!("out/bundle-{compression}")));
        assert_same(&expected, &list(&root, TAR), compression);
    }
    // And as the base of another build, which unpacks it and is cached by its digests only.
    let base = format!("image=oci-layout://{}:latest", place.path("out/gzip").display());
    fs::remove_dir_all(place.path("context/zoo")).unwrap();
    place.dockerfile("FROM image AS base-of\nFROM base-of\n");
    let (out, _) = place.build_local(&["--build-context", &base]);
    assert_same(&expected, &list(&out, TAR), "as a base");
    place.dockerfile("FROM image AS one\nFROM scratch\nCOPY --from=one / /\n");
    let (out, _) = place.build_local(&["--build-context", &base]);
    assert_same(&expected, &list(&out, TAR), "copied from a base");
}

#[test]
fn an_image_that_gnu_tar_packed() {
    if !lapstrake_tests::is_root() {
        skip!("the fixture has devices, which need root");
    }
    if !can_run_containers() {
        skip!("devices and owners need root");
    }
    let place = Place::new();
    let expected = zoo(&place, TAR);
    for (format, sparse) in [("pax", true), ("pax", false), ("gnu", true)] {
        let mut command = Command::new("tar");
        command
            .arg("--format")
            .arg(format)
            .args(sparse.then_some("--sparse"))
            .args([
                "--xattrs",
                "--xattrs-include=user.*",
                "--xattrs-include=security.capability",
            ])
            .args([
                "--xattrs-exclude=*=*",
                "--numeric-owner",
                "--sort=name",
                "-cf",
                "-",
                "-C",
            ])
            .arg(place.path("context/zoo"))
            .args(["--exclude=./times/just-before*", "."]);
        let output = command.output().unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let layout = place.path(format!("out/tar-{format}-{sparse}"));
        let platform = ("linux", lapstrake_tests::base::architecture());
        lapstrake_tests::layout::image(&layout, platform, serde_json::json!({}), &[output.stdout]);
        place.dockerfile("FROM image\n");
        let base = format!("image=oci-layout://{}:latest", layout.display());
        let (out, _) = place.build_local(&["--build-context", &base]);
        let mut expected = expected.clone();
        expected.retain(|path, _| !path.starts_with("times/just-before"));
        if format == "gnu" {
            // That one has no attributes.
            expected.retain(|path, _| !path.starts_with("attributes"));
        }
        let mut found = list(&out, TAR);
        if format == "gnu" {
            found.retain(|path, _| !path.starts_with("attributes"));
        }
        assert_same(&expected, &found, format);
        let stored = fs::metadata(out.join("sparse")).unwrap().blocks() * 512;
        assert!(!sparse || stored <= 1 << 20, "{format}: {stored}");
    }
}

/// What a command does to files of layers below, and what is seen after it.
const CHANGES: &str = "
    rm /d/removed && rm -r /d/tree
    rm -r /d/replaced && mkdir /d/replaced && echo new > /d/replaced/new
    rm -r /d/to-file && echo file > /d/to-file
    rm /d/to-dir && mkdir /d/to-dir && echo in > /d/to-dir/in
    rm -r /d/to-link && ln -s real /d/to-link
    rm /d/from-link && mkdir /d/from-link && echo in > /d/from-link/in
    echo more >> /d/first
    chmod 600 /d/mode && chown 5:6 /d/owner && touch -d @1 /d/time
    mv /d/moved /d/elsewhere && mv /d/moved-dir /d/elsewhere-dir
    mkdir /d/back && rm -r /d/back
    rm /d/again && echo again > /d/again
    rm -r /d/empty/* && ln /d/linked /d/linked-too
    mkfifo /d/pipe && mknod /d/node c 1 3
    chmod 700 /d && chmod 755 /d && touch -d @5 /d";

const BEFORE: &str = "
    mkdir -p /d/tree/a /d/replaced/old /d/to-file/x /d/to-link /d/real /d/moved-dir/y /d/empty
    cd /d; for f in removed tree/a/f replaced/old/f to-file/x/f to-dir real/r moved moved-dir/y/f again empty/1 empty/2 \
        mode owner time linked; do echo $f > $f; done
    ln -s real from-link; echo linked > first; ln first second";

#[test]
fn what_a_command_changes_is_the_same_in_every_form() {
    if !lapstrake_tests::is_root() {
        skip!("the fixture has devices, which need root");
    }
    if !can_run_containers() {
        skip!("containers do not work here: see lapstrake doctor");
    }
    let place = Place::new();
    let script = |name: &str, text: &str| {
        place.file(name, format!("set -e\n{text}\n"));
    };
    script("before.sh", BEFORE);
    script("changes.sh", CHANGES);
    // The same by one command, in one layer, is what it has to be.
    place.file("both.sh", format!("set -e\n{BEFORE}\n{CHANGES}\n"));
    let run = |name: &str| format!("RUN --mount=target=/scripts sh /scripts/{name}.sh\n");
    place.dockerfile(&format!(
        "FROM base AS all\n{}FROM scratch\nCOPY --from=all /d /d\n",
        run("both")
    ));
    let (out, _) = place.build_local(&[]);
    let loses = Loses {
        fractions: true,
        ..Loses::default()
    };
    let timeless = |dir: &Path| -> Listing {
        // The time of a change is another in every run; those that were set are not.
        let mut listing = list(dir, loses);
        for (path, text) in &mut listing {
            if path != "d" && path != "d/time" {
                let words: Vec<_> = text
                    .split(' ')
                    .filter(|word| !word.ends_with(".000000000"))
                    .collect();
                *text = words.join(" ");
            }
        }
        listing
    };
    let mut expected = timeless(&out);
    assert_eq!(expected["d"].split(' ').next_back(), Some("5.000000000"));
    // Overlayfs gives each name a file of its own when one is written to.
    for (path, text) in &mut expected {
        if path == "d/first" || path == "d/second" {
            *text = text.split(" of 2 names").next().unwrap().to_owned();
        }
    }
    expected.insert("d/second".into(), "file of 7 9f6ba9e7ea53 644 0:0".into());
    let second = fs::read_to_string(out.join("d/second")).unwrap();
    assert_eq!(second, "linked\nmore\n", "in one layer both names are one file");

    let steps = format!(
        "FROM base AS below\n{}FROM below AS change\n{}",
        run("before"),
        run("changes")
    );
    place.dockerfile(&format!("{steps}FROM scratch\nCOPY --from=change /d /d\n"));
    let (copied, _) = place.build_local(&[]);
    let second = timeless(&copied)["d/second"].clone();
    expected.insert("d/second".into(), second);
    assert_eq!(fs::read_to_string(copied.join("d/second")).unwrap(), "linked\n");
    assert_same(&expected, &timeless(&copied), "copied");

    place.dockerfile(&steps);
    let (local, _) = place.build_local(&[]);
    let only_d = |dir: &Path| -> Listing {
        let mut listing = timeless(dir);
        listing.retain(|path, _| path == "d" || path.starts_with("d/"));
        listing
    };
    assert_same(&expected, &only_d(&local), "a directory");
    let layout = place.path("out/layout");
    let spec = format!("type=oci,tar=false,dest={}", layout.display());
    place.build(&["-t", "x:latest", "-o", &spec]).ok();
    if find_program("umoci").is_some() {
        let root = unpacked_by_umoci(&layout, &place.path("out/bundle"));
        assert_same(&expected, &only_d(&root), "unpacked by umoci");
    }
    // As a base in another store, where the layers are unpacked one by one.
    place.dockerfile("FROM image\nRUN true\n");
    let base = format!("image=oci-layout://{}:latest", layout.display());
    let other = place.path("other-state");
    let (again, _) = place.build_local(&["--build-context", &base, "--root", other.to_str().unwrap()]);
    assert_same(&expected, &only_d(&again), "as a base");
}

/// As long as a path in a container can be, which is longer than a path to it from outside can be; and, by moving one
/// such into the other, twice as long.
#[test]
fn paths_that_are_deeper_than_the_kernel_takes() {
    if !can_run_containers() {
        skip!("containers do not work here: see lapstrake doctor");
    }
    let place = Place::new();
    let deep = vec!["level-of-the-tree-01"; 193].join("/");
    assert!(deep.len() > 4030);
    place.dockerfile(&format!(
        "FROM base AS deep\n\
         ENV P={deep}\n\
         RUN mkdir -p /t/$P /u/$P && echo deep > /t/$P/file && ln /t/$P/file /t/$P/link && echo deeper > /u/$P/file \\\n\
             && cd /t/$P && mv /u . && rm link\n\
         RUN cd /t/$P && cat u/$P/file && echo changed >> file && mkdir u/$P/new\n\
         FROM base AS more\n\
         ENV P={deep}\n\
         COPY --from=deep /t /copied\n\
         COPY --link --from=deep /t /linked\n\
         RUN for t in copied linked; do cd /$t/$P && cat file u/$P/file && rm u/$P/file && ls u/$P || exit 1; done\n"
    ));
    let (out, ran) = place.build_local(&[]);
    assert_eq!(ran.stderr.matches(" changed\n").count(), 2, "{}", ran.stderr);
    assert_eq!(ran.stderr.matches(" deeper\n").count(), 3, "{}", ran.stderr);
    for tree in ["copied", "linked"] {
        let found = Command::new("find")
            .args([
                tree,
                "-mindepth",
                "194",
                "(",
                "-name",
                "file",
                "-o",
                "-name",
                "new",
                "-o",
                "-name",
                "link",
                ")",
            ])
            .args(["-printf", "%d %f %y\\n"])
            .current_dir(&out)
            .output()
            .unwrap();
        let mut found: Vec<_> = String::from_utf8(found.stdout)
            .unwrap()
            .lines()
            .map(str::to_owned)
            .collect();
        found.sort();
        assert_eq!(found, ["194 file f", "388 new d"], "{tree}");
    }
    tool(Command::new("rm").arg("-rf").arg(&out));
    // An image of it cannot be a base, as no path of an archive may be that long: it is said, and not half done.
    let layout = place.path("out/deep");
    let spec = format!("type=oci,tar=false,dest={}", layout.display());
    place.build(&["-t", "x:latest", "-o", &spec]).ok();
    let base = format!("image=oci-layout://{}:latest", layout.display());
    place.dockerfile("FROM image\nRUN true\n");
    let other = place.path("other-state");
    place
        .build(&["--build-context", &base, "--root", other.to_str().unwrap()])
        .fails(3, &["4095 bytes in a path"]);
    for state in [other, place.state()] {
        tool(Command::new("rm").arg("-rf").arg(state));
    }
}

#[test]
fn large_files_with_holes_stay_that_way() {
    if !can_run_containers() {
        skip!("containers do not work here: see lapstrake doctor");
    }
    let place = Place::new();
    place.dockerfile(
        "FROM base AS made\nRUN mkdir /d && truncate -s 4G /d/hole && echo end >> /d/hole\n\
         FROM scratch\nCOPY --link --from=made /d /\n",
    );
    let (out, _) = place.build_local(&[]);
    let meta = fs::metadata(out.join("hole")).unwrap();
    assert_eq!(meta.size(), (4 << 30) + 4);
    assert!(meta.blocks() * 512 < 1 << 20, "{}", meta.blocks());
}

#[test]
fn a_directory_of_a_hundred_thousand_files() {
    if !can_run_containers() {
        skip!("containers do not work here: see lapstrake doctor");
    }
    let place = Place::new();
    place.dockerfile(
        "FROM base AS made\nRUN mkdir /d && cd /d && seq 1 100000 | xargs touch\n\
         FROM base\nCOPY --link --from=made /d /d\nRUN ls /d | wc -l && rm /d/5* && ls /d | wc -l\n",
    );
    let ran = place.build(&[]).ok();
    assert!(
        ran.stderr.contains(" 100000\n") && ran.stderr.contains(" 88889\n"),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_merge_copies_no_file() {
    if !can_run_containers() {
        skip!("containers do not work here: see lapstrake doctor");
    }
    let place = Place::new();
    let mut text = "FROM base\n".to_owned();
    for n in 0..12 {
        place.file(format!("f{n}"), vec![b'a' + n as u8; 1 << 20]);
        text += &format!("COPY --link f{n} /files/f{n}\n");
    }
    place.dockerfile(&text).build(&[]).ok();
    // Each file is on the disk once, whatever stands on top of it, and whatever it stands on.
    let once = || {
        let found = Command::new("find")
            .arg(place.state().join("layers"))
            .args([
                "-name",
                "f*",
                "-path",
                "*/files/*",
                "-type",
                "f",
                "-printf",
                "%f %i\\n",
            ])
            .output()
            .unwrap();
        let mut found: Vec<_> = String::from_utf8(found.stdout)
            .unwrap()
            .lines()
            .map(str::to_owned)
            .collect();
        found.sort();
        assert_eq!(found.len(), 12, "{found:?}");
        found
    };
    let before = once();
    place.dockerfile(&text.replace("FROM base\n", "FROM base\nRUN echo other > /other\n"));
    let (out, _) = place.build_local(&[]);
    assert_eq!(once(), before);
    assert!(out.join("other").exists() && fs::metadata(out.join("files/f11")).unwrap().len() == 1 << 20);
}
