//! The outputs that there are, and the one function that makes any of them.
//! Knows nothing of how an output is written on a command line.

use std::path::PathBuf;

use lapstrake_store::{LayerId, Store};

use crate::archive::{self, Flavour};
use crate::assemble::{Assembled, ImageOptions, assemble};
use crate::destination::Destination;
use crate::error::{Error, Result};
use crate::image::ImageInput;
use crate::layers::LayerFetcher;
use crate::names::ImageName;
use crate::observer::Observer;
use crate::{layout, local, tar};

/// What a build's result becomes.
#[derive(Debug)]
pub enum Output {
    /// An OCI image layout.
    Oci {
        /// Where it goes.
        target: Target,
        /// Names of the image.
        names: Vec<ImageName>,
        /// How it is written.
        options: ImageOptions,
    },
    /// What `docker load` takes.
    Docker {
        /// Where it goes.
        destination: Destination,
        /// Names of the image.
        names: Vec<ImageName>,
        /// How it is written.
        options: ImageOptions,
    },
    /// The files in a directory. Of several platforms: each in a directory of its own, such as `linux_amd64`.
    Local {
        /// The directory.
        dir: PathBuf,
    },
    /// The files in a tar. Of several platforms: each in a directory of its own, such as `linux_amd64`.
    Tar {
        /// Where it goes.
        destination: Destination,
        /// How it is written.
        options: tar::PackOptions,
    },
    /// Nothing: the result stays in the store.
    CacheOnly,
}

/// Where an OCI image layout goes.
#[derive(Debug)]
pub enum Target {
    /// A tar.
    Archive(Destination),
    /// A directory, in which other images may be.
    Directory(PathBuf),
}

/// What an export has made.
#[derive(Debug, Clone, Default)]
pub struct Exported {
    /// The image; none: the output is no image.
    pub image: Option<Assembled>,
}

/// Makes an output of the results of a build, one a platform.
pub fn export(
    store: &Store,
    inputs: &[ImageInput],
    output: &Output,
    fetcher: &dyn LayerFetcher,
    observer: &dyn Observer,
) -> Result<Exported> {
    match output {
        Output::Oci {
            target,
            names,
            options,
        } => {
            let image = assemble(store, inputs, options, fetcher, observer)?;
            match target {
                Target::Archive(destination) => {
                    archive::write(store, &image, names, Flavour::Oci, destination, observer)?;
                }
                Target::Directory(dir) => layout::write(store, &image, names, dir, observer)?,
            }
            Ok(Exported { image: Some(image) })
        }
        Output::Docker {
            destination,
            names,
            options,
        } => {
            // Before anything is compressed.
            if inputs.len() > 1 {
                return Err(Error::SeveralPlatforms(inputs.len()));
            }
            let image = assemble(store, inputs, options, fetcher, observer)?;
            archive::write(store, &image, names, Flavour::Docker, destination, observer)?;
            Ok(Exported { image: Some(image) })
        }
        Output::Local { dir } => {
            unpack(inputs, fetcher)?;
            local::write(store, inputs, dir, observer)?;
            Ok(Exported::default())
        }
        Output::Tar { destination, options } => {
            unpack(inputs, fetcher)?;
            tar::write(store, inputs, destination, options, observer)?;
            Ok(Exported::default())
        }
        Output::CacheOnly => Ok(Exported::default()),
    }
}

/// Sees to it that the files of all layers are there.
fn unpack(inputs: &[ImageInput], fetcher: &dyn LayerFetcher) -> Result<()> {
    for input in inputs {
        let Some(layer) = input.layers.last().copied() else {
            continue;
        };
        let layers: &[LayerId] = &input.layers;
        fetcher
            .unpacked(layers)
            .map_err(|source| Error::Fetch { layer, source })?;
    }
    Ok(())
}
