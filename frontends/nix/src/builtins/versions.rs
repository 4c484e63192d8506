//! Versions and names of packages. Knows nothing of packages.

use std::cmp::Ordering;

use crate::error::Error;
use crate::eval::{Attrs, Builtin, Value, Vm};

/// The group.
pub static BUILTINS: &[Builtin] = &[
    Builtin::strict("compareVersions", 2, |_, args| {
        let (left, right) = (args[0].to_plain_string()?, args[1].to_plain_string()?);
        Ok(Value::Int(match compare(&left, &right) {
            Ordering::Less => -1,
            Ordering::Equal => 0,
            Ordering::Greater => 1,
        }))
    }),
    Builtin::strict("splitVersion", 1, |_, args| {
        let version = args[0].to_plain_string()?;
        Ok(Value::list(components(&version).map(Value::string).collect()))
    }),
    Builtin::strict("parseDrvName", 1, parse_drv_name),
];

/// The components of a version: runs of digits, and runs of what is neither digit, dot nor dash.
fn components(version: &str) -> impl Iterator<Item = &str> {
    let mut rest = version;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches(['.', '-']);
        let first = rest.chars().next()?;
        let is_number = first.is_ascii_digit();
        let same = |c: char| c.is_ascii_digit() == is_number && c != '.' && c != '-';
        let end = rest.find(|c| !same(c)).unwrap_or(rest.len());
        let (component, after) = rest.split_at(end);
        rest = after;
        Some(component)
    })
}

/// Orders two versions.
fn compare(left: &str, right: &str) -> Ordering {
    let (mut left, mut right) = (components(left), components(right));
    loop {
        let (a, b) = match (left.next(), right.next()) {
            (None, None) => return Ordering::Equal,
            (a, b) => (a.unwrap_or(""), b.unwrap_or("")),
        };
        if component_less(a, b) {
            return Ordering::Less;
        }
        if component_less(b, a) {
            return Ordering::Greater;
        }
    }
}

/// Numbers are ordered by value, before them comes the end, and before everything `pre`.
fn component_less(a: &str, b: &str) -> bool {
    let number = |text: &str| text.parse::<u64>().ok().filter(|_| !text.starts_with('+'));
    match (number(a), number(b)) {
        (Some(a), Some(b)) => a < b,
        (_, Some(_)) if a.is_empty() => true,
        _ if a == "pre" && b != "pre" => true,
        _ if b == "pre" => false,
        (_, Some(_)) => true,
        (Some(_), _) => false,
        _ => a < b,
    }
}

/// Splits `name-1.2` where a dash is followed by something that is no letter.
fn parse_drv_name(vm: &Vm, args: &[Value]) -> Result<Value, Error> {
    let text = args[0].to_plain_string()?;
    let bytes = text.as_bytes();
    let dash = bytes
        .windows(2)
        .position(|pair| pair[0] == b'-' && !pair[1].is_ascii_alphabetic());
    let (name, version) = match dash {
        Some(dash) => (&text[..dash], &text[dash + 1..]),
        None => (text.as_str(), ""),
    };
    let entries = [("name", Value::string(name)), ("version", Value::string(version))];
    Ok(Value::attrs(Attrs::of(vm.symbols(), entries)))
}
