//! Images from a real registry.

use lapstrake_tests::servers::Registry;
use lapstrake_tests::{Place, base, can_run_containers, skip};

#[test]
fn a_base_from_a_registry_is_pulled_once_and_used() {
    if !can_run_containers() {
        skip!("containers do not work here: see lapstrake doctor");
    }
    let place = Place::new();
    let Some(registry) = Registry::start(&place.path("out"), None) else {
        skip!("docker-registry is not installed");
    };
    if !registry.push(base::busybox(), "lib/base:1", None) {
        skip!("skopeo is not installed");
    }
    place.config(&format!("[registry.\"{}\"]\nhttp = true\n", registry.host));
    let host = registry.host.clone();
    place.dockerfile(&format!("FROM {host}/lib/base:1\nRUN echo pulled > /f\n"));
    place
        .run(["build", "context", "-o", "out/one", "--progress", "plain"])
        .ok();
    assert_eq!(
        std::fs::read_to_string(place.path("out/one/f")).unwrap(),
        "pulled\n"
    );

    // By digest nothing is asked for any more: the registry may be gone.
    let log = place.run(["llb", "context"]).ok().stdout;
    let digest = log
        .split("sha256:")
        .nth(1)
        .and_then(|rest| rest.get(..64))
        .expect("a resolved digest")
        .to_owned();
    place.dockerfile(&format!(
        "FROM {host}/lib/base@sha256:{digest}\nRUN echo pulled > /f\n"
    ));
    place.run(["build", "context", "-o", "out/two"]).ok();
    drop(registry);
    let ran = place
        .run(["build", "context", "-o", "out/three", "--progress", "plain"])
        .ok();
    assert_eq!(
        std::fs::read_to_string(place.path("out/three/f")).unwrap(),
        "pulled\n"
    );
    assert!(ran.count("CACHED") > 0, "{}", ran.stderr);
}

#[test]
fn a_credential_helper_is_asked() {
    let place = Place::new();
    let Some(registry) = Registry::start(&place.path("out"), Some(("me", "right"))) else {
        skip!("docker-registry or htpasswd is not installed");
    };
    if !registry.push(base::busybox(), "base:1", Some("me:right")) {
        skip!("skopeo is not installed");
    }
    let helper = place.path("bin/docker-credential-test");
    std::fs::create_dir_all(helper.parent().unwrap()).unwrap();
    std::fs::write(
        &helper,
        "#!/bin/sh\ncat > /dev/null\necho '{\"Username\":\"me\",\"Secret\":\"right\"}'\n",
    )
    .unwrap();
    std::fs::set_permissions(&helper, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    std::fs::create_dir_all(place.path("home/.docker")).unwrap();
    let text = format!("{{\"credHelpers\":{{\"{}\":\"test\"}}}}", registry.host);
    std::fs::write(place.path("home/.docker/config.json"), text).unwrap();
    place.config(&format!("[registry.\"{}\"]\nhttp = true\n", registry.host));
    place
        .dockerfile(&format!("FROM {}/base:1\nCOPY f /f\n", registry.host))
        .file("f", "f");
    let path = format!(
        "{}:{}",
        place.path("bin").display(),
        std::env::var("PATH").unwrap()
    );
    let output = place
        .command()
        .env("PATH", path)
        .args(["build", "context", "-o", "out/files"])
        .output()
        .unwrap();
    lapstrake_tests::Ran::of(output).ok();
    assert!(place.path("out/files/bin/busybox").is_file());
}
