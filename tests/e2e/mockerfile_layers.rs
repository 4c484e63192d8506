//! Mockerfiles: what their images run at the same time, what layers come of it, and what the history says of each.

use std::path::Path;

use lapstrake_tests::web::{Page, Web};
use lapstrake_tests::{Place, Ran, can_run_containers, layout, skip};
use serde_json::Value;

/// An image of a layout that was written: its configuration.
struct Image {
    config: Value,
}

impl Image {
    /// Builds a target of the place's Mockerfile.
    #[track_caller]
    fn build(place: &Place, target: &str) -> (Self, Ran) {
        let folder = place.path("layouts").join(target);
        let output = format!("type=oci,tar=false,dest={}", folder.display());
        let ran = place.build(&["--target", target, "-o", &output]).ok();
        (Self::of(&folder), ran)
    }

    fn of(layout: &Path) -> Self {
        Self::all(layout).into_iter().next().unwrap()
    }

    /// One for each platform.
    fn all(layout: &Path) -> Vec<Self> {
        let read = |path: &Path| -> Value { serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap() };
        let blob = |descriptor: &Value| {
            let digest = descriptor["digest"].as_str().unwrap();
            read(&layout.join("blobs").join(digest.replace(':', "/")))
        };
        let first = blob(&read(&layout.join("index.json"))["manifests"][0]);
        let manifests = match first["manifests"].as_array() {
            Some(manifests) => manifests.iter().map(blob).collect(),
            None => vec![first],
        };
        let configs = manifests.iter().map(|manifest| blob(&manifest["config"]));
        configs.map(|config| Self { config }).collect()
    }

    fn layers(&self) -> Vec<&str> {
        let layers = self.config["rootfs"]["diff_ids"].as_array().unwrap();
        layers.iter().map(|layer| layer.as_str().unwrap()).collect()
    }

    /// What made each layer.
    fn history(&self) -> Vec<&str> {
        let lines = self.config["history"].as_array().unwrap();
        let lines = lines.iter().filter(|line| line["empty_layer"] != true);
        lines.map(|line| line["created_by"].as_str().unwrap()).collect()
    }
}

#[test]
fn images_that_do_not_need_each_other_are_made_at_the_same_time() {
    if !can_run_containers() {
        skip!("containers cannot be made here");
    }
    let place = Place::new();
    // Each waits for the other one. What runs one after another gives up.
    let image = |own: &str, other: &str| {
        format!(
            "- name: {own}\n  from: base\n  caches: [{{path: /meet}}]\n  steps:\n  - |\n    touch /meet/{own}\n\
             \x20   for try in $(seq 600); do [ ! -e /meet/{other} ] || break; sleep 0.1; done\n\
             \x20   [ -e /meet/{other} ] && echo {own} > /{own}\n"
        )
    };
    place.file(
        "Mockerfile.yaml",
        format!(
            "apiVersion: v1beta1\nimages:\n{}{}- name: both\n  from: base\n  copy: [{{from: one}}, {{from: two}}]\n",
            image("one", "two"),
            image("two", "one")
        ),
    );
    let (both, ran) = {
        let folder = place.path("both");
        let output = format!("type=oci,tar=false,dest={}", folder.display());
        let ran = place.build(&["--jobs", "2", "-o", &output]).ok();
        (Image::of(&folder), ran)
    };
    assert_eq!(ran.count("CACHED"), 0, "{}", ran.stderr);

    // Their results are merged without copying: the layers are the very ones of the images, and there is no other one.
    let (one, _) = Image::build(&place, "one");
    let (two, _) = Image::build(&place, "two");
    let base = one.layers().len() - 1;
    let mut expected = one.layers();
    expected.extend(&two.layers()[base..]);
    assert_eq!(both.layers(), expected);
    let base = "test base";
    let own = ["one", "two"].map(|name| {
        both.history()
            .into_iter()
            .find(|line| line.starts_with(&format!("from {name}: run touch")))
    });
    assert!(
        both.history()[0] == base && own.iter().all(Option::is_some),
        "{:?}",
        both.history()
    );
    place.assert_clean();
}

