//! Store paths to vertices: every path becomes a tree that has nothing but `/nix/store/<hash>-<name>`, images become
//! root directories. Knows nothing of the language.

use std::collections::BTreeMap;

use lapstrake_sdk::options::Options;
use lapstrake_sdk::types::*;
use lapstrake_sdk::{Graph, Host, State};

use super::error::LowerError;
use super::item::{BaseImage, ImagePlace, Item, Text};
use super::sources::context;
use super::store::Store;
use super::store_path::{STORE, StorePath};

/// Time of everything in the store, seconds since 1970: Nix's.
const STORE_TIME: i64 = 1;
/// Permissions of everything in the store: Nix's 0444 and 0555.
const STORE_MODE: &str = "a=rX";

/// A graph in the making, and what is in it already.
pub struct Lowering<'a> {
    pub(super) store: &'a Store,
    pub(super) graph: &'a Graph,
    pub(super) host: &'a dyn Host,
    /// What images are made for.
    pub(super) platform: Platform,
    /// What the person said about all of a build.
    pub(super) options: &'a Options,
    trees: BTreeMap<StorePath, State>,
    roots: BTreeMap<StorePath, Root>,
    /// What is being lowered.
    pub(super) current: Option<StorePath>,
    /// Numbers of the evaluation's files in the graph.
    files: Vec<u32>,
    /// Images of registries by reference and platform.
    images: BTreeMap<(String, String), ImageInfo>,
}

/// A root directory.
#[derive(Clone)]
pub(crate) struct Root {
    pub(crate) state: State,
    pub(crate) config: ImageConfig,
    /// How many layers it has, as far as it says.
    pub(super) layers: usize,
}

impl<'a> Lowering<'a> {
    /// Starts with nothing.
    pub fn new(
        store: &'a Store,
        graph: &'a Graph,
        host: &'a dyn Host,
        platform: Platform,
        options: &'a Options,
    ) -> Self {
        Self {
            store,
            graph,
            host,
            platform,
            options,
            trees: BTreeMap::new(),
            roots: BTreeMap::new(),
            current: None,
            files: Vec::new(),
            images: BTreeMap::new(),
        }
    }

    /// Says which of the graph's files the evaluation's are: another platform may have read others.
    #[must_use]
    pub fn reading(mut self, files: Vec<u32>) -> Self {
        self.files = files;
        self
    }

    /// Where the build file defines what could not be lowered.
    pub fn place(&self) -> Option<SourceRange> {
        let path = self.current.as_ref()?;
        let of = match self.store.item(path).ok()? {
            Item::Output { derivation, .. } => derivation,
            _ => path,
        };
        self.store.place_of(of)
    }

    /// Lowers some paths and all that they need.
    ///
    /// # Errors
    /// What cannot be lowered, looked up or, where the graph depends on what is built, built.
    pub fn add(&mut self, paths: &[StorePath]) -> Result<(), LowerError> {
        let order = self.store.order(paths)?;
        let order: Vec<StorePath> = order.into_iter().filter(|path| !self.is_known(path)).collect();
        self.refuse_weak(&order)?;
        self.resolve_all(&order)?;
        self.add_sources(&order)?;
        for path in &order {
            if !self.is_known(path) {
                self.current = Some(path.clone());
                self.add_one(path)?;
            }
        }
        self.verify(&order)
    }

    fn is_known(&self, path: &StorePath) -> bool {
        self.trees.contains_key(path) || self.roots.contains_key(path)
    }

    fn add_one(&mut self, path: &StorePath) -> Result<(), LowerError> {
        match self.store.item(path)? {
            Item::Output { derivation, .. } => {
                let derivation = self.store.get_derivation(derivation)?;
                for (path, tree) in self.derivation(derivation)? {
                    self.trees.insert(path, tree);
                }
            }
            Item::Text(text) => {
                let tree = self.text(path, text);
                self.insert(path, tree);
            }
            Item::Join(paths) => {
                let tree = self.join(path, paths)?;
                self.insert(path, tree);
            }
            Item::Image(_) => {
                let root = self.root(path, &self.platform.clone())?;
                self.roots.insert(path.clone(), root);
            }
            Item::Built(image) => {
                let root = self.built(image)?;
                self.roots.insert(path.clone(), root);
            }
            // All of them are there already.
            Item::Source(_) => {}
        }
        Ok(())
    }

