//! Images that the build file describes to root directories: what they stand on, a layer or several with the contents
//! and all that these refer to, and what scripts change. Knows nothing of how store paths become trees.

use std::collections::{BTreeMap, BTreeSet};

use lapstrake_sdk::types::*;
use lapstrake_sdk::{Reference, State};

use super::error::LowerError;
use super::exec::DEFAULT_PATH;
use super::item::{ImageDefinition, Layers};
use super::layers;
use super::lowering::{Lowering, Root, store_directory, store_time};
use super::nar::unreadable;
use super::references::References;
use super::store_path::StorePath;

/// Where a script finds the files that it changes.
const LAYER: &str = "/build/layer";

impl Lowering<'_> {
    /// The image that a path is. Of what is no image the files are the root directory.
    ///
    /// # Errors
    /// See [`Lowering::add`].
    pub fn image_of(&mut self, path: &StorePath) -> Result<BuiltImage, LowerError> {
        self.add(std::slice::from_ref(path))?;
        let platform = self.platform.clone();
        let root = self.root(path, &platform)?;
        Ok(BuiltImage::new(root.state.edge(), root.config))
    }

    /// An image, from its definition.
    pub(super) fn built(&mut self, image: &ImageDefinition) -> Result<Root, LowerError> {
        let platform = image.config.platform.clone();
        let base = match &image.base {
            Some(base) => Some(self.root(base, &platform)?),
            None => None,
        };
        let kept: BTreeSet<StorePath> = image.contents.iter().chain(&image.references).cloned().collect();
        let references = self.references(&kept)?;
        let base_layers = base.as_ref().map_or(0, |base| base.layers);
        let mut trees: Vec<State> = base.iter().map(|base| base.state.clone()).collect();
        let (mut paths, own) = match image.layers {
            Layers::One => (Vec::new(), self.one_layer(image, &references)?),
            Layers::Each { most } => {
                let own = self.links(image)?;
                let scripts = [&image.extra_commands, &image.run_as_root];
                let scripts = scripts.into_iter().flatten().count();
                let used = base_layers + usize::from(own.is_some()) + scripts;
                let paths = match image.has_store_paths {
                    true => self.layers(image, &references, most.saturating_sub(used), most)?,
                    false => Vec::new(),
                };
                (paths, own)
            }
        };
        let new = paths.len()
            + usize::from(own.is_some())
            + usize::from(image.extra_commands.is_some())
            + usize::from(image.run_as_root.is_some());
        let own = self.extra_commands(image, base.as_ref(), own)?;
        trees.append(&mut paths);
        trees.extend(own);
        let state = self.graph.merge(&trees);
        let state = if trees.len() > 1 {
            state.name(format!("[{}] layers", self.label(&image.name)))
        } else {
            state
        };
        let config = over(base.as_ref().map(|base| &base.config), &image.config);
        let state = self.run_as_root(image, &config, &references, state)?;
        Ok(Root {
            state,
            config,
            layers: base_layers + new,
        })
    }

    /// The contents in the root directory, and what they refer to, in one layer.
    fn one_layer(
        &self,
        image: &ImageDefinition,
        references: &References,
    ) -> Result<Option<State>, LowerError> {
        if references.is_empty() {
            return Ok(None);
        }
        let mut changes = self.graph.scratch().file().action(store_directory());
        for path in &image.contents {
            let copy = CopyAction {
                src_path: path.to_string(),
                dst_path: "/".to_owned(),
                dir_contents_only: true,
                create_dst_path: true,
                owner: owner(image),
                ..CopyAction::default()
            };
            changes = changes.copy_with(&self.tree(path)?, copy);
        }
        for path in references.keys() {
            changes = changes.copy_with(&self.tree(path)?, whole(path, image));
        }
        Ok(Some(
            changes
                .done()
                .name(format!("[{}] contents", self.label(&image.name))),
        ))
    }

    /// The store paths of an image in at most `most` layers.
    fn layers(
        &self,
        image: &ImageDefinition,
        references: &References,
        most: usize,
        asked: usize,
    ) -> Result<Vec<State>, LowerError> {
        if most == 0 && !references.is_empty() {
            return Err(LowerError::Config {
                image: image.name.clone(),
                message: format!("maxLayers is {asked}, and none of them is left for its own files"),
            });
        }
        let layer = |paths: Vec<StorePath>| {
            if let ([only], None) = (paths.as_slice(), owner(image)) {
                return self.tree(only);
            }
            let mut changes = self.graph.scratch().file().action(store_directory());
            for path in &paths {
                changes = changes.copy_with(&self.tree(path)?, whole(path, image));
            }
            let what = match paths.as_slice() {
                [only] => only.name().to_owned(),
                several => format!("{} store paths", several.len()),
            };
            Ok(changes
                .done()
                .name(format!("[{}] {what}", self.label(&image.name))))
        };
        layers::plan(references, most).into_iter().map(layer).collect()
    }

    /// The directories of the contents in the root directory, with links to the files.
    fn links(&self, image: &ImageDefinition) -> Result<Option<State>, LowerError> {
        let trees = image.contents.iter();
        let trees = trees.map(|path| Ok((path.clone(), self.tree(path)?)));
        let trees = trees.collect::<Result<Vec<_>, LowerError>>()?;
        let references = self.solve(&trees)?;
        let mut plan = BTreeMap::new();
        for ((path, _), reference) in trees.iter().zip(&references) {
            plan_links(&mut plan, reference.as_ref(), path)?;
        }
        if plan.is_empty() {
            return Ok(None);
        }
        let mut changes = self.graph.scratch().file();
        for (path, target) in plan {
            changes = changes.action(match target {
                None => FileActionKind::Mkdir(MkdirAction {
                    path,
                    mode: 0o755,
                    make_parents: true,
                    owner: owner(image),
                    timestamp: Some(store_time()),
                }),
                Some(target) => FileActionKind::Symlink(SymlinkAction {
                    target,
                    path,
                    owner: owner(image),
                    timestamp: Some(store_time()),
                }),
            });
        }
        Ok(Some(
            changes
                .done()
                .name(format!("[{}] links", self.label(&image.name))),
        ))
    }

    /// The image's own layer after its `extraCommands`.
    fn extra_commands(
        &mut self,
        image: &ImageDefinition,
        base: Option<&Root>,
        layer: Option<State>,
    ) -> Result<Option<State>, LowerError> {
        let Some(script) = &image.extra_commands else {
            return Ok(layer);
        };
        let platform = self.platform.clone();
        let shell = match (&image.shell, base) {
            (Some(shell), _) => self.root(shell, &platform)?,
            (None, Some(base)) => base.clone(),
            (None, None) => {
                return Err(LowerError::NoImage {
                    name: image.name.clone(),
                    builder: "/bin/sh".to_owned(),
                });
            }
        };
        let layer = layer.unwrap_or_else(|| self.graph.scratch());
        let mount = BindMount {
            input: layer.edge(),
            output: true,
            ..BindMount::default()
        };
        let mut run = shell.state.shell(format!("set -e\n{script}")).with(|op| {
            op.cwd = LAYER.to_owned();
            op.env = vec![KeyValue::new("PATH", search_path(&shell.config))];
            self.surroundings(op, image.network);
            for mount in &mut op.mounts {
                if let MountKind::Bind(bind) = &mut mount.kind {
                    bind.output = false;
                }
            }
        });
        run = run.mount_kind(LAYER, MountKind::Bind(mount));
        if !image.script_references.is_empty() {
            run = run.mount_kind("/nix/store", MountKind::Bind(self.script_inputs(image)?));
        }
        let tree = run.done().mounted(LAYER);
        let tree = tree.map(|tree| self.uncached(self.limited(tree), &image.name));
        Ok(tree.map(|tree| tree.name(format!("[{}] extraCommands", self.label(&image.name)))))
    }

    /// What the scripts of an image refer to.
    fn script_inputs(&self, image: &ImageDefinition) -> Result<BindMount, LowerError> {
        let empty = self.graph.scratch().file().action(store_directory()).done();
        let mut trees = vec![empty];
        for path in self.store.closure(&image.script_references)? {
            trees.push(self.tree(&path)?);
        }
        let inputs = self.graph.merge(&trees);
        Ok(BindMount {
            input: inputs
                .name(format!("[{}] inputs", self.label(&image.name)))
                .edge(),
            selector: "/nix/store".to_owned(),
            read_only: true,
            ..BindMount::default()
        })
    }

    /// The image after its `runAsRoot`.
    fn run_as_root(
        &self,
        image: &ImageDefinition,
        config: &ImageConfig,
        references: &References,
        state: State,
    ) -> Result<State, LowerError> {
        let Some(script) = &image.run_as_root else {
            return Ok(state);
        };
        let mut run = state
            .platform(&config.platform)
            .shell(format!("set -e\n{script}"))
            .with(|op| {
                op.cwd = "/".to_owned();
                op.env = config.env.clone();
                if !op.env.iter().any(|pair| pair.key == "PATH") {
                    op.env.push(KeyValue::new("PATH", DEFAULT_PATH));
                }
                self.surroundings(op, image.network);
            });
        // What it mentions and the image does not have is there while it runs.
        for path in self.store.closure(&image.script_references)? {
            if !references.contains_key(&path) {
                let mount = BindMount {
                    input: self.tree(&path)?.edge(),
                    selector: path.to_string(),
                    read_only: true,
                    ..BindMount::default()
                };
                run = run.mount_kind(&path.to_string(), MountKind::Bind(mount));
            }
        }
        let state = self.uncached(self.limited(run.root()), &image.name);
        Ok(state.name(format!("[{}] runAsRoot", self.label(&image.name))))
    }
}

