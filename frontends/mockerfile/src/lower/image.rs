//! One image: its packages, files and steps, and how they are stacked. What does not depend on each other is made side
//! by side on the base, and merged without copying. Knows nothing of package managers.

use lapstrake_sdk::options::Options;
use lapstrake_sdk::types::{
    BuiltImage, CopyAction, FileActionKind, ImageConfig, KeyValue, MkdirAction, Platform,
};
use lapstrake_sdk::{Graph, State, path};

use super::outside::Outside;
use super::{Job, config, label};
use crate::check::{Start, name_span};
use crate::findings::{Findings, Span};
use crate::model::Image;

/// An image that is done.
#[derive(Debug, Clone)]
pub(super) struct Done {
    /// What the first image of its line of parents begins with.
    pub(super) base: State,
    /// All of it.
    pub(super) tree: State,
    /// What made each layer that it has over the base.
    pub(super) layers: Vec<String>,
    /// Its configuration, with the history of the base alone.
    pub(super) config: ImageConfig,
}

/// Something that was made beside other things: what `upper` has over `lower`.
pub(super) struct Part {
    pub(super) lower: State,
    pub(super) upper: State,
    pub(super) layers: Vec<String>,
    /// Where it is in the image; commands that name this path come after it.
    pub(super) path: Option<String>,
}

/// An image in the making.
pub(super) struct Work<'a> {
    pub(super) image: &'a Image,
    /// What it begins with.
    pub(super) start: State,
    /// That with the packages.
    pub(super) stem: State,
    /// What made its layers over the base.
    pub(super) stem_layers: Vec<String>,
    pub(super) parts: Vec<Part>,
    /// Environment of package managers: without what the image sets, as a change of that must not install anew.
    pub(super) base_env: Vec<KeyValue>,
    /// Environment of other commands.
    pub(super) env: Vec<KeyValue>,
    /// Directory of commands.
    pub(super) directory: String,
    /// How the shell is called.
    pub(super) shell: Vec<String>,
}

/// Makes images for one platform.
pub(super) struct Builder<'a> {
    pub(super) job: &'a Job<'a>,
    pub(super) options: &'a Options,
    pub(super) platform: &'a Platform,
    pub(super) shows_platform: bool,
    pub(super) graph: &'a Graph,
    pub(super) outside: &'a Outside,
    pub(super) context: &'a Option<State>,
    /// The images that are done, by their places in the file.
    pub(super) done: Vec<Option<Done>>,
    /// Ids of caches.
    pub(super) caches: &'a mut Vec<String>,
    pub(super) findings: &'a mut Findings,
}

