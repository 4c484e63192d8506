//! From what a build file says to what is asked for: functions get their arguments, sets are entered by attribute
//! paths, as `nix-build` does. Knows nothing of builds but that a set may have a default.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use lapstrake_sdk::did_you_mean;
use lapstrake_sdk::types::{Diagnostic, Request};

use crate::error::{Error, ErrorKind};
use crate::eval::code::Param;
use crate::eval::{Attr, Attrs, Symbol, Value, Vm};
use crate::primitives::output;
use crate::sources::is_own;
use crate::span::Span;
use crate::{evaluation, suggest};

/// The arguments of a request.
pub struct Arguments {
    /// `--arg` and `--argstr`: for every function that takes them.
    given: Attrs,
    /// `--build-arg`: strings for the functions that name them.
    build_args: Attrs,
    /// What the functions that were called name, and what they took.
    seen: RefCell<Seen>,
}

#[derive(Default)]
struct Seen {
    named: BTreeSet<Symbol>,
    taken: BTreeSet<Symbol>,
}

impl Arguments {
    /// Reads the options `arg:NAME` (an expression) and `argstr:NAME` (a string), and the build arguments.
    pub fn of(vm: &Vm, request: &Request) -> Result<Self, Error> {
        let entry = |name: &str, value: Value| Attr {
            name: vm.symbol(name),
            value,
            span: None,
        };
        let mut given = Vec::new();
        for option in &request.options {
            if let Some(name) = option.key.strip_prefix("argstr:") {
                given.push(entry(name, Value::string(&option.value)));
            } else if let Some(name) = option.key.strip_prefix("arg:") {
                let file = format!("--arg {name}");
                let value = evaluation::promise(vm, &file, None, "/", &option.value)?;
                given.push(entry(name, value));
            }
        }
        let build_args = request.build_args.iter();
        let build_args = build_args.map(|pair| entry(&pair.key, Value::string(&pair.value)));
        Ok(Self {
            given: Attrs::new(given),
            build_args: Attrs::new(build_args.collect()),
            seen: RefCell::default(),
        })
    }

    /// Those that a function takes, if it takes named ones.
    fn for_function(&self, function: &Value) -> Option<Attrs> {
        let Value::Lambda(lambda) = function else {
            return None;
        };
        let Param::Set(formals) = &lambda.function.param else {
            return None;
        };
        let is_named = |attr: &Attr| formals.list.iter().any(|formal| formal.name == attr.name);
        let given = self.given.filter(|attr| formals.open || is_named(attr));
        let taken = self.build_args.filter(is_named).update(&given);
        let mut seen = self.seen.borrow_mut();
        seen.named.extend(formals.list.iter().map(|formal| formal.name));
        seen.taken.extend(taken.iter().map(|attr| attr.name));
        Some(taken)
    }

    /// Warns of those that no function took. Build arguments that mean something to every build are none of them.
    pub fn unused(&self, vm: &Vm) -> Option<Diagnostic> {
        let seen = self.seen.borrow();
        let names = |attrs: &Attrs| -> Vec<Rc<str>> {
            let unused = attrs.sorted(vm.symbols()).into_iter();
            let unused = unused.filter(|(_, attr)| !seen.taken.contains(&attr.name));
            unused.map(|(name, _)| name).collect()
        };
        let build_args = names(&self.build_args)
            .into_iter()
            .filter(|name| !is_predefined(name));
        let unused: Vec<Rc<str>> = names(&self.given).into_iter().chain(build_args).collect();
        if unused.is_empty() {
            return None;
        }
        let named: Vec<Rc<str>> = seen.named.iter().map(|name| vm.symbols().text(*name)).collect();
        let near = unused
            .iter()
            .filter_map(|name| did_you_mean(name, named.iter().map(|name| &**name)));
        let near: Vec<String> = near.map(|near| format!("'{near}'")).collect();
        let help = match near.is_empty() {
            true => "name it among the parameters of the file's function: { name ? \"value\" }: …".to_owned(),
            false => format!("did you mean {}?", near.join(", ")),
        };
        let message = format!("no function of the build file takes {}", unused.join(", "));
        Some(Diagnostic::warning("UnusedArgument", message).help(help))
    }
}

