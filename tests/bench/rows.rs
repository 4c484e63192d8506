//! What is measured: contexts and Dockerfiles, made anew for each row.

use std::fmt::Write as _;
use std::path::Path;

/// What a build writes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// Nothing but what the tool must keep.
    None,
    /// An OCI archive with gzipped layers.
    OciArchive,
    /// Files in a directory.
    Local,
}

/// One measurement.
pub struct Row {
    /// What it is.
    pub name: &'static str,
    /// Makes the context.
    pub context: fn(&Path),
    /// Changes it before each build.
    pub change: Option<fn(&Path, usize)>,
    /// Whether the same was built before; else the cache is empty.
    pub warm: bool,
    /// Steps at once.
    pub jobs: usize,
    /// What is written.
    pub output: Output,
    /// How often each tool builds.
    pub turns: usize,
    /// Whether a tool that makes a container for each instruction, cached or not, is left out: it would take hours.
    pub only_graphs: bool,
}

const PLAIN: Row = Row {
    name: "",
    context: hello,
    change: None,
    warm: true,
    jobs: 2,
    output: Output::None,
    turns: 5,
    only_graphs: false,
};

/// All rows, in the order of the table.
pub fn rows() -> Vec<Row> {
    vec![
        Row {
            name: "unchanged build, 8 steps",
            turns: 11,
            ..PLAIN
        },
        Row {
            name: "unchanged, 16 stages",
            context: |path| stages(path, 16, "true"),
            turns: 7,
            ..PLAIN
        },
        Row {
            name: "unchanged, 64 stages",
            only_graphs: true,
            context: |path| stages(path, 64, "true"),
            turns: 7,
            ..PLAIN
        },
        Row {
            name: "unchanged, 2,000 instructions",
            only_graphs: true,
            context: long,
            turns: 5,
            ..PLAIN
        },
        Row {
            name: "8 steps, empty cache",
            warm: false,
            ..PLAIN
        },
        Row {
            name: "16 parallel stages of a trivial RUN, empty cache",
            context: |path| stages(path, 16, "true"),
            warm: false,
            jobs: 16,
            turns: 3,
            ..PLAIN
        },
        Row {
            name: "64 parallel stages of a trivial RUN, empty cache",
            context: |path| stages(path, 64, "true"),
            warm: false,
            jobs: 64,
            turns: 3,
            ..PLAIN
        },
        Row {
            name: "100 RUN steps in a chain, empty cache",
            only_graphs: true,
            context: chain,
            warm: false,
            turns: 3,
            ..PLAIN
        },
        Row {
            name: "16 stages that sleep one second, 16 jobs",
            context: |path| stages(path, 16, "sleep 1"),
            warm: false,
            jobs: 16,
            turns: 3,
            ..PLAIN
        },
        Row {
            name: "COPY of 20,000 files (200 MB), empty cache",
            context: many_files,
            warm: false,
            turns: 3,
            ..PLAIN
        },
        Row {
            name: "the same unchanged",
            context: many_files,
            turns: 5,
            ..PLAIN
        },
        Row {
            name: "the same, one file changed",
            context: many_files,
            change: Some(|path, turn| {
                let stamp = std::time::SystemTime::now()
                    .duration_since(std::time::UNIX_EPOCH)
                    .unwrap()
                    .as_nanos();
                std::fs::write(path.join("files/7/77"), format!("changed {turn} {stamp}")).unwrap();
            }),
            turns: 3,
            ..PLAIN
        },
        Row {
            name: "256 MB layer to an OCI archive, gzip, empty cache",
            context: large,
            warm: false,
            output: Output::OciArchive,
            turns: 3,
            ..PLAIN
        },
        Row {
            name: "the same, layer known",
            context: large,
            output: Output::OciArchive,
            turns: 3,
            ..PLAIN
        },
        Row {
            name: "256 MB to a local directory",
            context: large,
            output: Output::Local,
            turns: 3,
            ..PLAIN
        },
    ]
}

fn write(folder: &Path, text: &str) {
    std::fs::write(folder.join("Dockerfile"), text).unwrap();
}

fn hello(folder: &Path) {
    write(
        folder,
        "FROM base AS build\nWORKDIR /src\nCOPY main.txt .\nRUN tr a-z A-Z < main.txt > out.txt\nRUN wc -c out.txt > size.txt\n\
         FROM base\nENV A=1\nCOPY --from=build /src/out.txt /out.txt\nRUN cat /out.txt\nCMD [\"cat\", \"/out.txt\"]\n",
    );
    std::fs::write(folder.join("main.txt"), "hello\n").unwrap();
}

fn stages(folder: &Path, count: usize, command: &str) {
    let mut text = String::new();
    for n in 0..count {
        writeln!(text, "FROM base AS s{n}\nRUN {command} && echo {n} > /out").unwrap();
    }
    text += "FROM scratch\n";
    for n in 0..count {
        writeln!(text, "COPY --from=s{n} /out /{n}").unwrap();
    }
    write(folder, &text);
}

fn chain(folder: &Path) {
    let mut text = "FROM base\n".to_owned();
    for n in 0..100 {
        writeln!(text, "RUN echo {n} > /f{n}").unwrap();
    }
    write(folder, &text);
}

fn long(folder: &Path) {
    let mut text = "FROM scratch\n".to_owned();
    for n in 0..100 {
        writeln!(text, "COPY f /f{n}").unwrap();
    }
    for n in 100..1999 {
        writeln!(text, "ENV V{n}=value-{n}").unwrap();
    }
    write(folder, &text);
    std::fs::write(folder.join("f"), "x").unwrap();
}

/// Bytes that do not compress well, the same in every run.
fn noise(length: usize, mut seed: u64) -> Vec<u8> {
    let mut data = Vec::with_capacity(length + 8);
    while data.len() < length {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        // Half of the bits: as compressible as programs are.
        data.extend_from_slice(&(seed & 0x0f0f_0f0f_0f0f_0f0f).to_le_bytes());
    }
    data.truncate(length);
    data
}

fn many_files(folder: &Path) {
    write(folder, "FROM base\nCOPY files /files\n");
    for directory in 0..100 {
        let path = folder.join(format!("files/{directory}"));
        std::fs::create_dir_all(&path).unwrap();
        for file in 0..200 {
            let data = noise(10_000, (directory * 1000 + file + 1) as u64);
            std::fs::write(path.join(file.to_string()), data).unwrap();
        }
    }
}

fn large(folder: &Path) {
    write(folder, "FROM scratch\nCOPY large /\n");
    std::fs::create_dir_all(folder.join("large")).unwrap();
    for n in 0..16 {
        std::fs::write(folder.join(format!("large/{n}")), noise(16 << 20, n + 1)).unwrap();
    }
}
