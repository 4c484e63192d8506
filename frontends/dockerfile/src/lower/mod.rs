//! From stages to a graph and images: once for each platform, over one list of vertices.
//! Knows no instruction's meaning, which is in the instruction's own file.

mod bases;
pub mod context;
pub mod context_file;
pub mod env;
pub mod globals;
pub mod golang;
pub mod image;
pub mod naming;
mod order;
pub mod plan;
mod resolve;
pub mod stage;
mod start;
pub mod vertices;

use std::collections::HashMap;

use lapstrake_sdk::Host;
use lapstrake_sdk::types::{BuildError, BuiltImage, Edge, Platform, Request, Timestamp};
pub use lapstrake_sdk::{chmod, git, ignore, options};

use crate::diagnostic::{Diagnostic, Diagnostics, Severity};
use crate::expand::{Expander, Variables};
use crate::instructions::{
    Instruction, entrypoint, env as env_instruction, label, maintainer, stopsignal, user, workdir,
};
use crate::lower::context::MainContext;
use crate::lower::globals::Platforms;
use crate::lower::image::History;
use crate::lower::options::Options;
use crate::lower::plan::{Plan, Step};
use crate::lower::stage::{Cx, FromTree, Stage};
use crate::lower::vertices::Vertices;
use crate::outline::Capture;
use crate::source_map::SourceMap;
use crate::stages::Dockerfile;

/// What is to be lowered.
pub struct Job<'a> {
    /// The file.
    pub file: &'a Dockerfile,
    /// Where its text comes from.
    pub lines: &'a SourceMap,
    /// The request.
    pub request: &'a Request,
    /// The host.
    pub host: &'a dyn Host,
    /// The stage to build; none: the last one.
    pub target: Option<usize>,
    /// Whether stages that the target does not need are lowered too, for what is wrong with them.
    pub all_stages: bool,
}

/// What has become of it.
#[derive(Debug, Default)]
pub struct Lowered {
    /// The vertices.
    pub vertices: Vertices,
    /// One image for each platform; their roots are edges of the vertices.
    pub images: Vec<BuiltImage>,
    /// What an outline shows.
    pub outline: Capture,
}

/// Lowers a file. Findings go to `diagnostics`; an error is one of the host.
pub fn lower(job: &Job<'_>, diagnostics: &mut Diagnostics) -> Result<Lowered, BuildError> {
    let options = Options::read(job.request).unwrap_or_else(|problem| {
        diagnostics.push(Diagnostic::elsewhere("InvalidOption", problem));
        Options::default()
    });
    let mut lowered = Lowered::default();
    let contexts = plan::contexts(job.request);
    let mut plans = Vec::new();
    for target in job.request.target_platforms() {
        let platforms = Platforms {
            target: target.clone(),
            build: job.request.build_platform.clone(),
            implicit: job.request.platforms.is_empty(),
        };
        let contexts = contexts.clone();
        plans.push(Plan::new(
            job.file,
            job.target,
            platforms,
            &options,
            contexts,
            &mut lowered.outline,
            diagnostics,
        ));
    }
    plans.iter().for_each(|plan| plan.check_order(diagnostics));
    if !diagnostics.has_errors() {
        resolve::images(&mut plans, job, diagnostics);
    }
    if diagnostics.has_errors() {
        rehearse(job, &options, &mut plans, diagnostics);
        return Ok(lowered);
    }
    let mut driver = Driver {
        job,
        options: &options,
        lines: job.lines,
        vertices: &mut lowered.vertices,
        outline: &mut lowered.outline,
        history: History::default(),
        context: MainContext::new(job.request),
        directories: Vec::new(),
        ignored: HashMap::new(),
        diagnostics,
    };
    for plan in &mut plans {
        let steps = plan.nodes.iter().map(|node| node.steps.len());
        driver.vertices.reserve(steps.sum());
        lowered.images.push(driver.plan(plan)?);
    }
    driver.finish(&plans);
    Ok(lowered)
}

/// Lowers what needs neither the host nor any variable, to find more errors in a file that has some already.
fn rehearse(job: &Job<'_>, options: &Options, plans: &mut [Plan], diagnostics: &mut Diagnostics) {
    let mut found = Diagnostics::default();
    let (mut vertices, mut outline) = (Vertices::default(), Capture::default());
    let mut driver = Driver {
        job,
        options,
        lines: job.lines,
        vertices: &mut vertices,
        outline: &mut outline,
        history: History::default(),
        context: MainContext::missing(),
        directories: Vec::new(),
        ignored: HashMap::new(),
        diagnostics: &mut found,
    };
    let Some(plan) = plans.first_mut() else { return };
    let reachable = plan.reachable(job.all_stages);
    for index in (0..job.file.stages.len()).filter(|index| reachable[*index]) {
        let mut stage = start::scratch(&plan.platforms.target);
        for step in plan.nodes[index].steps.clone() {
            if !step.on_build && !step.command.text.contains('$') {
                // The host is not reached: neither is the context there, nor is a base resolved.
                let _ = driver.step(plan, &step, &mut stage, &[], None);
            }
        }
    }
    found
        .into_sorted()
        .into_iter()
        .filter(|item| item.severity == Severity::Error)
        .for_each(|item| diagnostics.push(item));
}

/// What all platforms share.
struct Driver<'a> {
    job: &'a Job<'a>,
    options: &'a Options,
    lines: &'a SourceMap,
    vertices: &'a mut Vertices,
    outline: &'a mut Capture,
    history: History,
    context: MainContext,
    /// Directories of named contexts whose paths are known at the end: an edge and its node, by platform.
    directories: Vec<(Edge, Platform, usize)>,
    /// Patterns of named contexts' `.dockerignore`, by the name of the local. Never iterated.
    ignored: HashMap<String, Vec<String>>,
    diagnostics: &'a mut Diagnostics,
}

