//! Builds without privilege make the same images as root's, or say what they cannot do. As root these tests become other
//! users; as a user they use what that one has.

use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use lapstrake_tests::{Place, Ran, base, can_run_containers, find_program, layout, skip};
use rustix::process::geteuid;
use serde_json::{Value, json};

/// A user whom nothing on the machine speaks of.
const NOBODY_KNOWN: u32 = 54_321;

/// How the program is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// As who runs the test, with all that works.
    Own,
    /// As this user and group, which has subordinate ids if the machine gave it any.
    As(u32, u32),
    /// In a user namespace of one user.
    Single,
    /// Without a user namespace.
    None,
    /// Where the kernel makes no user namespace.
    Forbidden,
}

impl Way {
    /// The program, as in [`Place::command`], started in this way.
    fn command(self, place: &Place) -> Command {
        let plain = place.command();
        if self == Way::Own {
            return plain;
        }
        let mut command = match self {
            Way::Forbidden => {
                // Root of a namespace in which there are no more, without any capability.
                let script = "echo 0 > /proc/sys/user/max_user_namespaces; \
                              exec setpriv --inh-caps=-all --bounding-set=-all \"$0\" \"$@\"";
                let mut command = Command::new("unshare");
                command.args(["--user", "--map-root-user", "sh", "-c", script]);
                command
            }
            // What the environment asks for counts only for who is not root.
            Way::Single | Way::None if !geteuid().is_root() => Command::new("env"),
            _ => {
                let (uid, gid) = self.ids();
                let mut command = Command::new("setpriv");
                command.args(["--reuid", &uid.to_string(), "--regid", &gid.to_string()]);
                command.arg("--clear-groups");
                command
            }
        };
        command.arg(plain.get_program());
        command.env_clear();
        command.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.current_dir(plain.get_current_dir().unwrap());
        match self {
            Way::Single => command.env("LAPSTRAKE_USERNS", "single"),
            Way::None => command.env("LAPSTRAKE_USERNS", "none"),
            _ => &mut command,
        };
        command
    }

    /// Who owns the files.
    fn ids(self) -> (u32, u32) {
        match self {
            Way::As(uid, gid) => (uid, gid),
            Way::Single | Way::None if geteuid().is_root() => (NOBODY_KNOWN, NOBODY_KNOWN),
            _ => (geteuid().as_raw(), rustix::process::getegid().as_raw()),
        }
    }

    /// A new place that belongs to who runs the program, with the context of [`fill`].
    fn place(self) -> Place {
        let place = Place::new();
        fill(&place);
        give(&place.path(""), self.ids());
        place
    }

    fn build(self, place: &Place, more: &[&str]) -> Ran {
        let base = format!("base=oci-layout://{}:latest", odd_base().display());
        let mut command = self.command(place);
        command.args([
            "build",
            "context",
            "--progress",
            "plain",
            "--build-context",
            &base,
        ]);
        command.env("SOURCE_DATE_EPOCH", "1600000000").args(more);
        Ran::of(command.output().unwrap())
    }

    /// The digest of the image that a target makes.
    #[track_caller]
    fn image(self, place: &Place, target: &str) -> String {
        let (out, id) = (place.path("out/image.tar"), place.path("out/metadata"));
        let output = format!("type=oci,dest={}", out.display());
        let id_text = id.to_str().unwrap();
        self.build(
            place,
            &["--target", target, "-o", &output, "--metadata-file", id_text],
        )
        .ok();
        let metadata: Value = serde_json::from_slice(&std::fs::read(id).unwrap()).unwrap();
        metadata["containerimage.digest"].as_str().unwrap().to_owned()
    }
}

fn give(path: &Path, (uid, gid): (u32, u32)) {
    if !geteuid().is_root() {
        return;
    }
    std::os::unix::fs::lchown(path, Some(uid), Some(gid)).unwrap();
    if path.symlink_metadata().unwrap().is_dir() {
        for entry in std::fs::read_dir(path).unwrap() {
            give(&entry.unwrap().path(), (uid, gid));
        }
    }
}

/// A user of this machine with subordinate ids that can be had.
fn user_with_ids() -> Option<Way> {
    find_program("newuidmap")?;
    find_program("newgidmap")?;
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let groups = read("/etc/subgid");
    read("/etc/subuid").lines().find_map(|line| {
        let name = line.split(':').next()?;
        let mut lines = groups.lines();
        lines.find(|line| line.split(':').next() == Some(name))?;
        let passwd = read("/etc/passwd");
        let user = passwd.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut ids = user.split(':').skip(2).map(|field| field.parse().ok());
        Some(Way::As(ids.next()??, ids.next()??))
    })
}

