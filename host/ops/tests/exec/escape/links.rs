//! Links of an image on the way to what is mounted: each leads somewhere in the image, never to a file of the machine.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use lapstrake_ops::exec::{MountSource, TreeWrites};

use tempfile::TempDir;

use crate::needs_containers;
use crate::support::{Step, tree};

/// A step with a layer that is a stranger's, and a directory of the machine that must stay as it is.
struct Fixture {
    step: Step,
    layer: PathBuf,
    outside: PathBuf,
    /// Of the machine, and of the layers: they stay when a step's own directory is gone.
    dirs: [Rc<TempDir>; 2],
}

impl Fixture {
    fn new(script: &str) -> Fixture {
        let step = Step::sh(script);
        let dirs = [(); 2].map(|()| Rc::new(tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()));
        let [layer, outside] = dirs.each_ref().map(|dir| dir.path().to_owned());
        fs::create_dir(outside.join("dir")).unwrap();
        fs::write(outside.join("canary"), "canary").unwrap();
        Fixture {
            step,
            layer,
            outside,
            dirs,
        }
    }

    /// Another step with the same layer.
    fn again(&self, script: &str) -> Fixture {
        Fixture {
            step: Step::sh(script),
            layer: self.layer.clone(),
            outside: self.outside.clone(),
            dirs: self.dirs.clone(),
        }
    }

    /// Runs it, gives what it printed, and sees that the machine's directory is as it was.
    #[track_caller]
    fn run(self, change: impl FnOnce(Step) -> Step) -> String {
        let layer = self.layer.clone();
        let step = change(self.step.with(|r| r.root.lower.push(layer)));
        let ran = step.try_run();
        assert_eq!(tree(&self.outside), ["canary", "dir"], "nothing is made outside");
        assert_eq!(fs::read_to_string(self.outside.join("canary")).unwrap(), "canary");
        match ran {
            Ok(ran) => ran.stdout,
            Err(error) => format!("error: {error:?}"),
        }
    }

    /// Enough of `..` to be at the machine's root from anywhere.
    fn up_and_to(&self, path: &Path) -> PathBuf {
        Path::new(&"../".repeat(32)).join(path.strip_prefix("/").unwrap())
    }
}

fn file(text: &str) -> MountSource {
    MountSource::File {
        data: text.into(),
        uid: 0,
        gid: 0,
        mode: 0o666,
    }
}

fn tmpfs() -> MountSource {
    MountSource::Tmpfs { size: None }
}

#[test]
fn an_absolute_link_to_a_directory_of_the_machine() {
    needs_containers!();
    let fixture = Fixture::new("echo x > /t/new; cat /t/secret");
    symlink(fixture.outside.join("dir"), fixture.layer.join("t")).unwrap();
    let said = fixture.run(|s| s.mount("/t/secret", false, file("inside\n")));
    assert_eq!(said, "inside\n");
}

#[test]
fn a_link_of_many_parents_to_a_directory_of_the_machine() {
    needs_containers!();
    let fixture = Fixture::new("cat /t/secret");
    let up = fixture.up_and_to(&fixture.outside.join("dir"));
    symlink(up, fixture.layer.join("t")).unwrap();
    let said = fixture.run(|s| s.mount("/t/secret", false, file("inside\n")));
    assert_eq!(said, "inside\n");
}

#[test]
fn a_chain_of_links() {
    needs_containers!();
    let fixture = Fixture::new("cat /a/secret");
    let layer = &fixture.layer;
    symlink("b/c", layer.join("a")).unwrap();
    fs::create_dir(layer.join("b")).unwrap();
    symlink("../d", layer.join("b/c")).unwrap();
    symlink(fixture.up_and_to(&fixture.outside), layer.join("d")).unwrap();
    let said = fixture.run(|s| s.mount("/a/secret", false, file("inside\n")));
    assert_eq!(said, "inside\n");
}

#[test]
fn a_target_with_parents_in_it() {
    needs_containers!();
    let fixture = Fixture::new("cat /secret");
    let target = format!("/{}secret", "../".repeat(40));
    let said = fixture.run(|s| s.mount(&target, false, file("inside\n")));
    assert_eq!(said, "inside\n");
}

#[test]
fn links_of_proc_lead_nowhere() {
    needs_containers!();
    for target in [
        "/proc/self/root/secret",
        "/proc/1/root/tmp",
        "/proc/self/cwd/secret",
        "/proc/self/fd/3/secret",
        "/dev/fd/3",
        "/proc/thread-self/root/tmp/x",
        "/proc/self/exe",
    ] {
        let said = Fixture::new("true").run(|s| s.mount(target, false, file("x")));
        assert!(said.contains("Target"), "{target}: {said}");
    }
}

#[test]
fn a_link_of_the_image_to_a_link_of_proc() {
    needs_containers!();
    let fixture = Fixture::new("true");
    symlink("/proc/self/root", fixture.layer.join("t")).unwrap();
    let said = fixture.run(|s| s.mount("/t/secret", false, file("x")));
    assert!(said.contains("Target"), "{said}");
}

