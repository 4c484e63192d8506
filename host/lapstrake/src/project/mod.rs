//! A frontend's project: made from a template, built to a component, and held to its golden cases.
//! Knows nothing of terminals, stores or registries.

mod answers;
mod build;
mod cases;
mod create;
mod embedded;
mod error;
mod rust;
mod watch;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

pub use build::{Built, Tools};
pub use cases::{Case, Checked, Difference, Verdict};
pub use create::{Language, New, create};
pub use error::ProjectError;
pub use watch::Stamp;

/// The file that makes a folder a project.
pub const MANIFEST: &str = "lapstrake-frontend.toml";

/// A project.
#[derive(Debug, Clone)]
pub struct Project {
    /// Its folder.
    pub folder: PathBuf,
    /// Its name.
    pub name: String,
    /// Its language.
    pub language: Language,
    component: PathBuf,
    module: Option<PathBuf>,
    contract: Option<PathBuf>,
    adapter: Option<PathBuf>,
    steps: Vec<Step>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    frontend: Frontend,
    #[serde(default)]
    build: Vec<Step>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Frontend {
    name: String,
    language: Language,
    component: PathBuf,
    #[serde(default)]
    module: Option<PathBuf>,
    /// The contract, where the module does not say the types of its functions.
    #[serde(default)]
    contract: Option<PathBuf>,
    /// What stands for the system that the module imports; the file's name without its end is what it is imported as.
    #[serde(default)]
    adapter: Option<PathBuf>,
}

/// A command of a build.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    /// Program and arguments.
    run: Vec<String>,
    /// More environment.
    #[serde(default)]
    env: BTreeMap<String, String>,
    /// What to do where the program is not there.
    #[serde(default)]
    advice: String,
}

impl Project {
    /// Reads the project of a folder, or of the nearest one above it.
    ///
    /// # Errors
    /// There is none, or its file is not right.
    pub fn find(from: &Path) -> Result<Self, ProjectError> {
        let start = std::path::absolute(from).map_err(|source| ProjectError::Read {
            path: from.to_owned(),
            source,
        })?;
        let found = start.ancestors().find(|folder| folder.join(MANIFEST).is_file());
        let folder = found.ok_or_else(|| ProjectError::None {
            folder: from.to_owned(),
        })?;
        let path = folder.join(MANIFEST);
        let text = std::fs::read_to_string(&path).map_err(|source| ProjectError::Read {
            path: path.clone(),
            source,
        })?;
        let manifest: Manifest = toml::from_str(&text).map_err(|source| ProjectError::Manifest {
            path,
            source: Box::new(source),
        })?;
        Ok(Self {
            folder: folder.to_owned(),
            name: manifest.frontend.name,
            language: manifest.frontend.language,
            component: manifest.frontend.component,
            module: manifest.frontend.module,
            contract: manifest.frontend.contract,
            adapter: manifest.frontend.adapter,
            steps: manifest.build,
        })
    }

    /// Where the component is, once it is built.
    pub fn component(&self) -> PathBuf {
        self.folder.join(&self.component)
    }

    /// Where compiled code may be kept.
    pub fn cache(&self) -> PathBuf {
        self.folder.join(".lapstrake")
    }
}
