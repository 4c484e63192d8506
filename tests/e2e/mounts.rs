//! `RUN --mount` of every type, as a Dockerfile says it.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use lapstrake_tests::{Place, can_run_containers, find_program, skip};

fn read(out: &Path, name: &str) -> String {
    fs::read_to_string(out.join(name)).unwrap()
}

#[test]
fn bind_of_a_context_a_stage_and_an_image() {
    if !can_run_containers() {
        skip!("containers do not work here: see lapstrake doctor");
    }
    let place = Place::new();
    place.file("sub/a", "of the context\n");
    fs::create_dir(place.path("other")).unwrap();
    fs::write(place.path("other/o"), "of a named context\n").unwrap();
    place.dockerfile(
        "FROM base AS stage\nRUN mkdir -p /s/deep && echo of a stage > /s/deep/f\n\
         FROM base\n\
         RUN --mount=target=/m,source=sub cat /m/a > /1 && ls /m > /2\n\
         RUN --mount=type=bind,from=stage,source=/s/deep/f,target=/m/file cat /m/file > /3\n\
         RUN --mount=from=other,target=/m cat /m/o > /4\n\
         RUN --mount=from=base,source=/etc,target=/m head -c 4 /m/passwd > /5\n\
         RUN --mount=target=/m if touch /m/new 2>/dev/null; then exit 1; fi; echo read-only > /6\n\
         RUN --mount=target=/m,rw touch /m/new && rm /m/sub/a && ls /m > /7\n\
         RUN --mount=target=/m ls /m/sub > /8\n",
    );
    let (out, _) = place.build_local(&["--build-context", "other=other"]);
    let all: Vec<_> = (1..=8).map(|n| read(&out, &n.to_string())).collect();
    assert_eq!(
        all,
        [
            "of the context\n",
            "a\n",
            "of a stage\n",
            "of a named context\n",
            "root",
            "read-only\n",
            "Dockerfile\nnew\nsub\n",
            "a\n"
        ]
    );
    assert!(!out.join("m").exists(), "the mount point is not in the image");
    assert!(place.path("context/sub/a").exists(), "the context is as it was");
}

#[test]
fn sources_of_mounts_that_lead_out() {
    if !can_run_containers() {
        skip!("containers do not work here: see lapstrake doctor");
    }
    let place = Place::new();
    fs::write(place.path("canary"), "of the machine").unwrap();
    let canary = place.path("canary");
    let up = format!("{}{}", "../".repeat(20), canary.display());
    std::os::unix::fs::symlink(&canary, place.path("context/link")).unwrap();
    let stage = format!(
        "FROM base AS a\nRUN ln -s {0} /link && ln -s {up} /up\n",
        canary.display()
    );
    for mount in [
        "from=a,source=/link".to_owned(),
        "from=a,source=/up".to_owned(),
        format!("from=a,source={up}"),
        "source=link".to_owned(),
        format!("source={up}"),
        "type=cache,from=a,source=/link".to_owned(),
        format!("type=cache,from=a,source={up}"),
    ] {
        place.dockerfile(&format!(
            "{stage}FROM base\nRUN --mount={mount},target=/m cat /m; cat /m/*; false\n"
        ));
        let ran = place.build(&[]);
        assert_ne!(ran.code, 0, "{mount}");
        assert!(!ran.stderr.contains("of the machine"), "{mount}: {}", ran.stderr);
    }
    place.assert_clean();
}

/// The name of a cache is a name, whatever it looks like.
#[test]
fn names_of_caches_that_look_like_paths() {
    if !can_run_containers() {
        skip!("containers do not work here: see lapstrake doctor");
    }
    let place = Place::new();
    let names = ["../../../x", "/etc", "..", "a/b", "a\\\\b", "."];
    let mut text = "FROM base\n".to_owned();
    for name in names {
        text += &format!("RUN --mount=type=cache,id={name},target=/c ls -A /c && echo {name:?} > /c/mine\n");
    }
    let before = fs::read_dir(place.path("")).unwrap().count();
    let ran = place.dockerfile(&text).build(&[]).ok();
    assert!(
        !ran.stderr.contains(" mine\n"),
        "each is a cache of its own: {}",
        ran.stderr
    );
    assert_eq!(
        fs::read_dir(place.path("")).unwrap().count(),
        before + 1,
        "only the state directory"
    );
    assert!(!Path::new("/etc/mine").exists());
}

