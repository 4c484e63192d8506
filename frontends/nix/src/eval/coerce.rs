//! How values become strings. Knows nothing of what a path in the store is: the build primitives say.

use std::cell::Cell;
use std::rc::Rc;

use super::string::{Context, NixString};
use super::value::Value;
use super::vm::{Task, Vm};
use crate::error::{Error, ErrorKind};

/// What may become a string, and how paths do.
#[derive(Clone, Copy, Debug)]
pub struct Coerce {
    /// Numbers, Booleans, null and lists too, as for `toString`.
    pub more: bool,
    /// Paths are taken into the store and name what is there then; else they are their text.
    pub copy: bool,
}

impl Coerce {
    /// As in an interpolation.
    pub fn strict(copy: bool) -> Self {
        Self { more: false, copy }
    }

    /// As `toString`.
    pub fn text() -> Self {
        Self {
            more: true,
            copy: false,
        }
    }

    /// As an attribute of a derivation.
    pub fn environment() -> Self {
        Self {
            more: true,
            copy: true,
        }
    }
}

/// Takes a path of the build context into the store; the task gives the string that names it there.
pub type CopyPath = fn(Vm, Rc<str>) -> Task;

#[derive(Default)]
struct CopyHook(Cell<Option<CopyPath>>);

/// Says how paths get into the store.
pub fn copy_path_hook(vm: &Vm, hook: CopyPath) {
    vm.extension::<CopyHook>().0.set(Some(hook));
}

/// Makes a string of a value.
pub async fn coerce(vm: &Vm, value: &Value, how: Coerce) -> Result<Rc<NixString>, Error> {
    match vm.force(value).await? {
        Value::String(string) => Ok(string),
        Value::Path(path) if how.copy => copy_path(vm, path).await,
        Value::Path(path) => Ok(Rc::new(NixString::plain(&*path))),
        Value::Attrs(attrs) => {
            let whole = Value::Attrs(attrs.clone());
            let inner = if let Some(function) = vm.get(&attrs, "__toString") {
                Value::apply(function, vec![whole])
            } else if let Some(path) = vm.get(&attrs, "outPath") {
                path
            } else {
                let error = Error::new(ErrorKind::Type, "cannot coerce a set to a string");
                return Err(error.help("a set needs the attribute `outPath` or `__toString` for that"));
            };
            nested(vm, inner, how).await
        }
        Value::Bool(value) if how.more => Ok(Rc::new(NixString::plain(if value { "1" } else { "" }))),
        Value::Int(value) if how.more => Ok(Rc::new(NixString::plain(value.to_string()))),
        Value::Float(value) if how.more => Ok(Rc::new(NixString::plain(format!("{value:.6}")))),
        Value::Null if how.more => Ok(Rc::default()),
        Value::List(list) if how.more => {
            let (mut bytes, mut context) = (Vec::new(), Context::default());
            for (index, item) in list.0.iter().enumerate() {
                let string = nested(vm, item.clone(), how).await?;
                context.add(&string);
                bytes.extend_from_slice(&string.bytes);
                let is_empty_list = matches!(item.peek(), Value::List(list) if list.0.is_empty());
                if index + 1 < list.0.len() && !is_empty_list {
                    bytes.push(b' ');
                }
            }
            Ok(Rc::new(NixString::new(bytes, context)))
        }
        other => {
            let message = format!("cannot coerce {} to a string", other.type_phrase());
            let error = Error::new(ErrorKind::Type, message);
            Err(match other {
                Value::Int(_) | Value::Float(_) | Value::Bool(_) | Value::Null | Value::List(_) => {
                    error.help("use `toString`")
                }
                _ => error,
            })
        }
    }
}

async fn nested(vm: &Vm, value: Value, how: Coerce) -> Result<Rc<NixString>, Error> {
    let value = vm.force(&value).await?;
    if let Value::String(string) = value {
        return Ok(string);
    }
    let inner = vm.clone();
    let result = vm.run(Box::pin(async move {
        coerce(&inner, &value, how).await.map(Value::String)
    }));
    result.await?.to_nix_string()
}

async fn copy_path(vm: &Vm, path: Rc<str>) -> Result<Rc<NixString>, Error> {
    match vm.extension::<CopyHook>().0.get() {
        Some(hook) => vm.run(hook(vm.clone(), path)).await?.to_nix_string(),
        None => {
            let message = format!("cannot take the path '{path}' into the store: there is none here");
            Err(Error::new(ErrorKind::NotAvailable, message).help("`toString` makes its text a string"))
        }
    }
}
