//! The tests of examples/frontends/dockerfile-include, without compiling a second workspace for them.
#![allow(clippy::unwrap_used)]

extern crate self as dockerfile_include;

#[path = "../../../examples/frontends/dockerfile-include/src/lib.rs"]
mod frontend;
#[path = "../../../examples/frontends/dockerfile-include/tests/include.rs"]
mod include;

pub use frontend::DockerfileInclude;
