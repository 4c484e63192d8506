//! Evaluation itself: `seq`, `deepSeq`, `throw`, `abort`, `tryEval`, `trace`, and what is named after them.
//! Knows nothing of other types.

use std::collections::BTreeSet;
use std::rc::Rc;

use crate::error::{Error, ErrorKind};
use crate::eval::{Attrs, Builtin, Coerce, Value, Vm, coerce, print};

/// The group.
pub static BUILTINS: &[Builtin] = &[
    Builtin::task("abort", 1, |vm, args| Box::pin(fail(vm, args, ErrorKind::Abort))),
    Builtin::task("throw", 1, |vm, args| Box::pin(fail(vm, args, ErrorKind::Throw))),
    Builtin::task("tryEval", 1, |vm, args| Box::pin(try_eval(vm, args))),
    Builtin::task("seq", 2, |vm, args| {
        Box::pin(async move {
            vm.force(&args[0]).await?;
            vm.force(&args[1]).await
        })
    }),
    Builtin::task("deepSeq", 2, |vm, args| {
        Box::pin(async move {
            deep_force(&vm, &args[0]).await?;
            vm.force(&args[1]).await
        })
    }),
    Builtin::task("trace", 2, |vm, args| Box::pin(trace(vm, args))),
    Builtin::task("traceVerbose", 2, |vm, args| {
        Box::pin(async move { vm.force(&args[1]).await })
    }),
    Builtin::task("addErrorContext", 2, |vm, args| {
        Box::pin(add_error_context(vm, args))
    }),
    Builtin::strict("break", 1, |_, args| Ok(args[0].clone())),
];

async fn fail(vm: Vm, args: Vec<Value>, kind: ErrorKind) -> Result<Value, Error> {
    let message = coerce(&vm, &args[0], Coerce::strict(false)).await?;
    let text = message.text();
    Err(Error::new(
        kind,
        match kind {
            ErrorKind::Abort => format!("evaluation aborted with the following error message: '{text}'"),
            _ => text.into_owned(),
        },
    ))
}

async fn try_eval(vm: Vm, args: Vec<Value>) -> Result<Value, Error> {
    let (success, value) = match vm.force(&args[0]).await {
        Ok(value) => (true, value),
        Err(error) if error.is_catchable() => (false, Value::Bool(false)),
        Err(error) => return Err(error),
    };
    Ok(Value::attrs(Attrs::of(
        vm.symbols(),
        [("success", Value::Bool(success)), ("value", value)],
    )))
}

async fn trace(vm: Vm, args: Vec<Value>) -> Result<Value, Error> {
    let text = match vm.force(&args[0]).await? {
        Value::String(string) => string.text().into_owned(),
        other => print::print(&vm, &other),
    };
    vm.io().trace(&text);
    vm.force(&args[1]).await
}

async fn add_error_context(vm: Vm, args: Vec<Value>) -> Result<Value, Error> {
    match vm.force(&args[1]).await {
        Ok(value) => Ok(value),
        Err(error) => {
            let message = coerce(&vm, &args[0], Coerce::strict(false)).await?;
            Err(error.note(message.text(), None))
        }
    }
}

/// Evaluates everything inside of a value, without recursion.
pub async fn deep_force(vm: &Vm, value: &Value) -> Result<(), Error> {
    let mut seen = BTreeSet::new();
    // An address means one thing only while that is there.
    let mut kept = Vec::new();
    let mut open = vec![value.clone()];
    while let Some(next) = open.pop() {
        let value = vm.force(&next).await?;
        let address = match &value {
            Value::List(list) => Rc::as_ptr(list).cast::<()>(),
            Value::Attrs(attrs) => Rc::as_ptr(attrs).cast::<()>(),
            _ => continue,
        };
        if !seen.insert(address) {
            continue;
        }
        match &value {
            Value::List(list) => open.extend(list.0.iter().rev().cloned()),
            Value::Attrs(attrs) => {
                let sorted = attrs.sorted(vm.symbols());
                open.extend(sorted.iter().rev().map(|(_, attr)| attr.value.clone()));
            }
            _ => {}
        }
        kept.push(value);
    }
    Ok(())
}
