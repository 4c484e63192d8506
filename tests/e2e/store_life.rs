//! The store's life: what it takes on disk, what is removed of it, many builds at once, and builds that are killed.

use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use lapstrake_tests::disk;
use lapstrake_tests::place::{own_seconds, processes_with, wait};
use lapstrake_tests::{Place, Ran, can_run_containers, skip};
use serde_json::Value;

/// What may lie between two looks at the same store: the write-ahead log, and files that the second look makes.
const TOLERANCE: u64 = 64 << 10;

/// The entries of `du --format json`.
fn du(place: &Place, more: &[&str]) -> Vec<Value> {
    let ran = place.run([&["du", "--format", "json"], more].concat()).ok();
    ran.stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn total(items: &[Value]) -> u64 {
    items.iter().map(|item| item["Size"].as_u64().unwrap()).sum()
}

/// Fails the test unless `du` counts what is on disk.
#[track_caller]
fn assert_du_is_right(place: &Place) {
    let told = total(&du(place, &[]));
    let real = disk::usage(&place.state());
    assert!(
        told.abs_diff(real) <= TOLERANCE,
        "du says {told}, on disk are {real}"
    );
}

fn types(items: &[Value]) -> Vec<&str> {
    items.iter().map(|item| item["Type"].as_str().unwrap()).collect()
}

/// A build with a layer, a context that is mounted, a cache mount, and an export.
fn build_of_all_kinds(place: &Place) {
    place
        .dockerfile(
            "FROM base\nCOPY a /a\nRUN --mount=type=cache,target=/kept head -c 300000 /dev/zero > /kept/file; \
             head -c 500000 /dev/urandom > /random; truncate -s 1G /sparse; ln /random /link\n\
             RUN --mount=target=/context cat /context/a > /b\n",
        )
        .file("a", "1");
    let out = format!("type=oci,dest={}", place.path("out/image.tar").display());
    place.build(&["-o", &out]).ok();
}

#[test]
fn du_counts_what_is_on_disk_once() {
    if !can_run_containers() {
        skip!("containers do not work here: see lapstrake doctor");
    }
    let place = Place::new();
    build_of_all_kinds(&place);
    assert_du_is_right(&place);
    let items = du(&place, &[]);
    for kind in [
        "regular",
        "source.local",
        "exec.cachemount",
        "frontend",
        "internal",
    ] {
        assert!(types(&items).contains(&kind), "{kind} is not in {items:?}");
    }
    let run = items
        .iter()
        .find(|item| item["Type"] == "regular" && item["Description"].as_str().unwrap().contains("/sparse"))
        .unwrap();
    let bytes = run["Size"].as_u64().unwrap();
    assert!((500_000..900_000).contains(&bytes), "{run}");
    let mounts = du(&place, &["--filter", "type=exec.cachemount"]);
    assert_eq!(mounts.len(), 1);
    assert!(
        mounts[0]["Description"].as_str().unwrap().contains("/kept"),
        "{mounts:?}"
    );
    let text = place.run(["du"]).ok().stdout;
    assert!(text.contains("Reclaimable:") && text.contains("Total:"), "{text}");
    let text = place.run(["du", "--verbose"]).ok().stdout;
    assert!(text.contains("Last used:"), "{text}");
    place
        .run(["du", "--filter", "typ=regular"])
        .fails(2, &["did you mean \"type\""]);
}

#[test]
fn prune_asks_tells_and_removes() {
    if !can_run_containers() {
        skip!("containers do not work here: see lapstrake doctor");
    }
    let place = Place::new();
    build_of_all_kinds(&place);
    let before = disk::usage(&place.state());
    place.run(["prune"]).fails(2, &["--force"]);
    let told = place.run(["prune", "--all", "--dry-run"]).ok().stdout;
    assert!(told.contains("would be removed"), "{told}");
    assert!(disk::usage(&place.state()).abs_diff(before) <= TOLERANCE);

    place
        .run(["prune", "--force", "--filter", "type=exec.cachemount"])
        .ok();
    let left = du(&place, &[]);
    assert!(!types(&left).contains(&"exec.cachemount"), "{left:?}");
    assert!(types(&left).contains(&"regular"), "{left:?}");
    place.run(["prune", "--force", "--filter", "until=1h"]).ok();
    let regular = types(&du(&place, &["--filter", "type=regular"])).len();
    assert_eq!(regular, 4, "the base, the copy and two commands");

    let ran = place.run(["prune", "--force"]).ok();
    assert!(ran.stdout.contains("Total:"), "{}", ran.stdout);
    let left = du(&place, &[]);
    for kind in ["regular", "source.local"] {
        assert!(!types(&left).contains(&kind), "{left:?}");
    }
    assert!(types(&left).contains(&"frontend"), "{left:?}");
    assert_du_is_right(&place);

    build_of_all_kinds(&place);
    place.run(["prune", "--all", "--force"]).ok();
    let left = du(&place, &["--filter", "inuse=false"]);
    assert!(left.is_empty(), "{left:?}");
    assert!(disk::usage(&place.state()) < 1 << 20);
    assert_du_is_right(&place);
    build_of_all_kinds(&place);
    place.assert_clean();
}

/// Whether the command of a build with one was taken from the cache.
fn command_is_cached(ran: &Ran) -> bool {
    let line = ran.stderr.lines().find(|line| line.contains("] RUN ")).unwrap();
    let number = line.split(' ').next().unwrap();
    ran.stderr.lines().any(|line| line == format!("{number} CACHED"))
}

#[test]
fn the_cap_holds_and_the_latest_stays() {
    if !can_run_containers() {
        skip!("containers do not work here: see lapstrake doctor");
    }
    let place = Place::new();
    place.config("[gc]\nmax-used-space = \"12MB\"\n");
    let build = |n: usize| {
        let text = format!("FROM base\nRUN head -c 2000000 /dev/urandom > /file; echo {n} > /number\n");
        place.dockerfile(&text).build(&[]).ok()
    };
    for n in 0..12 {
        build(n);
        let now = disk::usage(&place.state());
        assert!(now <= 12_000_000, "{now} bytes after build {n}");
        assert_du_is_right(&place);
    }
    // What was made last is there, what was made first is not.
    let again = build(11);
    assert!(command_is_cached(&again), "{}", again.stderr);
    let first = build(0);
    assert!(!command_is_cached(&first), "{}", first.stderr);
    place.assert_clean();

    // A cap that nothing fits under holds too, and builds work.
    place.config("[gc]\nmax-used-space = \"2MB\"\n");
    build(20);
    let now = disk::usage(&place.state());
    assert!(now <= 2_000_000, "{now}");
    place.config("[gc]\nenabled = false\nmax-used-space = \"1MB\"\n");
    build(21);
    assert!(disk::usage(&place.state()) > 2_000_000);
    place.config("[gc]\nmax-used-space = \"much\"\n");
    place.build(&[]).fails(2, &["gc.max-used-space"]);
}

/// Starts a build of a folder in the place, with a file output.
fn start(place: &Place, folder: &Path, out: Option<&Path>) -> Child {
    let base = lapstrake_tests::base::context();
    let mut command = place.command();
    command
        .arg("build")
        .arg(folder)
        .args(["--build-context", &base, "--progress", "plain"]);
    if let Some(out) = out {
        command
            .arg("-o")
            .arg(format!("type=local,dest={}", out.display()));
    }
    command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn folder(place: &Place, name: &str, dockerfile: &str) -> PathBuf {
    let folder = place.path(name);
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("Dockerfile"), dockerfile).unwrap();
    std::fs::write(folder.join("input"), name).unwrap();
    folder
}

#[test]
fn eight_builds_with_prune_in_between() {
    if !can_run_containers() {
        skip!("containers do not work here: see lapstrake doctor");
    }
    let place = Place::new();
    for round in 0..3 {
        let builds: Vec<_> = (0..8)
            .map(|n| {
                let text = format!(
                    "FROM base AS a\nRUN echo common {round} > /common\nFROM a\nCOPY input /input\n\
                     RUN sleep 0.{n}; cat /common > /copy; echo {} > /own\nRUN cat /copy /own > /both\n",
                    n % 4
                );
                let folder = folder(&place, &format!("c{n}"), &text);
                let out = place.path(format!("out/{round}-{n}"));
                (n, start(&place, &folder, Some(&out)), out)
            })
            .collect();
        for _ in 0..6 {
            place.run(["prune", "--all", "--force"]).ok();
        }
        for (n, child, out) in builds {
            Ran::of(child.wait_with_output().unwrap()).ok();
            let both = std::fs::read_to_string(out.join("both")).unwrap();
            assert_eq!(both, format!("common {round}\n{}\n", n % 4));
        }
        assert_du_is_right(&place);
    }
    // What waited for them goes now.
    place.run(["prune", "--all", "--force"]).ok();
    assert!(disk::usage(&place.state()) < 1 << 20);
    place.assert_clean();
}

#[test]
fn a_running_build_keeps_what_it_may_use() {
    if !can_run_containers() {
        skip!("containers do not work here: see lapstrake doctor");
    }
    let place = Place::new();
    let text = "FROM base\nRUN head -c 3000000 /dev/urandom > /big\n";
    let first = folder(&place, "first", text);
    Ran::of(start(&place, &first, None).wait_with_output().unwrap()).ok();
    let mark = own_seconds();
    let second = folder(
        &place,
        "second",
        &format!("{text}RUN echo {mark}; sleep 4; wc -c < /big > /size\n"),
    );
    let out = place.path("out/second");
    let mut child = start(&place, &second, Some(&out));
    wait(|| !processes_with(&mark).is_empty());
    let ran = place.run(["prune", "--all", "--force"]).ok();
    assert!(
        ran.stderr.contains("may be in use by running builds"),
        "{}",
        ran.stderr
    );
    assert!(child.try_wait().unwrap().is_none(), "it is still running");
    Ran::of(child.wait_with_output().unwrap()).ok();
    assert_eq!(std::fs::read_to_string(out.join("size")).unwrap(), "3000000\n");
    // It spared what its result needs.
    let again = Ran::of(start(&place, &second, None).wait_with_output().unwrap()).ok();
    assert_eq!(again.count("CACHED"), 1, "{}", again.stderr);
    place.run(["prune", "--all", "--force"]).ok();
    assert!(disk::usage(&place.state()) < 1 << 20);
}

/// Numbers that look random and can be had again (xorshift, Marsaglia 2003).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

#[test]
fn a_hundred_kills_at_random_points() {
    if !can_run_containers() {
        skip!("containers do not work here: see lapstrake doctor");
    }
    let seed = match std::env::var("LAPSTRAKE_TEST_SEED") {
        Ok(seed) => seed.parse().unwrap(),
        Err(_) => std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64 | 1,
    };
    eprintln!("LAPSTRAKE_TEST_SEED={seed}");
    let mut random = Random(seed);
    let place = Place::new();
    let text = |n: u64| {
        format!(
            "FROM base\nCOPY input /input\nRUN --mount=type=cache,target=/kept echo {n} >> /kept/list; \
             head -c 200000 /dev/urandom > /file\nRUN --mount=target=/context cat /context/input > /{n}\n"
        )
    };
    for kill in 0..100u64 {
        let child = if kill % 4 == 3 {
            let mut prune = place.command();
            prune.args(["prune", "--force"]);
            if random.below(2) == 0 {
                prune.arg("--all");
            }
            prune.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
        } else {
            let folder = folder(&place, "c", &text(random.below(5)));
            start(&place, &folder, None)
        };
        kill_after(child, Duration::from_micros(random.below(200_000)));
        if kill % 10 == 9 {
            let n = 100 + kill;
            let out = place.path(format!("out/{kill}"));
            let folder = folder(&place, "c", &text(n));
            Ran::of(start(&place, &folder, Some(&out)).wait_with_output().unwrap()).ok();
            assert_eq!(std::fs::read_to_string(out.join(n.to_string())).unwrap(), "c");
            assert_du_is_right(&place);
            place.assert_clean();
        }
    }
    place.run(["prune", "--all", "--force"]).ok();
    let left = du(&place, &["--filter", "inuse=false"]);
    assert!(left.is_empty(), "something is never removed: {left:?}");
    // The history of the builds, an empty database, and the reserve.
    assert!(disk::usage(&place.state()) < 3 << 20);
    assert_du_is_right(&place);
    place.assert_clean();
}

fn kill_after(mut child: Child, time: Duration) {
    std::thread::sleep(time);
    let _ = child.kill();
    child.wait().unwrap();
    // What it ran ends with it.
}
