//! Hashes of strings and files. Knows nothing of store paths.

use crate::error::{Error, ErrorKind};
use crate::eval::{Builtin, Value, Vm};
use crate::hash::{self, Algorithm};

use super::files;

/// The group.
pub static BUILTINS: &[Builtin] = &[
    Builtin::strict("hashString", 2, |_, args| {
        let algorithm = Algorithm::find(&args[0].to_plain_string()?)?;
        let string = args[1].to_nix_string()?;
        Ok(Value::string(hash::base16(&algorithm.digest(&string.bytes))))
    }),
    Builtin::task("hashFile", 2, |vm, args| Box::pin(hash_file(vm, args))),
    Builtin::task("convertHash", 1, |vm, args| Box::pin(convert_hash(vm, args))),
    Builtin::strict("placeholder", 1, |_, args| {
        Ok(Value::string(placeholder(&args[0].to_plain_string()?)))
    }),
];

/// What stands for the path of an output until that is known.
pub fn placeholder(output: &str) -> String {
    let digest = Algorithm::Sha256.digest(format!("nix-output:{output}").as_bytes());
    format!("/{}", hash::base32(&digest))
}

async fn hash_file(vm: Vm, args: Vec<Value>) -> Result<Value, Error> {
    let algorithm = Algorithm::find(&vm.plain_string(&args[0]).await?)?;
    let path = files::path(&vm, &args[1]).await?;
    let data = files::read(&vm, &path)?;
    Ok(Value::string(hash::base16(&algorithm.digest(&data))))
}

async fn convert_hash(vm: Vm, args: Vec<Value>) -> Result<Value, Error> {
    let attrs = vm.attrs(&args[0]).await?;
    let text = vm.plain_string(&vm.need(&attrs, "hash", "convertHash")?).await?;
    let algorithm = match vm.get(&attrs, "hashAlgo") {
        Some(name) => Some(Algorithm::find(&vm.plain_string(&name).await?)?),
        None => None,
    };
    let format = vm
        .plain_string(&vm.need(&attrs, "toHashFormat", "convertHash")?)
        .await?;
    let (algorithm, bytes) = hash::parse(&text, algorithm)?;
    Ok(Value::string(match format.as_str() {
        "base16" => hash::base16(&bytes),
        "nix32" | "base32" => hash::base32(&bytes),
        "base64" => hash::base64(&bytes),
        "sri" => format!("{}-{}", algorithm.name(), hash::base64(&bytes)),
        _ => {
            let message = format!("unknown hash format '{format}'");
            return Err(Error::new(ErrorKind::Value, message).help("there are base16, nix32, base64 and sri"));
        }
    }))
}
