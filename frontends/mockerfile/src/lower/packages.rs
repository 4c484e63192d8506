//! Packages of distributions: repositories, their keys, and the commands that install. What package managers download is
//! in caches, never in the image. Knows nothing of other files.

use lapstrake_sdk::types::{CacheSharing, CopyAction, FileMode, KeyValue};
use lapstrake_sdk::{State, path};

use super::downloads::file_name;
use super::image::{Builder, Work};
use super::label;
use crate::check::is_address;
use crate::findings::Span;
use crate::model::{GpgKey, Manager, Package, Text};

/// Where what apt downloads is kept. Not in `archives`, which Debian's images empty after every installation.
const APT_ARCHIVES: &str = "/var/cache/apt/mockerfile";

/// Files that are written before a package manager runs.
#[derive(Default)]
struct Files {
    written: Vec<(String, String)>,
    keys: Vec<(State, String, String)>,
}

/// A command of a package manager.
struct Script {
    text: String,
    env: Vec<KeyValue>,
    caches: &'static [(&'static str, &'static str)],
}

const APT_CACHES: &[(&str, &str)] = &[
    ("/var/cache/apt", "mockerfile-apt"),
    ("/var/lib/apt/lists", "mockerfile-apt-lists"),
];
const APK_CACHES: &[(&str, &str)] = &[("/var/cache/apk", "mockerfile-apk")];
const DNF_CACHES: &[(&str, &str)] = &[
    ("/var/cache/dnf", "mockerfile-dnf"),
    ("/var/cache/libdnf5", "mockerfile-libdnf5"),
];

