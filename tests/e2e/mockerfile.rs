//! Mockerfiles, built for real: how they are found, steps, downloads, images of one file, package managers.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use lapstrake_tests::web::{Page, Web};
use lapstrake_tests::{Place, can_run_containers, layout, skip};

const BEGIN: &str = "apiVersion: v1beta1\nimages:\n";

fn text(path: impl AsRef<Path>) -> String {
    let path = path.as_ref();
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A gzipped archive of files with this content.
fn archive(files: &[(&str, &str)]) -> Vec<u8> {
    let gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let mut tar = tar::Builder::new(gzip);
    for (name, text) in files {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o755);
        header.set_size(text.len() as u64);
        tar.append_data(&mut header, name, text.as_bytes()).unwrap();
    }
    tar.into_inner().unwrap().finish().unwrap()
}

#[test]
fn a_mockerfile_is_found_by_its_name() {
    let place = Place::new();
    let file = |word: &str| format!("{BEGIN}- from: scratch\n  copy: [{{src: [{word}], dst: /got}}]\n");
    place.file("one", "1").file("two", "2").file("three", "3");
    place.file("mockerfile.yml", file("one"));
    let (out, _) = place.build_local(&[]);
    assert_eq!(text(out.join("got")), "1");

    // A Dockerfile stands before it, unless the frontend is named.
    place.dockerfile("FROM scratch\nCOPY two /got\n");
    let (out, _) = place.build_local(&[]);
    assert_eq!(text(out.join("got")), "2");
    let (out, _) = place.build_local(&["--frontend", "mockerfile"]);
    assert_eq!(text(out.join("got")), "1");

    // The name of a file says what it is; a syntax line says it of any file.
    place.file("x.mockerfile.yaml", file("three"));
    place.file("plain", format!("#syntax=r2d4/mocker\n{}", file("two")));
    for (name, expected) in [("x.mockerfile.yaml", "3"), ("plain", "2")] {
        let path = place.path("context").join(name);
        let (out, _) = place.build_local(&["-f", path.to_str().unwrap()]);
        assert_eq!(text(out.join("got")), expected);
    }
}

#[test]
fn mistakes_are_told_with_their_places_all_at_once() {
    let place = Place::new();
    place.file(
        "Mockerfile.yaml",
        format!("{BEGIN}- name: app\n  form: base\n  stpes: [a]\n"),
    );
    place.build(&[]).fails(
        1,
        &[
            "Mockerfile.yaml:4",
            "did you mean `from`?",
            "Mockerfile.yaml:5",
            "did you mean `steps`?",
        ],
    );
    place.file("Mockerfile.yaml", format!("{BEGIN}- {{name: app, from: base}}\n"));
    place
        .build(&["--target", "ap"])
        .fails(1, &["there is no image `ap`", "did you mean `app`?"]);
}

#[test]
fn calls_answer_and_the_schemas_are_in_the_program() {
    let place = Place::new();
    place.file(
        "Mockerfile.yaml",
        format!(
            "{BEGIN}- name: tools\n  description: What both need\n  from: debian\n- name: app\n  parent: tools\n\
             \x20 secrets: [{{id: token}}]\n"
        ),
    );
    let call = |words: &[&str]| place.run([&["build", "context", "--call"], words].concat());
    let targets = call(&["targets"]).ok().stdout;
    assert!(
        targets.contains("tools") && targets.contains("What both need") && targets.contains("app (default)"),
        "{targets}"
    );
    let offered = call(&["subrequests.describe"]).ok().stdout;
    for name in ["lint", "outline", "targets", "schema"] {
        assert!(offered.lines().any(|line| line.starts_with(name)), "{offered}");
    }
    // A check needs no image, and its warnings have their places; an outline has the configuration of its base.
    let checked = call(&["check"]).fails(1, &[]);
    assert!((checked.stdout + &checked.stderr).contains("Mockerfile.yaml:5"));
    let base = lapstrake_tests::base::context().replacen("base=", "debian=", 1);
    let outline = call(&["outline", "--build-context", &base]).ok().stdout;
    assert!(outline.contains("app") && outline.contains("token"), "{outline}");

    for version in ["v1alpha1", "v1beta1"] {
        place.file("Mockerfile.yaml", format!("apiVersion: {version}\nimages: []\n"));
        let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
        let shipped = text(docs.join(format!("mockerfile-{version}.schema.json")));
        assert_eq!(call(&["schema"]).ok().stdout, shipped);
    }
}

