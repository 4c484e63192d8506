//! `genericClosure`: everything that can be reached from a start. Knows nothing of what the keys mean.

use std::collections::VecDeque;

use crate::error::Error;
use crate::eval::{Builtin, Value, Vm, compare};

/// The group.
pub static BUILTINS: &[Builtin] = &[Builtin::task("genericClosure", 1, |vm, args| {
    Box::pin(generic_closure(vm, args))
})];

async fn generic_closure(vm: Vm, args: Vec<Value>) -> Result<Value, Error> {
    let attrs = vm.attrs(&args[0]).await?;
    let start = vm.list(&vm.need(&attrs, "startSet", "genericClosure")?).await?;
    let operator = vm.need(&attrs, "operator", "genericClosure")?;
    let mut open: VecDeque<Value> = start.0.iter().cloned().collect();
    let (mut keys, mut found): (Vec<Value>, Vec<Value>) = (Vec::new(), Vec::new());
    while let Some(item) = open.pop_front() {
        let set = vm.attrs(&item).await?;
        let key = vm.force(&vm.need(&set, "key", "genericClosure")?).await?;
        if !insert(&vm, &mut keys, key).await? {
            continue;
        }
        found.push(item.clone());
        let next = vm.call(&operator, vec![item]).await?.to_list()?;
        open.extend(next.0.iter().cloned());
    }
    Ok(Value::list(found))
}

/// Adds a key to a sorted list of them unless it is there.
async fn insert(vm: &Vm, keys: &mut Vec<Value>, key: Value) -> Result<bool, Error> {
    let (mut low, mut high) = (0, keys.len());
    if high == 0 {
        // Says if it is none that has an order.
        compare::less(vm, &key, &key).await?;
    }
    while low < high {
        let middle = low + (high - low) / 2;
        if compare::less(vm, &keys[middle], &key).await? {
            low = middle + 1;
        } else if compare::less(vm, &key, &keys[middle]).await? {
            high = middle;
        } else {
            return Ok(false);
        }
    }
    keys.insert(low, key);
    Ok(true)
}
