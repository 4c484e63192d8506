//! Lists. Knows nothing of sets but where it makes one.

use crate::error::{Error, ErrorKind};
use crate::eval::{Attrs, Builtin, List, Value, Vm, compare};

/// The longest list that `genList` makes.
const MAX_LENGTH: i64 = 2_000_000;

/// The group.
pub static BUILTINS: &[Builtin] = &[
    Builtin::task("map", 2, |vm, args| Box::pin(map(vm, args))),
    Builtin::task("filter", 2, |vm, args| Box::pin(filter(vm, args))),
    Builtin::task("any", 2, |vm, args| Box::pin(any(vm, args, true))),
    Builtin::task("all", 2, |vm, args| Box::pin(any(vm, args, false))),
    Builtin::task("elem", 2, |vm, args| Box::pin(elem(vm, args))),
    Builtin::task("elemAt", 2, |vm, args| Box::pin(elem_at(vm, args))),
    Builtin::task("head", 1, |vm, args| Box::pin(head(vm, args))),
    Builtin::strict("tail", 1, |_, args| match args[0].to_list()?.0.split_first() {
        Some((_, rest)) => Ok(Value::list(rest.to_vec())),
        None => Err(Error::new(ErrorKind::Value, "'tail' called on an empty list")),
    }),
    Builtin::strict("length", 1, |_, args| {
        Ok(Value::Int(args[0].to_list()?.0.len() as i64))
    }),
    Builtin::task("concatLists", 1, |vm, args| Box::pin(concat_lists(vm, args))),
    Builtin::task("concatMap", 2, |vm, args| Box::pin(concat_map(vm, args))),
    Builtin::task("foldl'", 3, |vm, args| Box::pin(fold(vm, args))),
    Builtin::task("genList", 2, |vm, args| Box::pin(gen_list(vm, args))),
    Builtin::task("sort", 2, |vm, args| Box::pin(sort(vm, args))),
    Builtin::task("partition", 2, |vm, args| Box::pin(partition(vm, args))),
    Builtin::task("groupBy", 2, |vm, args| Box::pin(group_by(vm, args))),
];

async fn map(vm: Vm, args: Vec<Value>) -> Result<Value, Error> {
    let list = vm.list(&args[1]).await?;
    let item = |item: &Value| Value::apply(args[0].clone(), vec![item.clone()]);
    Ok(Value::list(list.0.iter().map(item).collect()))
}

/// A function, evaluated before it is used so that an error of it is not one of its first use.
async fn function(vm: &Vm, value: &Value) -> Result<Value, Error> {
    let value = vm.force(value).await?;
    match value {
        Value::Lambda(_) | Value::Builtin(_) | Value::Attrs(_) => Ok(value),
        other => Err(Error::expected("a function", other.type_phrase())),
    }
}

async fn holds(vm: &Vm, predicate: &Value, item: &Value) -> Result<bool, Error> {
    vm.call(predicate, vec![item.clone()]).await?.to_bool()
}

async fn filter(vm: Vm, args: Vec<Value>) -> Result<Value, Error> {
    let list = vm.list(&args[1]).await?;
    if list.0.is_empty() {
        return Ok(Value::List(list));
    }
    let predicate = function(&vm, &args[0]).await?;
    let mut kept = Vec::new();
    for item in &list.0 {
        if holds(&vm, &predicate, item).await? {
            kept.push(item.clone());
        }
    }
    Ok(Value::list(kept))
}

/// `any` looks for an item for which the predicate is true, `all` for one for which it is not.
async fn any(vm: Vm, args: Vec<Value>, wanted: bool) -> Result<Value, Error> {
    let predicate = function(&vm, &args[0]).await?;
    let list = vm.list(&args[1]).await?;
    for item in &list.0 {
        if holds(&vm, &predicate, item).await? == wanted {
            return Ok(Value::Bool(wanted));
        }
    }
    Ok(Value::Bool(!wanted))
}

async fn elem(vm: Vm, args: Vec<Value>) -> Result<Value, Error> {
    let list = vm.list(&args[1]).await?;
    for item in &list.0 {
        if compare::equal(&vm, &args[0], item).await? {
            return Ok(Value::Bool(true));
        }
    }
    Ok(Value::Bool(false))
}

async fn elem_at(vm: Vm, args: Vec<Value>) -> Result<Value, Error> {
    let list = vm.list(&args[0]).await?;
    let index = vm.int(&args[1]).await?;
    let item = usize::try_from(index).ok().and_then(|index| list.0.get(index));
    match item {
        Some(item) => vm.force(item).await,
        None => {
            let message = format!(
                "list index {index} is out of bounds: the list has {} elements",
                list.0.len()
            );
            Err(Error::new(ErrorKind::Value, message))
        }
    }
}