/// Who the files of an image's contents belong to; none: root, as they do in the store.
fn owner(image: &ImageDefinition) -> Option<Chown> {
    let (user, group) = image.owner;
    (image.owner != (0, 0)).then_some(Chown {
        user: Some(UserRef::Id(user)),
        group: Some(UserRef::Id(group)),
    })
}

/// A copy of a path to where it is.
fn whole(path: &StorePath, image: &ImageDefinition) -> CopyAction {
    CopyAction {
        owner: owner(image),
        src_path: path.to_string(),
        dst_path: path.to_string(),
        create_dst_path: true,
        dir_contents_only: true,
        ..CopyAction::default()
    }
}

fn search_path(config: &ImageConfig) -> String {
    let path = config.env.iter().rev().find(|pair| pair.key == "PATH");
    path.map_or(DEFAULT_PATH.to_owned(), |pair| pair.value.clone())
}

/// An image's configuration over its base's: the base's variables stay, as with nixpkgs, and nothing else does.
fn over(base: Option<&ImageConfig>, own: &ImageConfig) -> ImageConfig {
    let mut config = own.clone();
    if let Some(base) = base {
        config.env = base.env.clone();
        for pair in &own.env {
            config.set_env(&pair.key, pair.value.clone());
        }
        config.history = base.history.clone();
    }
    config
}

/// Notes the directories (none) and the links (their targets) for one of an image's contents. Of equal names the first
/// one counts; directories are joined.
fn plan_links(
    plan: &mut BTreeMap<String, Option<String>>,
    reference: &dyn Reference,
    path: &StorePath,
) -> Result<(), LowerError> {
    let root = path.to_string();
    let info = reference.stat(&root).map_err(|error| unreadable(&root, &error))?;
    if info.kind != FileKind::Directory {
        plan.entry(format!("/{}", path.base())).or_insert(Some(root));
        return Ok(());
    }
    let mut next = vec![String::new()];
    while let Some(directory) = next.pop() {
        let real = format!("{root}{directory}");
        for info in reference
            .read_dir(&real, None)
            .map_err(|error| unreadable(&real, &error))?
        {
            let inside = format!("{directory}/{}", info.name);
            let is_dir = info.kind == FileKind::Directory;
            let target = (!is_dir).then(|| format!("{root}{inside}"));
            let known = plan.entry(inside.clone()).or_insert(target);
            if is_dir && known.is_none() {
                next.push(inside);
            }
        }
    }
    Ok(())
}