/// The test base image, and files that only root can make.
fn odd_base() -> PathBuf {
    use tar::EntryType::*;
    let mut tar = tar::Builder::new(Vec::new());
    let attributes: [(&str, &[u8]); 3] = [
        (
            "SCHILY.xattr.security.capability",
            b"\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00",
        ),
        ("SCHILY.xattr.trusted.odd", b"roots"),
        ("SCHILY.xattr.user.mine", b"mine"),
    ];
    let mut add = |path: &str, kind, mode, owner: (u64, u64), extra: (&str, (u32, u32))| {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(owner.0);
        header.set_gid(owner.1);
        header.set_mtime(1_600_000_000);
        let data = if kind == Regular { path.as_bytes() } else { b"" };
        header.set_size(data.len() as u64);
        let (link, (major, minor)) = extra;
        header.set_device_major(major).unwrap();
        header.set_device_minor(minor).unwrap();
        if path == "bin/ping" {
            tar.append_pax_extensions(attributes).unwrap();
        }
        match link {
            "" => tar.append_data(&mut header, path, data).unwrap(),
            link => tar.append_link(&mut header, path, link).unwrap(),
        }
    };
    let plain = ("", (0, 0));
    add("etc/shadow", Regular, 0o640, (0, 42), plain);
    add("etc/closed", Regular, 0, (0, 0), plain);
    add("var/mail", Directory, 0o2775, (0, 8), plain);
    add("var/fixed", Directory, 0o555, (5, 8), plain);
    add("var/fixed/file", Regular, 0o444, (5, 8), plain);
    add("var/link", Symlink, 0o777, (33, 33), ("mail", (0, 0)));
    add("var/far", Regular, 0o600, (2_000_000, 2_000_000), plain);
    add("var/pipe", Fifo, 0o620, (2_000_000, 7), plain);
    add("dev/null", Char, 0o666, (0, 0), ("", (1, 3)));
    add("dev/sda", Block, 0o660, (0, 6), ("", (8, 0)));
    add("bin/ping", Regular, 0o755, (0, 0), plain);
    let odd = tar.into_inner().unwrap();
    let blobs = base::busybox();
    let place = blobs.with_file_name("odd");
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let index: Value = serde_json::from_slice(&std::fs::read(blobs.join("index.json")).unwrap()).unwrap();
        let read = |digest: &str| std::fs::read(blobs.join("blobs").join(digest.replace(':', "/"))).unwrap();
        let manifest = read(index["manifests"][0]["digest"].as_str().unwrap());
        let manifest: Value = serde_json::from_slice(&manifest).unwrap();
        let below = read(manifest["layers"][0]["digest"].as_str().unwrap());
        let mut tar = Vec::new();
        std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&below[..]), &mut tar).unwrap();
        let config = json!({ "Env": ["PATH=/bin:/usr/bin"] });
        let folder = place.with_file_name(format!("odd-{}", std::process::id()));
        layout::image(&folder, ("linux", base::architecture()), config, &[tar, odd]);
        let _ = std::fs::remove_dir_all(&place);
        std::fs::rename(&folder, &place).unwrap();
    });
    place
}

/// Whether other users reach the program and the images.
fn others_reach_us() -> bool {
    let open = |path: PathBuf| {
        path.ancestors()
            .all(|part| part.metadata().is_ok_and(|meta| meta.mode() & 1 == 1))
    };
    !geteuid().is_root()
        || find_program("setpriv").is_some() && open(lapstrake_tests::place::program()) && open(odd_base())
}

/// Leaves the test where others cannot do it.
macro_rules! needs_others {
    () => {
        if !others_reach_us() {
            skip!("other users of this machine do not reach the program, or there is no setpriv");
        }
    };
}

fn fill(place: &Place) {
    place.file("d/x", "x").file("f", "f").dockerfile(
        "FROM base AS files\n\
         COPY --chown=1000:2000 d /d\n\
         COPY --chown=3000000:7 f /far\n\
         COPY --from=base / /all/\n\
         FROM base AS run\n\
         COPY --chown=1000:2000 d /d\n\
         COPY --chown=3000000:7 f /far\n\
         RUN echo more >> /etc/shadow && rm -r /var/mail && mkdir /var/mail && mv /d/x /d/y && ln -s x /d/l \\\n\
             && [ \"$(id -u)\" = 0 ] && touch -h -d @1600000000 /etc/shadow /etc /var/mail /var /d /d/l /\n\
         FROM base AS user\n\
         USER 1000\n\
         RUN id\n",
    );
    std::os::unix::fs::symlink("x", place.path("context/d/link")).unwrap();
}

