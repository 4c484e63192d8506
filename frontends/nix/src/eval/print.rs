//! Values as text, as `nix-instantiate --eval` prints them. Evaluates nothing; see `builtins::control::deep_force`.
//! Nests no deeper than `MAX_DEPTH`.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::rc::Rc;

use super::value::Value;
use super::vm::Vm;

/// Lists and sets inside of each other that are printed; deeper ones are `...`.
const MAX_DEPTH: usize = 200;

/// Prints a value on one line.
pub fn print(vm: &Vm, value: &Value) -> String {
    let mut printer = Printer {
        vm,
        out: String::new(),
        seen: BTreeSet::new(),
    };
    printer.value(value, 0);
    printer.out
}

struct Printer<'a> {
    vm: &'a Vm,
    out: String,
    /// The sets and lists that were printed: one that comes again is not, as in Nix.
    seen: BTreeSet<*const ()>,
}

impl Printer<'_> {
    fn value(&mut self, value: &Value, depth: usize) {
        match value.peek() {
            Value::Null => self.out.push_str("null"),
            Value::Bool(value) => self.out.push_str(if value { "true" } else { "false" }),
            Value::Int(value) => self.push(value),
            Value::Float(value) => self.out.push_str(&float(value)),
            Value::String(string) => self.out.push_str(&quoted(&string.text())),
            Value::Path(path) => self.out.push_str(&path),
            Value::List(_) | Value::Attrs(_) if depth >= MAX_DEPTH => self.out.push_str("..."),
            Value::List(list) => {
                let address = Rc::as_ptr(&list).cast();
                if !list.0.is_empty() && !self.seen.insert(address) {
                    self.out.push_str("«repeated»");
                    return;
                }
                self.out.push_str("[ ");
                for item in &list.0 {
                    self.value(item, depth + 1);
                    self.out.push(' ');
                }
                self.out.push(']');
            }
            Value::Attrs(attrs) => {
                let address = Rc::as_ptr(&attrs).cast();
                if !attrs.is_empty() && !self.seen.insert(address) {
                    self.out.push_str("«repeated»");
                    return;
                }
                self.out.push_str("{ ");
                for (name, attr) in attrs.sorted(self.vm.symbols()) {
                    self.out.push_str(&attribute_name(&name));
                    self.out.push_str(" = ");
                    self.value(&attr.value, depth + 1);
                    self.out.push_str("; ");
                }
                self.out.push('}');
            }
            Value::Lambda(_) => self.out.push_str("<LAMBDA>"),
            Value::Builtin(partial) if partial.args.is_empty() => self.out.push_str("<PRIMOP>"),
            Value::Builtin(_) => self.out.push_str("<PRIMOP-APP>"),
            Value::Thunk(_) => self.out.push_str("<CODE>"),
        }
    }

    fn push(&mut self, value: impl std::fmt::Display) {
        // Writing to a string cannot fail.
        let _ = write!(self.out, "{value}");
    }
}

/// A string as a literal.
pub fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '$' if chars.peek() == Some(&'{') => out.push_str("\\$"),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// An attribute's name, quoted where it has to be.
pub fn attribute_name(name: &str) -> String {
    const KEYWORDS: [&str; 9] = [
        "if", "then", "else", "assert", "with", "let", "in", "rec", "inherit",
    ];
    let mut bytes = name.bytes();
    let plain = bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'\''))
        && !KEYWORDS.contains(&name);
    if plain { name.to_owned() } else { quoted(name) }
}

/// A float with six significant digits, as C's `%g`.
pub fn float(value: f64) -> String {
    if !value.is_finite() {
        return if value.is_nan() {
            "nan".to_owned()
        } else if value > 0.0 {
            "inf".to_owned()
        } else {
            "-inf".to_owned()
        };
    }
    let scientific = format!("{value:.5e}");
    let Some((mantissa, exponent)) = scientific.split_once('e') else {
        return scientific;
    };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let trim = |text: &str| match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text.to_owned(),
    };
    if (-4..6).contains(&exponent) {
        return trim(&format!("{value:.*}", (5 - exponent) as usize));
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{}e{sign}{:02}", trim(mantissa), exponent.abs())
}
