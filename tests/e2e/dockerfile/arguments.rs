//! The arguments that nobody has to declare: platforms, proxies, and those that change the build itself.

use lapstrake_tests::repository::Repository;
use lapstrake_tests::web::Web;
use lapstrake_tests::{Place, base, can_run_containers, skip};
use serde_json::Value;

use super::image;

#[test]
fn platforms_proxies_and_the_name_of_the_host() {
    if !can_run_containers() {
        skip!("containers do not work here: see lapstrake doctor");
    }
    let place = Place::new();
    place.dockerfile(
        "FROM base AS one\nRUN env | grep -i _proxy | sort > /proxies\nRUN cat /proc/sys/kernel/hostname > /host\n\
         ARG TARGETPLATFORM TARGETOS TARGETARCH TARGETVARIANT BUILDPLATFORM BUILDOS BUILDARCH BUILDVARIANT TARGETSTAGE\n\
         RUN env | grep -E '^(TARGET|BUILD)' | sort > /platforms\nFROM one AS two\n",
    );
    let arguments = [
        "BUILDKIT_SANDBOX_HOSTNAME=box",
        "HTTP_PROXY=http://1",
        "https_proxy=http://2",
        "FTP_PROXY=http://3",
        "no_proxy=4",
        "ALL_PROXY=http://5",
    ];
    let options: Vec<&str> = arguments.iter().flat_map(|pair| ["--build-arg", pair]).collect();
    let image = image(&place, &options);
    assert_eq!(image.text("host"), "box\n");
    // Both spellings are there, for programs know one or the other.
    let proxies = [
        "ALL_PROXY=http://5\nFTP_PROXY=http://3\nHTTPS_PROXY=http://2\nHTTP_PROXY=http://1\nNO_PROXY=4\n",
        "all_proxy=http://5\nftp_proxy=http://3\nhttp_proxy=http://1\nhttps_proxy=http://2\nno_proxy=4\n",
    ];
    assert_eq!(image.text("proxies"), proxies.concat());
    let config = image.config.to_string();
    assert!(
        !config.contains("http://1") && !config.contains("box"),
        "{config}"
    );
    let arch = base::architecture();
    // A variant that a platform does not have is set, and empty.
    assert_eq!(
        image.text("platforms"),
        format!(
            "BUILDARCH={arch}\nBUILDOS=linux\nBUILDPLATFORM=linux/{arch}\nBUILDVARIANT=\n\
             TARGETARCH={arch}\nTARGETOS=linux\nTARGETPLATFORM=linux/{arch}\nTARGETSTAGE=two\nTARGETVARIANT=\n"
        )
    );
}

#[test]
fn a_namespace_of_caches_is_another_set_of_them() {
    if !can_run_containers() {
        skip!("containers do not work here: see lapstrake doctor");
    }
    let place = Place::new();
    place
        .dockerfile("FROM base\nARG N\nRUN --mount=type=cache,target=/c cat /c/* > /seen; echo $N > /c/$N\n");
    let seen = |namespace: &str, number: &str| {
        let (namespace, number) = (
            format!("BUILDKIT_CACHE_MOUNT_NS={namespace}"),
            format!("N={number}"),
        );
        let options = ["--build-arg", &namespace, "--build-arg", &number];
        image(&place, &options).text("seen").to_owned()
    };
    assert_eq!(seen("a", "1"), "");
    assert_eq!(seen("b", "2"), "");
    assert_eq!(seen("a", "3"), "1\n");
}

#[test]
fn those_that_change_the_build() {
    let place = Place::new();
    place
        .dockerfile("# syntax=no.such.host/language:1\nFROM scratch as one\nCOPY . /\n")
        .file("f", "");
    let syntax = "BUILDKIT_SYNTAX=docker/dockerfile:1";
    let build = |more: &[&str]| {
        let words: Vec<&str> = more.iter().flat_map(|pair| ["--build-arg", pair]).collect();
        place.build(&[&["-o", "type=cacheonly"], &words[..]].concat())
    };
    let ran = build(&[syntax, "BUILDKIT_BUILD_NAME=a name", "BUILDKIT_INLINE_CACHE=1"]).ok();
    // Nothing is said of arguments that nobody has to declare.
    assert!(!ran.stderr.contains("not consumed"), "{}", ran.stderr);
    let inspected = place.run(["history", "inspect", "--format", "json"]).ok().stdout;
    let inspected: Value = serde_json::from_str(&inspected).unwrap();
    assert_eq!(inspected["Name"], "a name");
    let _ = build(&[syntax, "BUILDKIT_DOCKERFILE_CHECK=error=true"]).fails(1, &["FromAsCasing"]);
    let repository = Repository::new(&place.path("git/code.git"));
    repository.file("Dockerfile", "FROM scratch\nCOPY . /\n").commit();
    let web = Web::new();
    web.serve_git(&place.path("git"), None);
    for (keep, names) in [("0", vec!["Dockerfile"]), ("1", vec![".git", "Dockerfile"])] {
        let out = place.path(format!("out/{keep}"));
        let keep = format!("BUILDKIT_CONTEXT_KEEP_GIT_DIR={keep}");
        let output = format!("type=local,dest={}", out.display());
        let url = web.url("git/code.git");
        place
            .run(["build", &url, "--build-arg", &keep, "-o", &output])
            .ok();
        let mut found: Vec<_> = std::fs::read_dir(&out)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        found.sort();
        assert_eq!(found, names);
    }
}
