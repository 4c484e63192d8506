//! What commands get and may use: memory, processors, ulimits, /dev/shm, control groups, privileges.

use lapstrake_tests::{Place, Ran, can_run_containers, skip};

fn has_controller(name: &str) -> bool {
    let v1 = std::path::Path::new("/sys/fs/cgroup").join(name).is_dir();
    let v2 = std::fs::read_to_string("/sys/fs/cgroup/cgroup.controllers").unwrap_or_default();
    v1 || v2.split_whitespace().any(|controller| controller == name)
}

fn build(dockerfile: &str, more: &[&str]) -> Ran {
    let place = Place::new();
    place.dockerfile(dockerfile);
    place.build(&[&["--network", "none"], more].concat())
}

#[track_caller]
fn says(ran: &Ran, text: &str) {
    let found = ran.stderr.lines().any(|line| line.ends_with(text));
    assert!(found, "no line ends with {text:?} in\n{}", ran.stderr);
}

#[test]
fn a_command_that_takes_too_much_memory_is_killed_and_that_is_said() {
    if !lapstrake_tests::is_root() {
        skip!("control groups need root here");
    }
    if !can_run_containers() {
        skip!("containers do not work here: see lapstrake doctor");
    }
    if !has_controller("memory") {
        skip!("no memory controller");
    }
    // `tail` keeps the last line, which never ends.
    let dockerfile = "FROM base\nRUN tail /dev/zero\n";
    build(dockerfile, &["-m", "64m", "--memory-swap", "64m"])
        .fails(1, &["killed: out of memory (limit 64 MiB)"]);
}

#[test]
fn processors_are_those_that_were_given() {
    if !lapstrake_tests::is_root() {
        skip!("control groups need root here");
    }
    if !can_run_containers() {
        skip!("containers do not work here: see lapstrake doctor");
    }
    if !has_controller("cpuset") || !has_controller("cpu") {
        skip!("no cpu or cpuset controller");
    }
    let dockerfile = "FROM base\nRUN grep Cpus_allowed_list /proc/self/status\n";
    let ran = build(
        dockerfile,
        &[
            "--cpuset-cpus",
            "0",
            "--cpuset-mems",
            "0",
            "--cpu-shares",
            "512",
            "--cpu-period",
            "100000",
            "--cpu-quota",
            "50000",
        ],
    )
    .ok();
    says(&ran, "Cpus_allowed_list:\t0");
    assert!(!ran.stderr.contains("has no effect"), "{}", ran.stderr);
}

#[test]
fn what_cannot_be_limited_is_a_warning_and_what_makes_no_sense_an_error() {
    if !can_run_containers() {
        skip!("containers do not work here: see lapstrake doctor");
    }
    let dockerfile = "FROM base\nRUN echo has-run\n";
    let ran = build(dockerfile, &["--cpuset-cpus", "4095"]).ok();
    says(&ran, " has-run");
    assert!(
        ran.stderr.contains("warning: the limit `cpuset` has no effect"),
        "{}",
        ran.stderr
    );
    build(dockerfile, &["--cpuset-cpus", "all"]).fails(2, &["--cpuset-cpus", "0-3"]);
    build(dockerfile, &["--memory", "much"]).fails(2, &["--memory", "much"]);
}

#[test]
fn ulimits_shared_memory_and_a_parent_group() {
    if !lapstrake_tests::is_root() {
        skip!("control groups need root here");
    }
    if !can_run_containers() {
        skip!("containers do not work here: see lapstrake doctor");
    }
    let dockerfile = "FROM base\nRUN ulimit -Sn; ulimit -Hn; df -k /dev/shm | tail -1 | awk '{print $2}'; \
        true\n";
    let ran = build(dockerfile, &["--ulimit", "nofile=123:456", "--shm-size", "3m"]).ok();
    for text in [" 123", " 456", " 3072"] {
        says(&ran, text);
    }
    if has_controller("memory") {
        // Seen from outside: the container's own view of control groups begins at its own.
        let place = Place::new();
        let name = format!("lapstrake-e2e-{}", std::process::id());
        place.dockerfile("FROM base\nRUN cat /proc/self/cgroup\n");
        let ran = place.build(&["--network", "none", "--cgroup-parent", &name]).ok();
        assert!(!ran.stderr.contains("has no effect"), "{}", ran.stderr);
        let groups: Vec<_> = std::fs::read_dir("/sys/fs/cgroup")
            .unwrap()
            .map(|entry| entry.unwrap().path().join(&name))
            .chain([std::path::Path::new("/sys/fs/cgroup").join(&name)])
            .filter(|path| path.is_dir())
            .collect();
        assert!(!groups.is_empty(), "no group {name} was made");
        for group in groups {
            std::fs::remove_dir(group).unwrap();
        }
    }
}

#[test]
fn set_user_id_programs_work_unless_the_configuration_says_otherwise() {
    if !lapstrake_tests::has_users() {
        skip!("other users in containers need root or subordinate ids");
    }
    if !can_run_containers() {
        skip!("containers do not work here: see lapstrake doctor");
    }
    let place = Place::new();
    place.dockerfile(
        "FROM base\nRUN cp /bin/busybox /bin/busybox-own && chmod 4755 /bin/busybox-own && sed -i 's/^root:x:/root::/' /etc/passwd\n\
         USER user\nRUN grep NoNewPrivs /proc/self/status; echo am-$(id -u)-and-$(/bin/busybox-own su -c 'id -u' 2> /dev/null || echo refused)\n",
    );
    let ran = place.build(&["--network", "none"]).ok();
    says(&ran, "NoNewPrivs:\t0");
    says(&ran, " am-1000-and-0");
    place.config("no-new-privileges = true\n");
    let kept = place.build(&["--network", "none", "--no-cache"]).ok();
    says(&kept, "NoNewPrivs:\t1");
    says(&kept, " am-1000-and-refused");
}
