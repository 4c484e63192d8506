//! Regular expressions: POSIX extended ones, translated to those of the crate `regex`. Knows nothing of other strings.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use regex::bytes::{Regex, RegexBuilder};

use crate::error::{Error, ErrorKind};
use crate::eval::{Builtin, NixString, Value, Vm};

use super::posix;

/// What a compiled expression may take, bytes.
const SIZE_LIMIT: usize = 8 << 20;

/// The group.
pub static BUILTINS: &[Builtin] = &[
    Builtin::strict("match", 2, matches),
    Builtin::strict("split", 2, split),
];

/// Compiled expressions: the same one is often used for every element of a list.
#[derive(Default)]
struct Compiled(RefCell<BTreeMap<String, Rc<Regex>>>);

fn compile(vm: &Vm, value: &Value) -> Result<Rc<Regex>, Error> {
    let pattern = value.to_plain_string()?;
    let cache = vm.extension::<Compiled>();
    if let Some(regex) = cache.0.borrow().get(&pattern) {
        return Ok(regex.clone());
    }
    let invalid = |why: &str| {
        let message = format!("invalid regular expression '{pattern}'");
        Error::new(ErrorKind::Value, message).help(why.to_owned())
    };
    let translated = posix::translate(&pattern).map_err(invalid)?;
    let mut builder = RegexBuilder::new(&translated);
    builder
        .unicode(false)
        .dot_matches_new_line(true)
        .size_limit(SIZE_LIMIT);
    let regex = builder.build().map_err(|error| {
        // The crate shows the translated expression, which would puzzle.
        let text = error.to_string();
        invalid(
            text.lines()
                .last()
                .unwrap_or_default()
                .trim_start_matches("error: "),
        )
    })?;
    let regex = Rc::new(regex);
    cache.0.borrow_mut().insert(pattern, regex.clone());
    Ok(regex)
}

fn groups(captures: &regex::bytes::Captures<'_>, string: &NixString) -> Value {
    let group = |group: Option<regex::bytes::Match<'_>>| match group {
        Some(group) => Value::String(Rc::new(NixString::plain(&string.bytes[group.range()]))),
        None => Value::Null,
    };
    Value::list(captures.iter().skip(1).map(group).collect())
}

/// The groups of an expression that describes all of a string, else null.
fn matches(vm: &Vm, args: &[Value]) -> Result<Value, Error> {
    let regex = compile(vm, &args[0])?;
    let string = args[1].to_nix_string()?;
    // Anchored by a second expression, so that of two alternatives the one is taken with which all of it fits.
    let anchored = anchored(vm, &args[0], &regex)?;
    Ok(match anchored.captures(&string.bytes) {
        Some(captures) => groups(&captures, &string),
        None => Value::Null,
    })
}

fn anchored(vm: &Vm, value: &Value, regex: &Regex) -> Result<Rc<Regex>, Error> {
    // No pattern that a person writes begins with a zero byte.
    let key = format!("\0{}", value.to_plain_string()?);
    let cache = vm.extension::<Compiled>();
    if let Some(regex) = cache.0.borrow().get(&key) {
        return Ok(regex.clone());
    }
    let mut builder = RegexBuilder::new(&format!("^(?:{})$", regex.as_str()));
    builder
        .unicode(false)
        .dot_matches_new_line(true)
        .size_limit(SIZE_LIMIT);
    let regex = builder
        .build()
        .map_err(|error| Error::new(ErrorKind::Value, format!("invalid regular expression: {error}")))?;
    let regex = Rc::new(regex);
    cache.0.borrow_mut().insert(key, regex.clone());
    Ok(regex)
}

/// What lies between the matches, and between these the groups of each match.
fn split(vm: &Vm, args: &[Value]) -> Result<Value, Error> {
    let regex = compile(vm, &args[0])?;
    let string = args[1].to_nix_string()?;
    let part = |bytes: &[u8]| Value::String(Rc::new(NixString::plain(bytes)));
    let (mut out, mut at, mut search) = (Vec::new(), 0, 0);
    // Unlike with the crate's iterator, an empty match may follow right after another one.
    while search <= string.bytes.len() {
        let Some(captures) = regex.captures_at(&string.bytes, search) else {
            break;
        };
        let Some(whole) = captures.get(0) else { break };
        out.push(part(&string.bytes[at..whole.start()]));
        out.push(groups(&captures, &string));
        at = whole.end();
        search = if whole.is_empty() {
            whole.end() + 1
        } else {
            whole.end()
        };
    }
    out.push(part(&string.bytes[at..]));
    Ok(Value::list(out))
}