    /// What the steps of a derivation or an image are called by: of several platforms each says which one it is for.
    pub(super) fn label(&self, name: &str) -> String {
        match self.options.multi_platform {
            true => format!("{} {name}", self.platform),
            false => name.to_owned(),
        }
    }

    pub(super) fn insert(&mut self, path: &StorePath, tree: State) {
        let tree = self.placed(path, tree);
        self.trees.insert(path.clone(), tree);
    }

    /// Says where a path's vertex comes from.
    pub(super) fn placed(&self, path: &StorePath, tree: State) -> State {
        match self.store.place_of(path) {
            Some(mut range) => {
                range.file = self.files.get(range.file as usize).copied().unwrap_or(range.file);
                tree.range(range)
            }
            None => tree,
        }
    }

    /// The tree of a path that was added: nothing but the path.
    pub(super) fn tree(&self, path: &StorePath) -> Result<State, LowerError> {
        if let Some(tree) = self.trees.get(path) {
            return Ok(tree.clone());
        }
        let root = self.roots.get(path);
        let root = root.ok_or_else(|| LowerError::UnknownPath(path.to_string()))?;
        let copy = CopyAction {
            src_path: "/".to_owned(),
            dst_path: path.to_string(),
            create_dst_path: true,
            dir_contents_only: true,
            ..CopyAction::default()
        };
        let changes = self.graph.scratch().file().copy_with(&root.state, copy);
        Ok(changes
            .done()
            .name(format!("[{}] files of the image", path.name())))
    }

    /// The root directory that a path which was added is or holds, for a platform.
    pub(crate) fn root(&mut self, path: &StorePath, platform: &Platform) -> Result<Root, LowerError> {
        if let Item::Image(image) = self.store.item(path)? {
            let mut root = self.image(image, platform)?;
            root.state = self.placed(path, root.state);
            return Ok(root);
        }
        if let Some(root) = self.roots.get(path) {
            return Ok(root.clone());
        }
        let tree = self.tree(path)?;
        let copy = CopyAction {
            src_path: path.to_string(),
            dst_path: "/".to_owned(),
            dir_contents_only: true,
            ..CopyAction::default()
        };
        let changes = self.graph.scratch().file().copy_with(&tree, copy);
        Ok(Root {
            state: changes
                .done()
                .name(format!("[{}] as root directory", path.name())),
            config: ImageConfig::new(platform.clone()),
            layers: 1,
        })
    }

    fn text(&self, path: &StorePath, text: &Text) -> State {
        let mkfile = MkfileAction {
            path: format!("{path}{}", text.destination),
            mode: if text.executable { 0o555 } else { 0o444 },
            data: text.contents.clone(),
            timestamp: Some(store_time()),
            ..MkfileAction::default()
        };
        let directory = crate::path::parent(&mkfile.path).to_owned();
        let changes = self.graph.scratch().file().action(directory_of_store(&directory));
        let changes = changes.action(FileActionKind::Mkfile(mkfile));
        changes.done().name(format!("[{}] write", path.name()))
    }

    fn join(&self, path: &StorePath, parts: &[StorePath]) -> Result<State, LowerError> {
        let part = |part: &StorePath| {
            let copy = CopyAction {
                src_path: part.to_string(),
                dst_path: path.to_string(),
                create_dst_path: true,
                dir_contents_only: true,
                timestamp: Some(store_time()),
                ..CopyAction::default()
            };
            let changes = self.graph.scratch().file().copy_with(&self.tree(part)?, copy);
            Ok(changes.done().name(format!("[{}] {}", path.name(), part.name())))
        };
        // Of equal names the first one counts, so the first part is the topmost.
        let parts = parts.iter().rev().map(part).collect::<Result<Vec<_>, _>>()?;
        if parts.is_empty() {
            let mkdir = MkdirAction {
                path: path.to_string(),
                mode: 0o555,
                make_parents: true,
                timestamp: Some(store_time()),
                ..MkdirAction::default()
            };
            let changes = self.graph.scratch().file().action(FileActionKind::Mkdir(mkdir));
            return Ok(changes.done().name(format!("[{}] join", path.name())));
        }
        let joined = self.graph.merge(&parts);
        Ok(match parts.len() {
            1 => joined,
            _ => joined.name(format!("[{}] join", path.name())),
        })
    }

