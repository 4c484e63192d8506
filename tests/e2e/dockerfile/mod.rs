//! What Dockerfiles build: every sentence about behaviour as a build that is looked into, and the same files built by a
//! real BuildKit beside.

mod add;
mod arguments;
mod config;
mod copy;
mod engine;
mod graph;
mod ignore;
mod named;
mod run;
mod saved;
mod unit;

use lapstrake_tests::Place;

use self::saved::Saved;

/// Builds the context and reads the image.
#[track_caller]
pub(crate) fn image(place: &Place, more: &[&str]) -> Saved {
    let file = place.path("out/image.tar");
    let output = format!("type=docker,dest={}", file.display());
    place
        .build(&[&["-t", "it:1", "-o", &output, "--network", "none"], more].concat())
        .ok();
    saved::read(&file).pop_first().unwrap().1
}

/// Dockerfiles that fail, and what is said of each.
#[track_caller]
fn all_fail(place: &Place, table: &[(&str, &[&str])]) {
    for (dockerfile, said) in table {
        place.dockerfile(dockerfile);
        let _ = place
            .build(&["-o", "type=cacheonly", "--network", "none"])
            .fails(1, said);
    }
}
