//! Sources to vertices: parts of contexts, downloads, repositories. What an archive holds at its top, and whether
//! something is what its hash says, is found out by getting it. Knows nothing of derivations beyond their hashes.

use lapstrake_sdk::types::*;
use lapstrake_sdk::{Graph, Reference, State};

use super::error::LowerError;
use super::hash::{Algorithm, Hash};
use super::item::{Git, Http, Item, Local, Origin};
use super::lowering::{Lowering, into_store};
use super::nar;
use super::store_path::{HashMode, StorePath};

impl Lowering<'_> {
    /// Adds all sources among some paths.
    pub(super) fn add_sources(&mut self, paths: &[StorePath]) -> Result<(), LowerError> {
        let mut archives = Vec::new();
        for path in paths {
            let Item::Source(source) = self.store.item(path)? else {
                continue;
            };
            self.current = Some(path.clone());
            let tree = match &source.origin {
                Origin::Local(local) => self.local(path, local)?,
                Origin::Git(git) => self.git(path, git),
                Origin::Http(http) if http.unpack => {
                    let tree = self.placed(path, self.unpacked(path, http));
                    archives.push((path.clone(), tree));
                    continue;
                }
                Origin::Http(http) => self.download(path, http),
            };
            self.insert(path, tree);
        }
        let trees: Vec<(StorePath, State)> = archives;
        self.current = trees.first().map(|(path, _)| path.clone());
        for ((path, tree), reference) in trees.iter().zip(self.solve(&trees)?) {
            self.current = Some(path.clone());
            let top = single_directory(reference.as_ref(), path)?;
            let from = format!("/{top}");
            let changes = self
                .graph
                .scratch()
                .file()
                .copy_with(tree, into_store(&from, path));
            let tree = changes.done().name(format!("[{}] {top}", path.name()));
            self.insert(path, tree);
        }
        Ok(())
    }

    fn local(&self, path: &StorePath, local: &Local) -> Result<State, LowerError> {
        let below = |pattern: &String| format!("{}/{pattern}", escaped(&local.path).trim_start_matches('/'));
        let (mut include, exclude): (Vec<String>, Vec<String>) = (
            local.include.iter().map(below).collect(),
            local.exclude.iter().map(below).collect(),
        );
        if include.is_empty() && local.path != "/" {
            include.push(escaped(local.path.trim_start_matches('/')));
        }
        let trim = |patterns: Vec<String>| -> Vec<String> {
            patterns
                .into_iter()
                .map(|p| p.trim_start_matches('/').to_owned())
                .collect()
        };
        let (include, exclude) = (trim(include), trim(exclude));
        let mut copy = into_store(&local.path, path);
        let files = match &local.context {
            ContextSource::Local(name) => self.graph.source(
                SourceOp::Local(LocalSource {
                    name: name.clone(),
                    include_patterns: include,
                    exclude_patterns: exclude,
                    ..LocalSource::default()
                }),
                None,
            ),
            other => {
                copy.include_patterns.clone_from(&local.include);
                copy.exclude_patterns.clone_from(&local.exclude);
                context(self.graph, other, &[]).map_err(|message| LowerError::Read {
                    path: path.to_string(),
                    message,
                })?
            }
        };
        let files = self.placed(path, files.name(format!("context {}", local.path)));
        let changes = self.graph.scratch().file().copy_with(&files, copy);
        Ok(changes.done().name(format!("[{}] {}", path.name(), local.path)))
    }

    fn git(&self, path: &StorePath, git: &Git) -> State {
        let is_ssh = git.remote.starts_with("ssh://") || !git.remote.contains("://");
        let source = GitSource {
            remote: git.remote.clone(),
            git_ref: git.reference.clone(),
            skip_submodules: !git.submodules,
            // The secrets that BuildKit's clients know by these names.
            auth_token_secret: Some("GIT_AUTH_TOKEN".to_owned()),
            auth_header_secret: Some("GIT_AUTH_HEADER".to_owned()),
            mount_ssh_sock: is_ssh.then(|| "default".to_owned()),
            ..GitSource::default()
        };
        let files = self.graph.source(SourceOp::Git(source), None);
        let files = self.placed(path, files.name(format!("git {}", git.remote)));
        let changes = self
            .graph
            .scratch()
            .file()
            .copy_with(&files, into_store("/", path));
        changes.done().name(format!("[{}] commit", path.name()))
    }

    fn download(&self, path: &StorePath, http: &Http) -> State {
        let file = downloaded(self.graph, &http.url, http.sha256.as_ref(), path.name());
        let file = self.placed(path, file);
        let mut copy = into_store(&format!("/{}", path.name()), path);
        copy.mode = Some(FileMode::Octal(if http.executable { 0o555 } else { 0o444 }));
        let changes = self.graph.scratch().file().copy_with(&file, copy);
        changes.done().name(format!("[{}] file", path.name()))
    }

    fn unpacked(&self, path: &StorePath, http: &Http) -> State {
        let file = downloaded(self.graph, &http.url, http.sha256.as_ref(), "archive");
        let file = self.placed(path, file);
        let copy = CopyAction {
            src_path: "/archive".to_owned(),
            dst_path: "/".to_owned(),
            unpack_archive: true,
            ..CopyAction::default()
        };
        let changes = self.graph.scratch().file().copy_with(&file, copy);
        changes.done().name(format!("[{}] unpack", path.name()))
    }

    /// Gets some trees, all at the same time.
    pub(super) fn solve(&self, trees: &[(StorePath, State)]) -> Result<Vec<Box<dyn Reference>>, LowerError> {
        let Some((first, _)) = trees.first() else {
            return Ok(Vec::new());
        };
        let edges: Vec<Edge> = trees.iter().filter_map(|(_, tree)| tree.edge()).collect();
        let (definition, roots) = self.graph.definition(&edges);
        let failed = |message: String| LowerError::Solve {
            path: first.to_string(),
            message,
        };
        let references = self.host.solve(&definition, &roots).map_err(|error| {
            failed(match error {
                SolveError::InvalidDefinition(message)
                | SolveError::Failed(message)
                | SolveError::NotAllowed(message) => message,
                SolveError::Cancelled => "it was cancelled".to_owned(),
            })
        })?;
        if references.len() != trees.len() {
            return Err(failed("the host did not answer".to_owned()));
        }
        Ok(references)
    }

    /// Refuses, before anything is fetched or built, hashes that are not looked at.
    pub(super) fn refuse_weak(&mut self, paths: &[StorePath]) -> Result<(), LowerError> {
        for path in paths {
            let algorithm = self.expected(path)?.map(|(hash, _)| hash.algorithm);
            if let Some(algorithm @ (Algorithm::Md5 | Algorithm::Sha1)) = algorithm {
                self.current = Some(path.clone());
                return Err(LowerError::WeakHash(algorithm.name()));
            }
        }
        Ok(())
    }

    /// The hash of a path that nobody else looks at.
    fn expected(&self, path: &StorePath) -> Result<Option<(Hash, HashMode)>, LowerError> {
        Ok(match self.store.item(path)? {
            Item::Source(source) => source.expected.clone(),
            Item::Output { derivation, .. } => {
                let fixed = &self.store.get_derivation(derivation)?.definition.fixed;
                fixed.as_ref().map(|fixed| (fixed.hash.clone(), fixed.mode))
            }
            _ => None,
        })
    }

    /// Gets everything among some paths whose hash nobody else looks at, and compares.
    pub(super) fn verify(&mut self, paths: &[StorePath]) -> Result<(), LowerError> {
        let mut expected = Vec::new();
        let mut trees = Vec::new();
        for path in paths {
            if let Some(known) = self.expected(path)? {
                expected.push(known);
                trees.push((path.clone(), self.tree(path)?));
            }
        }
        if let Some((first, _)) = trees.first() {
            self.current = Some(first.clone());
        }
        for (((path, _), (hash, mode)), reference) in trees.iter().zip(expected).zip(self.solve(&trees)?) {
            self.current = Some(path.clone());
            let found = found(reference.as_ref(), path, hash.algorithm, mode)?;
            if found != hash {
                return Err(LowerError::Mismatch {
                    path: path.to_string(),
                    expected: hash.sri(),
                    found: found.sri(),
                });
            }
        }
        Ok(())
    }
}

