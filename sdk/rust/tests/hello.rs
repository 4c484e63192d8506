//! The tests of examples/frontends/hello, without compiling a second workspace for them.
#![allow(clippy::unwrap_used)]

extern crate self as hello_frontend;

#[path = "../../../examples/frontends/hello/src/lib.rs"]
mod frontend;
#[path = "../../../examples/frontends/hello/tests/hello.rs"]
mod hello;

pub use frontend::Hello;
