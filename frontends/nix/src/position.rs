//! Places as values: what `__curPos` and `unsafeGetAttrPos` give. Knows nothing of errors.

use crate::eval::{Attrs, Value, Vm};
use crate::span::Span;

/// The place where a span begins, as a set of `file`, `line` and `column`; null if there is no such file.
pub fn value(vm: &Vm, span: Span) -> Value {
    let Some((source, position)) = vm.sources().position(span) else {
        return Value::Null;
    };
    let file = source.path.as_deref().unwrap_or(&source.name);
    Value::attrs(Attrs::of(
        vm.symbols(),
        [
            ("file", Value::string(file)),
            ("line", Value::Int(i64::from(position.line))),
            ("column", Value::Int(i64::from(position.column))),
        ],
    ))
}
