//! Strings and paths as text. Knows nothing of regular expressions and hashes.

use std::rc::Rc;

use crate::error::{Error, ErrorKind};
use crate::eval::{Builtin, Coerce, Context, NixString, Value, Vm, coerce};
use crate::path;

/// The group.
pub static BUILTINS: &[Builtin] = &[
    Builtin::task("toString", 1, |vm, args| {
        Box::pin(async move { coerce(&vm, &args[0], Coerce::text()).await.map(Value::String) })
    }),
    Builtin::task("stringLength", 1, |vm, args| {
        Box::pin(async move {
            let string = coerce(&vm, &args[0], Coerce::strict(true)).await?;
            Ok(Value::Int(string.bytes.len() as i64))
        })
    }),
    Builtin::task("substring", 3, |vm, args| Box::pin(substring(vm, args))),
    Builtin::task("concatStringsSep", 2, |vm, args| {
        Box::pin(concat_strings_sep(vm, args))
    }),
    Builtin::task("replaceStrings", 3, |vm, args| {
        Box::pin(replace_strings(vm, args))
    }),
    Builtin::task("baseNameOf", 1, |vm, args| Box::pin(base_name_of(vm, args))),
    Builtin::task("dirOf", 1, |vm, args| Box::pin(dir_of(vm, args))),
    Builtin::task("toPath", 1, |vm, args| Box::pin(to_path(vm, args))),
    Builtin::strict("getEnv", 1, |_, args| {
        args[0].to_plain_string()?;
        // A frontend has no environment; Nix in its pure mode says the same.
        Ok(Value::string(""))
    }),
];

async fn substring(vm: Vm, args: Vec<Value>) -> Result<Value, Error> {
    let start = vm.int(&args[0]).await?;
    let length = vm.int(&args[1]).await?;
    let string = coerce(&vm, &args[2], Coerce::strict(true)).await?;
    let Ok(start) = usize::try_from(start) else {
        let message = format!("negative start position {start} in 'substring'");
        return Err(Error::new(ErrorKind::Value, message));
    };
    let start = start.min(string.bytes.len());
    let rest = &string.bytes[start..];
    let length = usize::try_from(length).unwrap_or(rest.len()).min(rest.len());
    Ok(Value::String(Rc::new(string.with_bytes(&rest[..length]))))
}

async fn concat_strings_sep(vm: Vm, args: Vec<Value>) -> Result<Value, Error> {
    let separator = vm.string(&args[0]).await?;
    let list = vm.list(&args[1]).await?;
    let (mut bytes, mut context) = (Vec::new(), Context::default());
    context.add(&separator);
    for (index, item) in list.0.iter().enumerate() {
        if index > 0 {
            bytes.extend_from_slice(&separator.bytes);
        }
        let string = coerce(&vm, item, Coerce::strict(true)).await?;
        context.add(&string);
        bytes.extend_from_slice(&string.bytes);
    }
    Ok(Value::String(Rc::new(NixString::new(bytes, context))))
}

async fn replace_strings(vm: Vm, args: Vec<Value>) -> Result<Value, Error> {
    let (from, to) = (vm.list(&args[0]).await?, vm.list(&args[1]).await?);
    if from.0.len() != to.0.len() {
        let message = "'from' and 'to' arguments passed to 'replaceStrings' have different lengths";
        return Err(Error::new(ErrorKind::Value, message));
    }
    let mut patterns = Vec::with_capacity(from.0.len());
    for pattern in &from.0 {
        patterns.push(vm.string(pattern).await?);
    }
    let string = vm.string(&args[2]).await?;
    let (mut bytes, mut context) = (Vec::new(), Context::default());
    context.add(&string);
    let mut at = 0;
    while at <= string.bytes.len() {
        let rest = &string.bytes[at..];
        let found = patterns
            .iter()
            .position(|pattern| rest.starts_with(&pattern.bytes));
        let mut step = 0;
        if let Some(index) = found {
            // Only what is used is evaluated.
            let with = vm.string(&to.0[index]).await?;
            context.add(&with);
            bytes.extend_from_slice(&with.bytes);
            step = patterns[index].bytes.len();
        }
        if step == 0 {
            bytes.extend(rest.first());
            step = 1;
        }
        at += step;
    }
    Ok(Value::String(Rc::new(NixString::new(bytes, context))))
}

async fn base_name_of(vm: Vm, args: Vec<Value>) -> Result<Value, Error> {
    let string = coerce(&vm, &args[0], Coerce::strict(false)).await?;
    let bytes = &string.bytes;
    let end = match bytes.split_last() {
        Some((b'/', rest)) if !rest.is_empty() => rest.len(),
        _ => bytes.len(),
    };
    let start = bytes[..end]
        .iter()
        .rposition(|byte| *byte == b'/')
        .map_or(0, |slash| slash + 1);
    Ok(Value::String(Rc::new(string.with_bytes(&bytes[start..end]))))
}

async fn dir_of(vm: Vm, args: Vec<Value>) -> Result<Value, Error> {
    let value = vm.force(&args[0]).await?;
    if let Value::Path(text) = value {
        return Ok(Value::Path(path::parent(&text).into()));
    }
    let string = coerce(&vm, &value, Coerce::strict(false)).await?;
    let dir = path::parent(&string.to_utf8()?).to_owned();
    Ok(Value::String(Rc::new(string.with_bytes(dir.into_bytes()))))
}

async fn to_path(vm: Vm, args: Vec<Value>) -> Result<Value, Error> {
    let string = coerce(&vm, &args[0], Coerce::strict(false)).await?;
    let text = string.to_utf8()?;
    if !text.starts_with('/') {
        let message = format!("string '{text}' doesn't represent an absolute path");
        return Err(Error::new(ErrorKind::Value, message));
    }
    Ok(Value::String(Rc::new(
        string.with_bytes(path::canonical(&text).into_bytes()),
    )))
}
