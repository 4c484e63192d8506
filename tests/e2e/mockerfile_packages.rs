//! Mockerfiles with real package managers: apt from Debian's mirror and from a repository that a key signs, dnf from another.
//! (Debian has no apk: what apk is told is in mockerfile.rs.)

use std::path::Path;

use lapstrake_tests::packages::{Packages, can_reach_debian, debian_context};
use lapstrake_tests::{Place, base, can_run_containers, has_users, is_root, skip};

/// The repositories are served on this machine's loopback.
const HERE: [&str; 4] = ["--network", "host", "--allow", "network.host"];

fn text(path: impl AsRef<Path>) -> String {
    let path = path.as_ref();
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Why there are no repositories here.
const NO_PACKAGES: &str = "there is no Debian with dnf: mmdebstrap, root and Debian's mirror make one";

#[test]
fn apt_installs_what_a_repositorys_own_key_signs() {
    if !can_run_containers() || !has_users() {
        skip!("apt needs containers with several users");
    }
    let (Some(debian), Some(packages)) = (base::debian_with_gcc(), Packages::get()) else {
        skip!("{NO_PACKAGES}");
    };
    let (place, web) = (Place::new(), packages.serve());
    // Debian's own repositories are left out: what is not on this machine is not asked.
    let file = |version: &str, gpg: &str| {
        format!(
            "apiVersion: {version}\nimages:\n- name: offline\n  from: debian:12\n  steps: [': > /etc/apt/sources.list']\n\
             - name: app\n  parent: offline\n  package:\n    repo: [\"deb {} stable main\"]\n    gpg: [{gpg}]\n\
             \x20   install: [greeting]\n  workdir: /found\n  steps:\n  - greeting > ran\n  - dpkg-query -W greeting > installed\n\
             \x20 - find /var/cache/apt /var/lib/apt/lists -type f ! -name lock > left\n\
             \x20 output: [/found, /etc/apt]\n",
            web.url("apt")
        )
    };
    let context = debian_context(debian);
    let options = |more: &[&'static str]| [&["--build-context", &context], &HERE[..], more].concat();
    let own = web.url("own.asc");
    place.file("Mockerfile.yaml", file("v1alpha1", &own));
    let (out, _) = place.build_local(&options(&[]));
    assert_eq!(text(out.join("found/ran")), "hello from a package\n");
    assert_eq!(text(out.join("found/installed")), "greeting\t1.0\n");
    assert_eq!(
        text(out.join("found/left")),
        "",
        "lists and archives are in caches"
    );
    let line = format!(
        "deb [signed-by=/etc/apt/keyrings/app-1.asc] {} stable main\n",
        web.url("apt")
    );
    assert_eq!(text(out.join("etc/apt/sources.list.d/app.list")), line);
    assert_eq!(
        text(out.join("etc/apt/keyrings/app-1.asc")).into_bytes(),
        packages.file("own.asc")
    );
    // The key is trusted for this repository alone.
    let trusted: Vec<_> = std::fs::read_dir(out.join("etc/apt/trusted.gpg.d"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !name.starts_with("debian-archive"))
        .collect();
    assert_eq!(trusted, Vec::<String>::new());
    assert!(
        web.take_lines()
            .contains(&"GET /apt/pool/greeting.deb".to_owned())
    );

    // A key without armour, with its checksum; and what was downloaded is not downloaded again.
    let digest = lapstrake_tests::layout::digest(&packages.file("own.gpg"));
    let binary = format!("{{src: \"{}\", sha256: \"{digest}\"}}", web.url("own.gpg"));
    place.file("Mockerfile.yaml", file("v1beta1", &binary));
    let (out, _) = place.build_local(&options(&["--no-cache"]));
    assert_eq!(text(out.join("found/ran")), "hello from a package\n");
    let asked = web.take_lines();
    assert!(
        asked.contains(&"GET /apt/dists/stable/InRelease".to_owned()),
        "{asked:?}"
    );
    assert!(!asked.iter().any(|line| line.contains(".deb")), "{asked:?}");

    // Another key is none, and no key neither.
    for gpg in [web.url("other.asc"), String::new()] {
        place.file("Mockerfile.yaml", file("v1beta1", &gpg));
        place.build(&options(&[])).fails(
            1,
            &["NO_PUBKEY", "install packages greeting", "Mockerfile.yaml:9"],
        );
    }
    place.assert_clean();
}

#[test]
fn dnf_installs_what_a_repositorys_own_key_signs() {
    if !can_run_containers() || !has_users() {
        skip!("dnf needs containers with several users");
    }
    let Some(packages) = Packages::get() else {
        skip!("{NO_PACKAGES}");
    };
    let (place, web) = (Place::new(), packages.serve());
    let file = |gpg: &str| {
        format!(
            "apiVersion: v1beta1\nimages:\n- name: app\n  from: fedora\n  package:\n    manager: dnf\n    repo: [\"{}\"]\n\
             \x20   gpg: [\"{}\"]\n    install: [greeting]\n  workdir: /found\n  steps:\n  - greeting > ran\n\
             \x20 - rpm -q greeting > installed\n  - find /var/cache/dnf -type f > left\n\
             \x20 output: [/found, /etc/yum.repos.d]\n",
            web.url("dnf"),
            web.url(gpg)
        )
    };
    let context = packages.dnf_context();
    let options = |more: &[&'static str]| [&["--build-context", &context], &HERE[..], more].concat();
    place.file("Mockerfile.yaml", file("own.asc"));
    let (out, _) = place.build_local(&options(&[]));
    assert_eq!(text(out.join("found/ran")), "hello from a package\n");
    assert_eq!(text(out.join("found/installed")), "greeting-1.0-1.noarch\n");
    assert_eq!(
        text(out.join("found/left")),
        "",
        "what dnf downloads is in a cache"
    );
    assert!(text(out.join("etc/yum.repos.d/app-1.repo")).contains("\ngpgcheck=1\n"));
    let package = "GET /dnf/greeting-1.0-1.noarch.rpm".to_owned();
    assert!(web.take_lines().contains(&package));

    let (out, _) = place.build_local(&options(&["--no-cache"]));
    assert_eq!(text(out.join("found/ran")), "hello from a package\n");
    let asked = web.take_lines();
    assert!(!asked.contains(&package), "{asked:?}");

    place.file("Mockerfile.yaml", file("other.asc"));
    place.build(&options(&[])).fails(
        1,
        &[
            "GPG check FAILED",
            "install packages greeting",
            "Mockerfile.yaml:6",
        ],
    );
    place.assert_clean();
}

/// Copies a folder of files and folders.
fn copy(from: &Path, place: &Place, to: &str) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), place, &format!("{to}{name}/"));
        } else {
            place.file(format!("{to}{name}"), std::fs::read(entry.path()).unwrap());
        }
    }
}

