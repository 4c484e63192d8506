//! Images that a Nix build file describes: which store paths are in which layer, and what the arguments that nixpkgs'
//! functions have do.

use std::collections::BTreeSet;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use lapstrake_tests::{Place, can_run_containers, skip};
use serde_json::Value;

fn blob(layout: &Path, digest: &Value) -> Vec<u8> {
    let hex = digest.as_str().unwrap().strip_prefix("sha256:").unwrap();
    std::fs::read(layout.join("blobs/sha256").join(hex)).unwrap()
}

/// A layer: its digest, and the names of the store paths that it has, without their hashes.
type Layer = (String, BTreeSet<String>);

/// The layers of the image that an attribute is, lowest first.
fn layers(place: &Place, attribute: &str, more: &[&str]) -> Vec<Layer> {
    let count = std::fs::read_dir(place.path("out")).unwrap().count();
    let layout = place.path(format!("out/layout-{count}"));
    let output = format!("type=oci,tar=false,dest={}", layout.display());
    let words = ["-f", "context/default.nix", "-A", attribute, "-o", &output];
    place.build(&[&words, more].concat()).ok();
    let json = |bytes: Vec<u8>| serde_json::from_slice::<Value>(&bytes).unwrap();
    let index = json(std::fs::read(layout.join("index.json")).unwrap());
    let mut manifest = json(blob(&layout, &index["manifests"][0]["digest"]));
    if manifest["layers"].is_null() {
        manifest = json(blob(&layout, &manifest["manifests"][0]["digest"]));
    }
    let of = |layer: &Value| {
        let packed = blob(&layout, &layer["digest"]);
        let mut tar = Vec::new();
        flate2::read::GzDecoder::new(&packed[..])
            .read_to_end(&mut tar)
            .unwrap();
        let mut names = BTreeSet::new();
        for entry in tar::Archive::new(&tar[..]).entries().unwrap() {
            let path = entry.unwrap().path().unwrap().into_owned();
            if let Ok(inside) = path.strip_prefix("nix/store")
                && let Some(first) = inside.iter().next()
            {
                names.insert(first.to_str().unwrap()[33..].to_owned());
            }
        }
        (layer["digest"].as_str().unwrap().to_owned(), names)
    };
    manifest["layers"].as_array().unwrap().iter().map(of).collect()
}

/// A chain of texts, and two images of it.
const CHAIN: &str = r#"# syntax=nix
{ most ? 10, text ? "leaf" }:
let
  leaf = writeText "leaf" text;
  twig = writeText "twig" "${leaf}";
  branch = writeText "branch" "${twig}";
  tree = writeTextDir "share/tree" "${branch}";
  loose = writeTextDir "share/loose" "loose";
in
{
  one = buildLayeredImage { name = "one"; contents = [ tree loose ]; maxLayers = most; };
  other = buildLayeredImage { name = "other"; contents = [ tree ]; };
  whole = buildImage { name = "whole"; copyToRoot = [ tree loose ]; uid = 3; };
  linked = buildLayeredImage { name = "linked"; contents = [ tree ]; includeStorePaths = false; };
}
"#;

#[test]
fn a_layer_for_each_store_path_and_what_is_too_much_shares_one() {
    let place = Place::new();
    place.file("default.nix", CHAIN);
    let names = |layers: &[Layer]| -> Vec<Vec<String>> {
        layers
            .iter()
            .map(|(_, names)| names.iter().cloned().collect())
            .collect()
    };
    let all = layers(&place, "one", &[]);
    // What most others refer to is lowest; the links to the contents are on top.
    let found = names(&all);
    assert_eq!(found[..3], [["leaf"], ["twig"], ["branch"]]);
    let (mut rest, links) = (found[3..5].to_vec(), &found[5..]);
    rest.sort();
    assert_eq!(rest, [["loose"], ["tree"]]);
    assert_eq!(links, [Vec::<String>::new()]);

    let few = names(&layers(&place, "one", &["--arg", "most", "4"]));
    assert_eq!(few.len(), 4);
    assert_eq!(few[..2], [["leaf"], ["twig"]]);
    assert_eq!(few[2], ["branch", "loose", "tree"]);
    assert_eq!(few[3], Vec::<String>::new());

    // The layers of one image are those of another, and a change changes those alone that have to do with it.
    let other: BTreeSet<Layer> = layers(&place, "other", &[]).into_iter().collect();
    let shared = all.iter().filter(|layer| other.contains(layer)).count();
    assert_eq!(shared, 4);
    let changed: BTreeSet<Layer> = layers(&place, "one", &["--argstr", "text", "other"])
        .into_iter()
        .collect();
    let kept: Vec<_> = all.iter().filter(|layer| changed.contains(layer)).collect();
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].1, BTreeSet::from(["loose".to_owned()]));

    // Another machine at another time makes the same.
    let elsewhere = Place::new();
    elsewhere.file("default.nix", CHAIN);
    for (attribute, more) in [("one", &[][..]), ("one", &["--arg", "most", "4"]), ("whole", &[])] {
        let (here, there) = (
            layers(&place, attribute, more),
            layers(&elsewhere, attribute, more),
        );
        assert_eq!(here, there, "{attribute} {more:?}");
    }

    // Links alone.
    assert_eq!(names(&layers(&place, "linked", &[])), [Vec::<String>::new()]);
    place.assert_clean();
}