#[test]
fn downloads_are_checked_unpacked_and_installed() {
    if !can_run_containers() {
        skip!("containers cannot be made here");
    }
    let (place, web) = (Place::new(), Web::new());
    let packed = archive(&[("bin/tool", "#!/bin/sh\necho tool\n"), ("share/doc", "doc")]);
    let digest = layout::digest(&packed);
    web.put("tool", Page::of("#!/bin/sh\necho plain\n"))
        .put("tool.tar.gz", Page::of(&packed));
    let plain = layout::digest(b"#!/bin/sh\necho plain\n");
    place.file(
        "Mockerfile.yaml",
        format!(
            "{BEGIN}- from: base\n  external:\n\
             \x20 - {{src: \"{plain_url}\", dst: /usr/bin/plain, sha256: {plain}}}\n\
             \x20 - {{src: \"{url}\", dst: /opt/tool, sha256: {digest}}}\n\
             \x20 - src: \"{url}\"\n    dst: /tmp/tool\n    sha256: {digest}\n    install:\n\
             \x20   - cp /tmp/tool/bin/tool /usr/bin/tool\n\
             \x20   - plain > /installed-by\n\
             \x20   - echo /usr/bin/plain >> /installed-by\n\
             \x20 steps:\n  - (plain; tool) > /ran\n",
            plain_url = web.url("tool"),
            url = web.url("tool.tar.gz"),
        ),
    );
    let (out, ran) = place.build_local(&[]);
    assert_eq!(text(out.join("ran")), "plain\ntool\n");
    assert_eq!(text(out.join("installed-by")), "plain\n/usr/bin/plain\n");
    assert_eq!(text(out.join("opt/tool/share/doc")), "doc");
    assert!(
        !out.join("tmp/tool").exists(),
        "what is installed from is no part of the image"
    );
    let mode = |path: &str| std::fs::metadata(out.join(path)).unwrap().mode() & 0o7777;
    assert_eq!(mode("usr/bin/plain"), 0o755);
    // Side by side on one base, and its directories are what they were.
    assert_eq!(mode("tmp"), 0o1777);
    assert!(ran.stderr.contains("merge"), "{}", ran.stderr);
    let mut lines = web.take_lines();
    lines.sort();
    assert_eq!(lines, ["GET /tool", "GET /tool.tar.gz"]);

    // With checksums nobody is asked again.
    place.build_local(&[]);
    assert_eq!(web.take_lines(), Vec::<String>::new());

    web.put("other", Page::of("x"));
    let wrong = "0".repeat(64);
    let url = web.url("other");
    place.file(
        "Mockerfile.yaml",
        format!(
            "{BEGIN}- from: scratch\n  external:\n  - {{src: \"{url}\", dst: /x, sha256: \"{wrong}\"}}\n"
        ),
    );
    place.build(&[]).fails(1, &[&url, &wrong]);
    place.assert_clean();
}

#[test]
fn images_of_a_file_are_parents_sources_and_targets() {
    if !can_run_containers() {
        skip!("containers cannot be made here");
    }
    let place = Place::new();
    place.file("conf/a", "a").file("conf/b.md", "b");
    place.file(
        "Mockerfile.yaml",
        format!(
            "{BEGIN}- name: common\n  from: base\n  env: {{WHO: common, PATH: \"/x:$PATH\"}}\n  steps: [echo $WHO > /common]\n\
             - name: plugins\n  from: base\n  steps: [mkdir -m 700 /plugins; echo p > /plugins/p]\n\
             - name: files\n  from: base\n  workdir: /work\n  steps: [mkdir -m 750 d; echo f > d/f; echo g > g]\n\
             \x20 output: [/work/d]\n\
             - name: broken\n  from: base\n  steps: [\"false\"]\n\
             - name: app\n  parent: common\n  workdir: /app\n  copy:\n  - from: plugins\n  - from: files\n\
             \x20 - {{src: [conf], dst: conf/, exclude: [\"**/*.md\"], mode: 0700}}\n\
             \x20 - {{from: files, src: [/work/d/*], dst: /etc/}}\n\
             \x20 env: {{WHO: app}}\n  user: user\n  labels: {{a: b}}\n  entrypoint: [app]\n\
             \x20 steps: [\"echo $WHO $PWD $(id -u) > who\"]\n"
        ),
    );
    let (out, _) = place.build_local(&[]);
    assert_eq!(text(out.join("common")), "common\n");
    assert_eq!(text(out.join("plugins/p")), "p\n");
    assert_eq!(text(out.join("work/d/f")), "f\n");
    assert_eq!(text(out.join("etc/f")), "f\n");
    assert!(!out.join("work/g").exists(), "files has an output");
    assert!(!out.join("app/conf/b.md").exists(), "left out");
    assert_eq!(text(out.join("app/who")), "app /app 0\n");
    let mode = |path: &str| std::fs::metadata(out.join(path)).unwrap().mode() & 0o7777;
    assert_eq!(
        [mode("plugins"), mode("work/d"), mode("app/conf/a")],
        [0o700, 0o750, 0o700]
    );

    // Nothing runs again, and another image of the file is another target.
    let (_, ran) = place.build_local(&[]);
    assert!(ran.count("CACHED") > 0, "{}", ran.stderr);
    let (out, _) = place.build_local(&["--target", "Files"]);
    let names: Vec<_> = std::fs::read_dir(&out)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names, ["work"]);
    place
        .build(&["--target", "broken"])
        .fails(1, &["Mockerfile.yaml"]);
    place.assert_clean();
}

