//! JSON. Knows nothing of who reads it.

use std::cell::RefCell;
use std::rc::Rc;

use crate::error::{Error, ErrorKind};
use crate::eval::{Attrs, Builtin, Coerce, Context, NixString, Value, Vm, coerce};

/// The group.
pub static BUILTINS: &[Builtin] = &[
    Builtin::strict("fromJSON", 1, |vm, args| from_json(vm, &args[0].to_plain_text()?)),
    Builtin::task("toJSON", 1, |vm, args| {
        Box::pin(async move { to_json(&vm, &args[0]).await.map(Value::String) })
    }),
];

impl Value {
    /// A string's text, whatever it refers to.
    fn to_plain_text(&self) -> Result<String, Error> {
        self.to_nix_string()?.to_utf8()
    }
}

/// Reads JSON.
pub fn from_json(vm: &Vm, text: &str) -> Result<Value, Error> {
    let value: serde_json::Value = serde_json::from_str(text)
        .map_err(|error| Error::new(ErrorKind::Value, format!("cannot read JSON: {error}")))?;
    convert(vm, value)
}

/// The parser nests at most 128 deep, so this may recurse.
fn convert(vm: &Vm, value: serde_json::Value) -> Result<Value, Error> {
    Ok(match value {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(value) => Value::Bool(value),
        serde_json::Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(value), _) => Value::Int(value),
            (None, Some(value)) if number.is_f64() => Value::Float(value),
            _ => {
                let message = format!("cannot read JSON: {number} does not fit into an integer");
                return Err(Error::new(ErrorKind::Value, message));
            }
        },
        serde_json::Value::String(text) => Value::string(text),
        serde_json::Value::Array(items) => {
            let items: Result<Vec<Value>, Error> = items.into_iter().map(|item| convert(vm, item)).collect();
            Value::list(items?)
        }
        serde_json::Value::Object(entries) => {
            let mut attrs = Vec::with_capacity(entries.len());
            for (name, value) in entries {
                attrs.push((name, convert(vm, value)?));
            }
            Value::attrs(Attrs::of(vm.symbols(), attrs))
        }
    })
}

/// What is written so far, and what it refers to.
#[derive(Clone, Default)]
struct Output(Rc<RefCell<(Vec<u8>, Context)>>);

impl Output {
    fn push(&self, text: impl AsRef<[u8]>) {
        self.0.borrow_mut().0.extend_from_slice(text.as_ref());
    }

    fn string(&self, string: &NixString) -> Result<(), Error> {
        let quoted = quote(&string.to_utf8()?);
        let mut inner = self.0.borrow_mut();
        inner.0.extend_from_slice(quoted.as_bytes());
        inner.1.add(string);
        Ok(())
    }
}

/// Writes a value, all of it, as JSON.
pub async fn to_json(vm: &Vm, value: &Value) -> Result<Rc<NixString>, Error> {
    let out = Output::default();
    write(vm, value, &out).await?;
    let (bytes, context) = out.0.take();
    Ok(Rc::new(NixString::new(bytes, context)))
}

async fn write(vm: &Vm, value: &Value, out: &Output) -> Result<(), Error> {
    match vm.force(value).await? {
        Value::Null => out.push("null"),
        Value::Bool(value) => out.push(if value { "true" } else { "false" }),
        Value::Int(value) => out.push(value.to_string()),
        Value::Float(value) => out.push(float(value)),
        Value::String(string) => out.string(&string)?,
        path @ Value::Path(_) => out.string(&*coerce(vm, &path, Coerce::strict(true)).await?)?,
        Value::List(list) => {
            out.push("[");
            for (index, item) in list.0.iter().enumerate() {
                if index > 0 {
                    out.push(",");
                }
                nested(vm, item, out).await?;
            }
            out.push("]");
        }
        Value::Attrs(attrs) => {
            if vm.get(&attrs, "__toString").is_some() {
                let string = coerce(vm, &Value::Attrs(attrs), Coerce::strict(true)).await?;
                return out.string(&string);
            }
            if let Some(path) = vm.get(&attrs, "outPath") {
                return nested(vm, &path, out).await;
            }
            out.push("{");
            for (index, (name, attr)) in attrs.sorted(vm.symbols()).into_iter().enumerate() {
                if index > 0 {
                    out.push(",");
                }
                out.push(quote(&name));
                out.push(":");
                nested(vm, &attr.value, out).await?;
            }
            out.push("}");
        }
        other => {
            let message = format!("cannot convert {} to JSON", other.type_phrase());
            return Err(Error::new(ErrorKind::Type, message));
        }
    }
    Ok(())
}

async fn nested(vm: &Vm, value: &Value, out: &Output) -> Result<(), Error> {
    let (inner, value, out) = (vm.clone(), value.clone(), out.clone());
    vm.run(Box::pin(async move {
        write(&inner, &value, &out).await?;
        Ok(Value::Null)
    }))
    .await?;
    Ok(())
}

/// A string as JSON has it.
pub fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            c if c < ' ' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// The shortest text that gives the same float, with a point or an exponent.
fn float(value: f64) -> String {
    if !value.is_finite() {
        return "null".to_owned();
    }
    let scientific = format!("{value:e}");
    let Some((mantissa, exponent)) = scientific.split_once('e') else {
        return scientific;
    };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..15).contains(&exponent) {
        return format!("{value:?}");
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.abs())
}
