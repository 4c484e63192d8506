//! Outputs of the tests, and a way to make them.
//! Knows nothing of what is tested.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::Path;

use lapstrake_export::{Destination, Exported, ImageInput, ImageName, ImageOptions, Output, Target, export};
use lapstrake_llb::Timestamp;
use lapstrake_store::Store;

use super::{Fetcher, entry, input, two_layers};

pub fn names(list: &[&str]) -> Vec<ImageName> {
    list.iter().map(|name| name.parse().unwrap()).collect()
}

pub fn epoch() -> Option<Timestamp> {
    Some(Timestamp {
        seconds: 1_700_000_000,
        nanoseconds: 0,
    })
}

pub fn options() -> ImageOptions {
    ImageOptions {
        epoch: epoch(),
        ..ImageOptions::oci()
    }
}

pub fn oci_archive(path: &Path, list: &[&str], options: ImageOptions) -> Output {
    Output::Oci {
        target: Target::Archive(Destination::File(path.to_owned())),
        names: names(list),
        options,
    }
}

pub fn oci_dir(path: &Path, list: &[&str]) -> Output {
    Output::Oci {
        target: Target::Directory(path.to_owned()),
        names: names(list),
        options: options(),
    }
}

pub fn docker_archive(path: &Path, list: &[&str]) -> Output {
    let options = ImageOptions {
        epoch: epoch(),
        ..ImageOptions::docker()
    };
    Output::Docker {
        destination: Destination::File(path.to_owned()),
        names: names(list),
        options,
    }
}

pub fn run(store: &Store, inputs: &[ImageInput], output: &Output) -> Exported {
    export(store, inputs, output, &Fetcher::default(), &()).unwrap()
}

pub fn example(store: &Store) -> ImageInput {
    input(
        &two_layers(store),
        vec![entry("COPY", false), entry("ENV", true), entry("RUN", false)],
    )
}