impl Builder<'_> {
    /// Puts the packages on what an image begins with.
    pub(super) fn packages(&mut self, package: &Package, work: &mut Work<'_>) {
        let manager = package.manager.map_or(Manager::Apt, |choice| choice.0);
        let name = label(work.image);
        let names: Vec<&str> = package
            .install
            .iter()
            .map(|package| package.text.as_str())
            .collect();
        if manager == Manager::Apt && needs_certificates_first(package) {
            // Before the repositories are there: they could not be read.
            let script = apt(&[], &["ca-certificates"]);
            self.install(script, &["ca-certificates"], &package.span, work);
        }
        let mut files = Files::default();
        let script = match manager {
            Manager::Apt => {
                let keys = self.keys(package, &mut files, |index, _| {
                    format!("/etc/apt/keyrings/{name}-{index}.asc")
                });
                if !package.repo.is_empty() {
                    let lines: Vec<String> = package.repo.iter().map(|line| signed_by(line, &keys)).collect();
                    let path = format!("/etc/apt/sources.list.d/{name}.list");
                    files.written.push((path, lines.join("\n") + "\n"));
                }
                apt(&keys, &names)
            }
            Manager::Apk => {
                self.keys(package, &mut files, |_, key| {
                    format!("/etc/apk/keys/{}", file_name_or_path(key))
                });
                apk(&package.repo, &names)
            }
            Manager::Dnf => {
                let keys = self.keys(package, &mut files, |index, _| {
                    format!("/etc/pki/rpm-gpg/{name}-{index}")
                });
                self.dnf_repositories(package, &keys, name, &mut files);
                dnf(&keys, &names)
            }
        };
        self.write(files, package, work);
        if !script.text.is_empty() {
            self.install(script, &names, &package.span, work);
        }
    }

    /// Gives every key its path in the image; returns these.
    fn keys(
        &self,
        package: &Package,
        files: &mut Files,
        path_of: impl Fn(usize, &GpgKey) -> String,
    ) -> Vec<String> {
        let mut paths = Vec::new();
        for (index, key) in (1..).zip(&package.gpg) {
            let target = path_of(index, key);
            let (tree, source) = match (is_address(&key.src), self.context) {
                (true, _) => {
                    let tree = self.download(&key.src, key.sha256.as_ref(), 0o644);
                    (tree, format!("/{}", file_name(&key.src)))
                }
                (false, Some(context)) => (context.clone(), path::join("/", &key.src)),
                (false, None) => continue,
            };
            files.keys.push((tree, source, target.clone()));
            paths.push(target);
        }
        paths
    }

    fn dnf_repositories(&self, package: &Package, keys: &[String], name: &str, files: &mut Files) {
        for (index, repo) in (1..).zip(&package.repo) {
            let target = format!("/etc/yum.repos.d/{name}-{index}.repo");
            if file_name(repo).ends_with(".repo") && is_address(repo) {
                let tree = self.download(repo, None, 0o644);
                files.keys.push((tree, format!("/{}", file_name(repo)), target));
                continue;
            }
            let mut text = format!(
                "[{name}-{index}]\nname={name}-{index}\nbaseurl={}\nenabled=1\n",
                repo.text
            );
            if !keys.is_empty() {
                let addresses: Vec<String> = keys.iter().map(|key| format!("file://{key}")).collect();
                text += &format!("gpgcheck=1\ngpgkey={}\n", addresses.join(" "));
            }
            files.written.push((target, text));
        }
    }

    /// Writes repositories and keys, all in one step.
    fn write(&self, files: Files, package: &Package, work: &mut Work<'_>) {
        if files.written.is_empty() && files.keys.is_empty() {
            return;
        }
        let mut changes = work.stem.file();
        for (tree, source, target) in files.keys {
            changes = changes.copy_with(
                &tree,
                CopyAction {
                    src_path: source,
                    dst_path: target,
                    mode: Some(FileMode::Octal(0o644)),
                    follow_symlink: true,
                    create_dst_path: true,
                    timestamp: self.options.epoch,
                    ..CopyAction::default()
                },
            );
        }
        for (target, text) in files.written {
            if let Some((parent, _)) = target.rsplit_once('/') {
                changes = changes.mkdir(parent);
            }
            changes = changes.write(&target, text);
        }
        let what = "add package repositories";
        let first = package.repo.first().or(package.gpg.first().map(|key| &key.src));
        let span = first.map_or(package.span.clone(), |text| text.span.clone());
        work.stem = self.noted(work.image, changes.done(), what, &span);
        work.stem_layers.push(what.to_owned());
    }

    fn install(&mut self, script: Script, names: &[&str], span: &Span, work: &mut Work<'_>) {
        let mut env = work.base_env.clone();
        env.retain(|pair| script.env.iter().all(|own| own.key != pair.key));
        env.extend(script.env);
        let args = vec!["/bin/sh".to_owned(), "-c".to_owned(), script.text];
        let mounts: Vec<_> = script
            .caches
            .iter()
            .map(|(target, id)| self.cache(target, id, CacheSharing::Locked))
            .collect();
        let run = self
            .bare_command(work, &work.stem.clone(), args, &env)
            .with(|op| {
                op.cwd = "/".to_owned();
                op.mounts.extend(mounts);
            });
        let what = match names {
            [] => "prepare package repositories".to_owned(),
            names => format!("install packages {}", names.join(" ")),
        };
        work.stem = self.finished(work.image, run, &what, span);
        work.stem_layers.push(what);
    }
}

/// Whether repositories are read by TLS with certificates that are installed from the base's own ones.
fn needs_certificates_first(package: &Package) -> bool {
    let installs = package.install.iter().any(|name| name.text == "ca-certificates");
    installs && package.repo.iter().any(|line| line.contains("https://"))
}

/// Adds the keyrings to a line of a sources list, unless it says itself what it trusts.
fn signed_by(line: &str, keys: &[String]) -> String {
    let line = line.trim();
    if keys.is_empty() || line.contains("signed-by=") || line.contains("trusted=") {
        return line.to_owned();
    }
    let option = format!("signed-by={}", keys.join(","));
    let (kind, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let rest = rest.trim_start();
    match rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((options, rest)) => format!("{kind} [{} {option}]{rest}", options.trim()),
        None => format!("{kind} [{option}] {rest}"),
    }
}

