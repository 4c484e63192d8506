//! Equality and order of values. Knows nothing of operators.

use std::rc::Rc;

use super::attrs::Attrs;
use super::value::Value;
use super::vm::Vm;
use crate::error::{Error, ErrorKind};

/// Compares what can be without evaluating more.
pub(super) fn equal_now(left: &Value, right: &Value) -> Option<bool> {
    Some(match (left, right) {
        (Value::Thunk(_), _) | (_, Value::Thunk(_)) => return None,
        (Value::Null, Value::Null) => true,
        (Value::Bool(a), Value::Bool(b)) => a == b,
        (Value::Int(a), Value::Int(b)) => a == b,
        (Value::Float(a), Value::Float(b)) => a == b,
        (Value::Int(a), Value::Float(b)) | (Value::Float(b), Value::Int(a)) => *a as f64 == *b,
        (Value::String(a), Value::String(b)) => a.bytes == b.bytes,
        (Value::Path(a), Value::Path(b)) => a == b,
        (Value::List(a), Value::List(b)) if a.0.len() != b.0.len() => false,
        (Value::List(a), Value::List(b)) if Rc::ptr_eq(a, b) => true,
        (Value::List(a), Value::List(_)) if a.0.is_empty() => true,
        (Value::List(_), Value::List(_)) => return None,
        (Value::Attrs(a), Value::Attrs(b)) if Rc::ptr_eq(a, b) => true,
        (Value::Attrs(_), Value::Attrs(_)) => return None,
        // Functions are never equal, other types never to each other.
        _ => false,
    })
}

/// Whether two things inside of lists or sets are the same one, which makes them equal whatever they are.
fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Thunk(a), Value::Thunk(b)) => Rc::ptr_eq(&a.0, &b.0),
        (Value::Lambda(a), Value::Lambda(b)) => Rc::ptr_eq(a, b),
        (Value::Builtin(a), Value::Builtin(b)) => Rc::ptr_eq(a, b),
        _ => false,
    }
}

/// Whether two values are equal.
pub async fn equal(vm: &Vm, left: &Value, right: &Value) -> Result<bool, Error> {
    let (left, right) = (vm.force(left).await?, vm.force(right).await?);
    if let Some(equal) = equal_now(&left, &right) {
        return Ok(equal);
    }
    match (&left, &right) {
        (Value::List(a), Value::List(b)) => {
            for (a, b) in a.0.iter().zip(&b.0) {
                if !nested(vm, a, b).await? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        (Value::Attrs(a), Value::Attrs(b)) => {
            if is_derivation(vm, a).await?
                && is_derivation(vm, b).await?
                && let (Some(a), Some(b)) = (vm.get(a, "outPath"), vm.get(b, "outPath"))
            {
                return nested(vm, &a, &b).await;
            }
            if a.len() != b.len() || a.iter().zip(b.iter()).any(|(a, b)| a.name != b.name) {
                return Ok(false);
            }
            // In the order of the names, so that of two errors it is always the same one.
            let symbols = vm.symbols();
            for ((_, a), (_, b)) in a.sorted(symbols).into_iter().zip(b.sorted(symbols)) {
                if !nested(vm, &a.value, &b.value).await? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        _ => Ok(false),
    }
}

async fn nested(vm: &Vm, left: &Value, right: &Value) -> Result<bool, Error> {
    if same(left, right) {
        return Ok(true);
    }
    let (left, right) = (vm.force(left).await?, vm.force(right).await?);
    if same(&left, &right) {
        return Ok(true);
    }
    if let Some(equal) = equal_now(&left, &right) {
        return Ok(equal);
    }
    let inner = vm.clone();
    let result = vm.run(Box::pin(async move {
        equal(&inner, &left, &right).await.map(Value::Bool)
    }));
    result.await?.to_bool()
}

/// Whether a set says that it is a derivation.
pub async fn is_derivation(vm: &Vm, attrs: &Attrs) -> Result<bool, Error> {
    let Some(kind) = vm.get(attrs, "type") else {
        return Ok(false);
    };
    match vm.force(&kind).await? {
        Value::String(kind) => Ok(&*kind.bytes == b"derivation"),
        _ => Ok(false),
    }
}

/// Orders what can be without evaluating more.
pub(super) fn less_now(left: &Value, right: &Value) -> Option<Result<bool, Error>> {
    Some(Ok(match (left, right) {
        (Value::Thunk(_), _) | (_, Value::Thunk(_)) => return None,
        (Value::Int(a), Value::Int(b)) => a < b,
        (Value::Float(a), Value::Float(b)) => a < b,
        (Value::Int(a), Value::Float(b)) => (*a as f64) < *b,
        (Value::Float(a), Value::Int(b)) => *a < *b as f64,
        (Value::String(a), Value::String(b)) => a.bytes < b.bytes,
        (Value::Path(a), Value::Path(b)) => a < b,
        (Value::List(_), Value::List(_)) => return None,
        _ => {
            let (a, b) = (left.type_phrase(), right.type_phrase());
            let message = format!("cannot compare {a} with {b}");
            return Some(Err(Error::new(ErrorKind::Type, message)));
        }
    }))
}

/// Whether one value comes before another.
pub async fn less(vm: &Vm, left: &Value, right: &Value) -> Result<bool, Error> {
    let (left, right) = (vm.force(left).await?, vm.force(right).await?);
    if let Some(less) = less_now(&left, &right) {
        return less;
    }
    let (Value::List(a), Value::List(b)) = (&left, &right) else {
        return Ok(false);
    };
    for (index, a) in a.0.iter().enumerate() {
        let Some(b) = b.0.get(index) else {
            return Ok(false);
        };
        if !nested(vm, a, b).await? {
            let (inner, a, b) = (vm.clone(), a.clone(), b.clone());
            let result = vm.run(Box::pin(
                async move { less(&inner, &a, &b).await.map(Value::Bool) },
            ));
            return result.await?.to_bool();
        }
    }
    Ok(a.0.len() < b.0.len())
}
