//! Attribute sets. Knows nothing of what is in them.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::{Error, ErrorKind};
use crate::eval::{Attr, Attrs, Builtin, Symbol, Value, Vm};
use crate::{position, suggest};

/// The group.
pub static BUILTINS: &[Builtin] = &[
    Builtin::strict("attrNames", 1, |vm, args| {
        let attrs = args[0].to_attrs()?;
        let names = attrs.sorted(vm.symbols()).into_iter();
        Ok(Value::list(
            names.map(|(name, _)| Value::string(&*name)).collect(),
        ))
    }),
    Builtin::strict("attrValues", 1, |vm, args| {
        let attrs = args[0].to_attrs()?;
        let values = attrs.sorted(vm.symbols()).into_iter();
        Ok(Value::list(values.map(|(_, attr)| attr.value.clone()).collect()))
    }),
    Builtin::task("getAttr", 2, |vm, args| Box::pin(get_attr(vm, args))),
    Builtin::strict("hasAttr", 2, |vm, args| {
        let name = vm.symbol(&args[0].to_plain_string()?);
        Ok(Value::Bool(args[1].to_attrs()?.get(name).is_some()))
    }),
    Builtin::task("removeAttrs", 2, |vm, args| Box::pin(remove_attrs(vm, args))),
    Builtin::task("listToAttrs", 1, |vm, args| Box::pin(list_to_attrs(vm, args))),
    Builtin::strict("intersectAttrs", 2, |_, args| {
        let (left, right) = (args[0].to_attrs()?, args[1].to_attrs()?);
        Ok(Value::attrs(right.filter(|attr| left.get(attr.name).is_some())))
    }),
    Builtin::task("catAttrs", 2, |vm, args| Box::pin(cat_attrs(vm, args))),
    Builtin::task("mapAttrs", 2, |vm, args| Box::pin(map_attrs(vm, args))),
    Builtin::task("zipAttrsWith", 2, |vm, args| Box::pin(zip_attrs_with(vm, args))),
    Builtin::strict("unsafeGetAttrPos", 2, |vm, args| {
        let name = vm.symbol(&args[0].to_plain_string()?);
        let attrs = args[1].to_attrs()?;
        let span = attrs.get(name).and_then(|attr| attr.span);
        Ok(span.map_or(Value::Null, |span| position::value(vm, span)))
    }),
];

async fn get_attr(vm: Vm, args: Vec<Value>) -> Result<Value, Error> {
    let name = vm.plain_string(&args[0]).await?;
    let attrs = vm.attrs(&args[1]).await?;
    match vm.get(&attrs, &name) {
        Some(value) => vm.force(&value).await,
        None => {
            let error = Error::new(ErrorKind::MissingAttribute, format!("attribute '{name}' missing"));
            let names = attrs.sorted(vm.symbols());
            Err(suggest::help(error, &name, names.iter().map(|(name, _)| &**name)))
        }
    }
}

async fn remove_attrs(vm: Vm, args: Vec<Value>) -> Result<Value, Error> {
    let attrs = vm.attrs(&args[0]).await?;
    let mut names = BTreeSet::new();
    for name in &vm.list(&args[1]).await?.0 {
        names.insert(vm.symbol(&vm.plain_string(name).await?));
    }
    Ok(Value::attrs(attrs.filter(|attr| !names.contains(&attr.name))))
}

async fn list_to_attrs(vm: Vm, args: Vec<Value>) -> Result<Value, Error> {
    let mut entries = BTreeMap::new();
    let value_name = vm.symbol("value");
    for item in &vm.list(&args[0]).await?.0 {
        let item = vm.attrs(item).await?;
        let name = vm.plain_string(&vm.need(&item, "name", "listToAttrs")?).await?;
        let symbol = vm.symbol(&name);
        // Of equal names the first one counts.
        let value = vm.need(&item, "value", "listToAttrs")?;
        let span = item.get(value_name).and_then(|attr| attr.span);
        entries.entry(symbol).or_insert(Attr {
            name: symbol,
            value,
            span,
        });
    }
    Ok(Value::attrs(Attrs::new(entries.into_values().collect())))
}

fn of_symbols(entries: BTreeMap<Symbol, Value>) -> Value {
    let attr = |(name, value)| Attr {
        name,
        value,
        span: None,
    };
    Value::attrs(Attrs::new(entries.into_iter().map(attr).collect()))
}

async fn cat_attrs(vm: Vm, args: Vec<Value>) -> Result<Value, Error> {
    let name = vm.symbol(&vm.plain_string(&args[0]).await?);
    let mut values = Vec::new();
    for item in &vm.list(&args[1]).await?.0 {
        values.extend(vm.attrs(item).await?.get(name).map(|attr| attr.value.clone()));
    }
    Ok(Value::list(values))
}

async fn map_attrs(vm: Vm, args: Vec<Value>) -> Result<Value, Error> {
    let attrs = vm.attrs(&args[1]).await?;
    let attr = |attr: &Attr| Attr {
        name: attr.name,
        value: Value::apply(
            args[0].clone(),
            vec![Value::string(&*vm.symbols().text(attr.name)), attr.value.clone()],
        ),
        span: attr.span,
    };
    Ok(Value::attrs(Attrs::new(attrs.iter().map(attr).collect())))
}

async fn zip_attrs_with(vm: Vm, args: Vec<Value>) -> Result<Value, Error> {
    let mut values: BTreeMap<Symbol, Vec<Value>> = BTreeMap::new();
    for item in &vm.list(&args[1]).await?.0 {
        for attr in vm.attrs(item).await?.iter() {
            values.entry(attr.name).or_default().push(attr.value.clone());
        }
    }
    let entry = |(name, values)| {
        let arguments = vec![Value::string(&*vm.symbols().text(name)), Value::list(values)];
        (name, Value::apply(args[0].clone(), arguments))
    };
    Ok(of_symbols(values.into_iter().map(entry).collect()))
}
