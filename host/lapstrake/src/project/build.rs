//! Builds a project: the commands of its language, then the component. Knows nothing of what is in either.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use lapstrake_componentize::{Adapter, Parts, componentize};

use super::create::Language;
use super::error::ProjectError;
use super::{MANIFEST, Project, rust};

/// Where programs are.
#[derive(Debug, Clone)]
pub struct Tools {
    /// Where they are looked for, in the form of `PATH`.
    pub path: OsString,
    /// Where the system's own are.
    pub system: PathBuf,
}

/// A component that was built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    /// Its file.
    pub path: PathBuf,
    /// Its size, bytes.
    pub size: u64,
}

impl Tools {
    /// The file of a program; one with a slash is a path already.
    pub fn find(&self, program: &str) -> Option<PathBuf> {
        std::env::split_paths(&self.path)
            .map(|folder| folder.join(program))
            .find(|file| file.is_file())
    }
}

impl Project {
    /// Runs the language's toolchain, whose messages go to standard error, and makes the component.
    ///
    /// # Errors
    /// A program is missing or fails; what it made is no frontend.
    pub fn build(&self, tools: &Tools) -> Result<Built, ProjectError> {
        // Not every language's tool makes the folder that it writes to.
        let path = self.component();
        make_folder_of(&path)?;
        let mut module = self.module.as_ref().map(|path| self.folder.join(path));
        if self.language == Language::Rust && self.steps.is_empty() {
            let mut command = rust::command(tools)?;
            let output = self.run("cargo", &mut command, "")?;
            module = rust::module(&output, &self.folder).or(module);
        }
        if let Some(folder) = self.component().parent() {
            // Not every tool makes it.
            std::fs::create_dir_all(folder).map_err(|source| ProjectError::Write {
                path: folder.to_owned(),
                source,
            })?;
        }
        for step in &self.steps {
            let (program, arguments) = step.run.split_first().ok_or_else(|| ProjectError::EmptyStep {
                path: self.folder.join(MANIFEST),
            })?;
            let file = match program.contains('/') {
                true => Some(self.folder.join(program)).filter(|file| file.is_file()),
                false => tools.find(program),
            };
            let file = file.ok_or_else(|| ProjectError::NoTool {
                program: program.clone(),
                advice: step.advice.clone(),
            })?;
            let mut command = Command::new(file);
            command.args(arguments).envs(&step.env);
            self.run(program, &mut command, &step.advice)?;
        }
        if let Some(module) = module {
            let data = read(&module)?;
            let component = componentize(&module, &data, &self.parts()?)?;
            write(&path, &component)?;
        }
        let meta = std::fs::metadata(&path).map_err(|_| ProjectError::NothingBuilt { path: path.clone() })?;
        Ok(Built {
            path,
            size: meta.len(),
        })
    }

    /// What the module lacks, read from the project.
    fn parts(&self) -> Result<Parts, ProjectError> {
        let file = |path: &PathBuf| {
            let path = self.folder.join(path);
            let data = std::fs::read(&path);
            data.map_err(|source| ProjectError::Read { path, source })
        };
        let contract = self.contract.as_ref().map(file).transpose()?;
        let adapter = self.adapter.as_ref().map(|path| {
            let name = path.file_stem().unwrap_or_default();
            Ok::<_, ProjectError>(Adapter {
                name: name.to_string_lossy().into_owned(),
                module: file(path)?,
            })
        });
        Ok(Parts {
            contract: contract.map(|text| String::from_utf8_lossy(&text).into_owned()),
            adapters: adapter.transpose()?.into_iter().collect(),
        })
    }

    /// Runs a command in the project's folder; what it says on standard output.
    fn run(&self, program: &str, command: &mut Command, advice: &str) -> Result<Vec<u8>, ProjectError> {
        command
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stderr(Stdio::inherit());
        let output = command.output().map_err(|source| ProjectError::Start {
            program: program.to_owned(),
            source,
        })?;
        match output.status.success() {
            true => Ok(output.stdout),
            // As a shell says it: a program that the command needs is not there. It was named already.
            false if output.status.code() == Some(127) => Err(ProjectError::NoToolOf {
                program: program.to_owned(),
                advice: advice.to_owned(),
            }),
            false => Err(ProjectError::Failed {
                program: program.to_owned(),
                status: output.status,
            }),
        }
    }
}

fn read(path: &Path) -> Result<Vec<u8>, ProjectError> {
    match std::fs::read(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(ProjectError::NothingBuilt {
            path: path.to_owned(),
        }),
        other => other.map_err(|source| ProjectError::Read {
            path: path.to_owned(),
            source,
        }),
    }
}

/// Writes a file whole or not at all. One that has these contents keeps its time.
fn write(path: &Path, data: &[u8]) -> Result<(), ProjectError> {
    if std::fs::read(path).is_ok_and(|known| known == data) {
        return Ok(());
    }
    let temporary = path.with_extension(format!("{}.tmp", std::process::id()));
    let written = std::fs::write(&temporary, data).and_then(|()| std::fs::rename(&temporary, path));
    written.map_err(|source| ProjectError::Write {
        path: path.to_owned(),
        source,
    })
}

fn make_folder_of(path: &Path) -> Result<(), ProjectError> {
    let folder = path.parent().unwrap_or(path);
    std::fs::create_dir_all(folder).map_err(|source| ProjectError::Write {
        path: folder.to_owned(),
        source,
    })
}