#[test]
fn every_layer_has_a_line_of_the_history() {
    if !can_run_containers() {
        skip!("containers cannot be made here");
    }
    let (place, web) = (Place::new(), Web::new());
    web.put("tool", Page::of("tool"));
    let (url, digest) = (web.url("tool"), layout::digest(b"tool"));
    place.file("a", "a").file("b", "b");
    place.file(
        "Mockerfile.yaml",
        format!(
            "apiVersion: v1beta1\nimages:\n\
             - name: common\n  from: base\n  env: {{A: b}}\n  copy: [{{src: [a], dst: /common}}]\n  steps: [\"true\", \"echo x > /x\"]\n\
             - name: plugin\n  parent: common\n  steps: [echo p > /p, \"true\", echo q > /q]\n\
             - name: files\n  from: base\n  steps: [echo f > /f]\n  output: [/f]\n\
             - name: app\n  parent: common\n  external:\n  - {{src: \"{url}\", dst: /bin/tool, sha256: {digest}}}\n\
             \x20 - src: \"{url}\"\n    dst: /tmp/tool\n    sha256: {digest}\n    install: [cp /bin/tool /bin/two, rm /bin/two]\n\
             \x20 copy: [{{from: plugin}}, {{from: files}}, {{src: [a, b], dst: /etc/}}]\n\
             \x20 workdir: /w\n  labels: {{a: b}}\n  user: user\n  cmd: [x]\n  steps: [echo 1 > 1, \"true\"]\n\
             - name: only-copies\n  from: scratch\n  copy: [{{from: plugin, src: [/p], dst: /p}}, {{from: files}}]\n"
        ),
    );
    for target in ["common", "plugin", "files", "app", "only-copies"] {
        let (image, _) = Image::build(&place, target);
        let (layers, history) = (image.layers(), image.history());
        assert_eq!(layers.len(), history.len(), "{target}: {history:#?}");
        assert!(
            history.iter().all(|line| !line.trim().is_empty()),
            "{target}: {history:#?}"
        );
        let entries = image.config["history"].as_array().unwrap();
        let own = entries.iter().filter(|line| line["created_by"] != "test base");
        assert!(
            own.into_iter().all(|line| line["comment"] == "mockerfile"),
            "{entries:#?}"
        );
    }
    let (app, _) = Image::build(&place, "app");
    let what = app.history().join("\n").replace(&url, "URL");
    assert_eq!(
        what,
        "test base\ncopy a to /common\nrun true\nrun echo x > /x\nadd URL as /bin/tool\nrun cp /bin/tool /bin/two\n\
         run rm /bin/two\nfrom plugin: run echo p > /p\nfrom plugin: run true\nfrom plugin: run echo q > /q\n\
         from files: output /f\ncopy a b to /etc/\nworkdir /w\nrun echo 1 > 1\nrun true"
    );
}

#[test]
fn the_configuration_is_the_same_on_every_platform() {
    let place = Place::new();
    place.file("a", "a").file(
        "Mockerfile.yaml",
        "apiVersion: v1beta1\nimages:\n- name: parent\n  from: scratch\n  env: {A: 1, B: two}\n  labels: {a: b}\n  cmd: [old]\n\
         - name: app\n  parent: parent\n  platforms: [linux/arm64, linux/amd64]\n  copy: [{src: [a], dst: a}]\n  workdir: /w\n\
         \x20 env: {A: \"0$A\", C: \"${B}$$\"}\n  labels: {c: d}\n  user: me:us\n  entrypoint: [/a, x y]\n  cmd: run it\n",
    );
    let folder = place.path("layout");
    let output = format!("type=oci,tar=false,dest={}", folder.display());
    place.build(&["-o", &output, "--label", "c=e"]).ok();
    let images = Image::all(&folder);
    let platforms: Vec<_> = images.iter().map(|image| &image.config["architecture"]).collect();
    assert_eq!(platforms, ["arm64", "amd64"]);
    for image in &images {
        let path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
        let expected = serde_json::json!({
            "Env": [path, "A=01", "B=two", "C=two$"],
            "Labels": { "a": "b", "c": "e" },
            "User": "me:us",
            "WorkingDir": "/w",
            "Entrypoint": ["/a", "x y"],
            "Cmd": ["/bin/sh", "-c", "run it"],
        });
        assert_eq!(image.config["config"], expected);
        assert_eq!(image.history(), ["copy a to a", "workdir /w"]);
        assert_eq!(image.layers(), images[0].layers());
    }
    // The command line asks for one of them, and for no other one.
    place.build(&["-o", &output, "--platform", "linux/amd64"]).ok();
    assert_eq!(Image::all(&folder).len(), 1);
    place
        .build(&["--platform", "linux/s390x"])
        .fails(1, &["linux/s390x", "Mockerfile.yaml:10"]);
}

#[test]
fn what_is_merged_twice_counts_where_it_is_last() {
    if !can_run_containers() {
        skip!("containers cannot be made here");
    }
    let place = Place::new();
    place.file("a", "a").file("b", "b");
    let copies = "{src: [a], dst: /x}, {src: [b], dst: /x}, {src: [a], dst: /x}";
    place.file(
        "Mockerfile.yaml",
        format!(
            "apiVersion: v1beta1\nimages:\n- from: base\n  copy: [{copies}]\n  steps: [cat /x > /seen]\n  output: [/seen, /x]\n"
        ),
    );
    let (out, _) = place.build_local(&[]);
    for name in ["seen", "x"] {
        assert_eq!(std::fs::read_to_string(out.join(name)).unwrap(), "a", "{name}");
    }
    place.dockerfile(
        "FROM base AS all\nCOPY --link a /x\nRUN rm /x; echo b > /y\nCOPY --link b /x\nCOPY --link a /x\nRUN cat /x /y > /seen\n\
         FROM scratch\nCOPY --from=all /seen /x /\n",
    );
    let (out, _) = place.build_local(&[]);
    assert_eq!(std::fs::read_to_string(out.join("seen")).unwrap(), "ab\n");
    assert_eq!(std::fs::read_to_string(out.join("x")).unwrap(), "a");
    place.assert_clean();
}
