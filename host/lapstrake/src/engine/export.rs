//! From solved results to outputs: what each one gets, who fetches what is missing, and what is told of it.
//! Knows nothing of formats.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use lapstrake_export::{
    Annotations, Assembled, Destination, FetchError, ImageInput, ImageName, ImageOptions, LayerFetcher,
    LayerOptions, Observer, Omission, Part, Target,
};
use lapstrake_llb::{BuiltImage, Digest, Timestamp};
use lapstrake_ops::Output as Solved;
use lapstrake_store::{LayerBlob, LayerId, Tree};
use serde_json::json;

use crate::error::Error;
use crate::options::BuildOptions;
use crate::spec::{Destination as DestinationSpec, Output, OutputKind};

use super::build::Build;
use super::step::Step;

/// What a build has made.
#[derive(Debug, Default)]
pub struct Outcome {
    /// One for each output that was asked for.
    pub exports: Vec<Exported>,
}

/// What an output has become.
#[derive(Debug)]
pub struct Exported {
    /// The image; none: the output is no image.
    pub image: Option<Assembled>,
    /// Its names.
    pub names: Vec<String>,
}

impl Outcome {
    fn image(&self) -> Option<(&Assembled, &[String])> {
        self.exports
            .iter()
            .find_map(|export| Some((export.image.as_ref()?, export.names.as_slice())))
    }

    /// The id of the image: the digest of its configuration, or that of its index where it has several platforms.
    pub fn image_id(&self) -> Option<Digest> {
        let (image, _) = self.image()?;
        Some(match image.images.as_slice() {
            [only] => only.config.digest,
            _ => image.descriptor.digest,
        })
    }

    /// What `--metadata-file` writes: the keys of `docker buildx`.
    pub fn metadata(&self) -> String {
        let mut out = serde_json::Map::new();
        if let Some((image, names)) = self.image() {
            out.insert("containerimage.digest".into(), json!(image.descriptor.digest));
            if let [only] = image.images.as_slice() {
                out.insert("containerimage.config.digest".into(), json!(only.config.digest));
            }
            let descriptor = json!({
                "mediaType": image.descriptor.media_type,
                "digest": image.descriptor.digest,
                "size": image.descriptor.size,
            });
            out.insert("containerimage.descriptor".into(), descriptor);
            if !names.is_empty() {
                out.insert("image.name".into(), json!(names.join(",")));
            }
        }
        format!("{:#}\n", serde_json::Value::Object(out))
    }
}

/// Writes all outputs of a build, one after another. `made_of`: the vertices of the results.
pub(super) fn export(
    build: &Build,
    options: &BuildOptions,
    results: Vec<(BuiltImage, Option<Solved>)>,
    made_of: impl FnOnce() -> Vec<Digest>,
) -> Result<Outcome, Error> {
    let mut outcome = Outcome::default();
    if options
        .outputs
        .iter()
        .all(|output| output.kind == OutputKind::CacheOnly)
    {
        return Ok(outcome);
    }
    let made_of = made_of();
    let mut inputs = Vec::new();
    for (image, solved) in results {
        let tree = match solved {
            Some(solved) => build.tree(&solved)?,
            None => Tree::default(),
        };
        inputs.push(ImageInput {
            platform: image.platform,
            layers: tree.layers,
            annotations: Annotations {
                manifest: image.annotations.into_iter().collect(),
                ..Annotations::default()
            },
            config: image.config,
        });
    }
    for output in &options.outputs {
        let names: Vec<ImageName> = options
            .tags
            .iter()
            .chain(&output.names)
            .map(|name| name.parse())
            .collect::<Result<_, _>>()?;
        let step = Step::begin_after(&build.sink, step_name(output.kind), made_of.clone());
        let observer = StepObserver {
            step: &step,
            build,
            began: Mutex::default(),
        };
        let wanted = wanted(output, options, names.clone());
        let exported = lapstrake_export::export(&build.store, &inputs, &wanted, &Fetcher(build), &observer);
        let exported = step.end_with(exported)?;
        let names = names.iter().map(ToString::to_string).collect();
        outcome.exports.push(Exported {
            image: exported.image,
            names,
        });
    }
    Ok(outcome)
}

fn step_name(kind: OutputKind) -> &'static str {
    match kind {
        OutputKind::Oci { .. } => "exporting to oci image format",
        OutputKind::Docker => "exporting to docker image format",
        OutputKind::Local => "exporting to client directory",
        OutputKind::Tar => "exporting to client tarball",
        OutputKind::CacheOnly => "exporting to the cache only",
    }
}