#[test]
fn the_example_and_a_package_of_debian() {
    if !can_run_containers() || !is_root() {
        skip!("as root; apt without is what the repository above shows");
    }
    let Some(debian) = base::debian_with_gcc() else {
        skip!("there is no Debian with a compiler: mmdebstrap and root make one");
    };
    if !can_reach_debian() {
        skip!("deb.debian.org cannot be reached");
    }
    let place = Place::new();
    copy(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/mockerfile"),
        &place,
        "",
    );
    let context = debian_context(debian);
    let app = place.path("layout");
    let output = format!("type=oci,tar=false,dest={}", app.display());
    let mockerfile = ["-f", "context/Mockerfile.yaml", "--build-context", &context];
    // Not `Place::build`: a context `base` would stand before the file's image of that name.
    let plain = ["build", "context", "--progress", "plain"];
    let ran = place
        .run([&plain, &mockerfile[..], &["-t", "app", "-o", &output]].concat())
        .ok();
    // What it names is up to date, so that nothing but the program is new.
    assert!(
        ran.stderr.contains("[compiler] install packages gcc libc6-dev"),
        "{}",
        ran.stderr
    );
    assert!(!ran.stderr.contains("warning["), "{}", ran.stderr);

    // A container of it says what its settings are.
    place.dockerfile("FROM app\nRUN [\"hello\"]\n");
    let app = format!("app=oci-layout://{}:latest", app.display());
    let ran = place
        .build(&["-f", "context/Dockerfile", "--build-context", &app])
        .ok();
    assert!(ran.stderr.contains("Good morning, Lapstrake"), "{}", ran.stderr);

    // The older form, and a package that the base has not.
    place.file(
        "Mockerfile.yaml",
        "apiVersion: v1alpha1\nimages:\n- from: debian:12\n  package: {install: [hello]}\n  workdir: /found\n  steps:\n\
         \x20 - hello > said\n  - find /var/cache/apt /var/lib/apt/lists -type f ! -name lock > left\n\
         \x20 output: [/found, /usr/bin/hello]\n",
    );
    let (out, _) = place.build_local(&mockerfile);
    assert_eq!(text(out.join("found/said")), "Hello, world!\n");
    assert_eq!(text(out.join("found/left")), "");
    assert!(out.join("usr/bin/hello").is_file());
    place.assert_clean();
}
