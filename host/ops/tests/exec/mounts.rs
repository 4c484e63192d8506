//! Mounts of every kind.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use lapstrake_ops::exec::{ExecError, MountSource, SetupError, TreeWrites};

use crate::needs_containers;
use crate::support::{Step, tree};

/// A directory of the step with a few files.
fn sample(step: &Step) -> PathBuf {
    let dir = step.new_dir("sample");
    fs::create_dir_all(dir.join("sub/deep")).unwrap();
    fs::write(dir.join("file"), "top").unwrap();
    fs::write(dir.join("sub/file"), "below").unwrap();
    symlink("/sub/deep", dir.join("link")).unwrap();
    symlink("/etc", dir.join("out")).unwrap();
    dir
}

fn of_tree(lower: PathBuf, selector: &str, writes: TreeWrites) -> MountSource {
    MountSource::Tree {
        lower: vec![lower],
        selector: selector.into(),
        writes,
    }
}

fn run_with(script: &str, selector: &str, read_only: bool) -> Result<crate::support::Ran, ExecError> {
    let step = Step::sh(script);
    let lower = sample(&step);
    step.mount("/mnt/t", read_only, of_tree(lower, selector, TreeWrites::Discard))
        .try_run()
}

#[test]
fn a_tree_to_read() {
    needs_containers!();
    let ran = run_with("cat /mnt/t/file /mnt/t/sub/file; touch /mnt/t/x", "", true).unwrap();
    assert_eq!(ran.stdout, "topbelow");
    assert!(ran.stderr.contains("Read-only file system"), "{}", ran.stderr);
}

#[test]
fn a_tree_whose_changes_are_lost() {
    needs_containers!();
    let step = Step::sh("echo new > /mnt/t/x; rm /mnt/t/file; ls /mnt/t");
    let lower = sample(&step);
    let before = tree(&lower);
    let ran = step
        .mount("/mnt/t", false, of_tree(lower.clone(), "", TreeWrites::Discard))
        .succeed();
    assert_eq!(ran.stdout, "link\nout\nsub\nx\n");
    assert_eq!(tree(&lower), before);
    assert_eq!(ran.layer(), [] as [&str; 0]);
}

#[test]
fn parts_of_a_tree() {
    needs_containers!();
    assert_eq!(run_with("ls /mnt/t", "sub", true).unwrap().stdout, "deep\nfile\n");
    assert_eq!(
        run_with("ls -d /mnt/t/..; ls /mnt/t; echo in > /mnt/t/x", "/link", false)
            .unwrap()
            .stdout,
        "/mnt/t/..\n"
    );
    assert_eq!(
        run_with("cat /mnt/t", "/sub/file", true).unwrap().stdout,
        "below",
        "a file"
    );
    // `..` and links of the tree stay in the tree.
    assert_eq!(
        run_with("cat /mnt/t", "../../../file", true).unwrap().stdout,
        "top"
    );
    for selector in ["missing", "out/passwd", "../../etc/passwd"] {
        let error = run_with("true", selector, true).err().unwrap();
        let ExecError::Setup {
            source:
                SetupError::Selector {
                    selector: named,
                    target,
                    ..
                },
        } = &error
        else {
            panic!("{error:?}")
        };
        assert_eq!((named.as_str(), target.as_str()), (selector, "/mnt/t"));
    }
}

#[test]
fn an_empty_tree() {
    needs_containers!();
    let empty = MountSource::Tree {
        lower: vec![],
        selector: String::new(),
        writes: TreeWrites::Discard,
    };
    let ran = Step::sh("ls -A /a /b; echo x > /b/x; echo x > /a/x")
        .mount("/a", true, empty.clone())
        .mount("/b", false, empty);
    let ran = ran.run();
    assert_eq!(ran.stdout, "/a:\n\n/b:\n");
    assert!(ran.stderr.contains("can't create /a/x"), "{}", ran.stderr);
}

#[test]
fn a_tree_that_is_a_result() {
    needs_containers!();
    let step = Step::sh("echo new > /out/x; rm /out/file; ls /out/cache");
    let (lower, upper, work, cache) = (
        sample(&step),
        step.new_dir("out-upper"),
        step.new_dir("out-work"),
        step.new_dir("cache"),
    );
    let writes = TreeWrites::Keep {
        upper: upper.clone(),
        work: work.clone(),
    };
    let ran = step
        .mount("/out", false, of_tree(lower, "", writes))
        .mount(
            "/out/cache/deep",
            false,
            MountSource::Directory {
                path: cache,
                selector: String::new(),
            },
        )
        .succeed();
    assert_eq!(ran.stdout, "deep\n");
    assert_eq!(
        tree(&upper),
        ["file", "x"],
        "a whiteout and a file, but no mount points"
    );
    assert!(!work.exists());
    assert_eq!(ran.layer(), [] as [&str; 0]);
}

