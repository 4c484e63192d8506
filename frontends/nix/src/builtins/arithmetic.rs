//! Numbers: arithmetic, bits, rounding and order. Knows nothing of operators' syntax.

use crate::error::{Error, ErrorKind};
use crate::eval::code::Binary;
use crate::eval::{Builtin, Value, Vm, arithmetic, compare};

/// The group.
pub static BUILTINS: &[Builtin] = &[
    Builtin::strict("add", 2, |_, args| arithmetic(Binary::Add, &args[0], &args[1])),
    Builtin::strict("sub", 2, |_, args| arithmetic(Binary::Sub, &args[0], &args[1])),
    Builtin::strict("mul", 2, |_, args| arithmetic(Binary::Mul, &args[0], &args[1])),
    Builtin::strict("div", 2, |_, args| arithmetic(Binary::Div, &args[0], &args[1])),
    Builtin::strict("bitAnd", 2, |_, args| bits(args, |a, b| a & b)),
    Builtin::strict("bitOr", 2, |_, args| bits(args, |a, b| a | b)),
    Builtin::strict("bitXor", 2, |_, args| bits(args, |a, b| a ^ b)),
    Builtin::strict("ceil", 1, |_, args| round(&args[0], f64::ceil)),
    Builtin::strict("floor", 1, |_, args| round(&args[0], f64::floor)),
    Builtin::task("lessThan", 2, |vm, args| Box::pin(less_than(vm, args))),
];

fn bits(args: &[Value], operation: fn(i64, i64) -> i64) -> Result<Value, Error> {
    Ok(Value::Int(operation(args[0].to_int()?, args[1].to_int()?)))
}

fn round(value: &Value, operation: fn(f64) -> f64) -> Result<Value, Error> {
    if let Value::Int(value) = value {
        return Ok(Value::Int(*value));
    }
    let rounded = operation(value.to_float()?);
    // Both bounds are exact: -2^63 and 2^63.
    if (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&rounded) {
        return Ok(Value::Int(rounded as i64));
    }
    Err(Error::new(
        ErrorKind::Value,
        format!("{rounded} does not fit into an integer"),
    ))
}

async fn less_than(vm: Vm, args: Vec<Value>) -> Result<Value, Error> {
    compare::less(&vm, &args[0], &args[1]).await.map(Value::Bool)
}
