//! The same Dockerfiles, built by a Docker Engine's BuildKit and by us, come to the same: configuration and history,
//! files, and the ops of the graph digest for digest.
//!
//! The context is an archive by HTTP: a local one's op names a session, so that no two builds have the same.

pub mod digests;
mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;

use lapstrake_tests::servers::{Engine, Registry};
use lapstrake_tests::web::{Page, Web};
use lapstrake_tests::{Place, base, is_root, skip};
use serde_json::Value;

use self::table::{Scenario, TABLE};
use super::saved::{self, Saved};

/// Both programs and what they build from. The place is dropped last: the engine takes its mounts back there.
struct Both {
    engine: Engine,
    registry: Registry,
    web: Web,
    place: Place,
}

#[test]
fn dockerfiles_come_to_the_same_in_a_real_buildkit() {
    if !is_root() {
        skip!("a Docker Engine needs root");
    }
    let place = Place::new();
    let Some(registry) = Registry::start(&place.path("registry"), None) else {
        skip!("docker-registry is not installed");
    };
    if !registry.push(base::busybox(), "base", None) {
        skip!("skopeo is not installed");
    }
    let Some(engine) = Engine::start(&place.path("engine")) else {
        skip!("there is no Docker Engine here");
    };
    let web = Web::new();
    web.put(
        "file.bin",
        Page::of("binary").header("Last-Modified", "Wed, 01 Jan 2020 00:00:00 GMT"),
    );
    web.put("archive.tar", Page::of(archive(&[("in/side", "x")])));
    web.put("dir/", Page::of("a directory's page"));
    let both = Both {
        engine,
        registry,
        web,
        place,
    };
    both.parent();
    let found: Vec<String> = TABLE.iter().flat_map(|scenario| both.compare(scenario)).collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

impl Both {
    fn text(&self, scenario: &Scenario) -> String {
        let web = self.web.url("");
        scenario
            .dockerfile
            .replace("BASE_TAG", "\0")
            .replace("BASE", &format!("{}/base:latest", self.registry.host))
            .replace('\0', "BASE_TAG")
            .replace("PARENT", &format!("{}/parent:latest", self.registry.host))
            .replace("WEB", web.trim_end_matches('/'))
    }

    /// Makes the base image with triggers.
    fn parent(&self) {
        let folder = self.place.path("context");
        let text = format!(
            "FROM {}/base:latest\nONBUILD ENV A=1\nONBUILD COPY a.txt /$A\nONBUILD RUN echo triggered > /t\nCMD [\"p\"]\n",
            self.registry.host
        );
        std::fs::write(folder.join("Dockerfile"), text).unwrap();
        let name = format!("{}/parent:latest", self.registry.host);
        let folder = folder.to_str().unwrap();
        self.engine.docker(&["build", "-q", "-t", &name, folder]).unwrap();
        self.engine.docker(&["push", &name]).unwrap();
        // So that it is taken from the registry, by its digest.
        self.engine.docker(&["rmi", &name]).unwrap();
    }

    /// Builds with both; returns what is different.
    fn compare(&self, scenario: &Scenario) -> Vec<String> {
        let name = scenario.name;
        let page = format!("{name}.tar");
        self.web.put(&page, Page::of(context(&self.text(scenario))));
        let url = self.web.url(&page);
        let (theirs, their_steps) = match self.theirs(scenario, &url) {
            Ok(theirs) => theirs,
            Err(log) => return vec![format!("{name}: theirs fails:\n{log}")],
        };
        let ours = self.ours(scenario, &url);
        let mut found = documents(scenario, &theirs, &ours);
        for path in theirs
            .files
            .keys()
            .chain(ours.files.keys())
            .collect::<BTreeSet<_>>()
        {
            let what = |saved: &Saved| saved.files.get(path).map(|file| file.what.clone());
            let (theirs, ours) = (what(&theirs), what(&ours));
            if theirs != ours {
                found.push(format!("file {path}\n  theirs: {theirs:?}\n  ours:   {ours:?}"));
            }
        }
        if theirs.layers != ours.layers {
            found.push(format!("{} layers, ours {}", theirs.layers, ours.layers));
        }
        if scenario.other_graph.is_none() {
            found.extend(self.graph(scenario, &url, &their_steps));
        }
        found.into_iter().map(|line| format!("{name}: {line}")).collect()
    }

    /// Builds with the engine; returns the image and the digests of the steps with their names.
    fn theirs(&self, scenario: &Scenario, url: &str) -> Result<(Saved, BTreeMap<String, String>), String> {
        let tag = format!("{}:theirs", scenario.name);
        let mut arguments = vec![
            "build",
            "--no-cache",
            "--progress",
            "plain",
            "--network",
            "none",
            "-t",
            &tag,
        ];
        arguments.extend(scenario.options);
        arguments.push(url);
        let log = self.engine.docker_log(&arguments)?;
        let mut names: BTreeMap<&str, &str> = BTreeMap::new();
        let mut steps = BTreeMap::new();
        for line in log.lines() {
            let Some((number, rest)) = line.split_once(' ').filter(|(number, _)| number.starts_with('#'))
            else {
                continue;
            };
            match rest.strip_prefix("sha256:") {
                Some(hex) if hex.len() == 64 => {
                    let name = names.get(number).copied().unwrap_or_default();
                    steps.insert(rest.to_owned(), name.to_owned());
                }
                _ => {
                    names.entry(number).or_insert(rest);
                }
            }
        }
        let file = self.place.path("theirs.tar");
        self.engine
            .docker(&["save", "-o", file.to_str().unwrap(), &tag])?;
        let saved = saved::read(&file).remove(&tag).unwrap();
        Ok((saved, steps))
    }

    fn ours(&self, scenario: &Scenario, url: &str) -> Saved {
        let tag = format!("{}:ours", scenario.name);
        let file = self.place.path("ours.tar");
        let output = format!("type=docker,dest={}", file.display());
        let mut arguments = vec![
            "build",
            "--progress",
            "plain",
            "--network",
            "none",
            "-t",
            &tag,
            "-o",
            &output,
        ];
        arguments.extend(scenario.options);
        arguments.push(url);
        self.place.run(arguments).ok();
        let mut images = saved::read(&file);
        images.pop_first().unwrap().1
    }

    /// Compares the graph's digests with those of the steps that ran.
    fn graph(&self, scenario: &Scenario, url: &str, theirs: &BTreeMap<String, String>) -> Vec<String> {
        let mut arguments = vec!["llb", "--format", "pb", "--network", "none"];
        arguments.extend(scenario.options);
        arguments.push(url);
        let definition = self.place.run(arguments).ok().bytes;
        let ours: BTreeSet<String> = digests::of(&definition, &digests::linux(base::architecture()))
            .into_iter()
            .collect();
        // The context is unpacked for the Dockerfile even where nothing else is taken from it.
        let is_step = |name: &str| {
            !name.starts_with("[internal]") && name != "exporting to image" && name != "copy /context /"
        };
        let missing = theirs
            .iter()
            .filter(|(digest, name)| is_step(name) && !ours.contains(*digest));
        let mut found: Vec<String> = missing
            .map(|(digest, name)| format!("op {name} ({digest}) is not ours"))
            .collect();
        let more = ours.iter().filter(|digest| !theirs.contains_key(*digest)).count();
        if more > 0 {
            found.push(format!("{more} of our {} ops are not theirs", ours.len()));
        }
        found
    }
}

/// Compares configurations: all but the times and what follows from the bytes of the layers.
fn documents(scenario: &Scenario, theirs: &Saved, ours: &Saved) -> Vec<String> {
    let now: BTreeMap<&str, String> = scenario
        .before
        .iter()
        .map(|(before, now)| (*before, now.replace("ARCH", base::architecture())))
        .collect();
    let strip = |config: &Value| {
        let mut config = config.clone();
        let fields = config.as_object_mut().unwrap();
        fields.remove("created");
        fields.remove("rootfs");
        // This old one writes `null` where it has none; the newer one nothing.
        fields["config"]
            .as_object_mut()
            .unwrap()
            .retain(|_, value| !value.is_null());
        if let Some(history) = fields.get_mut("history").and_then(Value::as_array_mut) {
            history.iter_mut().for_each(|entry| {
                let entry = entry.as_object_mut().unwrap();
                entry.remove("created");
                if let Some(now) = now.get(entry["created_by"].as_str().unwrap_or_default()) {
                    entry.insert("created_by".to_owned(), now.as_str().into());
                }
            });
        }
        config
    };
    let (theirs, ours) = (strip(&theirs.config), strip(&ours.config));
    let mut found = Vec::new();
    for part in ["config", "history"] {
        let (theirs, ours) = (&theirs[part], &ours[part]);
        if theirs != ours {
            found.push(format!("{part}\n  theirs: {theirs}\n  ours:   {ours}"));
        }
    }
    let rest = |document: &Value| {
        let mut document = document.clone();
        let fields = document.as_object_mut().unwrap();
        fields.remove("config");
        fields.remove("history");
        document
    };
    if rest(&theirs) != rest(&ours) {
        found.push(format!("theirs: {}\n  ours:   {}", rest(&theirs), rest(&ours)));
    }
    found
}

/// The context of all scenarios with a Dockerfile.
fn context(dockerfile: &str) -> Vec<u8> {
    let inner = archive(&[("in/side", "x"), ("top", "t")]);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&inner).unwrap();
    let mut tar = tar::Builder::new(Vec::new());
    let mut put = |path: &str, mode: u32, data: &[u8]| {
        let mut header = tar::Header::new_ustar();
        header.set_mode(mode);
        header.set_size(data.len() as u64);
        header.set_mtime(1_500_000_000);
        header.set_uid(77);
        header.set_gid(78);
        match path.strip_suffix('/') {
            Some(_) => header.set_entry_type(tar::EntryType::Directory),
            None => header.set_entry_type(tar::EntryType::Regular),
        }
        tar.append_data(&mut header, path, data).unwrap();
    };
    put("Dockerfile", 0o644, dockerfile.as_bytes());
    put(".dockerignore", 0o644, b"ign/*\n!ign/kept\n");
    put("a.txt", 0o644, b"a");
    put("b.md", 0o600, b"b");
    put("c.md", 0o755, b"c");
    put("with space", 0o644, b"s");
    put("dir/", 0o750, b"");
    put("dir/in", 0o640, b"in");
    put("dir/sub/", 0o755, b"");
    put("dir/sub/deep", 0o644, b"deep");
    put("ign/", 0o755, b"");
    put("ign/kept", 0o644, b"k");
    put("ign/left", 0o644, b"l");
    put("archive.tar", 0o644, &inner);
    put("archive.tgz", 0o644, &gzip.finish().unwrap());
    put("fake.tar", 0o644, b"no archive");
    for (path, target) in [
        ("link-to-file", "a.txt"),
        ("link-to-dir", "dir"),
        ("dir/inner", "sub/deep"),
        ("dir/out", "/a.txt"),
    ] {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        header.set_mode(0o777);
        tar.append_link(&mut header, path, target).unwrap();
    }
    tar.into_inner().unwrap()
}

fn archive(files: &[(&str, &str)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, text) in files {
        let mut header = tar::Header::new_ustar();
        header.set_mode(0o604);
        header.set_uid(11);
        header.set_gid(12);
        header.set_mtime(1_400_000_000);
        header.set_size(text.len() as u64);
        tar.append_data(&mut header, path, text.as_bytes()).unwrap();
    }
    tar.into_inner().unwrap()
}
