//! Puts the templates, the SDKs and the contract into the program, so that `lapstrake frontend new` needs no checkout.
//! Writes a table for `src/project/embedded.rs`. Knows nothing of what the files say, but for the Rust SDK's manifest,
//! which is made to stand alone.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// Folders and files of an SDK that no project needs.
const LEFT_OUT: &[&str] = &[
    "template",
    "test",
    "tests",
    "sdk_test.go",
    "target",
    "node_modules",
    "dist",
    "build",
    "__pycache__",
];

fn main() -> io::Result<()> {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default()).join("../..");
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    let mut table = String::from("const FILES: &[Embedded] = &[\n");
    for language in ["rust", "python", "javascript", "go", "c"] {
        let sdk = root.join("sdk").join(language);
        println!("cargo::rerun-if-changed={}", sdk.display());
        for file in files(&sdk.join("template"), &[])? {
            add(&mut table, language, "Template", &sdk.join("template"), &file);
        }
        for file in files(&sdk, LEFT_OUT)? {
            if language == "rust" && file.ends_with("sdk/rust/Cargo.toml") {
                let own = out.join("sdk-rust-Cargo.toml");
                let alone = standalone(
                    &fs::read_to_string(&file)?,
                    &fs::read_to_string(root.join("Cargo.toml"))?,
                );
                fs::write(&own, alone)?;
                entry(&mut table, language, "Sdk", Path::new("Cargo.toml"), &own);
            } else {
                add(&mut table, language, "Sdk", &sdk, &file);
            }
        }
    }
    let wit = root.join("wit");
    println!("cargo::rerun-if-changed={}", wit.display());
    for file in files(&wit, &[])?
        .iter()
        .filter(|file| file.extension().is_some_and(|end| end == "wit"))
    {
        add(&mut table, "", "Wit", &wit, file);
    }
    table.push_str("];\n");
    fs::write(out.join("embedded.rs"), table)
}

/// All files below a folder, sorted; none where there is no folder.
fn files(folder: &Path, left_out: &[&str]) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    if !folder.is_dir() {
        return Ok(found);
    }
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if left_out.contains(&name.as_str()) || name.ends_with(".egg-info") {
            continue;
        }
        match path.is_dir() {
            true => found.extend(files(&path, &["node_modules", "target", "__pycache__"])?),
            false => found.push(path),
        }
    }
    found.sort();
    Ok(found)
}

fn add(table: &mut String, language: &str, kind: &str, base: &Path, file: &Path) {
    entry(
        table,
        language,
        kind,
        file.strip_prefix(base).unwrap_or(file),
        file,
    );
}

fn entry(table: &mut String, language: &str, kind: &str, name: &Path, file: &Path) {
    let _ = writeln!(
        table,
        "    Embedded {{ language: {language:?}, part: Part::{kind}, path: {:?}, data: include_bytes!({:?}) }},",
        name.display().to_string(),
        file.display().to_string(),
    );
}

/// A manifest without what it inherits from its workspace, and without what only its tests need.
fn standalone(manifest: &str, workspace: &str) -> String {
    let inherited = |section: &str, key: &str| {
        let lines = workspace
            .lines()
            .skip_while(|line| *line != format!("[{section}]"))
            .skip(1);
        let mut lines = lines.take_while(|line| !line.starts_with('['));
        let found = lines.find_map(|line| line.strip_prefix(key)?.trim_start().strip_prefix('='));
        found.map(|value| value.trim().to_owned())
    };
    let (mut out, mut section) = (String::new(), "");
    for line in manifest.lines() {
        if line.starts_with('[') {
            section = line.trim_matches(['[', ']']);
        }
        if matches!(section, "lints" | "dev-dependencies") {
            continue;
        }
        let from = if section == "package" {
            "workspace.package"
        } else {
            "workspace.dependencies"
        };
        let plain = line.strip_suffix(".workspace = true").map(|key| (key, ""));
        let table = || {
            let (key, rest) = line.split_once(" = { workspace = true")?;
            Some((key, rest.trim_end_matches('}').trim()))
        };
        let value = plain.or_else(table).and_then(|(key, rest)| {
            let value = inherited(from, key)?;
            Some(match (rest.is_empty(), value.strip_prefix('{')) {
                (true, _) => format!("{key} = {value}\n"),
                (false, Some(inner)) => {
                    format!("{key} = {{ {}{rest} }}\n", inner.trim_end_matches('}').trim())
                }
                (false, None) => format!("{key} = {{ version = {value}{rest} }}\n"),
            })
        });
        match value {
            Some(value) => out.push_str(&value),
            None => out.push_str(&format!("{line}\n")),
        }
    }
    out
}
