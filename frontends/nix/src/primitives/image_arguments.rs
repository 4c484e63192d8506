//! Arguments of nixpkgs' functions for images that there is nothing to do for here, each with the reason: some change nothing
//! about an image and get a warning, some would, and are refused. Knows nothing of the others.

use crate::error::{Error, ErrorKind};
use crate::eval::{Builtin, Value, Vm};

use super::builds::Builds;

/// The table.
pub static BUILTINS: &[Builtin] = &[Builtin::task("__checkImageArguments", 2, |vm, args| {
    Box::pin(check(vm, args))
})];

/// Without effect, whatever they say. The image is the same.
const WITHOUT_EFFECT: [(&str, &str); 13] = [
    (
        "arch",
        "the image is of the platform that is built for: --platform",
    ),
    ("buildVMMemorySize", "no virtual machine is started"),
    ("compressor", "how layers are compressed is said with --output"),
    ("debug", "every step shows what it says"),
    ("diskSize", "no virtual machine is started"),
    ("finalImageName", "the image's name is the one of --tag"),
    ("gname", "files in images have numbers as owners: use gid"),
    ("hash", "the image's digest says what it is: imageDigest"),
    ("mtime", "files of the store are of the second after 1970 began"),
    ("os", "the image is of the platform that is built for: --platform"),
    ("sha256", "the image's digest says what it is: imageDigest"),
    (
        "tlsVerify",
        "how registries are reached is said in the configuration file",
    ),
    ("uname", "files in images have numbers as owners: use uid"),
];

/// What would make another image.
const REFUSED: [(&str, &str); 6] = [
    (
        "fromImageName",
        "an image has one name: say with `fromImage` which one is meant",
    ),
    (
        "fromImageTag",
        "an image has one tag: say with `fromImage` which one is meant",
    ),
    (
        "includeNixDB",
        "there is no store that an image could have the database of",
    ),
    (
        "keepContentsDirlinks",
        "where contents are joined, links to directories are not followed",
    ),
    (
        "layeringPipeline",
        "which paths share a layer is said with `maxLayers` alone",
    ),
    (
        "includeStorePaths",
        "of one layer all paths are part: use buildLayeredImage",
    ),
];

/// The values with which an argument says nothing: what nixpkgs has unless told otherwise.
fn is_silent(name: &str, value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(value) => *value == (name == "includeStorePaths"),
        _ => false,
    }
}

/// Looks at the arguments of a function as they were given.
async fn check(vm: Vm, args: Vec<Value>) -> Result<Value, Error> {
    let who = vm.plain_string(&args[0]).await?;
    let attrs = vm.attrs(&args[1]).await?;
    for (name, attr) in attrs.sorted(vm.symbols()) {
        let find = |table: &[(&str, &'static str)]| {
            let found = table.iter().find(|(known, _)| *known == &*name);
            found.map(|(_, reason)| *reason)
        };
        if let Some(reason) = find(&WITHOUT_EFFECT) {
            let message = format!("{who}: '{name}' has no effect");
            Builds::of(&vm).warn(Error::new(ErrorKind::Build, message).help(reason).at(attr.span));
        } else if let Some(reason) = find(&REFUSED)
            && !is_silent(&name, &vm.force(&attr.value).await?)
        {
            let error = Error::new(ErrorKind::Build, format!("{who} cannot act on '{name}'"));
            return Err(error.help(reason).at(attr.span));
        }
    }
    Ok(Value::Null)
}
