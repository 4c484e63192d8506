//! What strings refer to. Knows nothing of how that is built.

use std::rc::Rc;

use crate::error::{Error, ErrorKind};
use crate::eval::{Attrs, Builtin, Coerce, Context, Dependency, NixString, Value, Vm, coerce};

/// The group.
pub static BUILTINS: &[Builtin] = &[
    Builtin::strict("hasContext", 1, |_, args| {
        Ok(Value::Bool(args[0].to_nix_string()?.has_context()))
    }),
    Builtin::strict("getContext", 1, get_context),
    Builtin::task("appendContext", 2, |vm, args| Box::pin(append_context(vm, args))),
    Builtin::task("unsafeDiscardStringContext", 1, |vm, args| {
        Box::pin(async move {
            let string = coerce(&vm, &args[0], Coerce::strict(true)).await?;
            Ok(Value::string(&string.bytes))
        })
    }),
    Builtin::task("unsafeDiscardOutputDependency", 1, |vm, args| {
        Box::pin(async move {
            change(&vm, &args[0], |dependency| match dependency {
                Dependency::Derivation(drv) => Dependency::Path(drv),
                other => other,
            })
            .await
        })
    }),
    Builtin::task("addDrvOutputDependencies", 1, |vm, args| {
        Box::pin(async move {
            change(&vm, &args[0], |dependency| match dependency {
                Dependency::Path(path) if path.ends_with(".drv") => Dependency::Derivation(path),
                other => other,
            })
            .await
        })
    }),
];

async fn change(vm: &Vm, value: &Value, change: fn(Dependency) -> Dependency) -> Result<Value, Error> {
    let string = coerce(vm, value, Coerce::strict(true)).await?;
    let context = string.context().into_owned().0.into_iter().map(change);
    let context = Context(context.collect());
    Ok(Value::String(Rc::new(NixString::new(
        string.bytes.clone(),
        context,
    ))))
}

/// A set with an attribute for each store path that a string refers to.
fn get_context(vm: &Vm, args: &[Value]) -> Result<Value, Error> {
    #[derive(Default)]
    struct Entry {
        path: bool,
        all: bool,
        outputs: Vec<Value>,
    }
    let string = args[0].to_nix_string()?;
    let mut entries: std::collections::BTreeMap<Rc<str>, Entry> = Default::default();
    for dependency in &string.context().0 {
        match dependency {
            Dependency::Path(path) => entries.entry(path.clone()).or_default().path = true,
            Dependency::Derivation(drv) => entries.entry(drv.clone()).or_default().all = true,
            Dependency::Output { drv, output } => {
                let entry = entries.entry(drv.clone()).or_default();
                entry.outputs.push(Value::string(&**output));
            }
        }
    }
    let entries = entries.into_iter().map(|(path, entry)| {
        let mut attrs = Vec::new();
        if entry.path {
            attrs.push(("path", Value::Bool(true)));
        }
        if entry.all {
            attrs.push(("allOutputs", Value::Bool(true)));
        }
        if !entry.outputs.is_empty() {
            attrs.push(("outputs", Value::list(entry.outputs)));
        }
        (path, Value::attrs(Attrs::of(vm.symbols(), attrs)))
    });
    Ok(Value::attrs(Attrs::of(vm.symbols(), entries)))
}

async fn append_context(vm: Vm, args: Vec<Value>) -> Result<Value, Error> {
    let string = vm.string(&args[0]).await?;
    let more = vm.attrs(&args[1]).await?;
    let mut context = string.context().into_owned();
    for (path, attr) in more.sorted(vm.symbols()) {
        if !path.starts_with("/nix/store/") {
            return Err(Error::new(
                ErrorKind::Value,
                format!("context key '{path}' is not a store path"),
            ));
        }
        let what = vm.attrs(&attr.value).await?;
        let flag = async |name| match vm.get(&what, name) {
            Some(value) => vm.bool(&value).await,
            None => Ok(false),
        };
        if flag("path").await? {
            context.0.insert(Dependency::Path(path.clone()));
        }
        let all = flag("allOutputs").await?;
        let outputs = match vm.get(&what, "outputs") {
            Some(outputs) => vm.list(&outputs).await?.0.clone(),
            None => Vec::new(),
        };
        if (all || !outputs.is_empty()) && !path.ends_with(".drv") {
            let message =
                format!("tried to add outputs of '{path}', which is not a derivation, to a string's context");
            return Err(Error::new(ErrorKind::Value, message));
        }
        if all {
            context.0.insert(Dependency::Derivation(path.clone()));
        }
        for output in &outputs {
            let output = vm.plain_string(output).await?.into();
            let drv = path.clone();
            context.0.insert(Dependency::Output { drv, output });
        }
    }
    Ok(Value::String(Rc::new(NixString::new(
        string.bytes.clone(),
        context,
    ))))
}
