//! Files that the build file holds, and joins of directories. Knows nothing of graphs.

use std::collections::BTreeSet;

use crate::error::{Error, ErrorKind};
use crate::eval::{Builtin, Coerce, Value, Vm, coerce};
use crate::lower::StorePath;
use crate::lower::item::{Item, Text};

use super::builds::{Builds, Uses, flag, optional_text, refused, store_path};

/// The table.
pub static BUILTINS: &[Builtin] = &[
    Builtin::strict("toFile", 2, |vm, args| {
        let name = args[0].to_plain_string()?;
        let string = args[1].to_nix_string()?;
        let mut uses = Uses::default();
        uses.add(&Builds::of(vm).store(), &string)?;
        let text = Text {
            contents: string.bytes.to_vec(),
            executable: false,
            destination: String::new(),
            references: uses.paths(&Builds::of(vm).store())?,
        };
        add(vm, &name, text)
    }),
    Builtin::task("__text", 1, |vm, args| Box::pin(text(vm, args))),
    Builtin::task("__join", 2, |vm, args| Box::pin(join(vm, args))),
];

fn add(vm: &Vm, name: &str, text: Text) -> Result<Value, Error> {
    let references: Vec<&StorePath> = text.references.iter().collect();
    let path = if text.executable || !text.destination.is_empty() {
        // Nix has no text that is a program or lies in a directory.
        let mut description = format!("{}\0{}\0", text.executable, text.destination).into_bytes();
        references
            .iter()
            .for_each(|path| description.extend(format!("{path}\0").bytes()));
        description.extend_from_slice(&text.contents);
        StorePath::described("file", &description, name)
    } else {
        StorePath::text(&text.contents, &references, name)
    };
    let path = path.map_err(|error| refused(&error))?;
    Ok(Builds::of(vm).add(vm, path, Item::Text(text)))
}

async fn text(vm: Vm, args: Vec<Value>) -> Result<Value, Error> {
    let attrs = vm.attrs(&args[0]).await?;
    let name = vm.plain_string(&vm.need(&attrs, "name", "writeText")?).await?;
    let string = coerce(&vm, &vm.need(&attrs, "text", "writeText")?, Coerce::strict(true)).await?;
    let destination = optional_text(&vm, &attrs, "destination")
        .await?
        .unwrap_or_default();
    if !destination.is_empty() && crate::path::canonical(&destination) != destination {
        let error = Error::new(
            ErrorKind::Build,
            format!("'{destination}' is not a path in a directory"),
        );
        return Err(error.help("it starts with a slash, such as \"/bin/hello\""));
    }
    let mut uses = Uses::default();
    uses.add(&Builds::of(&vm).store(), &string)?;
    let text = Text {
        contents: string.bytes.to_vec(),
        executable: flag(&vm, &attrs, "executable").await?,
        destination,
        references: uses.paths(&Builds::of(&vm).store())?,
    };
    add(&vm, &name, text)
}

async fn join(vm: Vm, args: Vec<Value>) -> Result<Value, Error> {
    let name = vm.plain_string(&args[0]).await?;
    let parts = paths(&vm, &args[1]).await?;
    let description: Vec<String> = parts.iter().map(StorePath::to_string).collect();
    let path = StorePath::described("join", description.join("\0").as_bytes(), &name);
    let path = path.map_err(|error| refused(&error))?;
    Ok(Builds::of(&vm).add(&vm, path, Item::Join(parts)))
}

/// A list of things in the store, nested or not; null is an empty one, and one thing is a list of it.
pub(super) async fn paths(vm: &Vm, value: &Value) -> Result<Vec<StorePath>, Error> {
    let (mut out, mut seen) = (Vec::new(), BTreeSet::new());
    let mut next = vec![value.clone()];
    while let Some(value) = next.pop() {
        match vm.force(&value).await? {
            Value::Null => {}
            Value::List(list) => next.extend(list.0.iter().rev().cloned()),
            other => {
                let string = coerce(vm, &other, Coerce::strict(true)).await?;
                let (path, inside) = store_path(&string)?;
                if !inside.is_empty() {
                    let message = format!(
                        "'{}' is inside of a store path, where a whole one is needed",
                        string.text()
                    );
                    return Err(Error::new(ErrorKind::Build, message));
                }
                // Whoever writes a path without its context gets what it stands for too.
                Builds::of(vm)
                    .store()
                    .item(&path)
                    .map_err(|error| refused(&error))?;
                if seen.insert(path.clone()) {
                    out.push(path);
                }
            }
        }
    }
    Ok(out)
}
