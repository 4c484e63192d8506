//! What the primitives of an evaluation remember: the store paths that they made, and where the build's files are.
//! Knows none of the primitives.

use std::cell::{Ref, RefCell, RefMut};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use lapstrake_sdk::Host;
use lapstrake_sdk::types::*;

use crate::error::{Error, ErrorKind};
use crate::eval::{Attrs, Context, Dependency, NixString, Value, Vm};
use crate::lower::item::{BaseImage, Item};
use crate::lower::{LowerError, Store, StorePath};
use crate::sources::is_own;
use crate::span::Span;

/// The builds of an evaluation.
#[derive(Default)]
pub struct Builds {
    store: RefCell<Store>,
    surroundings: RefCell<Surroundings>,
    images: RefCell<BTreeMap<String, Rc<ImageConfig>>>,
    warnings: RefCell<Vec<Error>>,
}

/// What a request says about all of its builds.
#[derive(Clone, Default)]
pub struct Surroundings {
    /// Where relative paths are.
    pub context: ContextSource,
    /// Other contexts.
    pub named_contexts: Vec<NamedContext>,
    /// What images are for.
    pub platform: Platform,
    /// How images are looked up.
    pub resolve_mode: ResolveMode,
    /// Who looks images up.
    pub host: Option<Rc<dyn Host>>,
}

impl Builds {
    /// Those of an evaluation.
    pub fn of(vm: &Vm) -> Rc<Self> {
        vm.extension()
    }

    /// Says what the request says. Before that there is an empty directory, and no image.
    pub fn set(&self, surroundings: Surroundings) {
        *self.surroundings.borrow_mut() = surroundings;
    }

    /// The store paths so far.
    pub fn store(&self) -> Ref<'_, Store> {
        self.store.borrow()
    }

    pub(super) fn store_mut(&self) -> RefMut<'_, Store> {
        self.store.borrow_mut()
    }

    pub(super) fn surroundings(&self) -> Ref<'_, Surroundings> {
        self.surroundings.borrow()
    }

    /// Adds a store path; the string that names it.
    pub(super) fn add(&self, vm: &Vm, path: StorePath, item: Item) -> Value {
        let value = named(&path);
        let mut store = self.store.borrow_mut();
        if let Some(range) = vm.site().and_then(|span| vm.sources().range(span)) {
            store.place(&path, range);
        }
        store.add(path, item);
        value
    }

    /// Notes what a person should know of what was evaluated.
    pub(super) fn warn(&self, warning: Error) {
        self.warnings.borrow_mut().push(warning);
    }

    /// What a person should know, in the order in which it was found.
    pub fn warnings(&self) -> Vec<Error> {
        self.warnings.borrow().clone()
    }

    /// The configuration of an image.
    pub(super) fn image_config(&self, image: &BaseImage) -> Result<Rc<ImageConfig>, Error> {
        if let Some(config) = self.images.borrow().get(&image.name) {
            return Ok(config.clone());
        }
        let surroundings = self.surroundings.borrow().clone();
        let config = match image.request(&surroundings.platform, surroundings.resolve_mode) {
            None => ImageConfig::new(surroundings.platform),
            Some(request) => {
                let none = || {
                    let message = format!("the image '{}' cannot be looked up here", image.name);
                    Error::new(ErrorKind::NotAvailable, message)
                };
                let host = surroundings.host.ok_or_else(none)?;
                let info = host.resolve_image_config(request).map_err(|message| {
                    refused(&LowerError::Image {
                        reference: image.name.clone(),
                        message,
                    })
                })?;
                info.config
            }
        };
        let config = Rc::new(config);
        self.images
            .borrow_mut()
            .insert(image.name.clone(), config.clone());
        Ok(config)
    }
}

/// The string that names a store path.
pub(super) fn named(path: &StorePath) -> Value {
    let text = path.to_string();
    let context = Context::of(Dependency::Path(text.as_str().into()));
    Value::String(Rc::new(NixString::new(text.into_bytes(), context)))
}

