//! The Mockerfile frontend: reads the YAML of r2d4/mockerfile and lowers it to a build graph.
//!
//! Text becomes nodes ([`yaml`]), nodes become a file ([`model`], whose types make the JSON Schema too), what is wrong or
//! doubtful in it is found ([`check`], [`lint`]), and its images become a graph ([`lower`]). Each step is a function of
//! its input. Knows nothing of how the graph is executed.

pub mod check;
#[cfg(target_arch = "wasm32")]
mod component;
pub mod editor;
pub mod findings;
pub mod frontend;
pub mod json;
pub mod lint;
pub mod lower;
pub mod model;
pub mod yaml;

pub use frontend::MockerfileFrontend;