#[test]
fn every_way_makes_the_same_image() {
    needs_others!();
    if !can_run_containers() {
        skip!("commands cannot run in containers here");
    }
    let mut ways = vec![Way::Own, Way::Single];
    ways.extend(user_with_ids().filter(|_| geteuid().is_root()));
    if geteuid().is_root() && ways.len() < 3 {
        eprintln!("skipped in part: no user here has subordinate ids");
    }
    let images: Vec<(String, String)> = ways
        .iter()
        .map(|way| {
            let place = way.place();
            let images = (way.image(&place, "files"), way.image(&place, "run"));
            place.assert_clean();
            images
        })
        .collect();
    for (way, image) in ways.iter().zip(&images) {
        assert_eq!(*image, images[0], "{way:?}");
    }
}

#[test]
fn a_graph_without_commands_needs_no_namespaces() {
    needs_others!();
    let own = Way::Own.image(&Way::Own.place(), "files");
    let mut ways = vec![Way::None];
    if find_program("unshare").is_some() && find_program("setpriv").is_some() {
        ways.push(Way::Forbidden);
    } else {
        eprintln!("skipped in part: no unshare or setpriv");
    }
    for way in ways {
        let place = way.place();
        assert_eq!(way.image(&place, "files"), own, "{way:?}");
        // What was written is read again by the next process.
        let again = way.build(&place, &["--target", "files"]).ok();
        assert!(again.count("CACHED") > 0, "{way:?}: {}", again.stderr);
        let failed = way.build(&place, &["--target", "run"]);
        failed.fails(
            1,
            &["cannot create namespaces", "RUN echo more", "`lapstrake doctor`"],
        );
        place.assert_clean();
    }
}

#[test]
fn a_user_that_does_not_exist_is_told() {
    needs_others!();
    if !can_run_containers() {
        skip!("commands cannot run in containers here");
    }
    let place = Way::Single.place();
    let failed = Way::Single.build(&place, &["--target", "user"]);
    failed.fails(1, &["1000 does not exist", "/etc/subuid", "`lapstrake doctor`"]);
    place.assert_clean();
}

#[test]
fn a_store_is_used_by_whom_it_was_made() {
    needs_others!();
    if !geteuid().is_root() {
        skip!("needs root, to be two users");
    }
    let place = Way::Single.place();
    Way::Single.image(&place, "files");
    assert_eq!(place.state().metadata().unwrap().uid(), NOBODY_KNOWN);
    let failed = Way::Own.build(&place, &["--target", "files"]);
    failed.fails(
        3,
        &["belong to one user, but this process works as root", "--root"],
    );
    // Without a namespace the same user still can.
    Way::None.image(&place, "files");
}

#[test]
fn files_written_to_a_directory_are_the_users() {
    needs_others!();
    let place = Way::Single.place();
    chown(place.path("out"), Some(Way::Single.ids().0), None).unwrap();
    let output = format!("type=local,dest={}", place.path("out/files").display());
    Way::Single
        .build(&place, &["--target", "files", "-o", &output])
        .ok();
    let file = place.path("out/files/d/x").metadata().unwrap();
    assert_eq!((file.uid(), file.gid()), Way::Single.ids());
}

#[test]
fn the_doctor_says_what_this_machine_can_do() {
    needs_others!();
    let look = |way: Way| {
        let place = way.place();
        let mut command = way.command(&place);
        let ran = Ran::of(command.args(["doctor", "--format", "json"]).output().unwrap());
        let found: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{}", ran.stderr));
        let left: Vec<_> = std::fs::read_dir(place.path("")).unwrap().collect();
        assert_eq!(left.len(), 3, "{left:?}");
        assert_eq!(ran.code, i32::from(found["can_run"] != true), "{found}");
        for check in found["checks"].as_array().unwrap() {
            let fine = check["state"] == "ok";
            assert_eq!(check["remedy"].is_null(), fine, "{check}");
            assert_eq!(check["without"].is_null(), fine, "{check}");
        }
        found
    };
    let state = |found: &Value, name: &str| {
        let checks = found["checks"].as_array().unwrap();
        let check = checks.iter().find(|check| check["name"] == name);
        check.map(|check| check["state"].as_str().unwrap().to_owned())
    };
    let none = look(Way::None);
    assert_eq!(none["can_run"], false);
    assert_eq!(state(&none, "user namespaces").as_deref(), Some("missing"));
    if can_run_containers() {
        for (way, ids) in [(Way::Own, None), (Way::Single, Some("limited"))] {
            let found = look(way);
            assert_eq!(found["can_run"], true, "{found}");
            assert_eq!(state(&found, "overlayfs").as_deref(), Some("ok"));
            if way == Way::Single || geteuid().is_root() {
                assert_eq!(state(&found, "subordinate ids").as_deref(), ids);
            }
        }
    }
    let text = Ran::of(
        Way::Own
            .command(&Way::Own.place())
            .arg("doctor")
            .output()
            .unwrap(),
    );
    assert!(text.stdout.contains("Builds work here"), "{}", text.stdout);
}