/// A context: all of it or, of a directory of this machine, what the patterns match.
///
/// # Errors
/// It is none that has files, or its address means nothing.
pub(super) fn context(graph: &Graph, context: &ContextSource, patterns: &[String]) -> Result<State, String> {
    Ok(match context {
        ContextSource::Local(name) => {
            let local = LocalSource {
                name: name.clone(),
                include_patterns: patterns
                    .iter()
                    .filter(|pattern| !pattern.is_empty())
                    .cloned()
                    .collect(),
                ..LocalSource::default()
            };
            graph.source(SourceOp::Local(local), None)
        }
        ContextSource::Image(reference) => graph.image(reference.clone()),
        ContextSource::OciLayout(source) => graph.source(SourceOp::OciLayout(source.clone()), None),
        ContextSource::Git(address) => {
            let parsed = lapstrake_sdk::git::parse(address);
            let parsed = parsed.ok_or_else(|| format!("{address} is no address of a repository"))??;
            graph.source(SourceOp::Git(parsed.into_source()), None)
        }
        ContextSource::Http(url) => {
            let archive = downloaded(graph, url, None, "context");
            let copy = CopyAction {
                src_path: "/context".to_owned(),
                dst_path: "/".to_owned(),
                unpack_archive: true,
                ..CopyAction::default()
            };
            let changes = graph.scratch().file().copy_with(&archive, copy);
            changes.done().name(format!("unpack {url}"))
        }
        ContextSource::Target(target) => {
            return Err(format!(
                "the target {target} of the build file is not a context here"
            ));
        }
    })
}

fn downloaded(graph: &Graph, url: &str, sha256: Option<&Hash>, filename: &str) -> State {
    let source = HttpSource {
        url: url.to_owned(),
        checksum: sha256.map(|hash| format!("sha256:{}", hash.hex())),
        filename: Some(filename.to_owned()),
        ..HttpSource::default()
    };
    graph.source(SourceOp::Http(source), None).name(url)
}

fn found(
    reference: &dyn Reference,
    path: &StorePath,
    algorithm: Algorithm,
    mode: HashMode,
) -> Result<Hash, LowerError> {
    match mode {
        HashMode::Flat => nar::file_hash(reference, &path.to_string(), algorithm),
        HashMode::Recursive => nar::hash(reference, &path.to_string(), algorithm),
    }
}

/// The only entry of an archive's top, which must be a directory. So it is with Nix.
fn single_directory(reference: &dyn Reference, path: &StorePath) -> Result<String, LowerError> {
    let failed = |message: String| LowerError::Read {
        path: path.to_string(),
        message,
    };
    let entries = reference
        .read_dir("/", None)
        .map_err(|error| failed(nar::describe(&error)))?;
    match entries.as_slice() {
        [only] if only.kind == FileKind::Directory => Ok(only.name.clone()),
        entries => Err(failed(format!(
            "an archive must have one directory at its top; this one has {} entries there",
            entries.len()
        ))),
    }
}

/// A path as a pattern that matches nothing else.
pub fn escaped(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for c in path.chars() {
        if matches!(c, '*' | '?' | '[' | ']' | '\\' | '!') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}
