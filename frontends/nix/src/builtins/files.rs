//! Files of the build context: `import`, `readFile` and what is like them. Knows nothing of how they are read.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use crate::compile;
use crate::error::{Error, ErrorKind};
use crate::eval::env::Scope;
use crate::eval::value::State;
use crate::eval::{Attrs, Builtin, Coerce, FileType, NixString, Value, Vm, coerce};
use crate::{evaluation, path as paths};

/// The group.
pub static BUILTINS: &[Builtin] = &[
    Builtin::task("import", 1, |vm, args| Box::pin(import(vm, args))),
    Builtin::task("scopedImport", 2, |vm, args| Box::pin(scoped_import(vm, args))),
    Builtin::task("readFile", 1, |vm, args| Box::pin(read_file(vm, args))),
    Builtin::task("readDir", 1, |vm, args| Box::pin(read_dir(vm, args))),
    Builtin::task("readFileType", 1, |vm, args| Box::pin(read_file_type(vm, args))),
    Builtin::task("pathExists", 1, |vm, args| Box::pin(path_exists(vm, args))),
    Builtin::task("findFile", 2, |vm, args| Box::pin(find_file(vm, args))),
];

/// What was imported so far, by path.
#[derive(Default)]
struct Imports(RefCell<BTreeMap<String, Value>>);

/// Makes a path of a value: a path, an absolute string, or a set that stands for one.
pub async fn path(vm: &Vm, value: &Value) -> Result<String, Error> {
    let string = coerce(vm, value, Coerce::strict(false)).await?;
    if string.has_context() {
        let message = format!("'{}' is only there once it is built", string.text());
        return Err(Error::new(ErrorKind::NotAvailable, message)
            .help("a build file can read files of the build context, not what it builds"));
    }
    let text = string.to_utf8()?;
    if text.starts_with('/') {
        return Ok(paths::canonical(&text));
    }
    let message = format!("string '{text}' doesn't represent an absolute path");
    Err(Error::new(ErrorKind::Value, message).help("write a path without quotes: ./file"))
}

/// Reads a file.
pub fn read(vm: &Vm, path: &str) -> Result<Vec<u8>, Error> {
    let failed = |why| Error::new(ErrorKind::File, format!("cannot read '{path}': {why}"));
    vm.io().read_file(path).map_err(failed)
}

fn file_type(vm: &Vm, path: &str) -> Result<Option<FileType>, Error> {
    let failed = |why| Error::new(ErrorKind::File, format!("cannot look at '{path}': {why}"));
    vm.io().file_type(path).map_err(failed)
}

/// The file that `import` reads for a path, and its text.
fn source(vm: &Vm, path: &str) -> Result<(String, String), Error> {
    let file = match file_type(vm, path)? {
        Some(FileType::Directory) => format!("{}/default.nix", path.trim_end_matches('/')),
        _ => path.to_owned(),
    };
    let text = String::from_utf8(read(vm, &file)?)
        .map_err(|_| Error::new(ErrorKind::File, format!("'{file}' is not UTF-8")))?;
    Ok((file, text))
}

fn name(file: &str) -> &str {
    file.trim_start_matches('/')
}

async fn import(vm: Vm, args: Vec<Value>) -> Result<Value, Error> {
    let path = path(&vm, &args[0]).await?;
    let imports = vm.extension::<Imports>();
    let known = imports.0.borrow().get(&path).cloned();
    let value = match known {
        Some(value) => value,
        None => {
            let (file, text) = source(&vm, &path)?;
            let base = paths::parent(&file).to_owned();
            let value = evaluation::promise(&vm, name(&file), Some(file.clone()), &base, &text)?;
            imports.0.borrow_mut().insert(path, value.clone());
            value
        }
    };
    vm.force(&value).await
}

async fn scoped_import(vm: Vm, args: Vec<Value>) -> Result<Value, Error> {
    let scope = vm.attrs(&args[0]).await?;
    let path = path(&vm, &args[1]).await?;
    let (file, text) = source(&vm, &path)?;
    let base = paths::parent(&file);
    let number = vm.sources().add(name(&file), Some(file.clone()), text);
    let sorted = scope.sorted(vm.symbols());
    let names: Vec<Rc<str>> = sorted.iter().map(|(name, _)| name.clone()).collect();
    let code = compile::compile(&vm, number, base, &names)?;
    let variables = Scope::new(names.len(), None);
    for (slot, (_, attr)) in sorted.iter().enumerate() {
        variables.set(slot, attr.value.clone());
    }
    let env = if names.is_empty() { None } else { Some(variables) };
    vm.force(&Value::thunk(State::Code(code, env))).await
}

async fn read_file(vm: Vm, args: Vec<Value>) -> Result<Value, Error> {
    let path = path(&vm, &args[0]).await?;
    let data = read(&vm, &path)?;
    if data.contains(&0) {
        let message = format!("the contents of '{path}' cannot be a string: there is a zero byte");
        return Err(Error::new(ErrorKind::File, message));
    }
    Ok(Value::String(Rc::new(NixString::plain(data))))
}

async fn read_dir(vm: Vm, args: Vec<Value>) -> Result<Value, Error> {
    let path = path(&vm, &args[0]).await?;
    let failed = |why| Error::new(ErrorKind::File, format!("cannot read directory '{path}': {why}"));
    let entries = vm.io().read_dir(&path).map_err(failed)?.into_iter();
    let entries = entries.map(|(name, kind)| (name, Value::string(kind.word())));
    Ok(Value::attrs(Attrs::of(vm.symbols(), entries)))
}

async fn read_file_type(vm: Vm, args: Vec<Value>) -> Result<Value, Error> {
    let path = path(&vm, &args[0]).await?;
    match file_type(&vm, &path)? {
        Some(kind) => Ok(Value::string(kind.word())),
        None => Err(Error::new(ErrorKind::File, format!("there is no file '{path}'"))),
    }
}

async fn path_exists(vm: Vm, args: Vec<Value>) -> Result<Value, Error> {
    let path = path(&vm, &args[0]).await?;
    Ok(Value::Bool(file_type(&vm, &path)?.is_some()))
}

/// Looks a name up in a list of directories, each perhaps for names with a prefix only.
async fn find_file(vm: Vm, args: Vec<Value>) -> Result<Value, Error> {
    let list = vm.list(&args[0]).await?;
    let wanted = vm.plain_string(&args[1]).await?;
    for entry in &list.0 {
        let entry = vm.attrs(entry).await?;
        let prefix = match vm.get(&entry, "prefix") {
            Some(prefix) => vm.plain_string(&prefix).await?,
            None => String::new(),
        };
        let rest = match wanted.strip_prefix(prefix.as_str()) {
            Some(rest) if prefix.is_empty() || rest.is_empty() || rest.starts_with('/') => rest,
            _ => continue,
        };
        let dir = path(&vm, &vm.need(&entry, "path", "findFile")?).await?;
        let candidate = paths::canonical(&format!("{dir}/{rest}"));
        if file_type(&vm, &candidate)?.is_some() {
            return Ok(Value::Path(candidate.into()));
        }
    }
    let message = format!("file '{wanted}' was not found in the search path");
    Err(Error::new(ErrorKind::Throw, message))
}
