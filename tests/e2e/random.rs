//! Random Dockerfiles over a small context and random edits: what a cache with a history gives is what an empty one does,
//! layer by layer and but for the times at which commands ran; and a build that is made again runs nothing.
//!
//! LAPSTRAKE_RANDOM_SEED=N tries that one seed instead of the usual few.

use std::fmt::Write as _;
use std::io::Read as _;
use std::path::Path;

use lapstrake_tests::{Place, can_run_containers, layout, skip};
use serde_json::Value;

const SEEDS: std::ops::Range<u64> = 1..5;
const EDITS: usize = 5;
const FILES: [&str; 6] = ["a", "b", "dir/c", "dir/d", "dir/sub/e", "other/f"];

/// Numbers that look random and are the same each time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end
    }

    fn of<'a>(&mut self, list: &[&'a str]) -> &'a str {
        list[self.below(list.len())]
    }
}

/// A Dockerfile that is edited line by line.
struct File {
    /// For each stage: whether it stands on the one before, and its lines.
    stages: Vec<(bool, Vec<String>)>,
}

impl File {
    fn new(numbers: &mut Numbers) -> Self {
        let mut stages = Vec::new();
        for stage in 0..2 + numbers.below(3) {
            let lines = (0..1 + numbers.below(4)).map(|_| line(numbers, stage)).collect();
            stages.push((stage > 0 && numbers.below(2) == 0, lines));
        }
        Self { stages }
    }

    fn text(&self) -> String {
        let mut text = String::new();
        for (stage, (continued, lines)) in self.stages.iter().enumerate() {
            match stage.checked_sub(1) {
                Some(before) if *continued => writeln!(text, "FROM s{before} AS s{stage}").unwrap(),
                _ => writeln!(text, "FROM base AS s{stage}").unwrap(),
            }
            lines.iter().for_each(|line| writeln!(text, "{line}").unwrap());
        }
        text
    }

    fn edit(&mut self, numbers: &mut Numbers) {
        let stage = numbers.below(self.stages.len());
        let lines = &mut self.stages[stage].1;
        let place = numbers.below(lines.len());
        match numbers.below(4) {
            0 => lines.insert(place, line(numbers, stage)),
            1 if lines.len() > 1 => drop(lines.remove(place)),
            2 => lines.rotate_left(1),
            _ => lines[place] = line(numbers, stage),
        }
    }
}

/// One instruction; those that take something of another stage take what every stage has.
fn line(numbers: &mut Numbers, stage: usize) -> String {
    let name = numbers.of(&["x", "y", "z"]);
    let source = numbers.of(&["a", "dir", "dir/sub", ".", "other/f", "dir/*"]);
    let flag = numbers.of(&["", "", "--link ", "--chmod=640 ", "--chown=7:8 "]);
    let earlier = numbers.below(stage.max(1));
    // What is in a tree, with all that a layer keeps of it but times, which SOURCE_DATE_EPOCH only limits.
    let list = "find / -xdev -not -path '/proc*' -not -path '/sys*' -not -path '/dev*' -not -path '/m*' | sort | md5sum";
    match numbers.below(9) {
        0 | 1 => format!("COPY {flag}{source} /{name}/"),
        2 if stage > 0 => format!("COPY {flag}--from=s{earlier} /etc/passwd /{name}/"),
        3 if stage > 0 => {
            format!("RUN --mount=from=s{earlier},source=/etc,target=/m{name} cat /m{name}/* > /{name}.from")
        }
        4 => format!("RUN --mount=target=/m cat /m/{} >> /log", numbers.of(&FILES)),
        5 => {
            format!("RUN mkdir -p /{name} && echo {name}$V >> /{name}/run && ln -f /{name}/run /{name}/link")
        }
        6 => format!("RUN rm -rf /{name}; : > /sum; {list} > /sum"),
        7 => format!("ENV V={name}"),
        _ => format!("WORKDIR /{name}"),
    }
}

fn edit_context(place: &Place, numbers: &mut Numbers, turn: usize) {
    let name = numbers.of(&FILES);
    let path = place.path("context").join(name);
    match numbers.below(4) {
        0 => drop(place.file(name, format!("{turn}"))),
        1 => drop(place.file(format!("dir/new{}", numbers.below(2)), format!("new {turn}"))),
        2 => {
            let mode = [0o600, 0o644, 0o755][numbers.below(3)];
            std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
        }
        // Another time, the same content.
        _ => {
            let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000 + turn as u64);
            std::fs::File::options()
                .write(true)
                .open(&path)
                .unwrap()
                .set_modified(time)
                .unwrap();
        }
    }
}

