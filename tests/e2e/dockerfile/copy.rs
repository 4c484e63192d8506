//! `COPY`: which sources, where to, whose, with which mode.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;

use lapstrake_tests::{Place, can_run_containers, skip};

use super::{all_fail, image};

#[test]
fn sources() {
    let place = Place::new();
    place
        .file("a", "a")
        .file("1.md", "1")
        .file("dir/in", "in")
        .file("dir/sub/deep", "deep")
        .file("ünï code", "u")
        .file("per%20cent", "p");
    let context = place.path("context");
    symlink("a", context.join("to-file")).unwrap();
    symlink("dir", context.join("to-dir")).unwrap();
    symlink("/dir/sub", context.join("absolute")).unwrap();
    symlink("../../../../../../dir", context.join("upwards")).unwrap();
    symlink("sub/deep", context.join("dir/link")).unwrap();
    let _socket = UnixListener::bind(context.join("dir/socket")).unwrap();
    place.dockerfile(
        "FROM scratch\n\
         COPY nothing* a /wild/\n\
         COPY to-file /file\n\
         COPY to-dir /dir\n\
         COPY to-dir/in absolute/deep /through/\n\
         COPY upwards/in /inside\n\
         COPY [\"ünï code\", \"per%20cent\", \"/literal/\"]\n",
    );
    let image = image(&place, &[]);
    // A wildcard may match nothing where another source is there.
    assert_eq!(image.names("wild"), ["a"]);
    // A link as source is followed, also in the middle and from the root, which is the context's.
    assert_eq!(image.what("file"), "Regular 644 0:0");
    assert_eq!(image.text("file"), "a");
    assert_eq!(image.text("dir/in"), "in");
    assert_eq!(image.names("through"), ["deep", "in"]);
    assert_eq!(image.text("inside"), "in");
    // A link inside of what is copied stays one.
    assert_eq!(image.what("dir/link"), "Symlink 777 0:0 -> sub/deep");
    // No socket arrives.
    assert_eq!(image.what("dir/socket"), "-");
    assert_eq!(image.names("literal"), ["per%20cent", "ünï code"]);
}

#[test]
fn destinations() {
    let place = Place::new();
    place.file("a", "a").file("b", "b").dockerfile(
        "FROM scratch\nARG EMPTY\nWORKDIR /w/d\n\
         COPY a x/\nCOPY a .\nCOPY b y/.\nCOPY b $EMPTY\nCOPY a /abs/new\nCOPY a b /several/\nCOPY a ../up\n",
    );
    let image = image(&place, &[]);
    assert_eq!(image.names("w/d"), ["a", "b", "x", "y"]);
    assert_eq!(image.names("w/d/x"), ["a"]);
    assert_eq!(image.names("w/d/y"), ["b"]);
    assert_eq!(image.what("abs/new"), "Regular 644 0:0");
    assert_eq!(image.names("several"), ["a", "b"]);
    assert_eq!(image.text("w/up"), "a");
}

#[test]
fn owners_and_modes() {
    let place = Place::new();
    place
        .file("a", "a")
        .file("dir/run", "r")
        .file("dir/sub/deep", "d")
        .file("passwd", "root:x:0:0::/:\napp:x:1000:1001::/:\n")
        .file("group", "root:x:0:\nwheel:x:55:\n");
    let mode = |path: &str, mode| {
        std::fs::set_permissions(place.path("context").join(path), PermissionsExt::from_mode(mode)).unwrap();
    };
    mode("dir/run", 0o755);
    mode("dir", 0o700);
    mode("a", 0o600);
    place.dockerfile(
        "FROM scratch\nCOPY passwd group /etc/\n\
         COPY a /plain\n\
         COPY --chown=app a /named\n\
         COPY --chown=app:wheel a /both\n\
         COPY --chown=7 a /number\n\
         COPY --chown=7:8 a /numbers/made/\n\
         COPY --chown=9:9 --chmod=0640 a /numbers/made/other\n\
         COPY --chmod=0711 dir /octal\n\
         COPY --chmod=u=rwX,go=rX dir /symbolic\n\
         COPY --chmod=0600 a /made/by/copy\n\
         COPY dir /contents\n\
         COPY --chown=3:3 dir /numbers\n",
    );
    let image = image(&place, &[]);
    for (path, what) in [
        ("plain", "Regular 600 0:0"),
        // The group of a name is the one in /etc/passwd, that of a number the same number.
        ("named", "Regular 600 1000:1001"),
        ("both", "Regular 600 1000:55"),
        ("number", "Regular 600 7:7"),
        // What is made on the way belongs to the same; a directory that is there keeps its owner.
        ("numbers/made", "Directory 755 7:8"),
        ("numbers", "Directory 755 7:8"),
        ("numbers/made/other", "Regular 640 9:9"),
        ("numbers/run", "Regular 755 3:3"),
        // Modes are for files and directories, but not for those that are made on the way.
        ("octal", "Directory 711 0:0"),
        ("octal/run", "Regular 711 0:0"),
        ("octal/sub", "Directory 711 0:0"),
        ("symbolic/run", "Regular 755 0:0"),
        ("symbolic/sub/deep", "Regular 644 0:0"),
        ("made/by", "Directory 755 0:0"),
        ("made/by/copy", "Regular 600 0:0"),
        // Only contents are copied: the directory that takes them is a new one.
        ("contents", "Directory 755 0:0"),
    ] {
        assert_eq!(image.what(path), what, "{path}");
    }
}

