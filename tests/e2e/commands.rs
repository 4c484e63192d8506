//! What commands see and may do, as RUN starts them.

use lapstrake_tests::place::{own_seconds, processes_with};
use lapstrake_tests::{Place, can_run_containers, has_users, skip};

/// Builds a Dockerfile with one command on the base and returns its output.
fn run(place: &Place, dockerfile: &str, more: &[&str]) -> String {
    place.dockerfile(dockerfile);
    let ran = place.build(more).ok();
    ran.stderr
        .lines()
        .filter_map(|line| line.split_once(' ')?.1.split_once(' '))
        .filter(|(time, _)| time.parse::<f64>().is_ok())
        .map(|(_, text)| format!("{text}\n"))
        .collect()
}

#[test]
fn environment_user_directory_and_arguments() {
    if !can_run_containers() || !has_users() {
        skip!("other users in containers need root or subordinate ids");
    }
    let place = Place::new();
    let text = run(
        &place,
        "FROM base\nARG VERSION=1\nENV A=\"x y\" B=$VERSION\nWORKDIR /work/deep\nUSER user\n\
         RUN echo $A/$B/$VERSION; pwd; id -u; id -G; echo $PATH\nRUN [\"/bin/echo\", \"$A\"]\n",
        &["--build-arg", "VERSION=2"],
    );
    assert_eq!(text, "x y/2/2\n/work/deep\n1000\n1000 2000\n/bin:/usr/bin\n$A\n");
}

#[test]
fn the_sandbox_is_dockers() {
    if !can_run_containers() {
        skip!("containers do not work here: see lapstrake doctor");
    }
    let place = Place::new();
    let text = run(
        &place,
        "FROM base\nRUN grep -E '^(CapEff|NoNewPrivs|Seccomp):' /proc/self/status; \
         ls -d /dev/null /dev/zero /dev/full /dev/random /dev/urandom /dev/tty /dev/pts /dev/shm /dev/mqueue; \
         (echo x > /proc/sys/kernel/hostname) 2>/dev/null || echo proc-sys-is-read-only; \
         (echo b > /proc/sysrq-trigger) 2>/dev/null || echo no-sysrq; \
         wc -c < /proc/kcore; mount -t tmpfs x /mnt 2>/dev/null || echo no-mount; \
         touch /sys/x 2>/dev/null || echo sys-is-read-only; echo $$; ls /proc | grep -c '^[0-9]'\n",
        &[],
    );
    for line in [
        "CapEff:\t00000000a80425fb",
        "NoNewPrivs:\t0",
        "Seccomp:\t2",
        "/dev/mqueue",
        "proc-sys-is-read-only",
        "no-sysrq",
        "no-mount",
        "sys-is-read-only",
        "1",
    ] {
        assert!(
            text.lines().any(|found| found == line),
            "{line:?} is not in\n{text}"
        );
    }
}

#[test]
fn networks() {
    if !can_run_containers() {
        skip!("containers do not work here: see lapstrake doctor");
    }
    let place = Place::new();
    let command = "RUN ls /sys/class/net | sort | tr '\\n' ' '; cat /etc/hosts | grep -c localhost; test -s /etc/resolv.conf && echo resolv\n";
    let none = run(&place, &format!("FROM base\n{command}"), &["--network", "none"]);
    assert!(none.starts_with("lo "), "{none}");
    let refused = place.build(&["--network", "host"]);
    refused.fails(1, &["network.host", "--allow"]);
    let host = run(
        &place,
        &format!("FROM base\n{command}"),
        &["--network", "host", "--allow", "network.host"],
    );
    assert!(host.contains("resolv"), "{host}");
    let (out, _) = place.build_local(&[]);
    for name in ["etc/hosts", "etc/resolv.conf"] {
        assert!(!out.join(name).exists(), "{name} is in the layer");
    }
}

#[test]
fn added_hosts() {
    if !can_run_containers() {
        skip!("containers do not work here: see lapstrake doctor");
    }
    let place = Place::new();
    let text = run(
        &place,
        "FROM base\nRUN grep one /etc/hosts\n",
        &["--add-host", "one:10.1.2.3"],
    );
    assert_eq!(text.split_whitespace().collect::<Vec<_>>(), ["10.1.2.3", "one"]);
}

#[test]
fn a_failed_command_shows_its_log_its_place_and_its_code() {
    if !can_run_containers() {
        skip!("containers do not work here: see lapstrake doctor");
    }
    let place = Place::new();
    place.dockerfile("FROM base\nRUN echo on-stdout; \\\n    echo on-stderr >&2; exit 42\n");
    let ran = place.build(&[]);
    ran.fails(
        1,
        &[
            "on-stdout",
            "on-stderr",
            "exit code: 42",
            "Dockerfile:2:1",
            "2 | RUN echo on-stdout",
            "^^^^",
        ],
    );
    place.dockerfile("FROM base\nRUN [\"/no/such/program\"]\n");
    place.build(&[]).fails(1, &["/no/such/program", "Dockerfile:2:1"]);
    place.assert_clean();
}

#[test]
fn a_failed_step_ends_the_others() {
    if !can_run_containers() {
        skip!("containers do not work here: see lapstrake doctor");
    }
    let place = Place::new();
    place.dockerfile(
        "FROM base AS slow\nRUN sleep 100000\nFROM base AS bad\nRUN sleep 0.3; exit 1\n\
         FROM base\nCOPY --from=slow /bin/sh /a\nCOPY --from=bad /bin/sh /b\n",
    );
    let ran = place.build(&["-j", "4"]).fails(1, &["exit code: 1"]);
    assert_eq!(ran.count("CANCELED"), 1, "{}", ran.stderr);
    place.assert_clean();
}

#[test]
fn steps_run_side_by_side() {
    if !can_run_containers() {
        skip!("containers do not work here: see lapstrake doctor");
    }
    let place = Place::new();
    let mut text = String::new();
    for n in 0..8 {
        // Each waits for all the others.
        text += &format!(
            "FROM base AS s{n}\nRUN --mount=type=cache,target=/here touch /here/{n}; \
             while [ $(ls /here | wc -l) -lt 8 ]; do sleep 0.05; done; echo {n} > /file\n"
        );
    }
    text += "FROM scratch\n";
    for n in 0..8 {
        text += &format!("COPY --from=s{n} /file /{n}\n");
    }
    place.dockerfile(&text);
    // One after the other they would never end.
    place.build(&["-j", "8", "--step-timeout", "300"]).ok();
}

#[test]
fn a_timeout_ends_the_whole_tree() {
    if !can_run_containers() {
        skip!("containers do not work here: see lapstrake doctor");
    }
    let place = Place::new();
    let mark = own_seconds();
    place.dockerfile(&format!("FROM base\nRUN (sleep {mark} &) ; sleep {mark}\n"));
    place
        .build(&["--step-timeout", "1"])
        .fails(1, &["Dockerfile:2:1", "--step-timeout"]);
    assert_eq!(processes_with(&mark), Vec::<String>::new());
    place.assert_clean();
}
