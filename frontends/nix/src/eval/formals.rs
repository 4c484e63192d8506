//! Giving the named parameters of a function what a set holds. Knows nothing of how the set came about.

use super::attrs::Attrs;
use super::code::{Formal, Formals};
use super::env::Env;
use super::value::{State, Value};
use super::vm::Vm;
use crate::error::{Error, ErrorKind};
use crate::suggest;

/// Sets the variables of a function's scope.
pub fn bind(vm: &Vm, formals: &Formals, attrs: &Attrs, env: &Env) -> Result<(), Error> {
    let Some(scope) = env else { return Ok(()) };
    let mut used = 0;
    for (index, formal) in formals.list.iter().enumerate() {
        let value = match (attrs.get(formal.name), &formal.default) {
            (Some(attr), _) => {
                used += 1;
                attr.value.clone()
            }
            (None, Some(code)) => Value::thunk(State::Code(code.clone(), env.clone())),
            (None, None) => return Err(missing(vm, formals, formal, attrs)),
        };
        scope.set(index + 1, value);
    }
    if !formals.open && used < attrs.len() {
        return Err(unexpected(vm, formals, attrs));
    }
    Ok(())
}

fn called(vm: &Vm, formals: &Formals) -> String {
    match formals.function {
        Some(name) => format!("function '{}'", vm.symbols().text(name)),
        None => "anonymous function".to_owned(),
    }
}

fn missing(vm: &Vm, formals: &Formals, formal: &Formal, attrs: &Attrs) -> Error {
    let name = vm.symbols().text(formal.name);
    let message = format!(
        "{} called without required argument '{name}'",
        called(vm, formals)
    );
    let error =
        Error::new(ErrorKind::Arguments, message).note("the argument is declared here", Some(formal.span));
    // What was passed but is not taken may be this one with a mistake.
    let passed: Vec<_> = attrs
        .sorted(vm.symbols())
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    match lapstrake_sdk::did_you_mean(&name, passed.iter().map(|name| &**name)) {
        Some(near) => error.help(format!("it was called with '{near}'")),
        None => error,
    }
}

fn unexpected(vm: &Vm, formals: &Formals, attrs: &Attrs) -> Error {
    let known = |attr: &&super::attrs::Attr| !formals.list.iter().any(|formal| formal.name == attr.name);
    let mut unknown: Vec<_> = attrs
        .iter()
        .filter(known)
        .map(|attr| (vm.symbols().text(attr.name), attr.span))
        .collect();
    unknown.sort();
    let (name, span) = unknown.into_iter().next().unwrap_or_else(|| ("".into(), None));
    let message = format!("{} called with unexpected argument '{name}'", called(vm, formals));
    let names: Vec<_> = formals
        .list
        .iter()
        .map(|formal| vm.symbols().text(formal.name))
        .collect();
    let error = Error::new(ErrorKind::Arguments, message);
    let error = match span {
        Some(span) => error.note("the argument is given here", Some(span)),
        None => error,
    };
    suggest::help(error, &name, names.iter().map(|name| &**name))
}
