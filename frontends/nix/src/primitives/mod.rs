//! What a build file describes builds with. Knows nothing of the language.
//!
//! A primitive is a [`Builtin`] in a table of its own file, listed in [`BUILTINS`]: strict ones get evaluated arguments,
//! tasks (`Builtin::task("name", 1, |vm, args| Box::pin(work(vm, args)))`) evaluate on their way with
//! `vm.force(&value).await`, `vm.attrs(&value).await`, `vm.need(&attrs, "name", "who")`,
//! `coerce(&vm, &value, Coerce::environment()).await` (a string with its [`Context`](crate::eval::Context)) and
//! `vm.call(&function, args).await`. What they have to remember is in `vm.extension::<TheirState>()`.
//! How a path of the build context gets into the store is said once, with `copy_path_hook`.

pub mod builds;
mod config;
mod derivation;
mod fetch;
mod image;
mod image_arguments;
pub mod output;
mod sources;
mod text;

use crate::eval::{Builtin, Vm, copy_path_hook};

pub use builds::{Builds, Surroundings};

/// The builtins of builds. They are in `builtins` and global as well.
pub static BUILTINS: &[&[Builtin]] = &[
    derivation::BUILTINS,
    fetch::BUILTINS,
    image::BUILTINS,
    image_arguments::BUILTINS,
    sources::BUILTINS,
    text::BUILTINS,
];

/// Definitions in the language itself: a function of `builtins` that gives a set of further globals, which are in
/// `builtins` too.
pub const PRELUDE: &str = include_str!("prelude.nix");

/// Makes an evaluation able to describe builds.
pub fn install(vm: &Vm) {
    copy_path_hook(vm, |vm, path| Box::pin(sources::copy_path(vm, path)));
}
