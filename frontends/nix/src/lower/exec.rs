//! Derivations to commands: the builder in its root directory, with its inputs and a place for its outputs at
//! `/nix/store`. Knows nothing of how paths are computed.

use std::collections::BTreeMap;

use lapstrake_sdk::State;
use lapstrake_sdk::types::*;

use super::derivation::{Definition, Derivation};
use super::error::LowerError;
use super::hash::Hash;
use super::lowering::{Lowering, into_store, store_directory};
use super::store_path::{STORE, StorePath};

/// Where builders run.
const BUILD: &str = "/build";
/// What an image's programs are searched in, unless it says (Docker's default).
pub(super) const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// Without an image there is nothing to be found: Nix's word for it.
const NO_PATH: &str = "/path-not-set";

impl Lowering<'_> {
    /// The outputs of a derivation, each with its tree.
    pub(super) fn derivation(
        &mut self,
        derivation: &Derivation,
    ) -> Result<Vec<(StorePath, State)>, LowerError> {
        let definition = &derivation.definition;
        let platform = self.platform_of(definition)?;
        let (root, search) = self.builders_root(definition, &platform)?;
        let inputs = self.inputs(definition)?;
        let (files, env) = self.environment(derivation, search);
        let args: Vec<String> = std::iter::once(&definition.builder)
            .chain(&definition.args)
            .map(|arg| filled(arg, derivation))
            .collect();
        let has_network = definition.impure || definition.fixed.is_some();
        let store = BindMount {
            input: inputs.edge(),
            selector: STORE.to_owned(),
            output: true,
            ..BindMount::default()
        };
        let mut run = root.platform(&platform).run(args).with(|op| {
            op.env = env;
            op.cwd = BUILD.to_owned();
            self.surroundings(op, has_network);
            op.hostname = Some("localhost".to_owned());
            // What a builder writes elsewhere is nobody's.
            for mount in &mut op.mounts {
                if let MountKind::Bind(bind) = &mut mount.kind {
                    bind.output = false;
                }
            }
        });
        run = run.mount_kind(STORE, MountKind::Bind(store));
        if let Some(files) = files {
            let files = BindMount {
                input: files.edge(),
                ..BindMount::default()
            };
            run = run.mount_kind(BUILD, MountKind::Bind(files));
        }
        let ran = run.done();
        let built = ran.mounted(STORE).unwrap_or_else(|| self.graph.scratch());
        let built = self.limited(built);
        let built = self
            .annotate(built, derivation)
            .name(format!("[{}] build", self.label(&definition.name)));
        let copy = |(output, path): (&String, &StorePath)| {
            let changes = self.graph.scratch().file();
            let tree = changes
                .copy_with(&built, into_store(&path.to_string(), path))
                .done();
            let tree = tree.name(format!("[{}] output {output}", self.label(&definition.name)));
            (path.clone(), self.annotate(tree, derivation))
        };
        Ok(derivation.outputs.iter().map(copy).collect())
    }

    /// Says where a derivation's vertex comes from.
    fn annotate(&self, state: State, derivation: &Derivation) -> State {
        let state = self.placed(&derivation.path, state);
        self.uncached(state, &derivation.definition.name)
    }

    /// Says that a step runs though it ran before, if the person wants that of all or of what has this name.
    pub(super) fn uncached(&self, state: State, name: &str) -> State {
        match self.options.ignores_cache(name, usize::MAX) {
            true => state.ignore_cache(),
            false => state,
        }
    }

    /// Gives a command what the person said about all commands. Without a network it has none of the proxies either.
    pub(super) fn surroundings(&self, op: &mut ExecOp, has_network: bool) {
        self.options.apply(op);
        if has_network {
            op.network = self.options.network;
        } else {
            op.network = NetworkMode::NoNetwork;
            op.proxy = None;
        }
    }

    /// Says what a command may use of the machine.
    pub(super) fn limited(&self, state: State) -> State {
        match &self.options.resources {
            Some(resources) => state.resources(resources.clone()),
            None => state,
        }
    }

    /// The root directory of a builder, and where it finds programs.
    fn builders_root(
        &mut self,
        definition: &Definition,
        platform: &Platform,
    ) -> Result<(State, String), LowerError> {
        let Some(image) = &definition.image else {
            if StorePath::parse(&definition.builder).is_none() {
                return Err(LowerError::NoImage {
                    name: definition.name.clone(),
                    builder: definition.builder.clone(),
                });
            }
            return Ok((self.graph.scratch(), NO_PATH.to_owned()));
        };
        let root = self.root(image, platform)?;
        let path = root.config.env.iter().rev().find(|pair| pair.key == "PATH");
        let path = path.map_or(DEFAULT_PATH.to_owned(), |pair| pair.value.clone());
        Ok((root.state, path))
    }

    /// Everything that a builder finds in the store.
    fn inputs(&self, definition: &Definition) -> Result<State, LowerError> {
        let empty = self.graph.scratch().file().action(store_directory()).done();
        let mut trees = vec![empty.name("the store")];
        for path in self.store.visible(definition)? {
            trees.push(self.tree(&path)?);
        }
        let merged = self.graph.merge(&trees);
        Ok(match trees.len() {
            1 => merged,
            _ => merged.name(format!("[{}] inputs", self.label(&definition.name))),
        })
    }

    /// The variables of a builder, in the order of their names, and the files that some of them name.
    fn environment(&self, derivation: &Derivation, search: String) -> (Option<State>, Vec<KeyValue>) {
        let definition = &derivation.definition;
        let mut env: BTreeMap<String, String> = [
            ("PATH", search.as_str()),
            ("HOME", "/homeless-shelter"),
            ("NIX_STORE", STORE),
            ("NIX_BUILD_CORES", "1"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        let mut files = Vec::new();
        for (name, value) in definition.variables(&derivation.outputs) {
            let value = filled(&value, derivation);
            if definition.files.iter().any(|file| file == name) {
                let file = format!("{BUILD}/.attr-{}", Hash::sha256(name.as_bytes()).base32());
                env.insert(format!("{name}Path"), file.clone());
                files.push((file, value));
            } else {
                env.insert(name.to_owned(), value);
            }
        }
        for name in ["NIX_BUILD_TOP", "TMPDIR", "TEMPDIR", "TMP", "TEMP", "PWD"] {
            env.insert(name.to_owned(), BUILD.to_owned());
        }
        env.insert("NIX_LOG_FD".to_owned(), "2".to_owned());
        env.insert("TERM".to_owned(), "xterm-256color".to_owned());
        let env = env.into_iter().map(KeyValue::from).collect();
        if files.is_empty() {
            return (None, env);
        }
        let mut changes = self.graph.scratch().file();
        for (file, value) in files {
            changes = changes.write(file.strip_prefix(BUILD).unwrap_or(&file), value);
        }
        let files = changes
            .done()
            .name(format!("[{}] files", self.label(&definition.name)));
        (Some(files), env)
    }

    fn platform_of(&self, definition: &Definition) -> Result<Platform, LowerError> {
        let unknown = || LowerError::UnknownSystem {
            name: definition.name.clone(),
            system: definition.system.clone(),
        };
        let found = platform(&definition.system).ok_or_else(unknown)?;
        let is_same = (&found.os, &found.architecture) == (&self.platform.os, &self.platform.architecture);
        Ok(if is_same { self.platform.clone() } else { found })
    }
}

/// A text with the paths of the outputs where `builtins.placeholder` stands for them.
fn filled(text: &str, derivation: &Derivation) -> String {
    let mut text = text.to_owned();
    for (output, path) in &derivation.outputs {
        let placeholder = format!(
            "/{}",
            Hash::sha256(format!("nix-output:{output}").as_bytes()).base32()
        );
        if text.contains(&placeholder) {
            text = text.replace(&placeholder, &path.to_string());
        }
    }
    text
}

/// Names of processors, as systems and as platforms have them.
const PROCESSORS: [(&str, &str, Option<&str>); 9] = [
    ("x86_64", "amd64", None),
    ("aarch64", "arm64", None),
    ("i686", "386", None),
    ("armv7l", "arm", Some("v7")),
    ("armv6l", "arm", Some("v6")),
    ("riscv64", "riscv64", None),
    ("powerpc64le", "ppc64le", None),
    ("s390x", "s390x", None),
    ("loongarch64", "loong64", None),
];

/// The platform that a system such as `x86_64-linux` is.
pub fn platform(system: &str) -> Option<Platform> {
    let processor = system.strip_suffix("-linux")?;
    let found = PROCESSORS.iter().find(|(name, ..)| *name == processor)?;
    let mut platform = Platform::new("linux", found.1);
    platform.cpu_variant = found.2.map(str::to_owned);
    Some(platform)
}

/// The system that a platform is.
pub fn system(platform: &Platform) -> String {
    let is_it = |(_, architecture, variant): &&(&str, &str, Option<&str>)| {
        *architecture == platform.architecture
            && (variant.is_none()
                || platform.cpu_variant.is_none()
                || *variant == platform.cpu_variant.as_deref())
    };
    let processor = PROCESSORS
        .iter()
        .find(is_it)
        .map_or(platform.architecture.as_str(), |found| found.0);
    format!("{processor}-{}", platform.os)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn systems_are_platforms() {
        for name in [
            "x86_64-linux",
            "aarch64-linux",
            "armv7l-linux",
            "armv6l-linux",
            "i686-linux",
        ] {
            assert_eq!(system(&platform(name).unwrap()), name);
        }
        assert_eq!(platform("x86_64-darwin"), None);
        assert_eq!(platform("mysystem"), None);
        assert_eq!(system(&Platform::new("linux", "mips")), "mips-linux");
    }
}
