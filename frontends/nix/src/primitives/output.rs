//! What a value is as the result of a build: a thing of the store. Knows nothing of graphs.

use crate::error::{Error, ErrorKind};
use crate::eval::{Coerce, Value, Vm, coerce};
use crate::lower::StorePath;

use super::builds::{Builds, refused, store_path};

/// Whether a value is something that can be built: a set with `outPath`, or a path.
pub async fn can_be_built(vm: &Vm, value: &Value) -> Result<bool, Error> {
    Ok(match vm.force(value).await? {
        Value::Attrs(attrs) => vm.get(&attrs, "outPath").is_some(),
        Value::Path(_) => true,
        Value::String(string) => string.has_context(),
        _ => false,
    })
}

/// The store path to build for a value.
///
/// # Errors
/// The value is nothing that can be built.
pub async fn of(vm: &Vm, value: &Value) -> Result<StorePath, Error> {
    let value = vm.force(value).await?;
    if !can_be_built(vm, &value).await? {
        let message = format!("the value is {}, which cannot be built", value.type_phrase());
        let error = Error::new(ErrorKind::Build, message);
        return Err(match value {
            Value::Attrs(_) => error.help("choose one of its attributes: --attr NAME, or --target NAME"),
            Value::Lambda(_) | Value::Builtin(_) => {
                error.help("give the function its arguments: --arg NAME EXPR, --argstr NAME VALUE")
            }
            _ => error.help(
                "derivations and images can be built, such as `buildImage { … }`; --call eval prints values",
            ),
        });
    }
    let string = coerce(vm, &value, Coerce::strict(true)).await?;
    let (path, _) = store_path(&string)?;
    Builds::of(vm)
        .store()
        .item(&path)
        .map_err(|error| refused(&error))?;
    Ok(path)
}
