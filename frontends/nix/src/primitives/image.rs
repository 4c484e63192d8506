//! Images: those of registries, and those that the build file describes. Knows nothing of graphs.

use std::rc::Rc;

use lapstrake_sdk::reference::Reference;
use lapstrake_sdk::types::{ContextSource, ImageConfig, Timestamp};

use crate::error::{Error, ErrorKind};
use crate::eval::{Attrs, Builtin, Coerce, NixString, Value, Vm, coerce};
use crate::lower::StorePath;
use crate::lower::item::{BaseImage, ImageDefinition, ImagePlace, Item, Layers};
use crate::lower::store_path::plain_name;

use super::builds::{Builds, Uses, flag, named, optional, optional_text, place, refused, store_path};
use super::{config, text};

/// The table.
pub static BUILTINS: &[Builtin] = &[
    Builtin::strict("__image", 1, |vm, args| {
        let reference = args[0].to_plain_string()?;
        Ok(named(&add(vm, &reference)?))
    }),
    Builtin::strict("__imageConfig", 1, |vm, args| {
        let image = find(vm, &args[0].to_plain_string()?)?;
        let found = Builds::of(vm).image_config(&image)?;
        Ok(config::to_value(vm, &found))
    }),
    Builtin::task("__buildImage", 1, |vm, args| Box::pin(build_image(vm, args))),
];

/// Creation time of images, as in nixpkgs: one second after 1970 began.
const CREATED: i64 = 1;

/// The image of a name: of the context that is called so, else of a registry.
fn find(vm: &Vm, name: &str) -> Result<BaseImage, Error> {
    let reference = Reference::parse(name).map_err(|reason| {
        let error = Error::new(
            ErrorKind::Build,
            format!("'{name}' is not the name of an image: {reason}"),
        );
        error.help("such as \"debian:12\" or \"registry.example/team/base@sha256:…\"")
    })?;
    let reference = reference.with_default_tag();
    let builds = Builds::of(vm);
    let surroundings = builds.surroundings();
    let names = [name.to_owned(), reference.familiar()];
    let mut contexts = surroundings.named_contexts.iter().rev();
    let place = match contexts
        .find(|context| names.contains(&context.name))
        .map(|context| &context.source)
    {
        None => ImagePlace::Registry(reference.to_string()),
        Some(ContextSource::Image(reference)) => ImagePlace::Registry(reference.clone()),
        Some(ContextSource::OciLayout(layout)) => ImagePlace::Layout(layout.clone()),
        Some(other) => ImagePlace::Files(other.clone()),
    };
    Ok(BaseImage {
        name: name.to_owned(),
        place,
    })
}

fn add(vm: &Vm, name: &str) -> Result<StorePath, Error> {
    let image = find(vm, name)?;
    let path = StorePath::described("image", name.as_bytes(), &plain_name(name));
    let path = path.map_err(|error| refused(&error))?;
    Builds::of(vm).add(vm, path.clone(), Item::Image(image));
    Ok(path)
}

/// The store path of what an attribute such as `image` names: an image, anything else in the store, or the name of an
/// image; null: none.
pub(super) async fn of_value(vm: &Vm, value: &Value) -> Result<Option<StorePath>, Error> {
    if let Value::Null = value {
        return Ok(None);
    }
    let string = coerce(vm, value, Coerce::strict(true)).await?;
    if !string.has_context() {
        return add(vm, &string.to_utf8()?).map(Some);
    }
    let (path, inside) = store_path(&string)?;
    if !inside.is_empty() {
        let message = format!(
            "'{}' is inside of a store path, where an image is needed",
            string.text()
        );
        return Err(Error::new(ErrorKind::Build, message));
    }
    Ok(Some(path))
}

async fn build_image(vm: Vm, args: Vec<Value>) -> Result<Value, Error> {
    let attrs = vm.attrs(&args[0]).await?;
    let name = vm.plain_string(&vm.need(&attrs, "name", "buildImage")?).await?;
    let described = describe(&vm, &attrs, &name).await;
    let (definition, description) = described
        .map_err(|error| error.note(format!("while evaluating the image '{name}'"), place(&vm, &attrs)))?;
    let path = StorePath::described("built-image", description.as_bytes(), &plain_name(&name));
    let path = path.map_err(|error| refused(&error))?;
    let builds = Builds::of(&vm);
    if let Some(range) = place(&vm, &attrs).and_then(|span| vm.sources().range(span)) {
        builds.store_mut().place(&path, range);
    }
    Ok(builds.add(&vm, path, Item::Built(Box::new(definition))))
}