#[test]
fn arguments_of_nixpkgs_do_what_they_do_there() {
    if !can_run_containers() {
        skip!("containers do not work here: see lapstrake doctor");
    }
    let place = Place::new();
    place.file(
        "default.nix",
        r##"# syntax=nix
let
  base = image "base";
  tool = writeScript "tool" "#!/bin/sh\necho tool >> /tool\n";
  data = writeTextDir "share/data" "data";
in
{
  owned = buildLayeredImage { name = "owned"; contents = [ data ]; uid = 1000; gid = 100; };
  rooted = buildLayeredImage {
    name = "rooted";
    fromImage = base;
    contents = [ data ];
    enableFakechroot = true;
    fakeRootCommands = "mkdir /made; cat /share/data > /made/data; ${tool}";
  };
  faked = buildLayeredImage {
    name = "faked";
    image = base;
    contents = [ data dockerTools.fakeNss ];
    fakeRootCommands = "echo made > made; cat ${data}/share/data >> made";
  };
  whole = buildImage {
    name = "whole";
    fromImage = base;
    copyToRoot = data;
    uid = 7;
    diskSize = 1024;
    runAsRoot = ''
      #!/bin/sh
      ${tool}
      cat /share/data >> /tool
    '';
  };
}
"##,
    );
    let build = |attribute: &str| place.build_local(&["-f", "context/default.nix", "-A", attribute]);
    let read = |path: &Path| std::fs::read_to_string(path).unwrap();
    let (out, _) = build("owned");
    if lapstrake_tests::is_root() {
        let link = std::fs::symlink_metadata(out.join("share/data")).unwrap();
        assert_eq!((link.uid(), link.gid()), (1000, 100));
        let store = std::fs::read_dir(out.join("nix/store"))
            .unwrap()
            .next()
            .unwrap()
            .unwrap();
        let file = std::fs::metadata(store.path().join("share/data")).unwrap();
        assert_eq!((file.uid(), file.gid()), (1000, 100));
    }
    let (out, _) = build("rooted");
    assert_eq!(read(&out.join("made/data")), "data");
    assert_eq!(read(&out.join("tool")), "tool\n");
    let (out, _) = build("faked");
    assert_eq!(read(&out.join("made")), "made\ndata");
    let users = std::fs::read_link(out.join("etc/passwd")).unwrap();
    assert!(read(&out.join(users.strip_prefix("/").unwrap())).starts_with("root:x:0:0:"));
    let (out, ran) = build("whole");
    assert_eq!(read(&out.join("tool")), "tool\ndata");
    if lapstrake_tests::is_root() {
        assert_eq!(std::fs::metadata(out.join("share/data")).unwrap().uid(), 7);
    }
    // What has no effect is said.
    assert!(ran.stderr.contains("'diskSize' has no effect"), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("no virtual machine is started"),
        "{}",
        ran.stderr
    );
    // The script's own inputs leave nothing in the image.
    let store = std::fs::read_dir(out.join("nix/store")).unwrap();
    let names: Vec<String> = store
        .map(|entry| entry.unwrap().file_name().to_str().unwrap()[33..].to_owned())
        .collect();
    assert_eq!(names, ["data"]);
    place.assert_clean();
}
