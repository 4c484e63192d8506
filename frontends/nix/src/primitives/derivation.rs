//! `derivationStrict`: a set of Nix's attributes becomes a derivation. Knows nothing of graphs.

use std::collections::BTreeSet;
use std::rc::Rc;

use crate::error::{Error, ErrorKind};
use crate::eval::{Attrs, Builtin, Coerce, Context, Dependency, NixString, Value, Vm, coerce};
use crate::lower::StorePath;
use crate::lower::derivation::{Definition, Fixed};
use crate::lower::hash::{Algorithm, Hash};
use crate::lower::store_path::HashMode;

use super::builds::{Builds, Uses, flag, optional, optional_text, place, refused};
use super::image;

/// The table.
pub static BUILTINS: &[Builtin] = &[Builtin::task("derivationStrict", 1, |vm, args| {
    Box::pin(strict(vm, args))
})];

/// Attributes that Nix acts on and that cannot be acted on here, with the reason.
const REFUSED: [(&str, &str); 9] = [
    (
        "__structuredAttrs",
        "attributes are passed as variables and, with `passAsFile`, as files",
    ),
    (
        "__contentAddressed",
        "the path of an output is known before it is built",
    ),
    (
        "exportReferencesGraph",
        "what a path refers to is found out for images only",
    ),
    ("allowedReferences", "references are not checked"),
    ("allowedRequisites", "references are not checked"),
    ("disallowedReferences", "references are not checked"),
    ("disallowedRequisites", "references are not checked"),
    ("outputChecks", "references are not checked"),
    (
        "impureEnvVars",
        "a builder has no variables of the machine; use build arguments",
    ),
];

async fn strict(vm: Vm, args: Vec<Value>) -> Result<Value, Error> {
    let attrs = vm.attrs(&args[0]).await?;
    let name = vm.plain_string(&vm.need(&attrs, "name", "derivation")?).await?;
    define(&vm, &attrs, &name).await.map_err(|error| {
        error.note(
            format!("while evaluating the derivation '{name}'"),
            place(&vm, &attrs),
        )
    })
}

async fn define(vm: &Vm, attrs: &Attrs, name: &str) -> Result<Value, Error> {
    if name.ends_with(".drv") {
        return Err(wrong("the name of a derivation must not end in '.drv'"));
    }
    for (attribute, reason) in REFUSED {
        let is_there = match optional(vm, attrs, attribute).await? {
            None | Some(Value::Bool(false)) => false,
            Some(_) => true,
        };
        if is_there {
            let error = wrong(&format!("derivations have no '{attribute}' here"));
            let span = attrs.get(vm.symbol(attribute)).and_then(|attr| attr.span);
            return Err(error.help(reason).at(span));
        }
    }
    let ignores_nulls = flag(vm, attrs, "__ignoreNulls").await?;
    let mut definition = Definition {
        name: name.to_owned(),
        impure: flag(vm, attrs, "__impure").await?,
        ..Definition::default()
    };
    let mut uses = Uses::default();
    for (attribute, attr) in attrs.sorted(vm.symbols()) {
        let value = vm.force(&attr.value).await;
        let in_attribute =
            |error: Error| error.note(format!("while evaluating the attribute '{attribute}'"), attr.span);
        let value = value.map_err(in_attribute)?;
        if ignores_nulls && matches!(value, Value::Null) || &*attribute == "__ignoreNulls" {
            continue;
        }
        if &*attribute == "image" {
            definition.image = image::of_value(vm, &value).await.map_err(in_attribute)?;
            continue;
        }
        let values = match &*attribute {
            "args" => value.to_list().map_err(in_attribute)?.0.clone(),
            _ => vec![value],
        };
        for value in values {
            let string = coerce(vm, &value, Coerce::environment())
                .await
                .map_err(in_attribute)?;
            uses.add(&Builds::of(vm).store(), &string).map_err(in_attribute)?;
            let text = string.to_utf8().map_err(in_attribute)?;
            match &*attribute {
                "args" => definition.args.push(text),
                attribute => {
                    definition.env.insert(attribute.to_owned(), text);
                }
            }
        }
    }
    definition.inputs = uses.inputs;
    definition.sources = uses.sources;
    complete(vm, attrs, &mut definition).await?;
    add(vm, attrs, definition)
}

