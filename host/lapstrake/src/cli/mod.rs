//! The command line: words, then options, then the engine; and what is printed at the end.
//! The only part that knows the environment, signals and exit codes.

mod answers;
mod arguments;
mod convert;
mod doctor;
mod du;
mod frontend;
mod history;
mod interrupt;
mod limits;
mod lock;
mod lsp;
mod privilege;
mod prune;
mod recording;
mod remote;
mod repair;
mod why;
mod words;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use lapstrake_llb::credentials::redact;

use crate::config::Config;
use crate::engine::{Client, Engine, EngineOptions, Outcome};
use crate::error::{Error, Kind, chain};
use crate::options::BuildOptions;
use crate::progress::{Display, Listener, Mode, Sink};

use words::{BuildWords, Command, GraphFormat, LlbWords, Words};

/// What ends a command badly.
enum Failure {
    /// The words, the configuration or the environment.
    Usage(String),
    /// The engine.
    Engine(Error),
    /// Standard output went away or is full.
    Print(std::io::Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Engine(error)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::Print(error)
    }
}

fn usage(error: &dyn std::error::Error) -> Failure {
    Failure::Usage(chain(error))
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let words = match Words::try_parse() {
        Ok(words) => words,
        Err(error) => {
            let _ = error.print();
            // clap says 0 for --help and --version, and 2 for the rest.
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let debug = words.debug;
    match run(words) {
        Ok(code) => code,
        Err(failure) => fail(&failure, debug),
    }
}

/// A failure as people read it.
fn rendered(failure: &Failure) -> (String, Kind) {
    match failure {
        Failure::Usage(message) => (
            format!("error: {message}\n  help: see lapstrake --help\n"),
            Kind::Usage,
        ),
        Failure::Engine(error) => (error.render(), error.kind()),
        Failure::Print(error) if error.kind() == std::io::ErrorKind::BrokenPipe => {
            (String::new(), Kind::Build)
        }
        Failure::Print(error) => (
            format!("error: cannot write to standard output: {error}\n"),
            Kind::Build,
        ),
    }
}

fn fail(failure: &Failure, debug: bool) -> ExitCode {
    let mut stderr = std::io::stderr().lock();
    let (text, kind) = rendered(failure);
    let _ = stderr.write_all(redact(&text).as_bytes());
    if let (true, Failure::Engine(error)) = (debug, failure) {
        let _ = writeln!(stderr, "{}", redact(&format!("{error:#?}")));
    }
    ExitCode::from(kind.exit_code())
}

fn run(words: Words) -> Result<ExitCode, Failure> {
    let starter = privilege::Starter::of_this_process();
    // Before anything has a thread, or asks who it is.
    if words.command.uses_store() {
        privilege::gain()?;
    }
    let place = Place {
        starter,
        root: words.root,
        config: words.config,
        debug: words.debug,
    };
    match words.command {
        Command::Doctor(words) => return doctor::doctor(&words, &place),
        Command::Lsp(words) => return lsp::lsp(*words, &place),
        Command::Build(words) => build(*words, &place),
        Command::Llb(words) => llb(*words, &place),
        Command::Du(words) => du::run(&words, &place),
        Command::Prune(words) => prune::run(&words, &place),
        Command::Why(words) => why::why(*words, &place),
        Command::History(words) => history::run(words, &place),
        Command::Lock(words) => lock::lock(*words, &place),
        Command::Frontend(words) => return frontend::run(words, &place),
        Command::Version => {
            writeln!(std::io::stdout(), "lapstrake {}", env!("CARGO_PKG_VERSION"))?;
            Ok(())
        }
    }
    .map(|()| ExitCode::SUCCESS)
}

/// Where state and configuration are.
struct Place {
    starter: privilege::Starter,
    root: Option<PathBuf>,
    config: Option<PathBuf>,
    debug: bool,
}

/// An absolute path from the environment; others mean nothing (XDG Base Directory Specification).
fn directory(name: &str) -> Option<PathBuf> {
    std::env::var_os(name)
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
}

impl Place {
    fn config(&self) -> Result<Config, Failure> {
        let default = || {
            let folder = directory("XDG_CONFIG_HOME").or_else(|| Some(directory("HOME")?.join(".config")))?;
            Some(folder.join("lapstrake/lapstrake.toml"))
        };
        match (&self.config, default()) {
            (Some(path), _) => Config::load(path, true).map_err(|error| usage(&error)),
            (None, Some(path)) => Config::load(&path, false).map_err(|error| usage(&error)),
            (None, None) => Ok(Config::default()),
        }
    }

    fn root(&self) -> Result<PathBuf, Failure> {
        if let Some(root) = &self.root {
            return Ok(root.clone());
        }
        if self.starter.is_root {
            return Ok("/var/lib/lapstrake".into());
        }
        let folder = directory("XDG_DATA_HOME").or_else(|| Some(directory("HOME")?.join(".local/share")));
        let missing =
            || Failure::Usage("there is no home directory: name a state directory with --root".to_owned());
        Ok(folder.ok_or_else(missing)?.join("lapstrake"))
    }

    fn engine(&self, config: &Config) -> Result<Engine, Failure> {
        let docker = directory("DOCKER_CONFIG").or_else(|| Some(directory("HOME")?.join(".docker")));
        let options = EngineOptions {
            registries: config.registry.clone(),
            credentials: lapstrake_ops::source::credentials::CredentialOptions {
                config_dir: docker,
                helper_path: None,
            },
            remote: remote::options(),
            oci_runtime: config.oci_runtime.clone(),
            cdi_dirs: config.cdi.spec_dirs.clone(),
            sandbox: config.network.sandbox,
            no_new_privileges: config.no_new_privileges,
            debug: self.debug,
            policy: config.policy.clone(),
            trust: config.frontend.trust().map_err(|error| usage(&error))?,
            gc: config.gc.limits().map_err(|error| usage(&error))?,
        };
        Ok(Engine::open(&self.root()?, options)?)
    }
}

fn build(words: BuildWords, place: &Place) -> Result<(), Failure> {
    let config = place.config()?;
    let mut mode: Mode = words
        .progress
        .parse()
        .map_err(|text| Failure::Usage(format!("--progress {}: {text}", words.progress)))?;
    if words.quiet {
        mode = Mode::Quiet;
    }
    let call = if words.check {
        Some("check")
    } else {
        words.call.as_deref()
    };
    let call = call.map(answers::Asked::parse).transpose();
    let call = call
        .map_err(|text| Failure::Usage(format!("--call: {text}")))?
        .flatten();
    let (format, quiet) = (words.format, words.quiet);
    let timings = words.timings.clone();
    let (iidfile, metadata_file) = (words.iidfile.clone(), words.metadata_file.clone());
    let options = convert::build(words, &config).map_err(|error| usage(&error))?;
    if mode == Mode::RawJson && convert::takes_stdout(&options) {
        return Err(Failure::Usage(
            "--progress rawjson and an output to standard output do not go together".to_owned(),
        ));
    }
    if let Some(asked) = call {
        let engine = place.engine(&config)?;
        let answer = with_display(Mode::Quiet, |client| engine.call(&asked.what, &options, client))?;
        return answers::print(&answer, &asked, format);
    }
    let outputless = options.outputs.is_empty();
    let outcome = repair::until_sound(
        || place.engine(&config),
        |engine| {
            let recording = recording::Recording::new(engine.store(), &config)?;
            recording.build(mode, &options, timings.as_deref(), |client| {
                engine.build(&options, client)
            })
        },
        repair::can_be_repeated(&options),
    )?;
    report(&outcome, quiet, iidfile, metadata_file)?;
    if outputless && !quiet && matches!(mode, Mode::Auto | Mode::Tty | Mode::Plain) {
        writeln!(
            std::io::stderr(),
            "no output was asked for: the result stays in the cache (-o type=oci,dest=FILE writes an image)"
        )?;
    }
    Ok(())
}

fn report(
    outcome: &Outcome,
    quiet: bool,
    iidfile: Option<PathBuf>,
    metadata_file: Option<PathBuf>,
) -> Result<(), Failure> {
    let write = |path: PathBuf, text: String| {
        std::fs::write(&path, text).map_err(|source| Failure::Engine(Error::Write { path, source }))
    };
    if let Some(id) = outcome.image_id() {
        if quiet {
            writeln!(std::io::stdout(), "{id}")?;
        }
        if let Some(path) = iidfile {
            write(path, id.to_string())?;
        }
    } else if let Some(path) = iidfile {
        let message = format!(
            "--iidfile {}: no image was made; ask for one with -o type=oci",
            path.display()
        );
        return Err(Failure::Usage(message));
    }
    if let Some(path) = metadata_file {
        write(path, outcome.metadata())?;
    }
    Ok(())
}

fn llb(words: LlbWords, place: &Place) -> Result<(), Failure> {
    let config = place.config()?;
    let compile = convert::compile(words.shared, &config).map_err(|error| usage(&error))?;
    let mut options = BuildOptions::compile_only(compile);
    convert::add_callers_agent(&mut options);
    let engine = place.engine(&config)?;
    let compiled = with_display(Mode::Quiet, |client| engine.compile(&options, client))?;
    let roots: Vec<_> = compiled.images.iter().filter_map(|image| image.root).collect();
    let text = match words.format {
        GraphFormat::Text => lapstrake_llb::print::text(&compiled.definition, &roots).into_bytes(),
        GraphFormat::Json => lapstrake_llb::print::json(&compiled.definition, &roots).into_bytes(),
        GraphFormat::Dot => lapstrake_llb::print::dot(&compiled.definition, &roots).into_bytes(),
        GraphFormat::Pb => {
            let (definition, roots) = compiled.definition.in_walk_order(&roots);
            definition.to_pb(&roots)
        }
    };
    std::io::stdout().write_all(&text)?;
    Ok(())
}

/// Does something that can be interrupted and whose events are shown.
fn with_display<T>(mode: Mode, work: impl FnOnce(&Client) -> Result<T, Error>) -> Result<T, Failure> {
    Ok(with_listener(mode, None, work)??)
}

/// The same, with somebody else who hears the events.
fn with_listener<T>(
    mode: Mode,
    listener: Option<Box<dyn Listener>>,
    work: impl FnOnce(&Client) -> Result<T, Error>,
) -> Result<Result<T, Error>, Failure> {
    let (sink, display): (Sink, Display) = Display::start(mode, listener)?;
    let client = Client {
        sink,
        cancel: interrupt::token()?,
    };
    let result = work(&client);
    drop(client);
    display.finish();
    Ok(result)
}
