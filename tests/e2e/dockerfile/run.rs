//! `RUN`: the mounts, the user, the heredocs, and what of a step makes another one.

use lapstrake_tests::{Place, can_run_containers, has_users, is_root, skip};

use super::image;

#[test]
fn mount_points_leave_nothing_behind() {
    if !can_run_containers() {
        skip!("containers do not work here: see lapstrake doctor");
    }
    let place = Place::new();
    place.file("ctx", "c").dockerfile(
        "FROM base\nRUN mkdir /there /full && touch -d @1000 /there /full && touch -d @2000 /\n\
         RUN --mount=type=cache,target=/made/by/mount --mount=type=cache,target=/there/new --mount=type=tmpfs,target=/full/t \
         --mount=type=secret,id=s,target=/there/secret --mount=target=/ctx,source=ctx \
         cat /there/secret /ctx > /full/f && test -d /made/by/mount\n\
         RUN --mount=type=cache,target=/filled/m touch /filled/own\n",
    );
    std::fs::write(place.path("secret"), "s").unwrap();
    let image = image(&place, &["--secret", "id=s,src=secret"]);
    assert_eq!(image.names("full"), ["f"]);
    assert_eq!(image.text("full/f"), "sc");
    for path in ["made", "ctx", "there/new", "there/secret", "filled/m"] {
        assert_eq!(image.what(path), "-", "{path}");
    }
    // A mount point's parent has its time again; one that the step filled stays.
    assert_eq!(image.files["there"].modified, 1000);
    assert_eq!(image.names("filled"), ["own"]);
}

#[test]
fn caches_are_seeded_and_their_sources_stay_inside() {
    if !can_run_containers() {
        skip!("containers do not work here: see lapstrake doctor");
    }
    let place = Place::new();
    place.file("dir/f", "context").dockerfile(
        "FROM scratch AS seed\nCOPY dir /seeded\n\
         FROM base\n\
         RUN --mount=type=cache,target=/c echo 1 > /c/f\n\
         RUN --mount=type=cache,id=/c,target=/other cat /other/f > /default-id\n\
         RUN --mount=type=cache,target=/seed,from=seed,source=/seeded cat /seed/f > /seeded && echo more > /seed/g\n\
         RUN --mount=type=cache,target=/seed,from=seed,source=/seeded cat /seed/g > /again\n\
         RUN --mount=type=cache,target=/up,from=seed,source=../../seeded cat /up/f > /inside\n\
         RUN --mount=type=bind,source=dir,target=/w,rw echo lost > /w/f && echo lost > /w/g && cat /w/f > /written\n\
         RUN --mount=type=bind,source=dir,target=/w cat /w/f > /after; ls /w >> /after; touch /w/x 2> /dev/null || echo read-only >> /after\n",
    );
    let image = image(&place, &[]);
    for (path, text) in [
        ("default-id", "1\n"),
        ("seeded", "context"),
        ("again", "more\n"),
        ("inside", "context"),
        ("written", "lost\n"),
        ("after", "contextf\nread-only\n"),
    ] {
        assert_eq!(image.text(path), text, "{path}");
    }
}

#[test]
fn heredocs() {
    if !can_run_containers() {
        skip!("containers do not work here: see lapstrake doctor");
    }
    let place = Place::new();
    place.dockerfile(
        "FROM base\nARG X=arg\n\
         RUN <<EOF\necho \"plain $X\" > /plain\nEOF\n\
         RUN <<-EOF\n\techo tabs > /tabs\n\tEOF\n\
         RUN <<EOF\n#!/bin/awk -f\nBEGIN { print \"awk\" > \"/script\" }\nEOF\n\
         RUN cat <<ONE > /mixed && cat <<\"TWO\" >> /mixed\none $X\nONE\ntwo $X\nTWO\n\
         COPY <<EXPANDED <<\"RAW\" /files/\nfile $X\nEXPANDED\nraw $X\nRAW\n\
         COPY --chmod=0750 <<-EOF /named\n\tstripped\n\tEOF\n",
    );
    let image = image(&place, &[]);
    for (path, text) in [
        ("plain", "plain arg\n"),
        ("tabs", "tabs\n"),
        ("script", "awk\n"),
        ("mixed", "one arg\ntwo $X\n"),
        ("files/EXPANDED", "file arg\n"),
        ("files/RAW", "raw $X\n"),
        ("named", "stripped\n"),
    ] {
        assert_eq!(image.text(path), text, "{path}");
    }
    assert_eq!(image.what("named"), "Regular 750 0:0");
    assert!(!image.names("dev").contains(&"pipes"));
}

