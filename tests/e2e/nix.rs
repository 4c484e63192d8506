//! Builds in the Nix language: derivations, images and the command line's arguments, for real.

use std::collections::BTreeMap;
use std::path::Path;

use lapstrake_tests::{Place, Ran, can_run_containers, skip};

/// States of the steps of a plain progress, by their names.
fn states(ran: &Ran) -> BTreeMap<String, String> {
    let mut names = BTreeMap::new();
    let mut states = BTreeMap::new();
    for line in ran.stderr.lines() {
        let Some((number, rest)) = line.strip_prefix('#').and_then(|line| line.split_once(' ')) else {
            continue;
        };
        let word = rest.split(' ').next().unwrap_or_default();
        match word {
            "DONE" | "CACHED" | "ERROR" | "CANCELED" | "SKIPPED" => {
                if let Some(name) = names.get(number) {
                    states.insert(String::clone(name), word.to_owned());
                }
            }
            _ => {
                names.entry(number.to_owned()).or_insert_with(|| rest.to_owned());
            }
        }
    }
    states
}

/// The builders that ran.
fn built(ran: &Ran) -> Vec<String> {
    let ends = |(name, state): (&String, &String)| {
        let name = name.strip_suffix("] build")?.strip_prefix('[')?;
        (state == "DONE").then(|| name.to_owned())
    };
    states(ran).iter().filter_map(ends).collect()
}

