//! What a Nix build file takes from elsewhere, for real: downloads with their hashes, archives, repositories, filtered
//! directories and images of a registry.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use lapstrake_tests::gated::Gated;
use lapstrake_tests::repository::Repository;
use lapstrake_tests::web::{Page, Web};
use lapstrake_tests::{Place, base, find_program, skip};

/// Of `hello` and a line end, by openssl.
const SHA256: &str = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03";
const SHA256_SRI: &str = "sha256-WJG1tSLV3whtD/CxEPvZ0hu0/HFjrzTQgoai6Eb2vgM=";
const SHA512_SRI: &str =
    "sha512-58IrmUxZ2c8rSOVJseJGZmNgRZMNPafBrLKZ0cO3+TH5Sq5B7dosKyB6NuEPi8uNRSI+VIePWzFufOO2vAGWKQ==";
/// Of the program `tool`, by `nix-hash`: of the archive that Nix makes of it.
const TOOL: &str = "sha256-90r4O+kpBx57ox+9QwQc6gljURw6ay0uaacffLhuBB0=";
/// Of the files of `archive`, likewise.
const TREE_SHA256: &str = "sha256-ZVEiUjBVPWmSYJyTTT7PaUS+MDbyIlq0IWy9/flHO+w=";
const TREE_SHA512: &str =
    "sha512-mzmDy7JsVnls3brG+upEIy4LTcwY+eZLsQavWGyl3d6y3R7sYKjOD0QA6O2GcWpjNGnkBBpQh0EkTnFuuvnIeg==";
/// Nothing's.
const OTHER: &str = "sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