#[test]
fn users_input_and_path() {
    if !can_run_containers() || !has_users() {
        skip!("commands cannot be other users here");
    }
    let place = Place::new();
    place.dockerfile(
        "FROM base\nRUN mkdir -m 777 /o\n\
         RUN cat > /o/input; echo \"$PATH\" > /o/path\n\
         USER user\nRUN id -u > /o/name; id -g >> /o/name; id -G >> /o/name\n\
         USER 1000\nRUN id -G > /o/number\n\
         USER 77:88\nRUN id -u > /o/both; id -g >> /o/both\n\
         FROM scratch\nCOPY --from=0 /bin/busybox /bin/sh\nCOPY --from=0 /o /\nRUN echo \"$PATH\" > /default\n",
    );
    let image = image(&place, &[]);
    for (path, text) in [
        ("input", ""),
        ("path", "/bin:/usr/bin\n"),
        ("name", "1000\n1000\n1000 2000\n"),
        ("number", "1000 2000\n"),
        ("both", "77\n88\n"),
        (
            "default",
            "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n",
        ),
    ] {
        assert_eq!(image.text(path), text, "{path}");
    }
}

#[test]
fn what_makes_another_step() {
    if !can_run_containers() {
        skip!("containers do not work here: see lapstrake doctor");
    }
    let place = Place::new();
    std::fs::write(place.path("one"), "1").unwrap();
    std::fs::write(place.path("two"), "2").unwrap();
    let text = |id: &str| {
        format!(
            "FROM base\nRUN --mount=type=secret,id={id},target=/s cat /s > /dev/null; grep host /etc/hosts; echo step\n"
        )
    };
    let step_runs = |more: &[&str]| {
        let ran = place
            .build(&[&["-o", "type=cacheonly", "--network", "none"], more].concat())
            .ok();
        ran.stderr
            .lines()
            .any(|line| line.ends_with(" step") && !line.contains("RUN"))
    };
    place.dockerfile(&text("a"));
    assert!(step_runs(&[
        "--secret",
        "id=a,src=one",
        "--add-host",
        "host:10.0.0.1"
    ]));
    // Contents of secrets, addresses of hosts and proxies make no other step.
    assert!(!step_runs(&[
        "--secret",
        "id=a,src=two",
        "--add-host",
        "host:10.0.0.1"
    ]));
    assert!(!step_runs(&[
        "--secret",
        "id=a,src=one",
        "--add-host",
        "host:10.0.0.2"
    ]));
    let proxy = ["--build-arg", "HTTP_PROXY=http://127.0.0.1:1"];
    assert!(!step_runs(
        &[
            &["--secret", "id=a,src=one", "--add-host", "host:10.0.0.1"],
            &proxy[..]
        ]
        .concat()
    ));
    // The name of a secret does.
    place.dockerfile(&text("b"));
    assert!(step_runs(&[
        "--secret",
        "id=b,src=one",
        "--add-host",
        "host:10.0.0.1"
    ]));
}

#[test]
fn security_has_to_be_allowed() {
    if !can_run_containers() || !is_root() {
        skip!("nobody but root can give all capabilities away");
    }
    let place = Place::new();
    let look = "grep -E 'CapEff|Seccomp:' /proc/self/status | cut -f 2 >";
    place.dockerfile(&format!(
        "FROM base\nRUN {look} /default\nRUN --security=sandbox {look} /sandbox\n\
         RUN --security=insecure {look} /insecure; mkdir /m; mount -t tmpfs none /m && echo mounted >> /insecure\n"
    ));
    let text = ["security.insecure", "Dockerfile:4:1", "--allow security.insecure"];
    let _ = place.build(&["-o", "type=cacheonly"]).fails(1, &text);
    let image = image(&place, &["--allow", "security.insecure"]);
    // Docker's default capabilities and a filter of system calls; else no filter, and more capabilities.
    assert_eq!(image.text("default"), "00000000a80425fb\n2\n");
    assert_eq!(image.text("sandbox"), image.text("default"));
    let insecure: Vec<&str> = image.text("insecure").lines().collect();
    assert_eq!(insecure[1..], ["0", "mounted"]);
    let capabilities = |text: &str| u64::from_str_radix(text, 16).unwrap();
    let (few, many) = (0xa804_25fb, capabilities(insecure[0]));
    assert!(few & many == few && few != many, "{insecure:?}");
}
