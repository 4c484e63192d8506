//! The example of the Nix language, built and run: a program and its libraries, in an image of what it loads.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use lapstrake_tests::{Place, Ran, base, can_run_containers, skip};

const LIBRARIES: [&str; 10] = [
    "array", "count", "format", "hash", "input", "report", "sort", "sum", "table", "text",
];

fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/nix")
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// The builders that ran, by plain progress.
fn built(ran: &Ran) -> BTreeSet<String> {
    let lines: Vec<&str> = ran.stderr.lines().collect();
    let name = |line: &&str| {
        let (number, rest) = line.strip_prefix('#')?.split_once(' ')?;
        let name = rest.strip_suffix("] build")?.strip_prefix('[')?;
        let done = format!("#{number} DONE");
        lines
            .iter()
            .any(|line| line.starts_with(&done))
            .then(|| name.to_owned())
    };
    lines.iter().filter_map(name).collect()
}

#[test]
fn a_program_and_its_libraries() {
    if !can_run_containers() {
        skip!("containers do not work here: see lapstrake doctor");
    }
    let Some(debian) = base::debian_with_gcc() else {
        skip!("there is no Debian with a compiler: mmdebstrap and root make one");
    };
    let place = Place::new();
    let context = place.path("context");
    copy(&example(), &context);
    let debian = format!("debian=oci-layout://{}:bookworm", debian.display());
    let build = |more: &[&str]| {
        place
            .build(&[&["--build-context", &debian, "-f", "context/default.nix"], more].concat())
            .ok()
    };
    let layout = place.path("layout");
    let output = format!("type=oci,tar=false,dest={}", layout.display());
    let ran = build(&["-t", "words", "-o", &output]);
    let all: BTreeSet<String> = LIBRARIES
        .iter()
        .map(|name| format!("lib{name}"))
        .chain(["libc-runtime", "words"].map(str::to_owned))
        .collect();
    assert_eq!(built(&ran), all);

    // A layer for each library, the program, the C library and the sample, and one with links to the contents.
    let inspected = std::process::Command::new("skopeo")
        .args(["inspect", &format!("oci:{}:latest", layout.display())])
        .output();
    if let Ok(inspected) = inspected {
        let image: serde_json::Value = serde_json::from_slice(&inspected.stdout).unwrap();
        assert_eq!(image["Layers"].as_array().unwrap().len(), LIBRARIES.len() + 4);
    }

    // It runs, in an image without a shell.
    place.dockerfile("FROM words\nRUN [\"/bin/words\", \"/share/sample.txt\"]\n");
    let words = format!("words=oci-layout://{}:latest", layout.display());
    let ran = place.build(&["--build-context", &words]).ok();
    assert!(ran.stderr.contains("plank           18 %"), "{}", ran.stderr);

    // Of a changed library all that use it are built again, and nothing else.
    let file = context.join("libraries/format/format.c");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("%ld %%", "%ld percent")).unwrap();
    let ran = build(&[]);
    let expected = ["libformat", "libreport", "words"].map(str::to_owned);
    assert_eq!(built(&ran), BTreeSet::from(expected));

    // The file checks itself, by running the program in a build.
    std::fs::write(&file, &text).unwrap();
    assert!(built(&build(&["-A", "check"])).contains("words-check"));
}