#[test]
fn a_target_that_a_step_before_exchanged_for_a_link() {
    needs_containers!();
    let fixture = Fixture::new("rm -rf /t && ln -s $OUT /t");
    fs::create_dir(fixture.layer.join("t")).unwrap();
    let outside = fixture.outside.clone();
    let layer = fixture.layer.clone();
    let first = Step::sh("rm -rf /t && ln -s $OUT /t")
        .with(|r| {
            r.root.lower.push(layer);
            r.op.env = vec![("OUT".into(), outside.display().to_string())];
        })
        .succeed();
    let upper = first.upper.clone();
    let said = fixture
        .again("cat /t/canary /t/secret; echo x > /t/new; ls /t")
        .run(|s| {
            s.with(|r| r.root.lower.push(upper))
                .mount("/t/secret", false, file("inside\n"))
        });
    assert_eq!(said, "inside\nnew\nsecret\n");
}

#[test]
fn hosts_and_resolv_conf_that_are_links_to_the_machines() {
    needs_containers!();
    let fixture = Fixture::new(
        "echo 6.6.6.6 evil >> /etc/hosts; head -c 9 /etc/hosts; echo x > /etc/resolv.conf; true",
    );
    fs::create_dir(fixture.layer.join("etc")).unwrap();
    for name in ["hosts", "resolv.conf"] {
        symlink(
            fixture.outside.join("canary"),
            fixture.layer.join("etc").join(name),
        )
        .unwrap();
    }
    let machines = fs::read("/etc/hosts").unwrap();
    let said = fixture.run(|s| s);
    assert_eq!(said, "127.0.0.1");
    assert_eq!(fs::read("/etc/hosts").unwrap(), machines);
}

#[test]
fn etc_itself_is_a_link_to_the_machines() {
    needs_containers!();
    let step = Step::sh("cat /etc/hosts | head -c 9; : > /etc/passwd; echo x > /etc/lapstrake-canary");
    let layer = step.new_dir("layer");
    // In place of the directory below.
    fs::write(layer.join("gone"), "").unwrap();
    let root = step.new_dir("root");
    for dir in ["bin", "proc", "sys", "dev"] {
        fs::create_dir(root.join(dir)).unwrap();
    }
    fs::copy("/bin/busybox", root.join("bin/busybox")).unwrap();
    for applet in ["sh", "cat", "head"] {
        symlink("busybox", root.join("bin").join(applet)).unwrap();
    }
    symlink("/../../../../../../../../../../etc", root.join("etc")).unwrap();
    let ran = step.with(|r| r.root.lower = vec![root]).try_run();
    assert!(!Path::new("/etc/lapstrake-canary").exists());
    assert!(fs::read_to_string("/etc/passwd").unwrap().contains("root:"));
    // A link to itself: nowhere.
    assert!(ran.is_err());
}

#[test]
fn dev_and_its_shm_that_are_links() {
    needs_containers!();
    let fixture = Fixture::new("echo x > /dev/shm/new; ls /real-dev");
    fs::create_dir(fixture.layer.join("real-dev")).unwrap();
    symlink(fixture.outside.join("dir"), fixture.layer.join("dev")).unwrap();
    fixture.run(|s| s);
}

#[test]
fn a_selector_that_leads_out_of_a_tree() {
    needs_containers!();
    let fixture = Fixture::new("cat /m/canary");
    let source = fixture.step.new_dir("source");
    symlink(&fixture.outside, source.join("absolute")).unwrap();
    symlink(fixture.up_and_to(&fixture.outside), source.join("up")).unwrap();
    symlink("/proc/self/root", source.join("magic")).unwrap();
    let up = format!("{}{}", "../".repeat(32), fixture.outside.display());
    for selector in ["absolute", "up", "absolute/dir", "magic", up.as_str()] {
        for writable in [false, true] {
            let mount = MountSource::Tree {
                lower: vec![source.clone()],
                selector: selector.into(),
                writes: TreeWrites::Discard,
            };
            let said = fixture
                .again("cat /m/canary; echo x > /m/new")
                .run(|s| s.mount("/m", !writable, mount));
            assert!(said.contains("Selector"), "{selector}: {said}");
        }
    }
}

#[test]
fn a_selector_that_leads_out_of_a_cache() {
    needs_containers!();
    let fixture = Fixture::new("true");
    let cache = fixture.step.new_dir("cache");
    symlink(&fixture.outside, cache.join("absolute")).unwrap();
    symlink(fixture.up_and_to(&fixture.outside), cache.join("up")).unwrap();
    for selector in ["absolute", "up", "../../../etc", "absolute/../../etc"] {
        let mount = MountSource::Directory {
            path: cache.clone(),
            selector: selector.into(),
        };
        let said = fixture
            .again("echo x > /m/new")
            .run(|s| s.mount("/m", false, mount));
        assert!(said.contains("Selector"), "{selector}: {said}");
    }
}

/// A link in a cache leads into the container that follows it, not into the machine.
#[test]
fn a_link_in_a_cache_is_the_containers() {
    needs_containers!();
    let fixture = Fixture::new("cat /c/link/canary; echo x > /c/link/new");
    let cache = fixture.step.new_dir("cache");
    symlink(&fixture.outside, cache.join("link")).unwrap();
    let mount = MountSource::Directory {
        path: cache,
        selector: String::new(),
    };
    assert_eq!(fixture.run(|s| s.mount("/c", false, mount)), "");
}

#[test]
fn a_target_through_a_file_or_a_device() {
    needs_containers!();
    for target in ["/etc/passwd/x", "/dev/null/x"] {
        let said = Fixture::new("true").run(|s| s.mount(target, false, tmpfs()));
        assert!(said.contains("Target"), "{target}: {said}");
    }
}