async fn head(vm: Vm, args: Vec<Value>) -> Result<Value, Error> {
    match vm.list(&args[0]).await?.0.first() {
        Some(first) => vm.force(first).await,
        None => Err(Error::new(ErrorKind::Value, "'head' called on an empty list")),
    }
}

async fn concat_lists(vm: Vm, args: Vec<Value>) -> Result<Value, Error> {
    let lists = vm.list(&args[0]).await?;
    let mut all = Vec::new();
    for list in &lists.0 {
        all.extend(vm.list(list).await?.0.iter().cloned());
    }
    Ok(Value::list(all))
}

async fn concat_map(vm: Vm, args: Vec<Value>) -> Result<Value, Error> {
    let function = function(&vm, &args[0]).await?;
    let list = vm.list(&args[1]).await?;
    let mut all = Vec::new();
    for item in &list.0 {
        let part = vm.call(&function, vec![item.clone()]).await?.to_list()?;
        all.extend(part.0.iter().cloned());
    }
    Ok(Value::list(all))
}

async fn fold(vm: Vm, args: Vec<Value>) -> Result<Value, Error> {
    let function = function(&vm, &args[0]).await?;
    let list = vm.list(&args[2]).await?;
    let mut value = args[1].clone();
    for item in &list.0 {
        value = vm.call(&function, vec![value, item.clone()]).await?;
    }
    vm.force(&value).await
}

async fn gen_list(vm: Vm, args: Vec<Value>) -> Result<Value, Error> {
    let length = vm.int(&args[1]).await?;
    if !(0..=MAX_LENGTH).contains(&length) {
        return Err(Error::new(
            ErrorKind::Value,
            format!("cannot create a list of size {length}"),
        ));
    }
    let item = |index| Value::apply(args[0].clone(), vec![Value::Int(index)]);
    Ok(Value::list((0..length).map(item).collect()))
}

/// A merge sort from below: stable, and every comparison may take evaluations.
async fn sort(vm: Vm, args: Vec<Value>) -> Result<Value, Error> {
    let list = vm.list(&args[1]).await?;
    if list.0.len() < 2 {
        return Ok(Value::List(list));
    }
    let before = function(&vm, &args[0]).await?;
    let is_default = matches!(&before, Value::Builtin(partial) if partial.builtin.name == "lessThan");
    let mut from = list.0.clone();
    for item in &from {
        vm.force(item).await?;
    }
    let mut width = 1;
    while width < from.len() {
        let mut to = Vec::with_capacity(from.len());
        for run in from.chunks(width * 2) {
            let (left, right) = run.split_at(width.min(run.len()));
            let (mut a, mut b) = (0, 0);
            while a < left.len() && b < right.len() {
                let right_first = if is_default {
                    compare::less(&vm, &right[b], &left[a]).await?
                } else {
                    let pair = vec![right[b].clone(), left[a].clone()];
                    vm.call(&before, pair).await?.to_bool()?
                };
                if right_first {
                    to.push(right[b].clone());
                    b += 1;
                } else {
                    to.push(left[a].clone());
                    a += 1;
                }
            }
            to.extend_from_slice(&left[a..]);
            to.extend_from_slice(&right[b..]);
        }
        from = to;
        width *= 2;
    }
    Ok(Value::list(from))
}

async fn partition(vm: Vm, args: Vec<Value>) -> Result<Value, Error> {
    let predicate = function(&vm, &args[0]).await?;
    let list = vm.list(&args[1]).await?;
    let (mut right, mut wrong) = (Vec::new(), Vec::new());
    for item in &list.0 {
        if holds(&vm, &predicate, item).await? {
            right.push(item.clone());
        } else {
            wrong.push(item.clone());
        }
    }
    let entries = [("right", Value::list(right)), ("wrong", Value::list(wrong))];
    Ok(Value::attrs(Attrs::of(vm.symbols(), entries)))
}

async fn group_by(vm: Vm, args: Vec<Value>) -> Result<Value, Error> {
    let key = function(&vm, &args[0]).await?;
    let list = vm.list(&args[1]).await?;
    let mut groups: std::collections::BTreeMap<String, List> = std::collections::BTreeMap::new();
    for item in &list.0 {
        let name = vm.call(&key, vec![item.clone()]).await?.to_plain_string()?;
        groups.entry(name).or_default().0.push(item.clone());
    }
    let entry = |(name, list)| (name, Value::List(std::rc::Rc::new(list)));
    Ok(Value::attrs(Attrs::of(
        vm.symbols(),
        groups.into_iter().map(entry),
    )))
}
