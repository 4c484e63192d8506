//! One request on its way: the build file's value, with the arguments and the attribute that the request asks for, and
//! what is built for it. Knows nothing of what else a frontend answers.

use std::rc::Rc;

use lapstrake_sdk::options::Options;
use lapstrake_sdk::types::*;
use lapstrake_sdk::{Graph, Host};

use crate::arguments::{self, Arguments, Found};
use crate::compile;
use crate::error::{Error, ErrorKind};
use crate::eval::{Value, Vm};
use crate::evaluation::Evaluation;
use crate::host_io::HostIo;
use crate::lower::{Lowering, StorePath};
use crate::primitives::builds::refused;
use crate::primitives::{Builds, Surroundings, output};
use crate::span::Span;
use crate::{lint, path, report};

/// Number of the build file among the files of an evaluation: it is read first.
const MAIN_FILE: u32 = 0;

/// An evaluation of a request's build file.
pub struct Run<'a> {
    host: &'a dyn Host,
    /// What is asked for.
    pub request: &'a Request,
    /// The evaluation.
    pub evaluation: Evaluation,
    platform: Platform,
    /// What the file says, before any argument.
    pub file: Value,
    arguments: Rc<Arguments>,
    options: Options,
}

impl<'a> Run<'a> {
    /// Evaluates the build file of a request for a platform, as far as that takes no argument.
    pub fn new(host: &'a dyn Host, request: &'a Request, platform: &Platform) -> Result<Self, BuildError> {
        let io = Box::new(HostIo::new(host, request));
        let evaluation = Evaluation::new(io, &system(platform))
            .map_err(|error| BuildError::Internal(error.to_string()))?;
        if let Some(steps) = request.option("max-steps").and_then(|steps| steps.parse().ok()) {
            evaluation.vm.limit_steps(steps);
        }
        let invalid = |error: &Error| report::build_error(error, evaluation.vm.sources());
        let options = Options::read(request);
        let options = options.map_err(|message| invalid(&Error::new(ErrorKind::Arguments, message)))?;
        Builds::of(&evaluation.vm).set(Surroundings {
            context: request.context.clone(),
            named_contexts: request.named_contexts.clone(),
            platform: platform.clone(),
            resolve_mode: options.resolve_mode,
            host: Some(host.share()),
        });
        let source = request.main_source()?;
        let base = base(&evaluation.vm, &source.name);
        let file = evaluation.text(&source.name, &base, &source.text);
        let file = file.map_err(|error| invalid(&error))?;
        let arguments = Arguments::of(&evaluation.vm, request).map_err(|error| invalid(&error))?;
        Ok(Self {
            host,
            request,
            evaluation,
            platform: platform.clone(),
            file,
            arguments: Rc::new(arguments),
            options,
        })
    }

    /// The evaluation's tables.
    pub fn vm(&self) -> &Vm {
        &self.evaluation.vm
    }

    /// An error with its places.
    pub fn invalid(&self, error: &Error) -> BuildError {
        report::build_error(error, self.vm().sources())
    }

    /// The value that the request asks for: of a function what it gives for the arguments, of a set the attribute.
    pub fn value(&self) -> Result<Found, BuildError> {
        let arguments = self.arguments.clone();
        let path = arguments::attribute_path(self.request).map_err(|error| self.invalid(&error))?;
        let vm = self.vm().clone();
        let place = self.main_expression();
        let file = Found {
            value: self.file.clone(),
            place,
        };
        let found = self
            .vm()
            .block_on(async move { arguments::select(&vm, file, &arguments, &path).await });
        found.map_err(|error| self.invalid(&error.or_at(place)))
    }

    /// Where the build file says its value.
    fn main_expression(&self) -> Option<Span> {
        let source = self.vm().sources().get(MAIN_FILE)?;
        compile::main_expression(&source.text, MAIN_FILE)
    }

    /// The value that is built: the default one of a set of several.
    pub fn built_value(&self) -> Result<StorePath, BuildError> {
        let found = self.value()?;
        let vm = self.vm().clone();
        let path = self.vm().block_on(async move {
            let found = arguments::default(&vm, found).await?;
            let path = output::of(&vm, &found.value).await;
            path.map_err(|error| error.or_at(found.place))
        });
        path.map_err(|error| self.invalid(&error))
    }

    /// Builds for every platform that is asked for.
    pub fn build(host: &dyn Host, request: &Request) -> Result<BuildResult, BuildError> {
        let graph = Graph::new();
        let (mut images, mut warnings) = (Vec::new(), Vec::new());
        for platform in request.target_platforms() {
            let run = Run::new(host, request, platform)?;
            images.push(run.lower(&graph)?);
            if warnings.is_empty() {
                warnings = run.warnings();
            }
        }
        Ok(graph.finish(images, warnings))
    }

    /// What is doubtful in the files of the build context that were read, and among the arguments.
    pub fn warnings(&self) -> Vec<Diagnostic> {
        let sources = self.vm().sources();
        let files = 0..sources.files().len() as u32;
        let own = files.filter(|file| {
            sources
                .get(*file)
                .is_some_and(|source| !source.name.starts_with('<'))
        });
        let found = own.flat_map(|file| lint::warnings(sources, file));
        let noted = Builds::of(self.vm()).warnings();
        let noted = noted.iter().map(|warning| report::warning(warning, sources));
        found
            .chain(noted)
            .chain(self.arguments.unused(self.vm()))
            .collect()
    }

    fn lower(&self, graph: &Graph) -> Result<BuiltImage, BuildError> {
        let path = self.built_value()?;
        let builds: Rc<Builds> = Builds::of(self.vm());
        let store = builds.store();
        let files = self.vm().sources().files();
        let files = files.iter().map(|file| graph.source_file(file)).collect();
        let mut lowering =
            Lowering::new(&store, graph, self.host, self.platform.clone(), &self.options).reading(files);
        let image = lowering.image_of(&path);
        let mut image = image.map_err(|error| {
            let place = lowering.place();
            report::build_error_at(&refused(&error), self.vm().sources(), place)
        })?;
        for label in &self.request.labels {
            image.config.set_label(&label.key, label.value.clone());
        }
        Ok(image)
    }
}

/// What Nix calls a platform.
pub fn system(platform: &Platform) -> String {
    let architecture = match (platform.architecture.as_str(), platform.cpu_variant.as_deref()) {
        ("amd64", _) => "x86_64",
        ("arm64", _) => "aarch64",
        ("386", _) => "i686",
        ("arm", Some("v6")) => "armv6l",
        ("arm", _) => "armv7l",
        ("ppc64le", _) => "powerpc64le",
        (other, _) => other,
    };
    format!("{architecture}-{}", platform.os)
}

/// Where relative paths of the build file begin: its folder, if it is one of the build context, else the context.
fn base(vm: &Vm, name: &str) -> String {
    let inside = !name.starts_with('/') && name.split('/').all(|part| part != "..");
    let file = path::canonical(name);
    let folder = path::parent(&file).to_owned();
    if !inside || folder == "/" {
        return "/".to_owned();
    }
    match vm.io().file_type(&file) {
        Ok(Some(_)) => folder,
        _ => "/".to_owned(),
    }
}