/// Takes what is both a variable and a part of the definition.
async fn complete(vm: &Vm, attrs: &Attrs, definition: &mut Definition) -> Result<(), Error> {
    let missing = |name: &str| {
        let message = format!(
            "the attribute '{name}' of the derivation '{}' is missing",
            definition.name
        );
        Error::new(ErrorKind::MissingAttribute, message)
    };
    let variable = |name: &str| {
        definition
            .env
            .get(name)
            .filter(|value| !value.is_empty())
            .cloned()
    };
    let (builder, system) = (variable("builder"), variable("system"));
    let words = |name: &str| -> Option<Vec<String>> {
        let text = definition.env.get(name)?;
        Some(text.split_ascii_whitespace().map(str::to_owned).collect())
    };
    let outputs = words("outputs").unwrap_or_else(|| vec!["out".to_owned()]);
    let files = words("passAsFile").unwrap_or_default();
    let (Some(builder), Some(system)) = (builder.clone(), system.clone()) else {
        return Err(missing(if builder.is_none() { "builder" } else { "system" }));
    };
    check_outputs(&outputs)?;
    definition.fixed = fixed(vm, attrs, &outputs).await?;
    (definition.builder, definition.system) = (builder, system);
    (definition.outputs, definition.files) = (outputs, files);
    Ok(())
}

fn check_outputs(outputs: &[String]) -> Result<(), Error> {
    let mut seen = BTreeSet::new();
    if outputs.is_empty() {
        return Err(wrong("a derivation must have an output"));
    }
    for output in outputs {
        if !seen.insert(output) {
            return Err(wrong(&format!("the output '{output}' is there twice")));
        }
        if output == "drv" || output == "drvPath" {
            return Err(wrong(&format!("no output can be called '{output}'")));
        }
    }
    Ok(())
}

async fn fixed(vm: &Vm, attrs: &Attrs, outputs: &[String]) -> Result<Option<Fixed>, Error> {
    let Some(hash) = optional_text(vm, attrs, "outputHash").await? else {
        return Ok(None);
    };
    let algorithm = optional_text(vm, attrs, "outputHashAlgo")
        .await?
        .filter(|name| !name.is_empty());
    let algorithm = algorithm.map(|name| Algorithm::find(&name)).transpose()?;
    let hash = Hash::parse(&hash, algorithm)?;
    let mode = match optional_text(vm, attrs, "outputHashMode").await?.as_deref() {
        None | Some("flat") => HashMode::Flat,
        Some("recursive" | "nar") => HashMode::Recursive,
        Some(other) => {
            let error = wrong(&format!("'{other}' is not a value of 'outputHashMode'"));
            return Err(error.help("there are flat and recursive"));
        }
    };
    if outputs != ["out"] {
        return Err(wrong(
            "a derivation whose contents are known by a hash has the output 'out' alone",
        ));
    }
    Ok(Some(Fixed { hash, mode }))
}

/// Puts it into the store; its paths as strings.
fn add(vm: &Vm, attrs: &Attrs, definition: Definition) -> Result<Value, Error> {
    let builds = Builds::of(vm);
    let path = builds
        .store_mut()
        .add_derivation(definition)
        .map_err(|error| refused(&error))?;
    if let Some(range) = place(vm, attrs).and_then(|span| vm.sources().range(span)) {
        builds.store_mut().place(&path, range);
    }
    let store = builds.store();
    let derivation = store.get_derivation(&path).map_err(|error| refused(&error))?;
    let drv: Rc<str> = path.to_string().into();
    let string = |path: &StorePath, dependency| {
        let text = path.to_string().into_bytes();
        Value::String(Rc::new(NixString::new(text, Context::of(dependency))))
    };
    let outputs = derivation.outputs.iter().map(|(output, path)| {
        let dependency = Dependency::Output {
            drv: drv.clone(),
            output: output.as_str().into(),
        };
        (output.clone(), string(path, dependency))
    });
    let own = (
        "drvPath".to_owned(),
        string(&path, Dependency::Derivation(drv.clone())),
    );
    Ok(Value::attrs(Attrs::of(vm.symbols(), outputs.chain([own]))))
}

fn wrong(message: &str) -> Error {
    Error::new(ErrorKind::Build, message)
}
