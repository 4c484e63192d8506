//! What the command line says beside a Nix build file: the options that docker buildx has, and what they do here.

use std::path::Path;

use lapstrake_tests::{Place, can_run_containers, skip};
use serde_json::{Value, json};

fn blob(layout: &Path, digest: &Value) -> Value {
    let hex = digest.as_str().unwrap().strip_prefix("sha256:").unwrap();
    serde_json::from_slice(&std::fs::read(layout.join("blobs/sha256").join(hex)).unwrap()).unwrap()
}

/// The configurations of the images in a layout, in their order.
fn configs(layout: &Path) -> Vec<Value> {
    let index: Value = serde_json::from_slice(&std::fs::read(layout.join("index.json")).unwrap()).unwrap();
    let mut manifests = index["manifests"].as_array().unwrap().clone();
    let first = blob(layout, &manifests[0]["digest"]);
    if let Some(inner) = first["manifests"].as_array() {
        manifests.clone_from(inner);
    }
    let of = |manifest: &Value| {
        let manifest = blob(layout, &manifest["digest"]);
        blob(layout, &manifest["config"]["digest"])
    };
    manifests.iter().map(of).collect()
}

fn build(place: &Place, more: &[&str]) -> Vec<Value> {
    let count = std::fs::read_dir(place.path("out")).unwrap().count();
    let layout = place.path(format!("out/layout-{count}"));
    let output = format!("type=oci,tar=false,dest={}", layout.display());
    place
        .build(&[&["-f", "context/default.nix", "-o", &output], more].concat())
        .ok();
    configs(&layout)
}

#[test]
fn build_arguments_are_strings_for_the_functions_that_name_them() {
    let place = Place::new();
    place.file(
        "default.nix",
        "# syntax=nix\n{ version ? \"0\", count ? 1 }: { inherit version count; web = { name ? version }: name; }\n",
    );
    let eval = |more: &[&str]| {
        let call = ["-f", "context/default.nix", "--call", "eval", "--format", "json"];
        let printed = place.build(&[&call, more].concat()).ok().stdout;
        serde_json::from_str::<Value>(&printed).unwrap()
    };
    let words = ["--build-arg", "version=1", "--build-arg", "nobodys=2"];
    assert_eq!(eval(&[&words[..], &["-A", "version"]].concat()), "1");
    // Of a function inside of the file too, and `--arg` counts more.
    assert_eq!(eval(&[&words[..], &["-A", "web"]].concat()), "1");
    assert_eq!(eval(&["--build-arg", "name=b", "-A", "web"]), "b");
    assert_eq!(
        eval(&[
            "--build-arg",
            "version=1",
            "--argstr",
            "version",
            "2",
            "-A",
            "version"
        ]),
        "2"
    );
    // A name that nobody takes is likely a mistake.
    place.file(
        "default.nix",
        "# syntax=nix\n{ version ? \"0\" }: writeText \"x\" version\n",
    );
    let ran = place.build(&["-f", "context/default.nix", "--build-arg", "verison=1", "--check"]);
    for text in [
        "no function of the build file takes verison",
        "did you mean 'version'?",
    ] {
        assert!(
            ran.stdout.contains(text) || ran.stderr.contains(text),
            "{}{}",
            ran.stdout,
            ran.stderr
        );
    }
}

#[test]
fn labels_and_the_epoch_are_in_the_image() {
    let place = Place::new();
    place.file(
        "default.nix",
        r#"# syntax=nix
{
  fixed = buildImage { name = "a"; config.Labels = { from = "file"; both = "file"; }; };
  now = buildImage { name = "b"; created = "now"; copyToRoot = writeTextDir "f" "f"; };
}
"#,
    );
    let configs = build(
        &place,
        &["-A", "fixed", "--label", "both=line", "--label", "by=line"],
    );
    assert_eq!(
        configs[0]["config"]["Labels"],
        json!({"from": "file", "both": "line", "by": "line"})
    );
    assert_eq!(configs[0]["created"], "1970-01-01T00:00:01Z");
    let epoch = ["--build-arg", "SOURCE_DATE_EPOCH=1600000000"];
    let configs = build(&place, &[&["-A", "now"], &epoch[..]].concat());
    assert_eq!(configs[0]["created"], "2020-09-13T12:26:40Z");
}

#[test]
fn an_image_for_each_platform() {
    let place = Place::new();
    place.file(
        "default.nix",
        r#"# syntax=nix
buildLayeredImage {
  name = "both";
  contents = [ (writeTextDir "system" builtins.currentSystem) (writeTextDir "same" "same") ];
  config.Cmd = [ "/${builtins.currentSystem}" ];
}
"#,
    );
    let configs = build(&place, &["--platform", "linux/amd64,linux/arm64"]);
    let seen: Vec<_> = configs
        .iter()
        .map(|config| {
            (
                config["architecture"].as_str().unwrap(),
                config["config"]["Cmd"][0].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(seen, [("amd64", "/x86_64-linux"), ("arm64", "/aarch64-linux")]);
    // What does not depend on the platform is one layer of both.
    let shared = |config: &Value| -> Vec<String> {
        let layers = config["rootfs"]["diff_ids"].as_array().unwrap();
        layers
            .iter()
            .map(|layer| layer.as_str().unwrap().to_owned())
            .collect()
    };
    let (one, two) = (shared(&configs[0]), shared(&configs[1]));
    assert_eq!(one.len(), 3);
    assert_eq!(one.iter().filter(|layer| two.contains(layer)).count(), 1);
}

#[test]
fn commands_get_what_the_command_line_says_of_them() {
    if !can_run_containers() {
        skip!("containers do not work here: see lapstrake doctor");
    }
    let place = Place::new();
    place.file(
        "default.nix",
        r#"# syntax=nix
let
  inherit (withImage (image "base")) runCommand;
  first = runCommand "first" { } "mkdir $out; cat /etc/hosts > $out/hosts; ulimit -n > $out/files";
in
runCommand "second" { } "cp -r ${first} $out; echo \${https_proxy-none} > $out/proxy"
"#,
    );
    let words = [
        "-f",
        "context/default.nix",
        "--add-host",
        "db:10.1.2.3",
        "--ulimit",
        "nofile=77:77",
        "--build-arg",
        "HTTPS_PROXY=http://proxy:1",
    ];
    let (out, _) = place.build_local(&words);
    let read = |name: &str| std::fs::read_to_string(out.join(name)).unwrap();
    assert!(read("hosts").contains("10.1.2.3\tdb"), "{}", read("hosts"));
    assert_eq!(read("files"), "77\n");
    // Without a network a proxy would be nothing but a difference.
    assert_eq!(read("proxy"), "none\n");
    // One derivation anew, and the others from the cache.
    let again = [&words[..], &["--no-cache-filter", "second"]].concat();
    let ran = place.build(&again).ok();
    let was_run = |name: &str| {
        let line = ran.stderr.lines().find(|line| line.ends_with(name));
        let number = line.and_then(|line| line.split(' ').next()).unwrap();
        ran.stderr.contains(&format!("{number} DONE"))
    };
    assert!(was_run("[second] build"), "{}", ran.stderr);
    assert!(!was_run("[first] build"), "{}", ran.stderr);
    place.assert_clean();
}