fn read(path: impl AsRef<Path>) -> String {
    let path = path.as_ref();
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The only file of a directory: something of the store that is a file is called there as in the store.
fn only(folder: &Path) -> PathBuf {
    let mut entries = std::fs::read_dir(folder).unwrap();
    let first = entries.next().unwrap().unwrap().path();
    assert!(entries.next().is_none(), "{}", folder.display());
    first
}

/// A directory `top` with a file, a program and a link, packed by gzip.
fn archive() -> Vec<u8> {
    let packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let mut tar = tar::Builder::new(packed);
    let mut add = |name: &str, kind: tar::EntryType, mode: u32, data: &str| {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_mtime(1_600_000_000);
        if kind == tar::EntryType::Symlink {
            header.set_size(0);
            return tar.append_link(&mut header, name, data).unwrap();
        }
        header.set_size(data.len() as u64);
        tar.append_data(&mut header, name, data.as_bytes()).unwrap();
    };
    add("top/f", tar::EntryType::Regular, 0o640, "hello\n");
    add(
        "top/d/run",
        tar::EntryType::Regular,
        0o755,
        "#!/bin/sh\necho ran\n",
    );
    add("top/l", tar::EntryType::Symlink, 0o777, "f");
    tar.into_inner().unwrap().finish().unwrap()
}

#[test]
fn downloads_are_what_their_hashes_say() {
    let (place, web) = (Place::new(), Web::new());
    web.put("f.txt", Page::of("hello\n"));
    let write = |attributes: &str| {
        let url = web.url("f.txt");
        let text = format!("# syntax=nix\nfetchurl {{\n  url = \"{url}\";\n  {attributes}\n}}\n");
        place.file("default.nix", text);
    };
    for hash in [
        String::new(),
        format!("sha256 = \"{SHA256}\";"),
        format!("sha256 = \"{SHA256_SRI}\";"),
        format!("hash = \"{SHA256_SRI}\";"),
        format!("hash = \"{SHA512_SRI}\";"),
        format!("sha512 = \"{SHA512_SRI}\";"),
    ] {
        write(&hash);
        let (out, _) = place.build_local(&["-f", "context/default.nix"]);
        let file = only(&out);
        assert!(file.to_str().unwrap().ends_with("-f.txt"), "{}", file.display());
        assert_eq!(read(&file), "hello\n", "{hash}");
        let metadata = std::fs::metadata(&file).unwrap();
        assert_eq!((metadata.mode() & 0o777, metadata.mtime()), (0o444, 1), "{hash}");
    }
    // What is there by its hash is not asked for again.
    web.take_lines();
    write(&format!("sha256 = \"{SHA256}\";"));
    place.build(&["-f", "context/default.nix"]).ok();
    assert_eq!(web.take_lines(), Vec::<String>::new());

    // Another content, of both functions: the error is where the build file asks for it.
    web.put("f.txt", Page::of("hallo\n"));
    let place = Place::new();
    let write = |attributes: &str| {
        let url = web.url("f.txt");
        let text = format!("# syntax=nix\nfetchurl {{\n  url = \"{url}\";\n  {attributes}\n}}\n");
        place.file("default.nix", text);
        place.build(&["-f", "context/default.nix"])
    };
    write(&format!("sha256 = \"{SHA256}\";")).fails(1, &[SHA256, "default.nix:2"]);
    write(&format!("sha512 = \"{SHA512_SRI}\";")).fails(
        1,
        &[
            "hash mismatch",
            SHA512_SRI,
            "default.nix:2:1",
            "write its hash into the build file",
        ],
    );
    // Hashes that prove nothing are refused before anybody is asked.
    web.take_lines();
    write("md5 = \"b1946ac92492d2347c6235b4d2611184\";").fails(
        1,
        &["md5 proves nothing", "default.nix:4:3", "use sha256 or sha512"],
    );
    write("sha1 = \"f572d396fae9206628714fb2ce00f72e94f2258f\";")
        .fails(1, &["sha1 proves nothing", "default.nix:4:3"]);
    write("sha25 = \"x\";").fails(
        1,
        &[
            "fetchurl takes no 'sha25'",
            "did you mean 'sha256'?",
            "default.nix:4:3",
        ],
    );
    assert_eq!(web.take_lines(), Vec::<String>::new());
    place.assert_clean();
}

#[test]
fn a_program_that_is_fetched_has_the_hash_that_nix_gives_it() {
    let (place, web) = (Place::new(), Web::new());
    web.put("tool", Page::of("tool\n"));
    let write = |hash: &str| {
        let url = web.url("tool");
        place.file(
            "default.nix",
            format!("# syntax=nix\nfetchurl {{ url = \"{url}\"; executable = true; hash = \"{hash}\"; }}\n"),
        );
    };
    write(TOOL);
    let (out, _) = place.build_local(&["-f", "context/default.nix"]);
    assert_eq!(std::fs::metadata(only(&out)).unwrap().mode() & 0o777, 0o555);
    write(SHA256_SRI);
    place
        .build(&["-f", "context/default.nix"])
        .fails(1, &["hash mismatch", TOOL]);
}

#[test]
fn archives_are_unpacked_and_compared() {
    let (place, web) = (Place::new(), Web::new());
    web.put("a.tar.gz", Page::of(archive()));
    let write = |attributes: &str| {
        let url = web.url("a.tar.gz");
        let text = format!("# syntax=nix\nfetchTarball {{ url = \"{url}\"; {attributes} }}\n");
        place.file("default.nix", text);
    };
    for hash in [
        String::new(),
        format!("sha256 = \"{TREE_SHA256}\";"),
        format!("hash = \"{TREE_SHA512}\";"),
    ] {
        write(&hash);
        let (out, _) = place.build_local(&["-f", "context/default.nix"]);
        assert_eq!(read(out.join("l")), "hello\n", "{hash}");
        for (name, mode) in [("f", 0o444), ("d/run", 0o555)] {
            let metadata = std::fs::metadata(out.join(name)).unwrap();
            assert_eq!((metadata.mode() & 0o777, metadata.mtime()), (mode, 1), "{name}");
        }
    }
    write(&format!("sha256 = \"{OTHER}\";"));
    place
        .build(&["-f", "context/default.nix"])
        .fails(1, &["hash mismatch", OTHER, TREE_SHA256, "default.nix:2:1"]);
    // Nix wants one directory at the top.
    web.put("a.tar.gz", Page::of(two_files()));
    write("");
    place
        .build(&["-f", "context/default.nix"])
        .fails(1, &["one directory at its top", "default.nix:2:1"]);
}

/// An archive with two files at its top.
fn two_files() -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for name in ["a", "b"] {
        let mut header = tar::Header::new_gnu();
        header.set_size(0);
        header.set_mode(0o644);
        tar.append_data(&mut header, name, &[][..]).unwrap();
    }
    tar.into_inner().unwrap()
}

