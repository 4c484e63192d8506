//! Strings: bytes with a context, the set of things that have to be built before the string means anything.
//! Knows nothing of how they are built.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::rc::Rc;

/// Something that a string refers to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Dependency {
    /// A file or directory of the store, such as a source, by its store path.
    Path(Rc<str>),
    /// One output of a derivation.
    Output {
        /// Path of the derivation.
        drv: Rc<str>,
        /// Name of the output.
        output: Rc<str>,
    },
    /// A derivation with all of its outputs, by its path.
    Derivation(Rc<str>),
}

/// What a string refers to, in a fixed order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Context(pub BTreeSet<Dependency>);

/// A string.
#[derive(Clone, Debug, Default)]
pub struct NixString {
    /// Bytes, of any encoding, without a zero byte.
    pub bytes: Box<[u8]>,
    /// None is the same as an empty one.
    context: Option<Rc<Context>>,
}

impl Context {
    /// Whether the string refers to nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds what another string refers to.
    pub fn add(&mut self, string: &NixString) {
        if let Some(context) = &string.context {
            self.0.extend(context.0.iter().cloned());
        }
    }

    /// Makes one of a single dependency.
    pub fn of(dependency: Dependency) -> Self {
        Self(BTreeSet::from([dependency]))
    }
}

impl NixString {
    /// Makes a string that refers to nothing.
    pub fn plain(text: impl AsRef<[u8]>) -> Self {
        Self {
            bytes: text.as_ref().into(),
            context: None,
        }
    }

    /// Makes a string.
    pub fn new(text: impl Into<Box<[u8]>>, context: Context) -> Self {
        Self {
            bytes: text.into(),
            context: (!context.is_empty()).then(|| Rc::new(context)),
        }
    }

    /// Makes another string that refers to the same.
    pub fn with_bytes(&self, bytes: impl Into<Box<[u8]>>) -> Self {
        Self {
            bytes: bytes.into(),
            context: self.context.clone(),
        }
    }

    /// What it refers to.
    pub fn context(&self) -> Cow<'_, Context> {
        match &self.context {
            Some(context) => Cow::Borrowed(context),
            None => Cow::Owned(Context::default()),
        }
    }

    /// Whether it refers to something.
    pub fn has_context(&self) -> bool {
        self.context.is_some()
    }

    /// The text, with the replacement character for what is not UTF-8.
    pub fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.bytes)
    }
}
