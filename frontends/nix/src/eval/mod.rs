//! The evaluator: values, the machine that runs compiled code, and what builtins are made of.
//! Knows nothing of builds; `primitives` does.

pub mod attrs;
mod call;
pub mod code;
pub mod coerce;
pub mod compare;
mod convert;
pub mod env;
mod formals;
mod frame;
pub mod garbage;
pub mod io;
mod machine;
mod operators;
pub(crate) use operators::arithmetic;
pub mod print;
pub mod registry;
mod step;
pub mod string;
pub mod symbol;
pub mod value;
pub mod vm;

pub use attrs::{Attr, Attrs};
pub use coerce::{Coerce, coerce, copy_path_hook};
pub use io::{FileType, Io, MemoryIo};
pub use registry::{Builtin, Run};
pub use string::{Context, Dependency, NixString};
pub use symbol::Symbol;
pub use value::{Lambda, List, Partial, Thunk, Value};
pub use vm::{Task, Vm};