#[test]
fn parents_pivots_and_excludes() {
    let place = Place::new();
    for path in ["x/y/1.go", "x/y/2.txt", "x/z/3.go", "x/z/skip/4.go", "top.go"] {
        place.file(path, path);
    }
    symlink("x", place.path("context/link")).unwrap();
    symlink("../../../../../x", place.path("context/up")).unwrap();
    place.dockerfile(
        "# syntax=docker/dockerfile:1-labs\nFROM scratch AS parents\n\
         COPY --parents x/y/1.go top.go /plain/\n\
         COPY --parents x/./z/3.go /pivot/\n\
         COPY --parents x/**/*.go /all/\n\
         COPY --parents no/*/such /none/\n\
         COPY --exclude=*.txt --exclude=**/skip x /less/\n\
         COPY --parents link/y/1.go up/z/3.go /through/\n\
         COPY --parents link /itself/\n\
         FROM scratch AS stage\nCOPY . /in/\n\
         FROM parents\nCOPY --from=stage --parents /in/./link/y/1.go /stage/\n",
    );
    let image = image(&place, &[]);
    let below = |folder: &str| -> Vec<String> {
        let files = image
            .files
            .iter()
            .filter(|(_, file)| file.what.starts_with("Regular"));
        files
            .filter_map(|(path, _)| path.strip_prefix(folder)?.strip_prefix('/').map(str::to_owned))
            .collect()
    };
    assert_eq!(below("plain"), ["top.go", "x/y/1.go"]);
    assert_eq!(below("pivot"), ["z/3.go"]);
    assert_eq!(below("all"), ["x/y/1.go", "x/z/3.go", "x/z/skip/4.go"]);
    assert_eq!(below("none"), Vec::<String>::new());
    assert_eq!(below("less"), ["y/1.go", "y/2.txt", "z/3.go"]);
    // Links on the way are followed, as with `cp --parents`, and stay inside. The last one stays a link.
    assert_eq!(below("through"), ["link/y/1.go", "up/z/3.go"]);
    assert_eq!(below("stage"), ["link/y/1.go"]);
    assert_eq!(image.what("through/link"), "Directory 755 0:0");
    assert_eq!(image.what("itself/link"), "Symlink 777 0:0 -> x");
}

#[test]
fn what_goes_wrong_is_named() {
    let place = Place::new();
    place.file("a", "a").file("dir/f", "f").file("file/dir/x", "x");
    let link = place.path("context/out");
    symlink("../../../../../../../../../etc/hostname", link).unwrap();
    all_fail(
        &place,
        &[
            ("FROM scratch\nCOPY a no/such /x/\n", &["no/such"]),
            ("FROM scratch\nCOPY --parents no/such /x/\n", &["no/such"]),
            ("FROM scratch\nCOPY out /x\n", &["out"]),
            ("FROM scratch\nCOPY a /file\nCOPY file /file\n", &["/file"]),
            ("FROM scratch\nCOPY dir /x\nCOPY a /x/f/y\n", &["/x/f"]),
            (
                "FROM scratch\nCOPY a /dir/a/\nCOPY file /\nCOPY a /file/dir\nCOPY dir /file/dir/a\n",
                &["/file/dir/a"],
            ),
            ("FROM scratch\nCOPY --chown=nobody a /\n", &["nobody"]),
            ("FROM scratch\nCOPY --chmod=999 a /\n", &["999", "octal"]),
            ("FROM scratch\nCOPY --chmod=u~x a /\n", &["u~x"]),
        ],
    );
}

#[test]
fn linked_copies_outlive_their_base_and_times_do_not_count() {
    if !can_run_containers() {
        skip!("containers do not work here: see lapstrake doctor");
    }
    let place = Place::new();
    place.file("a", "a").file("set/1", "1").file("set/2", "2");
    let text = |base: &str| {
        format!(
            "FROM base\nRUN mkdir -m 700 /x && echo {base} > /x/base\nCOPY --link a /x/a\n\
             COPY --link --chmod=0600 a /x/b\nCOPY set/* /set/\n"
        )
    };
    place.dockerfile(&text("one"));
    let before = image(&place, &[]);
    assert_eq!(before.names("x"), ["a", "b", "base"]);
    place.dockerfile(&text("two"));
    std::fs::File::open(place.path("context/a"))
        .unwrap()
        .set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000))
        .unwrap();
    place.file("beside", "not taken");
    let ran = place.build(&["-o", "type=cacheonly", "--network", "none"]).ok();
    let is_cached = |step: &str| {
        let mut lines = ran.stderr.lines();
        let number = lines
            .find(|line| line.ends_with(step))
            .unwrap()
            .split(' ')
            .next()
            .unwrap();
        ran.stderr
            .lines()
            .any(|line| line.starts_with(&format!("{number} CACHED")))
    };
    // The layer of the link does not rest on what is below; with a mode it is a plain copy.
    assert!(is_cached("COPY --link a /x/a"), "{}", ran.stderr);
    assert!(!is_cached("COPY --link --chmod=0600 a /x/b"), "{}", ran.stderr);
}