/// A word of a shell's command.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', "'\\''"))
}

fn all_quoted(words: &[&str]) -> String {
    words
        .iter()
        .map(|word| quoted(word))
        .collect::<Vec<_>>()
        .join(" ")
}

/// apt takes a keyring named `.asc` for one with armour: keys without are given it.
fn apt(keys: &[String], names: &[&str]) -> Script {
    let mut text = String::new();
    for key in keys {
        let key = quoted(key);
        text += &format!(
            "if ! grep -q '^-----BEGIN PGP' {key}; then\n\
             {{ echo '-----BEGIN PGP PUBLIC KEY BLOCK-----'; echo; base64 {key}; \
             echo '-----END PGP PUBLIC KEY BLOCK-----'; }} > /tmp/keyring.asc\n\
             cat /tmp/keyring.asc > {key}\n\
             rm /tmp/keyring.asc\n\
             fi\n"
        );
    }
    if !names.is_empty() {
        text += &format!(
            "mkdir -p {APT_ARCHIVES}/partial /var/lib/apt/lists/partial\n\
             apt-get -o APT::Update::Error-Mode=any update\n\
             apt-get -o Dir::Cache::Archives={APT_ARCHIVES} -o APT::Keep-Downloaded-Packages=true \
             install -y --no-install-recommends --no-install-suggests {}\n",
            all_quoted(names)
        );
    }
    Script {
        text: strict(text),
        env: vec![KeyValue::new("DEBIAN_FRONTEND", "noninteractive")],
        caches: APT_CACHES,
    }
}

fn apk(repositories: &[Text], names: &[&str]) -> Script {
    let mut text = String::new();
    for repo in repositories {
        text += &format!(
            "printf '%s\\n' {} >> /etc/apk/repositories\n",
            quoted(repo.trim())
        );
    }
    if !names.is_empty() {
        text += &format!(
            "apk add --cache-dir /var/cache/apk --update-cache {}\n",
            all_quoted(names)
        );
    }
    Script {
        text: strict(text),
        env: Vec::new(),
        caches: APK_CACHES,
    }
}

fn dnf(keys: &[String], names: &[&str]) -> Script {
    let mut text = String::new();
    for key in keys {
        text += &format!("/usr/bin/rpm --import {}\n", quoted(key));
    }
    if !names.is_empty() {
        text += &format!(
            "dnf install -y --setopt=install_weak_deps=False --setopt=keepcache=True {}\n",
            all_quoted(names)
        );
    }
    Script {
        text: strict(text),
        env: Vec::new(),
        caches: DNF_CACHES,
    }
}

/// The first command that fails ends the script; no command: no script.
fn strict(text: String) -> String {
    match text.is_empty() {
        true => text,
        false => format!("set -e\n{text}"),
    }
}

/// What a key of apk is called, which is how it is found.
fn file_name_or_path(key: &GpgKey) -> &str {
    match is_address(&key.src) {
        true => file_name(&key.src),
        false => key.src.rsplit('/').next().unwrap_or(&key.src),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_name_their_keyrings() {
        let keys = ["/k/1.asc".to_owned(), "/k/2.asc".to_owned()];
        let with = |line| signed_by(line, &keys);
        assert_eq!(
            with("deb http://a b c"),
            "deb [signed-by=/k/1.asc,/k/2.asc] http://a b c"
        );
        assert_eq!(
            with("deb  [ arch=amd64 ] http://a b"),
            "deb [arch=amd64 signed-by=/k/1.asc,/k/2.asc] http://a b"
        );
        for line in ["deb [signed-by=/x] http://a b", "deb [trusted=yes] http://a b"] {
            assert_eq!(with(line), line);
        }
        assert_eq!(signed_by("deb http://a b", &[]), "deb http://a b");
    }

    #[test]
    fn words_are_quoted_for_the_shell() {
        assert_eq!(all_quoted(&["a", "b'c; d"]), "'a' 'b'\\''c; d'");
    }
}
