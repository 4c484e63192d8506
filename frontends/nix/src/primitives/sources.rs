//! What a build brings in of its contexts. Knows nothing of graphs, nor of what is fetched.

use std::rc::Rc;

use lapstrake_sdk::types::ContextSource;

use crate::error::{Error, ErrorKind};
use crate::eval::{Attrs, Builtin, FileType, Value, Vm};
use crate::lower::escaped;
use crate::lower::hash::{Algorithm, Hash};
use crate::lower::item::{Item, Local, Origin, Source};
use crate::lower::store_path::{HashMode, StorePath, plain_name};

use super::builds::{Builds, optional, optional_text, refused};

/// The table.
pub static BUILTINS: &[Builtin] = &[
    Builtin::task("__local", 1, |vm, args| Box::pin(local(vm, args))),
    Builtin::task("path", 1, |vm, args| Box::pin(path(vm, args))),
    Builtin::task("filterSource", 2, |vm, args| {
        Box::pin(async move {
            let path = whole_path(&vm, &args[1]).await?;
            let exclude = filtered(&vm, &path, &args[0]).await?;
            add_local(
                &vm,
                plain_name(&base_name(&path)),
                own(&vm, path, Vec::new(), exclude),
            )
        })
    }),
];

/// Takes a path of the build context into the store: what an interpolated path does.
pub async fn copy_path(vm: Vm, path: Rc<str>) -> Result<Value, Error> {
    must_exist(&vm, &path)?;
    let name = plain_name(&base_name(&path));
    add_local(&vm, name, own(&vm, path.to_string(), Vec::new(), Vec::new()))
}

/// The last part of a path.
pub(super) fn base_name(path: &str) -> String {
    path.rsplit('/').next().unwrap_or_default().to_owned()
}

/// A part of the main context.
fn own(vm: &Vm, path: String, include: Vec<String>, exclude: Vec<String>) -> Local {
    let builds = Builds::of(vm);
    let context = builds.surroundings().context.clone();
    Local {
        context,
        path,
        include,
        exclude,
    }
}

fn must_exist(vm: &Vm, path: &str) -> Result<FileType, Error> {
    let found = vm.io().file_type(path);
    let failed = |reason: String| Error::new(ErrorKind::File, format!("cannot take '{path}': {reason}"));
    found
        .map_err(failed)?
        .ok_or_else(|| failed("there is no such file or directory".to_owned()))
}

fn add_local(vm: &Vm, name: String, local: Local) -> Result<Value, Error> {
    // What is where the path leads may change; the path of it in the store does not.
    let context = match &local.context {
        ContextSource::Local(name) => name.clone(),
        ContextSource::Image(of) | ContextSource::Git(of) | ContextSource::Http(of) => of.clone(),
        ContextSource::OciLayout(source) => format!("{}/{}", source.store, source.reference),
        ContextSource::Target(target) => target.clone(),
    };
    let lists = [&local.include, &local.exclude].map(|list| list.join("\0"));
    let description = format!("{context}\0\0{}\0\0{}\0\0{}", local.path, lists[0], lists[1]);
    let path =
        StorePath::described("local", description.as_bytes(), &name).map_err(|error| refused(&error))?;
    let source = Source {
        origin: Origin::Local(local),
        expected: None,
    };
    Ok(Builds::of(vm).add(vm, path, Item::Source(source)))
}

async fn local(vm: Vm, args: Vec<Value>) -> Result<Value, Error> {
    let attrs = vm.attrs(&args[0]).await?;
    let include = list(&vm, &attrs, "include").await?;
    let exclude = list(&vm, &attrs, "exclude").await?;
    let name = optional_text(&vm, &attrs, "name").await?;
    let Some(context) = optional_text(&vm, &attrs, "context").await? else {
        let path = whole_path(&vm, &vm.need(&attrs, "path", "local")?).await?;
        must_exist(&vm, &path)?;
        let name = name.unwrap_or_else(|| plain_name(&base_name(&path)));
        return add_local(&vm, name, own(&vm, path, include, exclude));
    };
    let builds = Builds::of(&vm);
    let found = builds
        .surroundings()
        .named_contexts
        .iter()
        .rev()
        .find(|known| known.name == context)
        .cloned();
    let Some(found) = found else {
        let message = format!("there is no context '{context}'");
        let help = format!("name it on the command line: --build-context {context}=DIRECTORY");
        return Err(Error::new(ErrorKind::Build, message).help(help));
    };
    let path = match optional(&vm, &attrs, "path").await? {
        Some(Value::Path(path)) => path.to_string(),
        Some(value) => crate::path::canonical(&value.to_plain_string()?),
        None => "/".to_owned(),
    };
    let name = name.unwrap_or_else(|| plain_name(&context));
    let local = Local {
        context: found.source,
        path,
        include,
        exclude,
    };
    add_local(&vm, name, local)
}