#[test]
fn caches_shared_private_and_locked() {
    if !can_run_containers() {
        skip!("containers do not work here: see lapstrake doctor");
    }
    let place = Place::new();
    let text = |sharing: &str, id: &str| {
        // Until both have come so far. With a lock, one waits for the other's end.
        let meet = |count: u32| match sharing {
            "locked" => "sleep 0.5".to_owned(),
            _ => format!("touch /m/{count}-$N; while [ $(ls /m | wc -l) -lt {count} ]; do sleep 0.05; done"),
        };
        format!(
            "FROM base\nARG N\nRUN --mount=type=cache,id={id},target=/c,sharing={sharing} \
             --mount=type=cache,id=meet-{id},target=/m \
             {}; echo $N >> /c/who; {}; wc -l < /c/who > /saw; echo over >> /c/over\n",
            meet(2),
            meet(4)
        )
    };
    // Two processes at once: each writes its line.
    for (sharing, together) in [("shared", true), ("private", false), ("locked", false)] {
        place.dockerfile(&text(sharing, sharing));
        let base = lapstrake_tests::base::context();
        let start = |n: usize| {
            let out = format!("out/{sharing}-{n}");
            let (n, mut command) = (format!("N={n}"), place.command());
            command
                .args([
                    "build",
                    "context",
                    "--build-context",
                    &base,
                    "--build-arg",
                    &n,
                    "-o",
                    &out,
                ])
                .stdout(Stdio::null())
                .stderr(Stdio::null());
            command.spawn().unwrap()
        };
        for mut child in [start(1), start(2)] {
            assert!(child.wait().unwrap().success());
        }
        let mut saw: Vec<_> = (1..=2)
            .map(|n| {
                read(&place.path(format!("out/{sharing}-{n}")), "saw")
                    .trim()
                    .to_owned()
            })
            .collect();
        saw.sort();
        let expected = match (together, sharing) {
            (true, _) => ["2", "2"],
            (false, "private") => ["1", "1"],
            // The second one finds what the first left, and not before that was done.
            (false, _) => ["1", "2"],
        };
        assert_eq!(saw, expected, "{sharing}");
    }
}

#[test]
fn a_cache_with_owner_and_mode_and_one_of_a_stage() {
    if !lapstrake_tests::has_users() {
        skip!("other users in containers need root or subordinate ids");
    }
    if !can_run_containers() {
        skip!("containers do not work here: see lapstrake doctor");
    }
    let place = Place::new();
    place.dockerfile(
        "FROM base AS seed\nRUN mkdir /s && echo seed > /s/f\n\
         FROM base\n\
         RUN --mount=type=cache,target=/c,uid=1000,gid=7,mode=0750 stat -c '%a %u %g' /c > /1\n\
         RUN --mount=type=cache,id=s,from=seed,source=/s,target=/c cat /c/f > /2 && echo changed > /c/f\n\
         RUN --mount=type=cache,id=s,from=seed,source=/s,target=/c,readonly cat /c/f > /3; ! touch /c/x 2>/dev/null\n",
    );
    let (out, _) = place.build_local(&[]);
    assert_eq!(read(&out, "1"), "750 1000 7\n");
    assert_eq!(read(&out, "2"), "seed\n");
    assert_eq!(read(&out, "3"), "changed\n");
}