/// The definition, and a text that is another one for another definition.
async fn describe(vm: &Vm, attrs: &Attrs, name: &str) -> Result<(ImageDefinition, String), Error> {
    let image = |name: &'static str| async move {
        match optional(vm, attrs, name).await? {
            Some(value) => of_value(vm, &value).await,
            None => Ok(None),
        }
    };
    let contents = match optional(vm, attrs, "contents").await? {
        Some(value) => text::paths(vm, &value).await?,
        None => Vec::new(),
    };
    let mut uses = Uses::default();
    let mut config = ImageConfig::new(Builds::of(vm).surroundings().platform.clone());
    if let Some(value) = optional(vm, attrs, "config").await? {
        let fields = value.to_attrs()?;
        config::read(vm, &fields, &mut config, &mut uses).await?;
    }
    if let Some(architecture) = optional_text(vm, attrs, "architecture").await? {
        config.platform.architecture = architecture;
        config.platform.cpu_variant = None;
    }
    config.created = created(optional_text(vm, attrs, "created").await?.as_deref())?;
    let layers = match optional(vm, attrs, "maxLayers").await? {
        Some(most) => Layers::Each {
            most: usize::try_from(most.to_int()?).unwrap_or(0),
        },
        None => Layers::One,
    };
    let references = uses.paths(&Builds::of(vm).store())?;
    let mut uses = Uses::default();
    let extra_commands = script(vm, attrs, "extraCommands", &mut uses).await?;
    let run_as_root = script(vm, attrs, "runAsRoot", &mut uses).await?;
    let definition = ImageDefinition {
        name: name.to_owned(),
        base: image("fromImage").await?,
        contents,
        config,
        references,
        layers,
        owner: (id(vm, attrs, "uid").await?, id(vm, attrs, "gid").await?),
        has_store_paths: !matches!(
            optional(vm, attrs, "includeStorePaths").await?,
            Some(Value::Bool(false))
        ),
        extra_commands,
        shell: image("image").await?,
        run_as_root,
        network: flag(vm, attrs, "network").await?,
        script_references: uses.paths(&Builds::of(vm).store())?,
    };
    // Everything in it has an order of its own, and nothing of the machine.
    let description = format!("{definition:?}");
    Ok((definition, description))
}

/// The number of a user or a group.
async fn id(vm: &Vm, attrs: &Attrs, name: &str) -> Result<u32, Error> {
    let Some(value) = optional(vm, attrs, name).await? else {
        return Ok(0);
    };
    let number = value.to_int()?;
    u32::try_from(number).map_err(|_| {
        let error = Error::new(
            ErrorKind::Build,
            format!("{number} is not the number of a {}", of_id(name)),
        );
        error.help("they are from 0 to 4294967295")
    })
}

fn of_id(name: &str) -> &'static str {
    match name {
        "uid" => "user",
        _ => "group",
    }
}

async fn script(vm: &Vm, attrs: &Attrs, name: &str, uses: &mut Uses) -> Result<Option<String>, Error> {
    let Some(value) = optional(vm, attrs, name).await? else {
        return Ok(None);
    };
    let string: Rc<NixString> = coerce(vm, &value, Coerce::strict(true)).await?;
    if string.bytes.is_empty() {
        return Ok(None);
    }
    uses.add(&Builds::of(vm).store(), &string)?;
    string.to_utf8().map(Some)
}

/// The time that `created` says; none: when the image is written.
fn created(text: Option<&str>) -> Result<Option<Timestamp>, Error> {
    let seconds = match text {
        None => CREATED,
        Some("now") => return Ok(None),
        Some(text) => config::seconds(text).ok_or_else(|| {
            let error = Error::new(ErrorKind::Build, format!("'{text}' is not a time"));
            error.help("times are written 2024-01-31T12:00:00Z; `now` is when the image is written")
        })?,
    };
    Ok(Some(Timestamp {
        seconds,
        nanoseconds: 0,
    }))
}
