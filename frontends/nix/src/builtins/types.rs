//! What a value is. Knows nothing of what is done with it.

use crate::error::Error;
use crate::eval::code::Param;
use crate::eval::{Attr, Attrs, Builtin, Value, Vm};

/// The group.
pub static BUILTINS: &[Builtin] = &[
    Builtin::strict("isAttrs", 1, |_, args| {
        Ok(Value::Bool(matches!(args[0], Value::Attrs(_))))
    }),
    Builtin::strict("isBool", 1, |_, args| {
        Ok(Value::Bool(matches!(args[0], Value::Bool(_))))
    }),
    Builtin::strict("isFloat", 1, |_, args| {
        Ok(Value::Bool(matches!(args[0], Value::Float(_))))
    }),
    Builtin::strict("isFunction", 1, |_, args| {
        Ok(Value::Bool(matches!(
            args[0],
            Value::Lambda(_) | Value::Builtin(_)
        )))
    }),
    Builtin::strict("isInt", 1, |_, args| {
        Ok(Value::Bool(matches!(args[0], Value::Int(_))))
    }),
    Builtin::strict("isList", 1, |_, args| {
        Ok(Value::Bool(matches!(args[0], Value::List(_))))
    }),
    Builtin::strict("isNull", 1, |_, args| {
        Ok(Value::Bool(matches!(args[0], Value::Null)))
    }),
    Builtin::strict("isPath", 1, |_, args| {
        Ok(Value::Bool(matches!(args[0], Value::Path(_))))
    }),
    Builtin::strict("isString", 1, |_, args| {
        Ok(Value::Bool(matches!(args[0], Value::String(_))))
    }),
    Builtin::strict("typeOf", 1, |_, args| Ok(Value::string(args[0].type_name()))),
    Builtin::strict("functionArgs", 1, function_args),
];

/// The named parameters of a function, each with whether it has a default.
fn function_args(_: &Vm, args: &[Value]) -> Result<Value, Error> {
    match &args[0] {
        Value::Lambda(lambda) => match &lambda.function.param {
            Param::Any => Ok(Value::attrs(Attrs::default())),
            Param::Set(formals) => {
                let attr = |formal: &crate::eval::code::Formal| Attr {
                    name: formal.name,
                    value: Value::Bool(formal.default.is_some()),
                    span: Some(formal.span),
                };
                Ok(Value::attrs(Attrs::new(formals.list.iter().map(attr).collect())))
            }
        },
        Value::Builtin(_) => Ok(Value::attrs(Attrs::default())),
        other => Err(Error::expected("a function", other.type_phrase())),
    }
}
