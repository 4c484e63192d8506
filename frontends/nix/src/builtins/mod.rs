//! The functions of the language, a file for each group. Knows nothing of builds.

mod arithmetic;
mod closure;
mod context;
pub mod control;
pub mod files;
pub mod hashes;
pub mod json;
mod lists;
mod posix;
mod regex;
mod sets;
mod strings;
mod toml;
mod types;
mod versions;
mod xml;

use std::rc::Rc;

use crate::error::Error;
use crate::eval::{Attr, Attrs, Builtin, Partial, Value, Vm};
use crate::primitives;

/// Every group.
static GROUPS: &[&[Builtin]] = &[
    arithmetic::BUILTINS,
    closure::BUILTINS,
    context::BUILTINS,
    control::BUILTINS,
    files::BUILTINS,
    hashes::BUILTINS,
    json::BUILTINS,
    lists::BUILTINS,
    regex::BUILTINS,
    sets::BUILTINS,
    strings::BUILTINS,
    toml::BUILTINS,
    types::BUILTINS,
    versions::BUILTINS,
    xml::BUILTINS,
];

/// Builtins that are variables without `builtins.` too. The others are so with two underscores before their name.
pub(crate) const GLOBAL: &[&str] = &[
    "abort",
    "baseNameOf",
    "break",
    "derivation",
    "derivationStrict",
    "dirOf",
    "false",
    "fetchGit",
    "fetchMercurial",
    "fetchTarball",
    "fetchTree",
    "fromTOML",
    "import",
    "isNull",
    "map",
    "null",
    "placeholder",
    "removeAttrs",
    "scopedImport",
    "throw",
    "toString",
    "true",
];

/// The names of all builtins that are functions, of the language and of builds.
#[cfg(test)]
pub(crate) fn names() -> Vec<&'static str> {
    let all = GROUPS.iter().chain(primitives::BUILTINS);
    all.copied().flatten().map(|builtin| builtin.name).collect()
}

/// Makes the builtins globals.
pub fn install(vm: &Vm) {
    let function = |builtin: &'static Builtin| {
        let partial = Partial {
            builtin,
            args: Vec::new(),
        };
        (builtin.name, Value::Builtin(Rc::new(partial)))
    };
    let language = GROUPS.iter().copied().flatten().map(function);
    let language: Vec<(&str, Value)> = language.chain(constants(vm)).collect();
    let builds: Vec<(&str, Value)> = primitives::BUILTINS
        .iter()
        .copied()
        .flatten()
        .map(function)
        .collect();
    for (name, value) in &language {
        let global = if GLOBAL.contains(name) {
            (*name).to_owned()
        } else {
            format!("__{name}")
        };
        vm.set_global(&global, value.clone());
    }
    for (name, value) in &builds {
        vm.set_global(name, value.clone());
    }
    set_builtins(vm, Attrs::of(vm.symbols(), language.into_iter().chain(builds)));
}

fn constants(vm: &Vm) -> Vec<(&'static str, Value)> {
    vec![
        ("true", Value::Bool(true)),
        ("false", Value::Bool(false)),
        ("null", Value::Null),
        ("currentSystem", Value::string(vm.system())),
        ("langVersion", Value::Int(6)),
        ("nixVersion", Value::string("2.18")),
        ("nixPath", Value::list(Vec::new())),
        ("storeDir", Value::string("/nix/store")),
    ]
}

/// Sets `builtins`, which holds itself.
fn set_builtins(vm: &Vm, attrs: Attrs) {
    let name = vm.symbol("builtins");
    let value = Value::lazy(move |vm: Vm| async move { Ok(vm.global(name).unwrap_or(Value::Null)) });
    let this = Attrs::new(vec![Attr {
        name,
        value,
        span: None,
    }]);
    vm.set_global("builtins", Value::attrs(attrs.update(&this)));
}

/// Adds to `builtins`.
pub fn add(vm: &Vm, more: &Attrs) -> Result<(), Error> {
    if let Some(builtins) = vm.global(vm.symbol("builtins")) {
        set_builtins(vm, builtins.to_attrs()?.update(more));
    }
    Ok(())
}