/// A package manager that writes down how it was called, and what it found in its caches.
const MANAGER: &str = "#!/bin/sh\n\
    echo \"$(basename $0) $*\" >> /calls\n\
    for cache in /var/cache/apt /var/lib/apt/lists /var/cache/apk /var/cache/dnf; do\n\
    [ ! -d $cache ] || { [ ! -e $cache/mark ] || echo \"found $cache\" >> /calls; echo > $cache/mark; }\n\
    done\n";

#[test]
fn package_managers_get_repositories_keys_and_caches() {
    if !can_run_containers() {
        skip!("containers cannot be made here");
    }
    let (place, web) = (Place::new(), Web::new());
    let armoured = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nAAAA\n-----END PGP PUBLIC KEY BLOCK-----\n";
    web.put("key", Page::of(armoured))
        .put("me.rsa.pub", Page::of("rsa"));
    place
        .file("manager", MANAGER)
        .file("binary.gpg", b"\x99\x01\0key");
    let (key, rsa) = (web.url("key"), web.url("me.rsa.pub"));
    place.file(
        "Mockerfile.yaml",
        format!(
            "{BEGIN}- name: managers\n  from: base\n  copy:\n  - {{src: [manager], dst: /bin/apt-get, mode: 0755}}\n\
             \x20 steps: [\"for name in apk dnf; do ln -sf apt-get /bin/$name; done; mkdir -p /usr/bin; ln -sf /bin/apt-get /usr/bin/rpm\"]\n\
             - name: apt\n  parent: managers\n  package:\n    repo: [deb http://r/debian stable main]\n\
             \x20   gpg: [\"{key}\", binary.gpg]\n    install: [a, b]\n\
             - name: apk\n  parent: managers\n  package: {{manager: apk, repo: [\"http://r/it's\"], gpg: [\"{rsa}\"], install: [a]}}\n\
             - name: dnf\n  parent: managers\n  package: {{manager: dnf, repo: [\"http://r/f\"], gpg: [\"{key}\"], install: [a]}}\n"
        ),
    );
    let (out, _) = place.build_local(&["--target", "apt"]);
    let calls = text(out.join("calls"));
    assert!(calls.contains("update") && calls.contains(" a b\n"), "{calls}");
    let list = text(out.join("etc/apt/sources.list.d/apt.list"));
    let rings = "/etc/apt/keyrings/apt-1.asc,/etc/apt/keyrings/apt-2.asc";
    assert_eq!(
        list,
        format!("deb [signed-by={rings}] http://r/debian stable main\n")
    );
    assert_eq!(text(out.join("etc/apt/keyrings/apt-1.asc")), armoured);
    let given = text(out.join("etc/apt/keyrings/apt-2.asc"));
    assert!(
        given.starts_with("-----BEGIN PGP") && given.contains("mQEAa2V5"),
        "{given}"
    );
    // What a package manager keeps is in caches: the image has nothing of it, and the next build finds it.
    assert!(!out.join("var/lib/apt").exists() && !out.join("var/cache").exists());
    let (out, _) = place.build_local(&["--target", "apt", "--no-cache"]);
    let calls = text(out.join("calls"));
    assert!(
        calls.contains("found /var/lib/apt/lists") && calls.contains("found /var/cache/apt"),
        "{calls}"
    );

    let (out, _) = place.build_local(&["--target", "apk"]);
    assert_eq!(text(out.join("etc/apk/repositories")), "http://r/it's\n");
    assert_eq!(text(out.join("etc/apk/keys/me.rsa.pub")), "rsa");
    assert!(text(out.join("calls")).starts_with("apk add "));
    let (out, _) = place.build_local(&["--target", "dnf"]);
    let repo = text(out.join("etc/yum.repos.d/dnf-1.repo"));
    assert!(repo.contains("baseurl=http://r/f\n") && repo.contains("gpgkey=file:///etc/pki/rpm-gpg/dnf-1\n"));
    assert!(text(out.join("calls")).starts_with("rpm --import /etc/pki/rpm-gpg/dnf-1\ndnf install -y "));
    place.assert_clean();
}

#[test]
fn secrets_and_caches_are_in_no_image() {
    if !can_run_containers() {
        skip!("containers cannot be made here");
    }
    let place = Place::new();
    std::fs::write(place.path("token"), "hush").unwrap();
    let file = |words: &str| {
        format!(
            "{BEGIN}- from: base\n  workdir: /w\n  secrets:\n  - {{id: token, required: true}}\n  - {{id: token, env: TOKEN}}\n\
             \x20 caches: [{{path: c}}]\n  steps:\n  - cat c/* > /before; echo {words} > c/kept; wc -c < /run/secrets/token > /length; echo ${{#TOKEN}} >> /length\n"
        )
    };
    let secret = format!("id=token,src={}", place.path("token").display());
    place.file("Mockerfile.yaml", file("one"));
    place.build(&[]).fails(1, &["token"]);
    let (out, _) = place.build_local(&["--secret", &secret]);
    assert_eq!(text(out.join("length")), "4\n4\n");
    assert!(!out.join("run/secrets").exists() && !out.join("w/c").exists());
    place.file("Mockerfile.yaml", file("two"));
    let (out, _) = place.build_local(&["--secret", &secret]);
    assert_eq!(text(out.join("before")), "one\n");
    place.assert_clean();
}
