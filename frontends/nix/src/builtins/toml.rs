//! TOML. Knows nothing of who wrote it.

use crate::error::{Error, ErrorKind};
use crate::eval::{Attrs, Builtin, Value, Vm};

/// The group.
pub static BUILTINS: &[Builtin] = &[Builtin::strict("fromTOML", 1, |vm, args| {
    let text = args[0].to_nix_string()?.to_utf8()?;
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
        let message = error.message().trim().to_owned();
        let line = error
            .span()
            .map(|span| text[..span.start.min(text.len())].matches('\n').count() + 1);
        let place = line.map_or(String::new(), |line| format!("line {line}: "));
        Error::new(ErrorKind::Value, format!("cannot read TOML: {place}{message}"))
    })?;
    convert(vm, toml::Value::Table(table))
})];

/// The parser limits how deep it nests, so this may recurse.
fn convert(vm: &Vm, value: toml::Value) -> Result<Value, Error> {
    Ok(match value {
        toml::Value::String(text) => Value::string(text),
        toml::Value::Integer(value) => Value::Int(value),
        toml::Value::Float(value) => Value::Float(value),
        toml::Value::Boolean(value) => Value::Bool(value),
        toml::Value::Datetime(value) => {
            let message = format!("cannot read TOML: the date or time {value} has no value in the language");
            return Err(Error::new(ErrorKind::Value, message).help("put it in quotes"));
        }
        toml::Value::Array(items) => {
            let items: Result<Vec<Value>, Error> = items.into_iter().map(|item| convert(vm, item)).collect();
            Value::list(items?)
        }
        toml::Value::Table(entries) => {
            let mut attrs = Vec::with_capacity(entries.len());
            for (name, value) in entries {
                attrs.push((name, convert(vm, value)?));
            }
            Value::attrs(Attrs::of(vm.symbols(), attrs))
        }
    })
}