#[test]
fn a_tmpfs_has_a_size() {
    if !can_run_containers() {
        skip!("containers do not work here: see lapstrake doctor");
    }
    let place = Place::new();
    place.dockerfile(
        "FROM base\n\
         RUN --mount=type=tmpfs,target=/t,size=1m dd if=/dev/zero of=/t/f bs=64k count=32 2>&1 | grep -o 'No space.*' > /1; \
             stat -c %s /t/f >> /1\n\
         RUN --mount=type=tmpfs,target=/t ls -A /t > /2 && stat -f -c %T /t >> /2\n\
         RUN --mount=type=tmpfs,target=/etc ls -A /etc | grep -c passwd > /3; true\n",
    );
    let (out, _) = place.build_local(&[]);
    assert_eq!(read(&out, "1"), "No space left on device\n1048576\n");
    assert_eq!(read(&out, "2"), "tmpfs\n");
    assert_eq!(read(&out, "3"), "0\n");
    assert!(out.join("etc/passwd").exists());
}

#[test]
fn a_mount_cannot_take_the_place_of_the_root() {
    if !can_run_containers() {
        skip!("containers do not work here: see lapstrake doctor");
    }
    for target in ["/", "//", "/.", "/tmp/.."] {
        for kind in ["tmpfs", "cache"] {
            let place = Place::new();
            place.dockerfile(&format!(
                "FROM base\nRUN --mount=type={kind},target={target} echo ran\n"
            ));
            let ran = place.build(&[]);
            assert_ne!(ran.code, 0, "{kind} {target}: {}", ran.stderr);
            place.assert_clean();
        }
    }
}

#[test]
fn a_real_ssh_agent_is_asked_and_gives_no_key() {
    if !lapstrake_tests::has_users() {
        skip!("other users in containers need root or subordinate ids");
    }
    if !can_run_containers() {
        skip!("containers do not work here: see lapstrake doctor");
    }
    let programs = ["ssh-agent", "ssh-add", "ssh-keygen"].map(find_program);
    let [Some(agent), Some(add), Some(keygen)] = programs else {
        skip!("no OpenSSH client");
    };
    let place = Place::new();
    let (key, socket) = (place.path("key"), place.path("agent.sock"));
    let made = Command::new(keygen)
        .args(["-q", "-t", "ed25519", "-N", "", "-C", "lapstrake-test-key", "-f"])
        .arg(&key)
        .status();
    assert!(made.unwrap().success());
    let mut agent = Command::new(agent)
        .args(["-D", "-a"])
        .arg(&socket)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    lapstrake_tests::place::wait(|| socket.exists());
    let added = Command::new(&add)
        .arg("-q")
        .arg(&key)
        .env("SSH_AUTH_SOCK", &socket)
        .status()
        .unwrap();
    with_libraries(&add, &place.path("context/client"));
    place.dockerfile(
        "FROM base\nCOPY client /\n\
         RUN --mount=type=ssh ssh-add -L > /keys && stat -c '%a %u' $SSH_AUTH_SOCK > /1\n\
         RUN --mount=type=ssh,id=none test ! -e $SSH_AUTH_SOCK && echo nothing > /2\n\
         RUN --mount=type=ssh,mode=0666,uid=7,target=/s stat -c '%a %u' /s > /3\n",
    );
    let spec = format!("default={}", socket.display());
    let ran = place.build(&["--ssh", &spec, "-o", "out/l"]);
    agent.kill().unwrap();
    agent.wait().unwrap();
    assert!(added.success());
    ran.ok();
    let out = place.path("out/l");
    assert_eq!(read(&out, "1"), "600 0\n");
    assert_eq!(read(&out, "3"), "666 7\n");
    assert_eq!(read(&out, "2"), "nothing\n");
    assert!(read(&out, "keys").ends_with(" lapstrake-test-key\n"));
    assert!(!out.join("run/buildkit").exists() && !out.join("s").exists());
}

/// Copies a program and the libraries that it is linked with into a root file system.
fn with_libraries(program: &Path, root: &Path) {
    let list = Command::new("ldd").arg(program).output().unwrap().stdout;
    let list = String::from_utf8(list).unwrap();
    let libraries = list
        .split_whitespace()
        .filter(|word| word.starts_with('/'))
        .map(Path::new);
    for file in libraries.chain([program]) {
        let to = root.join(file.strip_prefix("/").unwrap());
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(file, to).unwrap();
    }
}