async fn list(vm: &Vm, attrs: &Attrs, name: &str) -> Result<Vec<String>, Error> {
    let Some(value) = optional(vm, attrs, name).await? else {
        return Ok(Vec::new());
    };
    let mut out = Vec::new();
    for item in &value.to_list()?.0 {
        out.push(vm.plain_string(item).await?);
    }
    Ok(out)
}

/// A path of the context: a path, or a string that is an absolute one.
async fn whole_path(vm: &Vm, value: &Value) -> Result<String, Error> {
    match vm.force(value).await? {
        Value::Path(path) => Ok(path.to_string()),
        other => {
            let text = other.to_plain_string()?;
            match text.starts_with('/') {
                true => Ok(crate::path::canonical(&text)),
                false => {
                    let message = format!("'{text}' is not an absolute path");
                    Err(Error::new(ErrorKind::Value, message)
                        .help("paths are written without quotes: ./file"))
                }
            }
        }
    }
}

async fn path(vm: Vm, args: Vec<Value>) -> Result<Value, Error> {
    let attrs = vm.attrs(&args[0]).await?;
    let path = whole_path(&vm, &vm.need(&attrs, "path", "path")?).await?;
    must_exist(&vm, &path)?;
    let name = optional_text(&vm, &attrs, "name").await?;
    let name = name.unwrap_or_else(|| plain_name(&base_name(&path)));
    let exclude = match optional(&vm, &attrs, "filter").await? {
        Some(filter) => filtered(&vm, &path, &filter).await?,
        None => Vec::new(),
    };
    let is_flat = matches!(
        optional(&vm, &attrs, "recursive").await?,
        Some(Value::Bool(false))
    );
    let mode = if is_flat {
        HashMode::Flat
    } else {
        HashMode::Recursive
    };
    let local = own(&vm, path, Vec::new(), exclude);
    let Some(hash) = optional_text(&vm, &attrs, "sha256").await? else {
        return add_local(&vm, name, local);
    };
    let hash = Hash::parse(&hash, Some(Algorithm::Sha256))?;
    let path = StorePath::fixed(&hash, mode, &name).map_err(|error| refused(&error))?;
    let source = Source {
        origin: Origin::Local(local),
        expected: Some((hash, mode)),
    };
    Ok(Builds::of(&vm).add(&vm, path, Item::Source(source)))
}

/// What a filter leaves out below a path, as patterns.
async fn filtered(vm: &Vm, root: &str, filter: &Value) -> Result<Vec<String>, Error> {
    let mut exclude = Vec::new();
    let mut next = match must_exist(vm, root)? {
        FileType::Directory => vec![root.to_owned()],
        _ => Vec::new(),
    };
    while let Some(directory) = next.pop() {
        let failed =
            |reason: String| Error::new(ErrorKind::File, format!("cannot list '{directory}': {reason}"));
        for (name, kind) in vm.io().read_dir(&directory).map_err(failed)? {
            let path = format!("{}/{name}", directory.trim_end_matches('/'));
            let args = vec![Value::string(&path), Value::string(kind.word())];
            if vm.call(filter, args).await?.to_bool()? {
                if kind == FileType::Directory {
                    next.push(path);
                }
            } else {
                let inside = path.strip_prefix(root).unwrap_or(&path);
                exclude.push(escaped(inside.trim_start_matches('/')));
            }
        }
    }
    exclude.sort();
    Ok(exclude)
}
