//! XML, as `nix-instantiate --xml` has it. Knows nothing of who reads it.

use std::cell::RefCell;
use std::rc::Rc;

use crate::error::Error;
use crate::eval::code::Param;
use crate::eval::compare::is_derivation;
use crate::eval::{Attrs, Builtin, Context, Lambda, NixString, Value, Vm, print};

/// The group.
pub static BUILTINS: &[Builtin] = &[Builtin::task("toXML", 1, |vm, args| Box::pin(to_xml(vm, args)))];

/// What is written so far.
#[derive(Clone, Default)]
struct Output(Rc<RefCell<Inner>>);

#[derive(Default)]
struct Inner {
    text: String,
    context: Context,
    depth: usize,
    derivations: Vec<String>,
}

impl Output {
    fn line(&self, text: &str) {
        let mut inner = self.0.borrow_mut();
        let indent = inner.depth * 2;
        inner.text.push_str(&" ".repeat(indent));
        inner.text.push_str(text);
        inner.text.push('\n');
    }

    fn empty(&self, name: &str, value: &str) {
        self.line(&format!("<{name} value={} />", attribute(value)));
    }

    fn open(&self, text: &str) {
        self.line(text);
        self.0.borrow_mut().depth += 1;
    }

    fn close(&self, name: &str) {
        self.0.borrow_mut().depth -= 1;
        self.line(&format!("</{name}>"));
    }
}

async fn to_xml(vm: Vm, args: Vec<Value>) -> Result<Value, Error> {
    let out = Output::default();
    out.line("<?xml version='1.0' encoding='utf-8'?>");
    out.open("<expr>");
    write(&vm, &args[0], &out).await?;
    out.close("expr");
    let inner = out.0.take();
    Ok(Value::String(Rc::new(NixString::new(
        inner.text.into_bytes(),
        inner.context,
    ))))
}

async fn write(vm: &Vm, value: &Value, out: &Output) -> Result<(), Error> {
    match vm.force(value).await? {
        Value::Null => out.line("<null />"),
        Value::Bool(value) => out.empty("bool", if value { "true" } else { "false" }),
        Value::Int(value) => out.empty("int", &value.to_string()),
        Value::Float(value) => out.empty("float", &print::float(value)),
        Value::Path(path) => out.empty("path", &path),
        Value::String(string) => {
            out.0.borrow_mut().context.add(&string);
            out.empty("string", &string.text());
        }
        Value::List(list) => {
            out.open("<list>");
            for item in &list.0 {
                nested(vm, item, out).await?;
            }
            out.close("list");
        }
        Value::Attrs(attrs) if is_derivation(vm, &attrs).await? => derivation(vm, &attrs, out).await?,
        Value::Attrs(attrs) => {
            out.open("<attrs>");
            entries(vm, &attrs, out).await?;
            out.close("attrs");
        }
        Value::Lambda(lambda) => function(vm, &lambda, out),
        Value::Builtin(_) | Value::Thunk(_) => out.line("<unevaluated />"),
    }
    Ok(())
}

async fn entries(vm: &Vm, attrs: &Attrs, out: &Output) -> Result<(), Error> {
    for (name, attr) in attrs.sorted(vm.symbols()) {
        out.open(&format!("<attr name={}>", attribute(&name)));
        nested(vm, &attr.value, out).await?;
        out.close("attr");
    }
    Ok(())
}

/// A derivation is written once; later ones of the same path are empty.
async fn derivation(vm: &Vm, attrs: &Attrs, out: &Output) -> Result<(), Error> {
    let mut text = "<derivation".to_owned();
    let mut path = None;
    for name in ["drvPath", "outPath"] {
        if let Some(value) = vm.get(attrs, name)
            && let Value::String(string) = vm.force(&value).await?
        {
            text.push_str(&format!(" {name}={}", attribute(&string.text())));
            out.0.borrow_mut().context.add(&string);
            path.get_or_insert_with(|| string.text().into_owned());
        }
    }
    let is_new = match path {
        Some(path) if out.0.borrow().derivations.contains(&path) => false,
        Some(path) => {
            out.0.borrow_mut().derivations.push(path);
            true
        }
        None => true,
    };
    out.open(&format!("{text}>"));
    if is_new {
        entries(vm, attrs, out).await?;
    } else {
        out.line("<repeated />");
    }
    out.close("derivation");
    Ok(())
}

fn function(vm: &Vm, lambda: &Lambda, out: &Output) {
    out.open("<function>");
    match &lambda.function.param {
        Param::Any => {
            let name = lambda.function.param_name.map(|name| vm.symbols().text(name));
            out.line(&format!(
                "<varpat name={} />",
                attribute(name.as_deref().unwrap_or_default())
            ));
        }
        Param::Set(formals) => {
            let mut tag = "<attrspat".to_owned();
            if formals.open {
                tag.push_str(" ellipsis=\"1\"");
            }
            if let Some(name) = lambda.function.param_name {
                tag.push_str(&format!(" name={}", attribute(&vm.symbols().text(name))));
            }
            out.open(&format!("{tag}>"));
            let mut names: Vec<_> = formals
                .list
                .iter()
                .map(|formal| vm.symbols().text(formal.name))
                .collect();
            names.sort();
            for name in names {
                out.line(&format!("<attr name={} />", attribute(&name)));
            }
            out.close("attrspat");
        }
    }
    out.close("function");
}

async fn nested(vm: &Vm, value: &Value, out: &Output) -> Result<(), Error> {
    let (inner, value, out) = (vm.clone(), value.clone(), out.clone());
    vm.run(Box::pin(async move {
        write(&inner, &value, &out).await?;
        Ok(Value::Null)
    }))
    .await?;
    Ok(())
}

fn attribute(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("&quot;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '\n' => out.push_str("&#xA;"),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
