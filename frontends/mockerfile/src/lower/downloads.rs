//! Files by HTTP: sources of the graph, with their checksums, and what becomes of them in an image.
//! Knows nothing of how they are fetched.

use lapstrake_sdk::types::{BindMount, CopyAction, HttpSource, MountKind, SourceOp};
use lapstrake_sdk::{State, path};

use super::image::{Builder, Part, Work};
use crate::model::{External, Sha256, Text};

/// What archives' names end with.
const ARCHIVES: [&str; 11] = [
    ".tar",
    ".tar.gz",
    ".tgz",
    ".tar.bz2",
    ".tbz",
    ".tbz2",
    ".tar.xz",
    ".txz",
    ".tar.zst",
    ".tzst",
    ".tar.zstd",
];

/// The last part of an address's path.
pub(super) fn file_name(address: &str) -> &str {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let name = rest
        .split_once('/')
        .map_or("", |(_, path)| path.rsplit('/').next().unwrap_or_default());
    match name {
        "" | "." | ".." => "download",
        name => name,
    }
}

fn is_archive(external: &External) -> bool {
    let name = file_name(&external.src).to_ascii_lowercase();
    let by_name = ARCHIVES.iter().any(|end| name.ends_with(end));
    external.unpack.map_or(by_name, |unpack| unpack.0)
}

impl Builder<'_> {
    /// A file by HTTP; its name in the tree is [`file_name`].
    pub(super) fn download(&self, address: &Text, sha256: Option<&Sha256>, mode: u32) -> State {
        let source = HttpSource {
            url: address.text.clone(),
            checksum: sha256.map(Sha256::digest),
            filename: Some(file_name(address).to_owned()),
            mode: Some(mode),
            ..HttpSource::default()
        };
        self.graph
            .source(SourceOp::Http(source), None)
            .name(format!("download {}", address.text))
            .range(self.findings.range(&address.span))
    }

    /// All files by HTTP of an image, side by side. Those that install something come after the packages, and after
    /// earlier ones whose path they name.
    pub(super) fn externals(&mut self, work: &mut Work<'_>) {
        for external in &work.image.external {
            let file = self.download(&external.src, external.sha256.as_ref(), 0o755);
            let name = file_name(&external.src);
            let is_archive = is_archive(external);
            let mut target = path::join("/", &external.dst);
            if !is_archive && external.dst.ends_with('/') {
                target = path::join(&target, name);
            }
            let part = match external.install.is_empty() {
                true => self.placed(work, external, &file, &target, is_archive),
                false => self.installed(work, external, &file, &target, is_archive),
            };
            work.parts.push(part);
        }
    }

    fn placed(
        &self,
        work: &Work<'_>,
        external: &External,
        file: &State,
        target: &str,
        is_archive: bool,
    ) -> Part {
        let copy = CopyAction {
            src_path: format!("/{}", file_name(&external.src)),
            dst_path: target.to_owned(),
            unpack_archive: is_archive,
            create_dst_path: true,
            timestamp: self.options.epoch.filter(|_| !is_archive),
            ..CopyAction::default()
        };
        let upper = work.start.file().copy_with(file, copy).done();
        let what = match is_archive {
            true => format!("unpack {} to {target}", external.src.text),
            false => format!("add {} as {target}", external.src.text),
        };
        Part {
            lower: work.start.clone(),
            upper: self.noted(work.image, upper, &what, &external.span),
            layers: vec![what],
            path: Some(target.to_owned()),
        }
    }

    fn installed(
        &mut self,
        work: &Work<'_>,
        external: &External,
        file: &State,
        target: &str,
        is_archive: bool,
    ) -> Part {
        let named = |part: &Part| {
            let path = part.path.as_deref();
            path.is_some_and(|path| external.install.iter().any(|command| command.contains(path)))
        };
        let (lower, _) = self.join(work, named);
        // Only while the commands run: of the image it is no part.
        let bind = match is_archive {
            true => {
                let unpack = CopyAction {
                    src_path: format!("/{}", file_name(&external.src)),
                    dst_path: "/".to_owned(),
                    unpack_archive: true,
                    ..CopyAction::default()
                };
                let tree = self.graph.scratch().file().copy_with(file, unpack).done();
                let what = format!("unpack {}", external.src.text);
                BindMount {
                    input: self.noted(work.image, tree, &what, &external.src.span).edge(),
                    ..BindMount::default()
                }
            }
            false => BindMount {
                input: file.edge(),
                selector: format!("/{}", file_name(&external.src)),
                read_only: true,
                ..BindMount::default()
            },
        };
        let mut upper = lower.clone();
        let mut layers = Vec::new();
        for command in &external.install {
            let args = [&work.shell[..], std::slice::from_ref(&command.text)].concat();
            let run = self
                .command(work, &upper, args, &work.env)
                .mount_kind(target, MountKind::Bind(bind.clone()));
            let what = format!("run {}", command.text);
            upper = self.finished(work.image, run, &what, &command.span);
            layers.push(what);
        }
        Part {
            lower,
            upper,
            layers,
            path: Some(target.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::file_name;

    #[test]
    fn names_of_files() {
        assert_eq!(file_name("https://a/b/c.tar.gz?x=/y#z"), "c.tar.gz");
        for address in ["https://a", "https://a/", "https://a/..", "https://a/b/?c"] {
            assert_eq!(file_name(address), "download", "{address}");
        }
    }
}
