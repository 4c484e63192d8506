//! The operators. What evaluates more on its way becomes a task. Knows nothing of precedence.

use std::rc::Rc;

use super::attrs::Attrs;
use super::code::Binary;
use super::coerce::{Coerce, coerce};
use super::compare;
use super::string::{Context, NixString};
use super::value::Value;
use super::vm::{Task, Vm};
use crate::error::{Error, ErrorKind};
use crate::path;

/// What an operator gives.
pub(super) enum Outcome {
    /// A value.
    Value(Value),
    /// Work that gives one.
    Task(Task),
}

/// A binary operator of two evaluated values.
pub(super) fn binary(vm: &Vm, operator: Binary, left: Value, right: Value) -> Result<Outcome, Error> {
    let value = match operator {
        Binary::Add => return add(vm, left, right),
        Binary::Sub | Binary::Mul | Binary::Div => arithmetic(operator, &left, &right)?,
        Binary::Equal | Binary::NotEqual => {
            let expected = operator == Binary::Equal;
            match compare::equal_now(&left, &right) {
                Some(equal) => Value::Bool(equal == expected),
                None => {
                    let vm = vm.clone();
                    return Ok(Outcome::Task(Box::pin(async move {
                        let equal = compare::equal(&vm, &left, &right).await?;
                        Ok(Value::Bool(equal == expected))
                    })));
                }
            }
        }
        Binary::Less => return less(vm, left, right, false),
        Binary::More => return less(vm, right, left, false),
        Binary::LessOrEqual => return less(vm, right, left, true),
        Binary::MoreOrEqual => return less(vm, left, right, true),
        Binary::Concat => concat(&left, &right)?,
        Binary::Update => update(&left, &right)?,
    };
    Ok(Outcome::Value(value))
}

fn less(vm: &Vm, left: Value, right: Value, negated: bool) -> Result<Outcome, Error> {
    if let Some(less) = compare::less_now(&left, &right) {
        return Ok(Outcome::Value(Value::Bool(less? != negated)));
    }
    let vm = vm.clone();
    Ok(Outcome::Task(Box::pin(async move {
        let less = compare::less(&vm, &left, &right).await?;
        Ok(Value::Bool(less != negated))
    })))
}

fn concat(left: &Value, right: &Value) -> Result<Value, Error> {
    let (a, b) = (left.to_list()?, right.to_list()?);
    if a.0.is_empty() {
        return Ok(Value::List(b));
    }
    if b.0.is_empty() {
        return Ok(Value::List(a));
    }
    Ok(Value::list(a.0.iter().chain(&b.0).cloned().collect()))
}

fn update(left: &Value, right: &Value) -> Result<Value, Error> {
    let (a, b): (Rc<Attrs>, Rc<Attrs>) = (left.to_attrs()?, right.to_attrs()?);
    if a.is_empty() {
        return Ok(Value::Attrs(b));
    }
    if b.is_empty() {
        return Ok(Value::Attrs(a));
    }
    Ok(Value::attrs(a.update(&b)))
}

fn add(vm: &Vm, left: Value, right: Value) -> Result<Outcome, Error> {
    match (&left, &right) {
        (Value::Int(_) | Value::Float(_), Value::Int(_) | Value::Float(_)) => {
            return arithmetic(Binary::Add, &left, &right).map(Outcome::Value);
        }
        (Value::Int(_), other) => return Err(cannot_add(other, "an integer")),
        (Value::Float(_), other) => return Err(cannot_add(other, "a float")),
        (Value::Path(_), _) => return Ok(interpolate_path(vm, vec![left, right])),
        _ => {}
    }
    let copy = matches!(left, Value::String(_));
    join(vm, vec![left, right], copy)
}

fn cannot_add(value: &Value, to: &str) -> Error {
    let message = format!("cannot add {} to {to}", value.type_phrase());
    Error::new(ErrorKind::Type, message)
}

/// `-`, `*`, `/` and `+` of numbers.
pub(crate) fn arithmetic(operator: Binary, left: &Value, right: &Value) -> Result<Value, Error> {
    if let (Value::Int(a), Value::Int(b)) = (left, right) {
        let (a, b) = (*a, *b);
        let (result, sign) = match operator {
            Binary::Sub => (a.checked_sub(b), '-'),
            Binary::Mul => (a.checked_mul(b), '*'),
            Binary::Div if b == 0 => return Err(division_by_zero()),
            Binary::Div => (a.checked_div(b), '/'),
            _ => (a.checked_add(b), '+'),
        };
        return result
            .map(Value::Int)
            .ok_or_else(|| Error::new(ErrorKind::Value, format!("integer overflow in {a} {sign} {b}")));
    }
    let number = |value: &Value| match value {
        Value::Int(value) => Ok(*value as f64),
        Value::Float(value) => Ok(*value),
        other if matches!(left, Value::Float(_)) || matches!(right, Value::Float(_)) => {
            Err(Error::expected("a float", other.type_phrase()))
        }
        other => Err(Error::expected("an integer", other.type_phrase())),
    };
    let (a, b) = (number(left)?, number(right)?);
    Ok(Value::Float(match operator {
        Binary::Sub => a - b,
        Binary::Mul => a * b,
        Binary::Div if b == 0.0 => return Err(division_by_zero()),
        Binary::Div => a / b,
        _ => a + b,
    }))
}

fn division_by_zero() -> Error {
    Error::new(ErrorKind::Value, "division by zero")
}

/// `-` with one side.
pub(super) fn negate(value: &Value) -> Result<Value, Error> {
    arithmetic(Binary::Sub, &Value::Int(0), value)
}

/// Joins the parts of a string.
pub(super) fn interpolate(vm: &Vm, parts: Vec<Value>) -> Result<Outcome, Error> {
    join(vm, parts, true)
}

fn join(vm: &Vm, parts: Vec<Value>, copy: bool) -> Result<Outcome, Error> {
    if let Some(value) = join_strings(&parts) {
        return Ok(Outcome::Value(value));
    }
    let vm = vm.clone();
    Ok(Outcome::Task(Box::pin(async move {
        let (mut bytes, mut context) = (Vec::new(), Context::default());
        for part in parts {
            let string = coerce(&vm, &part, Coerce::strict(copy)).await?;
            context.add(&string);
            bytes.extend_from_slice(&string.bytes);
        }
        Ok(Value::String(Rc::new(NixString::new(bytes, context))))
    })))
}

/// The same where all are strings.
fn join_strings(parts: &[Value]) -> Option<Value> {
    let mut length = 0;
    for part in parts {
        match part {
            Value::String(string) => length += string.bytes.len(),
            _ => return None,
        }
    }
    let (mut bytes, mut context) = (Vec::with_capacity(length), Context::default());
    for part in parts {
        if let Value::String(string) = part {
            context.add(string);
            bytes.extend_from_slice(&string.bytes);
        }
    }
    Some(Value::String(Rc::new(NixString::new(bytes, context))))
}

/// Joins a path and what follows it to a path.
pub(super) fn interpolate_path(vm: &Vm, parts: Vec<Value>) -> Outcome {
    let vm = vm.clone();
    Outcome::Task(Box::pin(async move {
        let mut text = String::new();
        for part in parts {
            let string = coerce(&vm, &part, Coerce::strict(false)).await?;
            if string.has_context() {
                let message = "a string that refers to a store path cannot be appended to a path";
                return Err(Error::new(ErrorKind::Type, message));
            }
            text.push_str(&string.to_utf8()?);
        }
        Ok(Value::Path(path::canonical(&text).into()))
    }))
}