#[test]
fn a_cache_keeps_what_is_written() {
    needs_containers!();
    let step = Step::sh("cat /c/old; echo new > /c/new");
    let cache = step.new_dir("cache");
    fs::write(cache.join("old"), "old").unwrap();
    let source = MountSource::Directory {
        path: cache.clone(),
        selector: String::new(),
    };
    let ran = step.mount("/c", false, source.clone()).succeed();
    assert_eq!(ran.stdout, "old");
    assert_eq!(tree(&cache), ["new", "old"]);
    let again = Step::sh("cat /c/new; touch /c/x").mount("/c", true, source).run();
    assert_eq!(again.stdout, "new\n");
    assert!(again.stderr.contains("Read-only file system"));
}

#[test]
fn a_part_of_a_cache_cannot_lead_out() {
    needs_containers!();
    let step = Step::sh("ls /c");
    let cache = step.new_dir("cache");
    fs::create_dir_all(cache.join("part/x")).unwrap();
    symlink("/etc", cache.join("link")).unwrap();
    let source = |selector: &str| MountSource::Directory {
        path: cache.clone(),
        selector: selector.into(),
    };
    let request = |selector: &str| Step::sh("ls /c").mount("/c", false, source(selector));
    assert_eq!(request("part").succeed().stdout, "x\n");
    assert_eq!(request("../../part").succeed().stdout, "x\n");
    assert!(request("link").try_run().is_err());
}

#[test]
fn memory() {
    needs_containers!();
    let script = "stat -f -c %T /t; stat -c %a /t; dd if=/dev/zero of=/t/x bs=1k count=100 2>&1 | grep -o 'No space.*'; echo 1 > /t/y";
    let ran = Step::sh(script)
        .mount("/t", false, MountSource::Tmpfs { size: Some(64 << 10) })
        .run();
    assert_eq!(
        ran.stdout, "tmpfs\n1777\nNo space left on device\n",
        "{}",
        ran.stderr
    );
    let ran = Step::sh("touch /t/x")
        .mount("/t", true, MountSource::Tmpfs { size: None })
        .run();
    assert!(ran.stderr.contains("Read-only file system"));
    // In the place of one that every container has.
    let ran = Step::sh("stat -f -c '%b*%S' /dev/shm").mount(
        "/dev/shm",
        false,
        MountSource::Tmpfs { size: Some(1 << 20) },
    );
    assert_eq!(ran.succeed().stdout, "256*4096\n");
}

#[test]
fn secrets_are_only_in_memory() {
    needs_containers!();
    let secret = b"correct-horse-battery-staple".to_vec();
    let file = MountSource::File {
        data: secret.clone(),
        uid: 1000,
        gid: 7,
        mode: 0o440,
    };
    let script = "cat /run/secrets/s; stat -c ' %a %u %g' /run/secrets/s; stat -f -c %T /run/secrets/s; id -u
        echo x > /run/secrets/s; ls /run/secrets; echo $TOKEN | wc -c";
    let ran = Step::sh(script)
        .mount("/run/secrets/s", true, file)
        .with(|r| {
            r.op.user = Some("app".into());
            r.secret_env = vec![("TOKEN".into(), "correct-horse-battery-staple".into())];
        })
        .run();
    assert_eq!(
        ran.stdout,
        "correct-horse-battery-staple 440 1000 7\ntmpfs\n1000\ns\n29\n"
    );
    assert!(ran.stderr.contains("/run/secrets/s"), "{}", ran.stderr);
    assert_eq!(ran.layer(), [] as [&str; 0]);
    for path in tree(ran.dir.path()) {
        let path = ran.dir.path().join(path);
        if path.is_file() {
            let bytes = fs::read(&path).unwrap();
            assert!(
                !bytes.windows(secret.len()).any(|w| w == secret),
                "{}",
                path.display()
            );
        }
    }
    let hidden = MountSource::File {
        data: secret,
        uid: 0,
        gid: 0,
        mode: 0o400,
    };
    let ran = Step::sh("cat /s")
        .mount("/s", true, hidden)
        .with(|r| r.op.user = Some("app".into()))
        .run();
    assert_eq!(
        (ran.stdout.as_str(), ran.stderr.contains("Permission denied")),
        ("", true)
    );
}

#[test]
fn sockets() {
    needs_containers!();
    let step = Step::sh("stat -c '%F %a' /run/agent/sock");
    let path = step.dir.path().join("s");
    let _listener = UnixListener::bind(&path).unwrap();
    rustix::fs::chmod(&path, rustix::fs::Mode::from_raw_mode(0o600)).unwrap();
    let ran = step
        .mount("/run/agent/sock", false, MountSource::Socket { path })
        .succeed();
    assert_eq!(ran.stdout, "socket 600\n");
    assert_eq!(ran.layer(), [] as [&str; 0]);
}