/// An error of a lowering as one of the evaluation.
pub fn refused(error: &LowerError) -> Error {
    let found = Error::new(ErrorKind::Build, error.to_string());
    match error.hint() {
        Some(hint) => found.help(hint),
        None => found,
    }
}

/// What a string refers to, in the words of the store.
#[derive(Clone, Debug, Default)]
pub(super) struct Uses {
    pub(super) inputs: BTreeMap<StorePath, BTreeSet<String>>,
    pub(super) sources: BTreeSet<StorePath>,
}

impl Uses {
    pub(super) fn add(&mut self, store: &Store, string: &NixString) -> Result<(), Error> {
        for dependency in &string.context().0 {
            match dependency {
                Dependency::Path(path) => {
                    let path = parse(path)?;
                    if path.name().ends_with(".drv") {
                        return Err(no_drv(&path));
                    }
                    self.sources.insert(path);
                }
                Dependency::Output { drv, output } => {
                    self.inputs
                        .entry(parse(drv)?)
                        .or_default()
                        .insert(output.to_string());
                }
                Dependency::Derivation(drv) => {
                    let drv = parse(drv)?;
                    let outputs = store.get_derivation(&drv).map_err(|error| refused(&error))?;
                    let outputs = outputs.outputs.keys().cloned();
                    self.inputs.entry(drv).or_default().extend(outputs);
                }
            }
        }
        Ok(())
    }

    /// All of it as store paths.
    pub(super) fn paths(&self, store: &Store) -> Result<BTreeSet<StorePath>, Error> {
        let mut paths = self.sources.clone();
        for (drv, outputs) in &self.inputs {
            let derivation = store.get_derivation(drv).map_err(|error| refused(&error))?;
            for output in outputs {
                let path = derivation.output(output).map_err(|error| refused(&error))?;
                paths.insert(path.clone());
            }
        }
        Ok(paths)
    }
}

fn parse(path: &str) -> Result<StorePath, Error> {
    let parsed = StorePath::parse(path).map(|(path, _)| path);
    parsed.ok_or_else(|| refused(&LowerError::UnknownPath(path.to_owned())))
}

fn no_drv(path: &StorePath) -> Error {
    let message = format!("there is no file '{path}' during builds");
    Error::new(ErrorKind::NotAvailable, message).help("use the derivation itself, or its outPath")
}

/// The store path that a string is, and what follows inside of it.
pub(super) fn store_path(string: &NixString) -> Result<(StorePath, String), Error> {
    let text = string.text();
    let found = StorePath::parse(&text).map(|(path, inside)| (path, inside.to_owned()));
    found.ok_or_else(|| {
        let message = format!("'{text}' is not in the store");
        Error::new(ErrorKind::Build, message).help("name files by paths such as ./file, or by derivations")
    })
}

/// Where the build file says what is in a set: the place of the attribute `name`, else where the function under way was
/// called.
pub(super) fn place(vm: &Vm, attrs: &Attrs) -> Option<Span> {
    let name = attrs.get(vm.symbol("name")).and_then(|attr| attr.span);
    name.filter(|span| !is_own(*span)).or_else(|| vm.site())
}

/// An attribute that may be missing or null.
pub(super) async fn optional(vm: &Vm, attrs: &Attrs, name: &str) -> Result<Option<Value>, Error> {
    let Some(value) = vm.get(attrs, name) else {
        return Ok(None);
    };
    match vm.force(&value).await? {
        Value::Null => Ok(None),
        value => Ok(Some(value)),
    }
}

/// A text attribute that may be missing or null.
pub(super) async fn optional_text(vm: &Vm, attrs: &Attrs, name: &str) -> Result<Option<String>, Error> {
    match optional(vm, attrs, name).await? {
        Some(value) => Ok(Some(value.to_plain_string()?)),
        None => Ok(None),
    }
}

/// A Boolean attribute; false where it is missing or null.
pub(super) async fn flag(vm: &Vm, attrs: &Attrs, name: &str) -> Result<bool, Error> {
    match optional(vm, attrs, name).await? {
        Some(value) => value.to_bool(),
        None => Ok(false),
    }
}