/// Build arguments of BuildKit, which are not for the build file.
fn is_predefined(name: &str) -> bool {
    let upper = name.to_ascii_uppercase();
    upper.ends_with("_PROXY") || upper == "SOURCE_DATE_EPOCH" || name.starts_with("BUILDKIT_")
}

/// The attribute path that a request asks for: the option `attr`, else the target.
pub fn attribute_path(request: &Request) -> Result<Vec<String>, Error> {
    let target = request.target.as_deref().filter(|target| !target.is_empty());
    match request.option("attr").or(target) {
        Some(text) => split(text),
        None => Ok(Vec::new()),
    }
}

/// Splits at dots that are not in quotes.
fn split(text: &str) -> Result<Vec<String>, Error> {
    let invalid = || Error::new(ErrorKind::Value, format!("'{text}' is not an attribute path"));
    let (mut parts, mut part, mut is_quoted) = (Vec::new(), String::new(), false);
    let mut was_quoted = false;
    for c in text.chars() {
        match c {
            '"' => {
                is_quoted = !is_quoted;
                was_quoted = true;
            }
            '.' if !is_quoted => {
                if part.is_empty() && !was_quoted {
                    return Err(invalid());
                }
                parts.push(std::mem::take(&mut part));
                was_quoted = false;
            }
            c => part.push(c),
        }
    }
    if is_quoted || (part.is_empty() && !was_quoted) {
        return Err(invalid());
    }
    parts.push(part);
    Ok(parts)
}

/// Calls a function that takes named arguments, and what that gives if it is one.
pub async fn call(vm: &Vm, value: Value, arguments: &Arguments) -> Result<Value, Error> {
    let value = vm.force(&value).await?;
    match arguments.for_function(&value) {
        Some(attrs) => vm.call(&value, vec![Value::attrs(attrs)]).await,
        None => Ok(value),
    }
}

/// A value, and where the build file says it.
pub struct Found {
    /// The value.
    pub value: Value,
    /// The place; none: it is not written there.
    pub place: Option<Span>,
}

/// Enters a value, the file's that is at `place`, by an attribute path.
pub async fn select(vm: &Vm, file: Found, arguments: &Arguments, path: &[String]) -> Result<Found, Error> {
    let mut place = file.place;
    let mut value = call(vm, file.value, arguments).await?;
    for (index, name) in path.iter().enumerate() {
        let found = match &value {
            Value::Attrs(attrs) => match vm.symbols().find(name).and_then(|symbol| attrs.get(symbol)) {
                Some(found) => {
                    place = written(found).or(place);
                    found.value.clone()
                }
                None => {
                    let message = format!("attribute '{}' missing", path[..=index].join("."));
                    let error = Error::new(ErrorKind::MissingAttribute, message);
                    let names = attrs.sorted(vm.symbols());
                    let error = suggest::help(error, name, names.iter().map(|(name, _)| &**name));
                    return Err(error.at(place));
                }
            },
            Value::List(list) => {
                let item = name.parse::<usize>().ok().and_then(|index| list.0.get(index));
                let message = format!("the list has no element '{name}': it has {}", list.0.len());
                let missing = || Error::new(ErrorKind::MissingAttribute, message).at(place);
                item.cloned().ok_or_else(missing)?
            }
            other => {
                let message = format!("there is no attribute '{name}' in {}", other.type_phrase());
                return Err(Error::new(ErrorKind::MissingAttribute, message).at(place));
            }
        };
        let called = call(vm, found, arguments).await;
        value = called.map_err(|error| error.or_at(place))?;
    }
    Ok(Found { value, place })
}

/// Where the build file says an attribute.
fn written(attr: &Attr) -> Option<Span> {
    attr.span.filter(|span| !is_own(*span))
}

/// Of a set that cannot be built itself its attribute `default`, else its only one that can.
pub async fn default(vm: &Vm, found: Found) -> Result<Found, Error> {
    let Value::Attrs(attrs) = &found.value else {
        return Ok(found);
    };
    if output::can_be_built(vm, &found.value).await? {
        return Ok(found);
    }
    let default = attrs.get(vm.symbol("default"));
    let only = || attrs.iter().next().filter(|_| attrs.len() == 1);
    let Some(chosen) = default.or_else(only) else {
        return Ok(found);
    };
    let place = written(chosen).or(found.place);
    let value = vm.force(&chosen.value).await;
    Ok(Found {
        value: value.map_err(|error| error.or_at(place))?,
        place,
    })
}