fn read(path: impl AsRef<Path>) -> String {
    let path = path.as_ref();
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn derivations_are_built_of_their_inputs_alone() {
    if !can_run_containers() {
        skip!("containers do not work here: see lapstrake doctor");
    }
    let place = Place::new();
    place.file("src/data", "data\n").file("other", "").file(
        "build.nix",
        r#"# syntax=nix
let
  base = withImage (image "base");
  shell = name: attrs: script: base.derivation ({
    inherit name; system = builtins.currentSystem; builder = "/bin/sh"; args = [ "-e" "-c" script ];
  } // attrs);
  file = shell "file" { } "echo file > $out";
  directory = shell "directory" { outputs = [ "out" "dev" ]; } "mkdir -p $out $dev/include; echo $dev > $out/dev";
  link = shell "link" { } "ln -s ${file} $out";
in
shell "all" { text = "as file"; passAsFile = [ "text" ]; } ''
  mkdir $out
  cat ${file} ${link} > $out/file
  test -d $(cat ${directory}/dev)/include
  ls /nix/store | sed 's/^[a-z0-9]*-//' | sort > $out/inputs
  cp ${./src}/data $out/data
  cat $textPath > $out/text
  echo $HOME $TMPDIR $PWD $NIX_STORE > $out/env
  grep -c : /proc/net/dev > $out/network
  echo changed > ${file}
  touch -d "2020-01-01 00:00" $out/text
  chmod 777 $out/text
''
"#,
    );
    let (out, ran) = place.build_local(&["-f", "context/build.nix"]);
    assert_eq!(read(out.join("file")), "file\nfile\n");
    assert_eq!(
        read(out.join("inputs")),
        "all\ndirectory\ndirectory-dev\nfile\nlink\nsrc\n"
    );
    assert_eq!(read(out.join("data")), "data\n");
    assert_eq!(read(out.join("text")), "as file");
    assert_eq!(
        read(out.join("env")),
        "/homeless-shelter /build /build /nix/store\n"
    );
    // Nothing but the loopback.
    assert_eq!(read(out.join("network")), "1\n");
    use std::os::unix::fs::MetadataExt;
    let meta = std::fs::metadata(out.join("text")).unwrap();
    assert_eq!((meta.mtime(), meta.mode() & 0o777), (1, 0o555));
    assert_eq!(built(&ran), ["all", "directory", "file", "link"]);
    // The same again, and with a change that nobody uses.
    place.file("other", "changed");
    assert_eq!(
        built(&place.build_local(&["-f", "context/build.nix"]).1),
        Vec::<String>::new()
    );
    place.file("src/data", "other data\n");
    let (out, ran) = place.build_local(&["-f", "context/build.nix"]);
    assert_eq!(read(out.join("data")), "other data\n");
    assert_eq!(built(&ran), ["all"]);
    place.assert_clean();
}

#[test]
fn derivations_that_do_not_need_each_other_run_at_the_same_time() {
    if !can_run_containers() {
        skip!("containers do not work here: see lapstrake doctor");
    }
    let place = Place::new();
    place.file(
        "build.nix",
        r#"# syntax=nix
let
  inherit (withImage (image "base")) runCommand;
  slow = name: runCommand name { } "sleep 2; echo > $out";
in
runCommand "all" { } "cat ${slow "one"} ${slow "two"} > $out"
"#,
    );
    let ran = place
        .build(&["-f", "context/build.nix", "--jobs", "2", "--progress", "rawjson"])
        .ok();
    let mut times: BTreeMap<String, (String, String)> = BTreeMap::new();
    for line in ran.stdout.lines().chain(ran.stderr.lines()) {
        let Ok(status) = serde_json::from_str::<serde_json::Value>(line) else {
            continue;
        };
        for vertex in status["vertexes"].as_array().into_iter().flatten() {
            let text = |name: &str| vertex[name].as_str().map(str::to_owned);
            if let (Some(name), Some(started), Some(completed)) =
                (text("name"), text("started"), text("completed"))
            {
                times.insert(name, (started, completed));
            }
        }
    }
    let (one, two) = (&times["[one] build"], &times["[two] build"]);
    // Times of one form are in the order of their texts.
    assert!(one.0 < two.1 && two.0 < one.1, "{times:?}");
}

#[test]
fn images_have_what_their_contents_refer_to() {
    if !can_run_containers() {
        skip!("containers do not work here: see lapstrake doctor");
    }
    let place = Place::new();
    place.file(
        "build.nix",
        r#"# syntax=nix
{ most ? 10 }:
let
  inherit (withImage (image "base")) runCommand buildImage buildLayeredImage;
  tool = runCommand "tool" { } "echo tool > $out";
  library = runCommand "library" { } "mkdir $out; echo library > $out/text";
  program = runCommand "program" { } ''
    cat ${tool} > /dev/null
    mkdir -p $out/bin $out/share
    printf '#!/bin/sh\ncat ${library}/text\n' > $out/bin/program
    chmod +x $out/bin/program
    echo program > $out/share/program
  '';
  data = writeTextDir "share/data" "data";
  contents = [ program data ];
in
{
  layered = buildLayeredImage {
    name = "layered";
    inherit contents;
    extraCommands = "mkdir tmp; ls share > names";
    maxLayers = most;
  };
  whole = buildImage {
    name = "whole";
    fromImage = image "base";
    copyToRoot = contents;
    runAsRoot = "program > /ran; cat /share/data >> /ran";
    config.Env = [ "PATH=/bin" ];
  };
}
"#,
    );
    let store = |out: &Path| {
        let entries = std::fs::read_dir(out.join("nix/store")).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap()[33..].to_owned())
            .collect();
        names.sort();
        names
    };
    let (out, _) = place.build_local(&["-f", "context/build.nix", "-A", "layered"]);
    assert_eq!(store(&out), ["data", "library", "program"]);
    assert_eq!(read(out.join("names")), "data\nprogram\n");
    let link = std::fs::read_link(out.join("bin/program")).unwrap();
    assert!(
        link.to_str().unwrap().ends_with("-program/bin/program"),
        "{link:?}"
    );

    let (out, _) = place.build_local(&["-f", "context/build.nix", "-A", "whole"]);
    assert_eq!(store(&out), ["data", "library", "program"]);
    assert_eq!(read(out.join("ran")), "library\ndata");
    assert_eq!(read(out.join("share/program")), "program\n");

    for (most, expected) in [("10", 5), ("3", 3)] {
        let layout = place.path(format!("layout-{most}"));
        let output = format!("type=oci,tar=false,dest={}", layout.display());
        place
            .build(&[
                "-f",
                "context/build.nix",
                "-A",
                "layered",
                "--arg",
                "most",
                most,
                "-o",
                &output,
            ])
            .ok();
        assert_eq!(layers(&layout), expected, "maxLayers {most}");
    }
}

/// How many layers the only image of a layout has.
fn layers(layout: &Path) -> usize {
    let blob = |digest: &serde_json::Value| {
        let hex = digest.as_str().unwrap().strip_prefix("sha256:").unwrap();
        serde_json::from_str::<serde_json::Value>(&read(layout.join("blobs/sha256").join(hex))).unwrap()
    };
    let index: serde_json::Value = serde_json::from_str(&read(layout.join("index.json"))).unwrap();
    let mut found = blob(&index["manifests"][0]["digest"]);
    if found["layers"].is_null() {
        found = blob(&found["manifests"][0]["digest"]);
    }
    found["layers"].as_array().unwrap().len()
}

#[test]
fn what_has_another_hash_is_refused() {
    if !can_run_containers() {
        skip!("containers do not work here: see lapstrake doctor");
    }
    let place = Place::new();
    let write = |hash: &str| {
        place.file(
            "build.nix",
            format!(
                r#"# syntax=nix
(withImage (image "base")).runCommand "fixed" {{ outputHashMode = "recursive"; outputHash = "{hash}"; }} "mkdir $out; echo hello > $out/a; ln -s a $out/b"
"#
            ),
        );
    };
    write("sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
    let ran = place
        .build(&["-f", "context/build.nix"])
        .fails(1, &["hash mismatch"]);
    let found = ran.stderr.split("and has ").nth(1).unwrap();
    let found: String = found.chars().take_while(|c| !c.is_whitespace()).collect();
    write(&found);
    let (out, _) = place.build_local(&["-f", "context/build.nix"]);
    assert_eq!(read(out.join("b")), "hello\n");
}

#[test]
fn values_are_printed() {
    let place = Place::new();
    place
        .file("lib.nix", "{ double = x: x * 2; }")
        .file(
            "build.nix",
            "# syntax=nix\n{ x ? 1, name ? \"none\" }: { value = (import ./lib.nix).double x; inherit name; set.a = [ true null ]; }",
        );
    let eval = |more: &[&str]| {
        let call = ["-f", "context/build.nix", "--call", "eval", "--format", "json"];
        let printed = place.build(&[&call, more].concat()).ok().stdout;
        serde_json::from_str::<serde_json::Value>(&printed).unwrap()
    };
    assert_eq!(
        eval(&[]),
        serde_json::json!({"name": "none", "set": {"a": [true, null]}, "value": 2})
    );
    assert_eq!(
        eval(&["--arg", "x", "10 + 11", "--argstr", "name", "some", "-A", "value"]),
        42
    );
    assert_eq!(
        eval(&["--argstr", "name", "some \"x\"", "-A", "name"]),
        "some \"x\""
    );
    place.dockerfile("FROM scratch\nCOPY lib.nix /\n");
    let words = ["--arg", "x", "1"];
    place
        .build(&words)
        .fails(2, &["the frontend dockerfile takes no --arg", "--build-arg"]);
    place
        .build(&["-A", "x"])
        .fails(2, &["the frontend dockerfile takes no --attr"]);
}
