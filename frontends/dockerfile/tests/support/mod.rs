//! Shared by the tests: requests from a case's folder, and texts of graphs, configurations and findings.
//! Knows nothing of which cases there are.

pub mod print;
pub mod request;
