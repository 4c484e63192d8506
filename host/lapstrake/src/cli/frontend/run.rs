//! `lapstrake frontend run`: the project's component on one build file, once or whenever something changes.
//! Knows nothing of languages.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::project::tools;
use super::words::RunWords;
use super::{Failure, Place, rendered, with_listener};
use crate::cli::words::GraphFormat;
use crate::engine::Engine;
use crate::error::Error;
use crate::options::{self, BuildFile, BuildOptions, CompileOptions, Context, FrontendLimits, LockUse};
use crate::progress::{Event, Listener, Mode};
use crate::project::{Project, Stamp};
use crate::report;
use crate::trust::FrontendPolicy;

/// How often the files are looked at.
const PAUSE: Duration = Duration::from_millis(200);

/// Builds and runs; with `--watch`, until it is interrupted.
pub fn run(words: &RunWords, place: &Place) -> Result<(), Failure> {
    let project = Project::find(&words.project.project)?;
    let engine = place.engine(&place.config()?)?;
    if !words.watch {
        return once(&project, words, &engine);
    }
    let watched = [project.folder.clone(), words.file.clone()];
    loop {
        let before = Stamp::of(&watched);
        if let Err(failure) = once(&project, words, &engine) {
            let (text, _) = rendered(&failure);
            std::io::stderr().write_all(text.as_bytes())?;
        }
        writeln!(std::io::stderr(), "watching {}", project.folder.display())?;
        while Stamp::of(&watched) == before {
            std::thread::sleep(PAUSE);
        }
    }
}

fn once(project: &Project, words: &RunWords, engine: &Engine) -> Result<(), Failure> {
    project.build(&tools())?;
    let options = BuildOptions::compile_only(compile(project, words)?);
    let compiled = with_listener(Mode::Quiet, Some(Box::new(Warnings)), |client| {
        engine.compile(&options, client)
    })??;
    let roots: Vec<_> = compiled.images.iter().filter_map(|image| image.root).collect();
    let graph = &compiled.definition;
    let text = match words.format {
        GraphFormat::Text => lapstrake_llb::print::text(graph, &roots).into_bytes(),
        GraphFormat::Json => lapstrake_llb::print::json(graph, &roots).into_bytes(),
        GraphFormat::Dot => lapstrake_llb::print::dot(graph, &roots).into_bytes(),
        GraphFormat::Pb => {
            let (graph, roots) = graph.in_walk_order(&roots);
            graph.to_pb(&roots)
        }
    };
    let mut out = std::io::stdout().lock();
    out.write_all(&text)?;
    out.flush()?;
    Ok(())
}

/// Shows what is questionable in the build file.
struct Warnings;

impl Listener for Warnings {
    fn event(&mut self, event: &Event) {
        if let Event::Warning(warning) = event {
            let text = report::diagnostic(&warning.diagnostic, &warning.sources);
            // A standard error that is closed leaves nobody to tell.
            let _ = std::io::stderr().write_all(text.as_bytes());
        }
    }

    fn flush(&mut self) {}
}

fn compile(project: &Project, words: &RunWords) -> Result<CompileOptions, Failure> {
    let environment = |name: &str| std::env::var(name).ok();
    let mut build_args = Vec::new();
    for text in &words.build_arg {
        let arg = options::build_arg(text, environment);
        build_args.extend(arg.map_err(|error| Failure::Usage(format!("--build-arg: {error}")))?);
    }
    Ok(CompileOptions {
        context: Context::Directory(folder(&words.file)?),
        file: BuildFile::Path(words.file.clone()),
        target: words.target.clone(),
        build_args,
        named_contexts: Vec::new(),
        labels: Vec::new(),
        platforms: Vec::new(),
        frontend_options: Vec::new(),
        offline: words.offline,
        frontend: Some(project.component().display().to_string()),
        // It is the person's own.
        frontend_policy: Some(FrontendPolicy::Any),
        lock: LockUse::Ignored,
        limits: FrontendLimits::default(),
    })
}

/// The folder that a build file is in.
fn folder(file: &Path) -> Result<PathBuf, Failure> {
    let whole = std::path::absolute(file).map_err(|source| {
        Failure::Engine(Error::Write {
            path: file.to_owned(),
            source,
        })
    })?;
    Ok(whole.parent().map_or_else(|| whole.clone(), Path::to_path_buf))
}