impl Builder<'_> {
    /// Makes an image; those that it needs MUST be done.
    pub(super) fn image(&mut self, index: usize) {
        let image = &self.job.file.images[index];
        let Some(begin) = self.begin(&self.job.links[index].start) else {
            return;
        };
        let base_env = begin.config.env.clone();
        let mut config = begin.config;
        config::apply(image, &mut config, self.findings);
        let mut work = Work {
            image,
            stem: begin.tree.clone(),
            start: begin.tree,
            stem_layers: begin.layers,
            parts: Vec::new(),
            base_env,
            env: config.env.clone(),
            directory: path::join("/", &config.working_dir),
            shell: config::shell(&config),
        };
        if let Some(package) = &image.package {
            self.packages(package, &mut work);
        }
        self.externals(&mut work);
        self.copies(index, &mut work);
        let (mut tree, mut layers) = self.join(&work, |_| true);
        if let Some(workdir) = &image.workdir {
            tree = self.workdir(image, &workdir.span, &work.directory, &tree);
            layers.push(format!("workdir {}", work.directory));
        }
        for step in &image.steps {
            let command = [&work.shell[..], std::slice::from_ref(&step.text)].concat();
            let run = self.command(&work, &tree, command, &work.env);
            tree = self.finished(image, run, &format!("run {}", step.text), &step.span);
            layers.push(format!("run {}", step.text));
        }
        let mut done = Done {
            base: begin.base,
            tree,
            layers,
            config,
        };
        if !image.output.is_empty() {
            self.output(image, &mut done);
        }
        self.done[index] = Some(done);
    }

    /// What an image begins with.
    fn begin(&self, start: &Start) -> Option<Done> {
        let mut done = match start {
            Start::Parent(parent) => self.done[*parent].clone()?,
            Start::Outside(text) => {
                let base = self.outside.get(&text.text)?;
                let tree = self.state(&base.state);
                Done {
                    base: tree.clone(),
                    tree,
                    layers: Vec::new(),
                    config: base.config.clone(),
                }
            }
            Start::Scratch => {
                let tree = self.state(&self.graph.scratch());
                Done {
                    base: tree.clone(),
                    tree,
                    layers: Vec::new(),
                    config: ImageConfig::new(self.platform.clone()),
                }
            }
        };
        config::add_path(&mut done.config);
        Some(done)
    }

    /// A tree for commands of the platform.
    pub(super) fn state(&self, tree: &State) -> State {
        self.graph
            .scratch()
            .platform(self.platform)
            .with_edge(tree.edge())
    }

    /// Stacks what was made side by side, as far as `wanted` says: the stem, then what each part adds, without copying.
    /// Returns what made its layers too.
    pub(super) fn join(&self, work: &Work<'_>, wanted: impl Fn(&Part) -> bool) -> (State, Vec<String>) {
        let mut layers = work.stem_layers.clone();
        let mut trees: Vec<State> = vec![work.stem.clone()];
        for part in work.parts.iter().filter(|part| wanted(part)) {
            layers.extend(part.layers.iter().cloned());
            // What is made on all that is there so far is it.
            match trees.as_slice() {
                [only] if only.edge() == part.lower.edge() => trees[0] = part.upper.clone(),
                _ => {
                    let added = self.graph.diff(&part.lower, &part.upper);
                    trees.push(added.name(self.title(work.image, "diff")));
                }
            }
        }
        let count = trees.len();
        let mut state = self.state(&self.graph.merge(&trees));
        if count > 1 {
            let name = self.title(work.image, "merge");
            state = state
                .name(name)
                .range(self.findings.range(&name_span(work.image)));
        }
        (state, layers)
    }

    fn workdir(&self, image: &Image, span: &Span, path: &str, tree: &State) -> State {
        let mkdir = MkdirAction {
            path: path.to_owned(),
            mode: 0o755,
            make_parents: true,
            timestamp: self.options.epoch,
            ..MkdirAction::default()
        };
        let state = tree.file().action(FileActionKind::Mkdir(mkdir)).done();
        self.noted(image, state, &format!("workdir {path}"), span)
    }

    /// Leaves of an image what its `output` names.
    fn output(&self, image: &Image, done: &mut Done) {
        let mut changes = self.state(&self.graph.scratch()).file();
        for path in &image.output {
            let source = path::join("/", path);
            // Into the directory above, which must be there for that: so a directory keeps its name, mode and owner.
            let parent = source.rsplit_once('/').map_or("", |(parent, _)| parent);
            if !parent.is_empty() {
                changes = changes.mkdir(parent);
            }
            let copy = CopyAction {
                dst_path: format!("{parent}/"),
                src_path: source.clone(),
                dir_contents_only: source == "/",
                create_dst_path: true,
                allow_wildcard: true,
                ..CopyAction::default()
            };
            changes = changes.copy_with(&done.tree, copy);
        }
        let names: Vec<&str> = image.output.iter().map(|path| path.text.as_str()).collect();
        let title = format!("output {}", names.join(" "));
        let span = image.output[0].span.clone();
        done.tree = self.noted(image, changes.done(), &title, &span);
        done.base = self.state(&self.graph.scratch());
        done.layers = vec![title];
        done.config.history.clear();
    }

    /// The image of the target.
    pub(super) fn finish(mut self) -> Option<BuiltImage> {
        let done = self.done[self.job.target].take()?;
        let epoch = self.options.epoch;
        let config = config::finish(done.config, done.layers, self.platform, self.job.request, epoch);
        Some(BuiltImage::new(done.tree.edge(), config))
    }

    /// The name of a step in the progress.
    pub(super) fn title(&self, image: &Image, what: &str) -> String {
        let what = what.split_whitespace().collect::<Vec<_>>().join(" ");
        match self.shows_platform {
            true => format!("[{} {}] {what}", self.platform, label(image)),
            false => format!("[{}] {what}", label(image)),
        }
    }

    /// Says what a step is and where it comes from, and whether its record counts.
    pub(super) fn noted(&self, image: &Image, state: State, what: &str, span: &Span) -> State {
        let state = state
            .name(self.title(image, what))
            .range(self.findings.range(span));
        let number = self.job.file.find(label(image)).unwrap_or(self.job.target);
        match self.options.ignores_cache(label(image), number) {
            true => state.ignore_cache(),
            false => state,
        }
    }
}
