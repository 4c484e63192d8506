//! The Dockerfiles of examples/dockerfiles: each is checked without a finding and compiles, with a base that is made here in
//! place of the images that it names. Those that need nothing but a shell are built; the others `make examples` builds.

use std::fs;
use std::path::{Path, PathBuf};

use lapstrake_tests::{Place, Ran, base, can_run_containers, skip};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/dockerfiles")
}

/// An example: its folder, the images that it names, and its options.
struct Example {
    name: String,
    folder: PathBuf,
    images: Vec<String>,
    options: Vec<String>,
}

impl Example {
    fn all() -> Vec<Self> {
        let entries = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
        let mut folders: Vec<PathBuf> = entries.filter(|path| path.join("images").is_file()).collect();
        folders.sort();
        folders.into_iter().map(Self::at).collect()
    }

    fn at(folder: PathBuf) -> Self {
        let words = |name: &str| {
            let text = fs::read_to_string(folder.join(name)).unwrap_or_default();
            text.split_whitespace().map(str::to_owned).collect()
        };
        Self {
            name: folder.file_name().unwrap().to_str().unwrap().to_owned(),
            images: words("images"),
            options: words("options"),
            folder,
        }
    }

    fn run(&self, place: &Place, command: &[&str], more: &[&str]) -> Ran {
        let layout = base::busybox().display();
        let mut run = place.command();
        run.current_dir(&self.folder).args(command).arg(".").args(more);
        // What is only compiled needs no secret.
        for option in self
            .options
            .chunks(2)
            .filter(|option| command != ["llb"] || option[0] != "--secret")
        {
            run.args(option);
        }
        for image in &self.images {
            run.args([
                "--build-context",
                &format!("{image}=oci-layout://{layout}:latest"),
            ]);
        }
        Ran::of(run.output().unwrap())
    }
}

#[test]
fn all_are_checked_and_compiled() {
    let (place, examples) = (Place::new(), Example::all());
    assert!(examples.len() >= 20, "{} examples", examples.len());
    let readme = fs::read_to_string(folder().join("README.md")).unwrap();
    for example in examples {
        let text = fs::read_to_string(example.folder.join("Dockerfile")).unwrap();
        for image in &example.images {
            assert!(text.contains(&format!(" {image}")), "{}: {image}", example.name);
        }
        assert!(
            readme.contains(&format!("[{0}]({0}/Dockerfile)", example.name)),
            "{}",
            example.name
        );
        let checked = example.run(&place, &["build"], &["--check"]);
        assert_eq!(
            (checked.code, checked.stdout.as_str()),
            (0, "Check complete, no warnings found.\n"),
            "{}: {}",
            example.name,
            checked.stderr
        );
        let compiled = example.run(&place, &["llb"], &["--format", "json"]).ok();
        assert!(
            compiled.stdout.contains("\"vertices\""),
            "{}: {}",
            example.name,
            compiled.stdout
        );
    }
    place.assert_clean();
}

#[test]
fn those_that_need_no_network_are_built() {
    if !can_run_containers() {
        skip!("containers do not work here: see lapstrake doctor");
    }
    let place = Place::new();
    let built: Vec<String> = Example::all()
        .into_iter()
        .filter(|example| example.images.iter().all(|image| image.starts_with("busybox:")))
        .map(|example| {
            let output = format!(
                "type=local,dest={}",
                place.path(format!("out/{}", example.name)).display()
            );
            example
                .run(&place, &["build"], &["--progress", "plain", "-o", &output])
                .ok();
            example.name
        })
        .collect();
    assert!(built.len() >= 9, "{built:?}");
    let read = |name: &str| fs::read_to_string(place.path("out").join(name)).unwrap();
    assert_eq!(read("arg-matrix/flavour"), "large\n");
    assert_eq!(read("arg-matrix/version"), "2.0\n");
    assert_eq!(read("copy-link-parents/app/two/src/main"), "two\n");
    assert_eq!(read("healthcheck/srv/index.html"), "well\n");
    assert_eq!(read("heredocs/work/greeting"), "hello, world\n");
    assert_eq!(read("heredocs/work/awk"), "by awk\n");
    assert_eq!(read("heredocs/etc/example/EXPANDED"), "name=world\n");
    assert_eq!(read("heredocs/etc/example/AS-IT-IS"), "name=${NAME}\n");
    assert_eq!(read("named-contexts/etc/example/log.conf"), "level=debug\n");
    assert_eq!(read("named-contexts/etc/motd"), "welcome\n");
    assert_eq!(read("onbuild/app/app.conf"), "key=value\n");
    assert_eq!(read("secret/length").trim(), "15");
    assert!(read("test-and-export/usr/bin/greet").contains("hello from 1.0"));
    let time = fs::metadata(place.path("out/reproducible/data/a")).unwrap();
    assert_eq!(std::os::unix::fs::MetadataExt::mtime(&time), 1_700_000_000);
    place.assert_clean();
}
