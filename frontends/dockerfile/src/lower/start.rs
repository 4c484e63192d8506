//! How a stage begins: the vertex of its base, and what it inherits.
//! Knows nothing of the instructions after `FROM`.

use std::collections::BTreeSet;

use lapstrake_sdk::types::{
    BuildError, Edge, GitSource, HttpSource, ImageSource, KeyValue, LocalSource, OciLayoutSource, Op,
    Platform, SourceOp, Timestamp, Vertex,
};

use crate::instructions::{Instruction, user, workdir};
use crate::lint;
use crate::lower::context::follow_paths;
use crate::lower::env::Env;
use crate::lower::image::Image;
use crate::lower::naming::Naming;
use crate::lower::plan::{ImageOrigin, Node, Origin, Plan};
use crate::lower::stage::{Cx, Declared, Stage};
use crate::lower::vertices::Vertices;
use crate::lower::{Driver, git};

impl Driver<'_> {
    /// Begins a node.
    pub(super) fn start(
        &mut self,
        plan: &mut Plan,
        index: usize,
        stages: &[Option<Stage>],
        epoch: Option<Timestamp>,
    ) -> Result<Stage, BuildError> {
        let node = plan.nodes[index].clone();
        let naming = self.naming(&node);
        let mut stage = self.base(plan, index, &node, naming, stages, epoch)?;
        let ignored = |number| self.options.ignores_cache(&node.name, number);
        stage.ignore_cache = node.stage.is_some_and(ignored);
        if !node.replaced {
            inherit(&mut stage);
        }
        Ok(stage)
    }

    fn naming(&self, node: &Node) -> Naming {
        let has_base = !matches!(node.origin, Origin::Scratch | Origin::Node(_));
        let counted = |instruction: &Instruction| {
            matches!(
                instruction,
                Instruction::Copy(_) | Instruction::Run(_) | Instruction::Workdir(_)
            )
        };
        let steps = node
            .steps
            .iter()
            .filter(|step| counted(&step.command.instruction))
            .count();
        let total = if node.replaced {
            0
        } else {
            usize::from(has_base) + steps
        };
        let show_platform = self.options.multi_platform;
        Naming {
            stage: node.label.clone(),
            total,
            show_platform,
            ..Naming::default()
        }
    }

    fn base(
        &mut self,
        plan: &mut Plan,
        index: usize,
        node: &Node,
        naming: Naming,
        stages: &[Option<Stage>],
        epoch: Option<Timestamp>,
    ) -> Result<Stage, BuildError> {
        let target = plan.platforms.target.clone();
        let platform = node.platform.clone().unwrap_or_else(|| target.clone());
        let source = match &node.origin {
            Origin::Scratch => {
                return Ok(Stage {
                    naming,
                    ..scratch(&target)
                });
            }
            Origin::Node(base) => {
                let below = stages
                    .get(*base)
                    .cloned()
                    .flatten()
                    .unwrap_or_else(|| scratch(&target));
                plan.nodes[*base].paths.insert("/".to_owned());
                return Ok(inherited(below, naming));
            }
            Origin::Image(image) => return Ok(self.image(plan, node, image, platform, naming, epoch)),
            Origin::Directory { local, context } => {
                let exclude_patterns = self.named_patterns(plan, local, context, epoch)?;
                if !node.replaced {
                    plan.nodes[index].paths.insert("/".to_owned());
                }
                let source = LocalSource {
                    name: local.clone(),
                    exclude_patterns,
                    shared_key_hint: Some(format!("context:{context}-")),
                    ..LocalSource::default()
                };
                (
                    SourceOp::Local(source),
                    format!("[context {context}] load from client"),
                )
            }
            Origin::Git { url } => {
                let source = match git::parse(url) {
                    Some(Ok(git)) => git.into_source(),
                    _ => GitSource {
                        remote: url.clone(),
                        ..GitSource::default()
                    },
                };
                (SourceOp::Git(source), format!("[internal] load git source {url}"))
            }
            Origin::Http { url, context } => {
                let filename = Some("context".to_owned());
                let source = HttpSource {
                    url: url.clone(),
                    filename,
                    ..HttpSource::default()
                };
                (SourceOp::Http(source), format!("[context {context}] {url}"))
            }
        };
        let is_directory = matches!(source.0, SourceOp::Local(_));
        let mut vertex = Vertex::new(Op::Source(source.0), None);
        vertex.name = source.1;
        vertex.ranges = vec![self.lines.range(node.base.span)];
        let edge = self.vertices.add(vertex);
        if is_directory {
            self.directories.push((edge, target, index));
        }
        let image = if node.replaced {
            Image::bare(&platform)
        } else {
            Image::scratch(&platform)
        };
        Ok(Stage {
            edge: Some(edge),
            naming,
            ..new(image, platform)
        })
    }

    fn named_patterns(
        &mut self,
        plan: &Plan,
        local: &str,
        context: &str,
        epoch: Option<Timestamp>,
    ) -> Result<Vec<String>, BuildError> {
        if let Some(patterns) = self.ignored.get(local) {
            return Ok(patterns.clone());
        }
        let mut cx: Cx<'_> = self.cx(plan, epoch, Vec::new());
        let patterns = cx.named_patterns(local, context)?;
        self.ignored.insert(local.to_owned(), patterns.clone());
        Ok(patterns)
    }

    fn image(
        &mut self,
        plan: &Plan,
        node: &Node,
        origin: &ImageOrigin,
        platform: Platform,
        mut naming: Naming,
        epoch: Option<Timestamp>,
    ) -> Stage {
        let Some(info) = &origin.info else {
            return Stage {
                naming,
                ..scratch(&platform)
            };
        };
        let actual = &info.config.platform;
        // Nobody asked for a platform: an image for the machine that builds is good too.
        let same = |a: &Platform, b: &Platform| a.os == b.os && a.architecture == b.architecture;
        let platform = match node.platform.is_none() && plan.platforms.implicit && !same(&platform, actual) {
            true if same(&plan.platforms.build, actual) => plan.platforms.build.clone(),
            _ => platform,
        };
        let mut cx = self.cx(plan, epoch, Vec::new());
        if !same(&platform, actual) && origin.context.is_none() && node.stage.is_some() {
            cx.lint(lint::INVALID_BASE_IMAGE_PLATFORM, node.base.span, || {
                format!(
                    "the image `{}` is for {actual}, not for {platform}",
                    node.base.text
                )
            });
        }
        let source = match &origin.layout {
            Some(layout) => SourceOp::OciLayout(OciLayoutSource {
                reference: info.reference.clone(),
                store: layout.store.clone(),
                layer_limit: layout.layer_limit,
            }),
            None => SourceOp::Image(ImageSource {
                reference: info.reference.clone(),
                mode: origin.request.mode,
                ..ImageSource::default()
            }),
        };
        let name = match (&origin.context, &origin.layout) {
            (Some(context), Some(_)) => format!("[context {context}] OCI load from client"),
            (Some(context), None) => format!("[context {context}] {}", origin.request.reference),
            (None, _) => naming.next(&format!("FROM {}", info.reference), &platform, None),
        };
        let mut vertex = cx.vertex(Op::Source(source), Some(&platform), name, node.span);
        if !node.text.is_empty() {
            vertex.description = vec![KeyValue::new(
                "com.docker.dockerfile.v1.command",
                node.text.clone(),
            )];
        }
        let edge = cx.vertices.add(vertex);
        let image = Image::of(&info.config, cx.history);
        Stage {
            edge: Some(edge),
            naming,
            ..new(image, platform)
        }
    }
}