#[test]
fn repositories_are_fetched_at_what_is_named() {
    if find_program("git").is_none() {
        skip!("git is not installed");
    }
    let (place, web) = (Place::new(), Web::new());
    let repository = Repository::new(&place.path("repositories/r.git"));
    let first = repository.file("f", "one").file("lib.nix", "1").commit();
    repository.git(&["tag", "v1"]);
    repository.file("f", "two").commit();
    web.serve_git(&place.path("repositories"), None);
    let write = |attributes: &str| {
        let url = web.url("git/r.git");
        let text = format!(
            "# syntax=nix\nlet\n  source = fetchGit {{ url = \"{url}\"; {attributes} }};\nin\n{{\n  default = source;\n  \
             names = [ (source.rev or \"none\") (source.shortRev or \"none\") ];\n}}\n"
        );
        place.file("default.nix", text);
    };
    for (attributes, expected) in [
        (String::new(), "two"),
        ("ref = \"refs/tags/v1\";".to_owned(), "one"),
        ("ref = \"v1\"; shallow = true;".to_owned(), "one"),
        (format!("rev = \"{first}\"; allRefs = true;"), "one"),
    ] {
        write(&attributes);
        let (out, _) = place.build_local(&["-f", "context/default.nix"]);
        assert_eq!(read(out.join("f")), expected, "{attributes}");
        assert!(!out.join(".git").exists());
        assert_eq!(std::fs::metadata(out.join("f")).unwrap().mtime(), 1);
    }
    let printed = place.build(&["-f", "context/default.nix", "--call", "eval", "-A", "names"]);
    assert_eq!(
        printed.ok().stdout.trim(),
        format!("[ \"{first}\" \"{}\" ]", &first[..7])
    );
    write("ref = \"none\";");
    place
        .build(&["-f", "context/default.nix"])
        .fails(1, &["none", "default.nix:3:12"]);
    write("branch = \"main\";");
    place
        .build(&["-f", "context/default.nix"])
        .fails(1, &["fetchGit takes no 'branch'"]);
}

#[test]
fn a_filtered_directory_is_brought_in_without_what_is_left_out() {
    let place = Place::new();
    place
        .file("src/keep", "1")
        .file("src/drop.o", "2")
        .file("src/sub/keep", "3")
        .file("src/sub/drop.o", "4")
        .file("src/target/all", "5")
        .file("src/with [x]*", "6")
        .file(
            "default.nix",
            r#"# syntax=nix
let
  wanted = path: type:
    !(type == "directory" && baseNameOf path == "target")
    && builtins.match ".*\\.o" path == null
    && baseNameOf path != "with [x]*";
in
{
  default = builtins.filterSource wanted ./src;
  path = builtins.path { path = ./src; name = "other"; filter = wanted; };
}
"#,
        );
    for attribute in ["default", "path"] {
        let (out, _) = place.build_local(&["-f", "context/default.nix", "-A", attribute]);
        let (_, _) = (read(out.join("keep")), read(out.join("sub/keep")));
        for gone in ["drop.o", "sub/drop.o", "target", "with [x]*"] {
            assert!(!out.join(gone).exists(), "{attribute}: {gone}");
        }
    }
    // What is left out makes no difference, and what is not does.
    place.file("src/drop.o", "changed");
    let (_, ran) = place.build_local(&["-f", "context/default.nix"]);
    assert_eq!(ran.count("CACHED"), 1, "{}", ran.stderr);
    place.file("src/keep", "changed");
    let (out, ran) = place.build_local(&["-f", "context/default.nix"]);
    assert_eq!(ran.count("CACHED"), 0, "{}", ran.stderr);
    assert_eq!(read(out.join("keep")), "changed");
}

#[test]
fn an_image_is_pulled_by_the_names_that_nixpkgs_gives_its_parts() {
    let place = Place::new();
    let registry = Gated::start(base::busybox());
    let folder = base::busybox().join("index.json");
    let index: serde_json::Value = serde_json::from_str(&read(folder)).unwrap();
    let manifest = &index["manifests"][0];
    registry.tag("team/base:1", manifest);
    let (host, digest) = (&registry.host, manifest["digest"].as_str().unwrap());
    place.config(&format!("[registry.\"{host}\"]\nhttp = true\n"));
    for name in [
        format!("imageDigest = \"{digest}\"; sha256 = \"{OTHER}\"; finalImageTag = \"mine\";"),
        "finalImageTag = \"1\";".to_owned(),
    ] {
        place.file(
            "default.nix",
            format!(
                "# syntax=nix\nbuildImage {{\n  name = \"x\";\n  fromImage = dockerTools.pullImage {{\n    imageName = \
                 \"{host}/team/base\";\n    {name}\n  }};\n}}\n"
            ),
        );
        let (out, _) = place.build_local(&["-f", "context/default.nix"]);
        assert!(out.join("bin/busybox").is_file(), "{name}");
    }
}