    /// Looks up all images among some paths, at the same time.
    fn resolve_all(&mut self, paths: &[StorePath]) -> Result<(), LowerError> {
        let mut images = Vec::new();
        for path in paths {
            if let Item::Image(image) = self.store.item(path)? {
                images.push(image);
            }
        }
        let platform = self.platform.clone();
        let resolved = self.resolve(&images, &platform);
        if let Err(LowerError::Image { reference, .. }) = &resolved {
            let is_it = |path: &&StorePath| matches!(self.store.item(path), Ok(Item::Image(image)) if image.name == *reference);
            self.current = paths.iter().find(is_it).cloned();
        }
        resolved
    }

    fn resolve(&mut self, images: &[&BaseImage], platform: &Platform) -> Result<(), LowerError> {
        let key = |image: &BaseImage| (image.name.clone(), platform.to_string());
        let mut missing: Vec<&BaseImage> = images.to_vec();
        missing.retain(|image| !self.images.contains_key(&key(image)));
        missing.sort_by(|a, b| a.name.cmp(&b.name));
        missing.dedup_by(|a, b| a.name == b.name);
        let asked: Vec<(&BaseImage, ImageRequest)> = missing
            .into_iter()
            .filter_map(|image| Some((image, image.request(platform, self.options.resolve_mode)?)))
            .collect();
        if asked.is_empty() {
            return Ok(());
        }
        let (images, requests): (Vec<&BaseImage>, Vec<ImageRequest>) = asked.into_iter().unzip();
        let answers = self.host.resolve_image_configs(&requests);
        for (image, answer) in images.into_iter().zip(answers) {
            let info = answer.map_err(|message| LowerError::Image {
                reference: image.name.clone(),
                message,
            })?;
            self.images.insert(key(image), info);
        }
        Ok(())
    }

    fn image(&mut self, image: &BaseImage, platform: &Platform) -> Result<Root, LowerError> {
        let failed = |message: String| LowerError::Image {
            reference: image.name.clone(),
            message,
        };
        let source = match &image.place {
            ImagePlace::Files(files) => {
                let state = context(self.graph, files, &[]).map_err(failed)?;
                return Ok(Root {
                    state: state.name(format!("context {}", image.name)),
                    config: ImageConfig::new(platform.clone()),
                    layers: 1,
                });
            }
            place => place,
        };
        self.resolve(&[image], platform)?;
        let info = self.images.get(&(image.name.clone(), platform.to_string()));
        let info = info.ok_or_else(|| failed("the host did not answer".to_owned()))?;
        let source = match source {
            ImagePlace::Layout(layout) => SourceOp::OciLayout(OciLayoutSource {
                reference: info.reference.clone(),
                ..layout.clone()
            }),
            _ => SourceOp::Image(ImageSource {
                reference: info.reference.clone(),
                mode: self.options.resolve_mode,
                ..ImageSource::default()
            }),
        };
        let state = self.graph.source(source, Some(platform));
        Ok(Root {
            state: state.name(format!("image {}", image.name)),
            config: info.config.clone(),
            layers: info
                .config
                .history
                .iter()
                .filter(|entry| !entry.empty_layer)
                .count(),
        })
    }
}

/// The time that everything in the store has.
pub(super) fn store_time() -> Timestamp {
    Timestamp {
        seconds: STORE_TIME,
        nanoseconds: 0,
    }
}

/// Makes `/nix/store`.
pub(super) fn store_directory() -> FileActionKind {
    directory_of_store(STORE)
}

/// Makes a directory in the store, or the store.
fn directory_of_store(path: &str) -> FileActionKind {
    FileActionKind::Mkdir(MkdirAction {
        path: path.to_owned(),
        mode: 0o755,
        make_parents: true,
        timestamp: Some(store_time()),
        ..MkdirAction::default()
    })
}

/// A copy of something into the store, where it gets the time and the permissions that Nix gives it.
pub(super) fn into_store(from: &str, path: &StorePath) -> CopyAction {
    CopyAction {
        src_path: from.to_owned(),
        dst_path: path.to_string(),
        create_dst_path: true,
        dir_contents_only: true,
        mode: Some(FileMode::Symbolic(STORE_MODE.to_owned())),
        owner: Some(Chown {
            user: Some(UserRef::Id(0)),
            group: Some(UserRef::Id(0)),
        }),
        timestamp: Some(store_time()),
        ..CopyAction::default()
    }
}