fn new(image: Image, platform: Platform) -> Stage {
    Stage {
        edge: None,
        env: Env::default(),
        directory: "/".to_owned(),
        user: None,
        image,
        platform,
        arguments: Declared::default(),
        naming: Naming::default(),
        ignore_cache: false,
        workdir_set: false,
        cmd: None,
        entrypoint: None,
        healthcheck: None,
    }
}

/// Begins with nothing.
pub fn scratch(platform: &Platform) -> Stage {
    new(Image::scratch(platform), platform.clone())
}

/// Begins with another stage: all of it but its triggers, which are for this one.
fn inherited(below: Stage, naming: Naming) -> Stage {
    let mut stage = Stage {
        naming,
        cmd: None,
        entrypoint: None,
        healthcheck: None,
        ..below
    };
    stage.image.on_build.clear();
    stage
}

/// Gives commands what the base's configuration says: environment, directory and user.
fn inherit(stage: &mut Stage) {
    stage.image.on_build.clear();
    stage.image.add_default_path();
    stage.env.set_all_last(&stage.image.env);
    let directory = stage.image.working_dir.clone();
    if !directory.is_empty() {
        workdir::set(&directory, stage);
    }
    let name = stage.image.user.clone();
    if !name.is_empty() {
        user::set(name, stage);
    }
}

/// Says which paths of a named context's directory are used.
pub fn close_directory(vertices: &mut Vertices, edge: Edge, paths: &BTreeSet<String>) {
    vertices.change(edge, |vertex| {
        if let Op::Source(SourceOp::Local(local)) = &mut vertex.op {
            local.follow_paths = follow_paths(paths);
        }
    });
}