impl Driver<'_> {
    fn plan(&mut self, plan: &mut Plan) -> Result<BuiltImage, BuildError> {
        let reachable = plan.reachable(self.job.all_stages);
        let epoch = self.epoch(plan);
        let stage_count = self.job.file.stages.len();
        // What is taken from without being a stage is there before all stages.
        let order = (stage_count..plan.nodes.len()).chain(0..stage_count);
        let mut stages: Vec<Option<Stage>> = vec![None; plan.nodes.len()];
        for index in order.filter(|index| reachable[*index]) {
            let mut stage = self.start(plan, index, &stages, epoch)?;
            for step in plan.nodes[index].steps.clone() {
                self.step(plan, &step, &mut stage, &stages, epoch)?;
            }
            stages[index] = Some(stage);
        }
        let target = stages.get(plan.target).cloned().flatten();
        let mut stage = target.unwrap_or_else(|| start::scratch(&plan.platforms.target));
        if let Some(node) = plan.nodes.get_mut(plan.target) {
            node.paths.insert("/".to_owned());
        }
        let labels = self
            .job
            .request
            .labels
            .iter()
            .map(|pair| (pair.key.clone(), pair.value.clone()));
        stage.image.labels.extend(labels);
        if !plan.platforms.implicit {
            stage.image.platform = plan.platforms.target.clone();
        }
        let config = stage.image.to_config(&self.history, epoch);
        Ok(BuiltImage {
            platform: config.platform.clone(),
            root: stage.edge,
            config,
            annotations: Vec::new(),
        })
    }

    /// Lowers one instruction.
    fn step(
        &mut self,
        plan: &mut Plan,
        step: &Step,
        stage: &mut Stage,
        stages: &[Option<Stage>],
        epoch: Option<Timestamp>,
    ) -> Result<(), BuildError> {
        stage.naming.on_build = step.on_build;
        let tree = |index: usize| {
            stages
                .get(index)?
                .as_ref()
                .map(|stage| FromTree { edge: stage.edge })
        };
        let from = step.from.iter().map(|index| index.and_then(tree)).collect();
        let mut cx = self.cx(plan, epoch, from);
        dispatch(step, stage, &mut cx);
        let (failure, taken) = (cx.failure.take(), std::mem::take(&mut cx.taken));
        for (index, path) in taken {
            if let Some(node) = step.from.get(index).copied().flatten() {
                plan.nodes[node].paths.insert(path);
            }
        }
        failure.map_or(Ok(()), Err)
    }

    fn cx<'b>(&'b mut self, plan: &'b Plan, epoch: Option<Timestamp>, from: Vec<Option<FromTree>>) -> Cx<'b> {
        Cx {
            options: self.options,
            globals: &plan.globals,
            expander: Expander::new(self.job.file.escape),
            host: self.job.host,
            vertices: self.vertices,
            history: &mut self.history,
            context: &mut self.context,
            diagnostics: self.diagnostics,
            outline: self.outline,
            lines: self.lines,
            epoch,
            failure: None,
            from,
            taken: Vec::new(),
        }
    }

    fn epoch(&mut self, plan: &Plan) -> Option<Timestamp> {
        let given = self
            .options
            .build_args
            .get("SOURCE_DATE_EPOCH")
            .map(String::as_str);
        let text = given.or_else(|| plan.globals.get("SOURCE_DATE_EPOCH"));
        let definitions = self.job.file.globals.iter().flat_map(|(_, arg)| &arg.definitions);
        let in_file = definitions.rev().find(|d| d.key.text == "SOURCE_DATE_EPOCH");
        let place = in_file.filter(|_| given.is_none()).map(|d| d.key.span);
        let from_file = text.and_then(|text| globals::epoch(text, place, self.diagnostics));
        self.options.epoch.or(from_file.map(|seconds| Timestamp {
            seconds,
            nanoseconds: 0,
        }))
    }

    /// Closes the sources whose paths are known only now.
    fn finish(self, plans: &[Plan]) {
        for (edge, platform, index) in self.directories {
            let Some(plan) = plans.iter().find(|plan| plan.platforms.target == platform) else {
                continue;
            };
            start::close_directory(self.vertices, edge, &plan.nodes[index].paths);
        }
        self.context.finish(self.vertices);
    }
}

fn dispatch(step: &Step, stage: &mut Stage, cx: &mut Cx<'_>) {
    let command = &*step.command;
    match &command.instruction {
        Instruction::Arg(arg) => arg.lower(command, stage, cx),
        Instruction::Cmd(line) => entrypoint::lower_cmd(line, command, stage, cx),
        Instruction::Copy(copy) => copy.lower(command, stage, cx),
        Instruction::Entrypoint(line) => entrypoint::lower_entrypoint(line, command, stage, cx),
        Instruction::Env(pairs) => env_instruction::lower(pairs, command, stage, cx),
        Instruction::Expose(expose) => expose.lower(stage, cx),
        Instruction::From(_) => {}
        Instruction::Healthcheck(check) => check.lower(command, stage, cx),
        Instruction::Label(pairs) => label::lower(pairs, command, stage, cx),
        Instruction::Maintainer(name) => maintainer::lower(name, stage, cx),
        Instruction::Onbuild(onbuild) => onbuild.lower(stage),
        Instruction::Run(run) => run.lower(command, stage, cx),
        Instruction::Shell(shell) => shell.lower(stage, cx),
        Instruction::Stopsignal(signal) => stopsignal::lower(signal, stage, cx),
        Instruction::User(name) => user::lower(name, stage, cx),
        Instruction::Volume(volume) => volume.lower(stage, cx),
        Instruction::Workdir(directory) => workdir::lower(directory, command, stage, cx),
    }
}