/// The exporter's words for an output of the options.
fn wanted(output: &Output, options: &BuildOptions, names: Vec<ImageName>) -> lapstrake_export::Output {
    use lapstrake_export::Output as Wanted;
    let destination = || match &output.destination {
        Some(DestinationSpec::Path(path)) => Destination::File(path.clone()),
        Some(DestinationSpec::Stdout) | None => Destination::stream(std::io::stdout()),
    };
    let directory = || match &output.destination {
        Some(DestinationSpec::Path(path)) => path.clone(),
        Some(DestinationSpec::Stdout) | None => std::path::PathBuf::from("."),
    };
    let epoch = options.epoch();
    let image_options = |oci_media_types| ImageOptions {
        layers: LayerOptions {
            compression: output.compression,
            level: output.compression_level,
            force: output.force_compression,
        },
        oci_media_types,
        epoch,
        now: None,
        annotations: annotations(options, output),
    };
    match output.kind {
        OutputKind::Oci { tar: true } => Wanted::Oci {
            target: Target::Archive(destination()),
            names,
            options: image_options(true),
        },
        OutputKind::Oci { tar: false } => Wanted::Oci {
            target: Target::Directory(directory()),
            names,
            options: image_options(true),
        },
        OutputKind::Docker => Wanted::Docker {
            destination: destination(),
            names,
            options: image_options(false),
        },
        OutputKind::Local => Wanted::Local { dir: directory() },
        OutputKind::Tar => Wanted::Tar {
            destination: destination(),
            options: lapstrake_export::tar::PackOptions {
                clamp_mtime: epoch,
                ..Default::default()
            },
        },
        OutputKind::CacheOnly => Wanted::CacheOnly,
    }
}

/// `[SCOPE:]KEY=VALUE`, with the scopes of `docker buildx`.
fn annotations(options: &BuildOptions, output: &Output) -> Annotations {
    let mut out = Annotations::default();
    for (key, value) in options.annotations.iter().chain(&output.annotations) {
        let (place, key) = match key.split_once(':') {
            Some(("manifest", key)) => (&mut out.manifest, key),
            Some(("index", key)) => (&mut out.index, key),
            Some(("manifest-descriptor", key)) => (&mut out.manifest_descriptor, key),
            Some(("index-descriptor", key)) => (&mut out.index_descriptor, key),
            _ => (&mut out.manifest, key.as_str()),
        };
        place.insert(key.to_owned(), value.clone());
    }
    out
}

impl BuildOptions {
    /// `SOURCE_DATE_EPOCH`, as the build arguments have it.
    pub(super) fn epoch(&self) -> Option<Timestamp> {
        let found = self
            .compile
            .build_args
            .iter()
            .rev()
            .find(|(name, _)| name == "SOURCE_DATE_EPOCH");
        let seconds = found.and_then(|(_, value)| value.parse().ok())?;
        Some(Timestamp {
            seconds,
            nanoseconds: 0,
        })
    }
}

/// Fetches layers that an export needs.
struct Fetcher<'a>(&'a Build);

impl LayerFetcher for Fetcher<'_> {
    fn blob(&self, layer: LayerId) -> Result<LayerBlob, FetchError> {
        Ok(self.0.images().ensure_blob(layer, &Quiet(self.0))?)
    }

    fn unpacked(&self, layers: &[LayerId]) -> Result<(), FetchError> {
        let tree = Tree {
            layers: layers.to_vec(),
        };
        Ok(self.0.images().ensure_unpacked(&tree, &Quiet(self.0))?)
    }
}

/// Tells nothing, but knows when to stop.
struct Quiet<'a>(&'a Build);

impl lapstrake_ops::source::progress::Progress for Quiet<'_> {
    fn advance(&self, _: &str, _: u64, _: Option<u64>, _: bool) {}

    fn cancelled(&self) -> bool {
        self.0.cancel.is_cancelled()
    }
}

struct StepObserver<'a> {
    step: &'a Step,
    build: &'a Build,
    began: Mutex<HashMap<String, SystemTime>>,
}

impl Observer for StepObserver<'_> {
    fn started(&self, part: &Part) {
        let mut began = self.began.lock().unwrap_or_else(PoisonError::into_inner);
        began.insert(part.to_string(), SystemTime::now());
    }

    fn finished(&self, part: &Part) {
        let name = part.to_string();
        let began = self
            .began
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&name);
        self.step.part(&name, 0, began.unwrap_or_else(SystemTime::now));
    }

    fn omitted(&self, what: Omission) {
        self.step.log(&what.to_string());
    }

    fn cancelled(&self) -> bool {
        self.build.cancel.is_cancelled()
    }
}