/// An image in words: its configuration, and each layer's members with all but their times. And what the build said.
fn build(place: &Place, state: &Path, out: &str) -> (Vec<String>, String) {
    let out = place.path(out);
    let spec = format!("type=oci,tar=false,dest={}", out.display());
    let base = lapstrake_tests::base::context();
    let output = place
        .command()
        .env("LAPSTRAKE_ROOT", state)
        .env("SOURCE_DATE_EPOCH", "1500000000")
        .args([
            "build",
            "context",
            "--progress",
            "plain",
            "--build-context",
            &base,
            "-o",
            &spec,
        ])
        .output()
        .unwrap();
    let ran = lapstrake_tests::Ran::of(output).ok();
    let blob = |descriptor: &Value| {
        let hex = descriptor["digest"]
            .as_str()
            .unwrap()
            .trim_start_matches("sha256:");
        std::fs::read(out.join("blobs/sha256").join(hex)).unwrap()
    };
    let json = |bytes: Vec<u8>| serde_json::from_slice::<Value>(&bytes).unwrap();
    let index = json(std::fs::read(out.join("index.json")).unwrap());
    let manifest = json(blob(&index["manifests"][0]));
    let mut config = json(blob(&manifest["config"]));
    config["rootfs"] = Value::Null;
    let mut words = vec![config.to_string()];
    for layer in manifest["layers"].as_array().unwrap() {
        words.push("layer".to_owned());
        let packed = blob(layer);
        let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(&*packed));
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let mut data = Vec::new();
            entry.read_to_end(&mut data).unwrap();
            let header = entry.header();
            words.push(format!(
                "{} {:?} {:o} {}:{} {:?} {}",
                entry.path().unwrap().display(),
                header.entry_type(),
                header.mode().unwrap(),
                header.uid().unwrap_or(0),
                header.gid().unwrap_or(0),
                entry.link_name().unwrap(),
                layout::digest(&data),
            ));
        }
    }
    (words, ran.stderr)
}

/// Lines of steps that ran, of plain progress.
fn ran(stderr: &str) -> Vec<String> {
    let words = |line: &str| {
        line.strip_prefix('#')
            .map(|line| line.split(' ').map(str::to_owned).collect::<Vec<_>>())
    };
    let done: Vec<String> = stderr
        .lines()
        .filter_map(words)
        .filter(|words| words.get(1).is_some_and(|word| word == "DONE"))
        .map(|words| words[0].clone())
        .collect();
    stderr
        .lines()
        .filter(|line| {
            let step = words(line).is_some_and(|words| done.contains(&words[0]));
            step && ["RUN ", "COPY ", "WORKDIR "]
                .iter()
                .any(|word| line.contains(&format!("] {word}")))
        })
        .map(str::to_owned)
        .collect()
}

#[test]
fn a_cache_with_a_history_gives_what_an_empty_one_does() {
    if !can_run_containers() {
        skip!("containers do not work here: see lapstrake doctor");
    }
    let only = std::env::var("LAPSTRAKE_RANDOM_SEED")
        .ok()
        .map(|seed| seed.parse().unwrap());
    for seed in only.map_or(SEEDS, |seed: u64| seed..seed + 1) {
        let mut numbers = Numbers(seed);
        let place = Place::new();
        for name in FILES {
            place.file(name, name);
        }
        let mut file = File::new(&mut numbers);
        for turn in 0..EDITS {
            place.dockerfile(&file.text());
            let (image, _) = build(&place, &place.state(), &format!("out/{turn}"));
            let (again, stderr) = build(&place, &place.state(), &format!("out/{turn}-again"));
            assert_eq!(
                ran(&stderr),
                [] as [String; 0],
                "seed {seed}, turn {turn}:\n{stderr}\n{}",
                file.text()
            );
            let (fresh, _) = build(
                &place,
                &place.path(format!("fresh-{turn}")),
                &format!("out/{turn}-fresh"),
            );
            assert_eq!(image, again, "seed {seed}, turn {turn}:\n{}", file.text());
            assert_eq!(image, fresh, "seed {seed}, turn {turn}:\n{}", file.text());
            if numbers.below(2) == 0 {
                edit_context(&place, &mut numbers, turn);
            } else {
                file.edit(&mut numbers);
            }
        }
    }
}
