//! The language server: speaks the Language Server Protocol 3.17 over a connection, and answers with what frontends say of
//! the build files that the editor has open. Knows no build language.

mod convert;
mod documents;
mod handshake;
mod jobs;
mod server;
mod settings;
mod symbols;
mod text;

pub use server::serve;
pub use settings::Settings;