#[test]
fn later_mounts_are_on_top_of_earlier_ones() {
    needs_containers!();
    let file = MountSource::File {
        data: b"in".to_vec(),
        uid: 0,
        gid: 0,
        mode: 0o444,
    };
    let ran = Step::sh("cat /r/a/b; ls /r")
        .mount("/r", false, MountSource::Tmpfs { size: None })
        .mount("/r/a/b", true, file);
    let ran = ran.succeed();
    assert_eq!(ran.stdout, "ina\n");
    assert_eq!(ran.layer(), [] as [&str; 0]);
}

#[test]
fn targets_are_resolved_inside_the_root() {
    needs_containers!();
    let step = Step::sh("cat /var/run/x /abs/y; ls /real");
    let outside = step.new_dir("outside");
    let layer = step.new_dir("layer");
    fs::create_dir_all(layer.join("var")).unwrap();
    symlink("../real", layer.join("var/run")).unwrap();
    symlink(&outside, layer.join("abs")).unwrap();
    let file = |text: &str| MountSource::File {
        data: text.into(),
        uid: 0,
        gid: 0,
        mode: 0o444,
    };
    let ran = step
        .with(|r| r.root.lower.push(layer))
        .mount("/var/run/x", true, file("one\n"))
        .mount("/abs/y", true, file("two\n"))
        .succeed();
    assert_eq!(ran.stdout, "one\ntwo\nx\n");
    assert_eq!(
        tree(&outside),
        [] as [&str; 0],
        "a link of the image leads nowhere else"
    );
    assert_eq!(ran.layer(), [] as [&str; 0]);
}

#[test]
fn a_target_of_the_wrong_kind_is_an_error() {
    needs_containers!();
    let file = MountSource::File {
        data: vec![],
        uid: 0,
        gid: 0,
        mode: 0o444,
    };
    for (target, source) in [("/etc", file), ("/etc/passwd", MountSource::Tmpfs { size: None })] {
        let error = Step::new(&["true"])
            .mount(target, true, source)
            .try_run()
            .err()
            .unwrap();
        assert!(
            matches!(&error, ExecError::Setup { source: SetupError::Target { target: t, .. } } if t == target),
            "{error:?}"
        );
    }
    let loop_step = Step::new(&["true"]);
    let layer = loop_step.new_dir("layer");
    symlink("round", layer.join("round")).unwrap();
    let step = loop_step.with(|r| r.root.lower.push(layer)).mount(
        "/round/x",
        false,
        MountSource::Tmpfs { size: None },
    );
    assert!(matches!(
        step.try_run().err(),
        Some(ExecError::Setup {
            source: SetupError::Target { .. }
        })
    ));
}

#[test]
fn proc_and_sys_must_not_be_links() {
    needs_containers!();
    let step = Step::new(&["true"]);
    let layer = step.new_dir("layer");
    // In the way of /proc there is first a removed one, then a link.
    symlink("/tmp", layer.join("proc")).unwrap();
    let error = step.with(|r| r.root.lower.push(layer)).try_run().err().unwrap();
    assert!(
        matches!(&error, ExecError::Setup { source: SetupError::Target { target, .. } } if target == "/proc"),
        "{error:?}"
    );
}

#[test]
fn a_missing_layer_is_named() {
    needs_containers!();
    let error = Step::new(&["true"])
        .with(|r| r.root.lower.push("/no/such/layer".into()))
        .try_run()
        .err()
        .unwrap();
    assert!(matches!(&error, ExecError::Setup { .. }), "{error:?}");
    let text = format!("{:?}", error);
    assert!(
        text.contains("/no/such/layer") || text.contains("attributes of the layer below"),
        "{text}"
    );
}

#[test]
fn nothing_is_mounted_on_this_machine() {
    needs_containers!();
    let mounts = || fs::read_to_string("/proc/self/mountinfo").unwrap();
    let before = mounts();
    let step = Step::sh("cat /proc/self/mountinfo");
    let lower = sample(&step);
    let ran = step
        .mount("/mnt/t", false, of_tree(lower, "", TreeWrites::Discard))
        .succeed();
    assert!(
        !ran.stdout.contains(ran.dir.path().to_str().unwrap()),
        "nothing of the machine's is seen: {}",
        ran.stdout
    );
    assert!(ran.stdout.lines().count() < 40);
    assert_eq!(mounts(), before);
    assert_eq!(
        fs::metadata("/").unwrap().dev(),
        fs::metadata(Path::new("/bin/..")).unwrap().dev()
    );
}
