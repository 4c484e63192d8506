//! `RUN`: executes a command in the stage's tree. Knows nothing of containers.

use std::borrow::Cow;

use lapstrake_sdk::path;
use lapstrake_sdk::types::{
    BindMount, CdiDevice, ExecOp, FileAction, FileActionKind, FileInput, KeyValue, MkfileAction, Mount,
    MountKind, NetworkMode, Op, SecurityMode, Vertex,
};

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::expand::{Expander, Variables};
use crate::instructions::command_line::CommandLine;
use crate::instructions::mount::MountFlag;
use crate::instructions::{Command, run_mounts};
use crate::lower::env::Env;
use crate::lower::naming;
use crate::lower::stage::{Cx, Stage, one_of};
use crate::parse::Arguments;
use crate::syntax::flags::{Flags, Kind};
use crate::syntax::heredoc::{self, Heredoc};
use crate::syntax::words::Word;

/// `RUN`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// The command.
    pub line: CommandLine,
    /// `--mount`.
    pub mounts: Vec<MountFlag>,
    /// `--device`.
    pub devices: Vec<CdiDevice>,
    /// `--network`; none: the build's.
    pub network: Option<NetworkMode>,
    /// `--security`.
    pub security: SecurityMode,
    /// The heredocs of the command.
    pub heredocs: Vec<Heredoc>,
}

/// Where the file of a heredoc with a `#!` line is.
const PIPES: &str = "/dev/pipes";

impl Run {
    /// Reads the arguments.
    pub fn parse(arguments: &mut Arguments<'_>, diagnostics: &mut Diagnostics) -> Option<Self> {
        const FLAGS: [(&str, Kind); 4] = [
            ("device", Kind::List),
            ("mount", Kind::List),
            ("network", Kind::Text),
            ("security", Kind::Text),
        ];
        let errors = diagnostics.error_count();
        let flags = Flags::check("RUN", &arguments.flags, &FLAGS, &[], diagnostics);
        let mounts = flags
            .list("mount")
            .iter()
            .filter_map(|word| MountFlag::parse(word, diagnostics))
            .collect();
        let devices = flags
            .list("device")
            .iter()
            .filter_map(|word| device(word, diagnostics))
            .collect();
        let network = match flags.text("network") {
            Some(word) => match word.text.as_str() {
                "none" => Some(NetworkMode::NoNetwork),
                "host" => Some(NetworkMode::HostNetwork),
                "default" => None,
                _ => {
                    wrong_mode("network", &word, &["default", "none", "host"], diagnostics);
                    None
                }
            },
            None => None,
        };
        let security = match flags.text("security") {
            Some(word) if word.text == "insecure" => SecurityMode::Insecure,
            Some(word) if word.text != "sandbox" => {
                wrong_mode("security", &word, &["sandbox", "insecure"], diagnostics);
                SecurityMode::Sandbox
            }
            _ => SecurityMode::Sandbox,
        };
        let line = CommandLine::parse(arguments, diagnostics)?;
        if !line.shell && line.words.is_empty() {
            diagnostics.push(
                Diagnostic::error(
                    "MissingArgument",
                    arguments.rest_span(),
                    "the array has no command",
                )
                .help("write RUN [\"program\", \"argument\"]"),
            );
        }
        let heredocs = std::mem::take(&mut arguments.heredocs);
        (errors == diagnostics.error_count()).then_some(Self {
            line,
            mounts,
            devices,
            network,
            security,
            heredocs,
        })
    }

    /// Adds the command to the graph.
    pub fn lower(&self, command: &Command, stage: &mut Stage, cx: &mut Cx<'_>) {
        let mut exec = ExecOp {
            cwd: stage.directory.clone(),
            user: stage.user.clone(),
            network: self.network.unwrap_or(cx.options.network),
            security: self.security,
            ..ExecOp::default()
        };
        let mut title = Cow::Borrowed(command.text.as_str());
        let words = self.words(&mut title, &mut exec, cx);
        exec.args = self.line.with_words(words, &stage.image);
        if exec.args.first().is_some_and(String::is_empty) {
            let help = "the first word of the array is the program";
            cx.error("EmptyCommand", command.span, "the command has no name", help);
            return;
        }

        let (masked, socket) = run_mounts::add(&self.mounts, stage, &mut exec, cx);
        cx.options.apply(&mut exec);
        exec.devices.extend(self.devices.iter().cloned());
        finish_mounts(stage, &mut exec);
        exec.env = stage.env.to_pairs();
        if let Some(socket) = socket
            && stage.env.get("SSH_AUTH_SOCK").is_none()
        {
            exec.env.push(KeyValue::new("SSH_AUTH_SOCK", socket));
        }

        let created_by = created_by(&exec.args, stage);
        let titles = Expander {
            keep_quotes: true,
            keep_unset: true,
            ..cx.expander
        };
        let visible = Masked {
            env: &stage.env,
            secrets: &masked,
        };
        let title = titles
            .expand(&title, &visible)
            .map_or_else(|_| title.into_owned(), |expansion| expansion.text);
        let name = stage
            .naming
            .next(&naming::upper_first(&title), &stage.platform, Some(&stage.env));
        let mut vertex = cx.vertex(Op::Exec(exec), Some(&stage.platform), name, command.span);
        vertex.description = vec![KeyValue::new(
            "com.docker.dockerfile.v1.command",
            command.text.clone(),
        )];
        vertex.ignore_cache = stage.ignore_cache;
        vertex.resources.clone_from(&cx.options.resources);
        stage.edge = Some(cx.vertices.add(vertex));
        cx.record(stage, created_by, true);
    }

    /// Returns the command without its shell. A heredoc with a `#!` line becomes a file that is mounted and run.
    fn words(&self, title: &mut Cow<'_, str>, exec: &mut ExecOp, cx: &mut Cx<'_>) -> Vec<String> {
        let (Some(first), Some(text)) = (self.heredocs.first(), self.line.words.first()) else {
            return self.line.words.clone();
        };
        if heredoc::marker(text).is_none() {
            let mut whole = text.clone();
            for heredoc in &self.heredocs {
                whole.push('\n');
                whole.push_str(&heredoc.body);
                whole.push_str(&heredoc.marker.name);
            }
            return vec![whole];
        }
        title.to_mut().push_str(&format!(" ({})", summary(&first.body)));
        let content = first.content();
        if !content.starts_with("#!") {
            return vec![content];
        }
        let edge = cx
            .vertices
            .add(inline_document(&first.marker.name, 0o755, content));
        let bind = BindMount {
            input: Some(edge),
            selector: String::new(),
            read_only: true,
            output: false,
        };
        exec.mounts.push(Mount {
            target: PIPES.to_owned(),
            kind: MountKind::Bind(bind),
        });
        vec![path::join(PIPES, &first.marker.name)]
    }
}

/// Puts the stage's tree in front of the other mounts.
fn finish_mounts(stage: &Stage, exec: &mut ExecOp) {
    let root = BindMount {
        input: stage.edge,
        selector: String::new(),
        read_only: false,
        output: true,
    };
    exec.mounts.insert(
        0,
        Mount {
            target: "/".to_owned(),
            kind: MountKind::Bind(root),
        },
    );
}

/// Makes the vertex of a file whose text stands in the Dockerfile.
pub fn inline_document(name: &str, mode: u32, content: String) -> Vertex {
    let mkfile = MkfileAction {
        path: path::join("/", name),
        data: content.into_bytes(),
        mode,
        owner: None,
        timestamp: None,
    };
    let action = FileAction {
        base: FileInput::Scratch,
        kind: FileActionKind::Mkfile(mkfile),
        output: true,
    };
    let mut vertex = Vertex::new(Op::File(vec![action]), None);
    vertex.name = "[internal] preparing inline document".to_owned();
    vertex
}

/// The line of the history: arguments of the build before the command, with their number.
fn created_by(args: &[String], stage: &Stage) -> String {
    let mut line = String::from("RUN");
    let arguments = stage.arguments.iter().count();
    if arguments > 0 {
        line += &format!(" |{arguments}");
    }
    for (key, value) in stage.arguments.iter() {
        let value = stage.env.get(key).or(value).unwrap_or_default();
        [" ", key, "=", value].iter().for_each(|part| line += part);
    }
    for arg in args {
        line.push(' ');
        line += arg;
    }
    line + " # buildkit"
}

/// The first line of a heredoc, with dots where there are more.
fn summary(body: &str) -> String {
    let mut lines = body.trim().lines();
    let first = lines.next().unwrap_or_default().to_owned();
    if lines.next().is_some() {
        first + "..."
    } else {
        first
    }
}

/// An environment whose secrets are starred out: the name of a vertex must not suggest that it shows them.
struct Masked<'a> {
    env: &'a Env,
    secrets: &'a [String],
}

impl Variables for Masked<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        if self.secrets.iter().any(|secret| secret == name) {
            Some("****")
        } else {
            self.env.get(name)
        }
    }
}

/// Reads `NAME[,required]`; a name has the form `vendor.com/class[=device]`.
fn device(word: &Word, diagnostics: &mut Diagnostics) -> Option<CdiDevice> {
    let mut wrong = |what: &str| {
        diagnostics.push(
            Diagnostic::error(
                "InvalidFlagValue",
                word.span,
                format!("`{}` is no value of --device: {what}", word.text),
            )
            .help("write --device=vendor.com/class=name or --device=vendor.com/class=name,required"),
        );
        None
    };
    let mut found = CdiDevice {
        name: String::new(),
        optional: true,
    };
    for field in word.text.split(',').map(str::trim) {
        match field.split_once('=') {
            None if field == "required" => found.optional = false,
            Some(("required", value)) => match crate::lint::parse_bool(value) {
                Some(required) => found.optional = !required,
                None => return wrong("`required` is true or false"),
            },
            Some(("name", name)) if found.name.is_empty() => name.clone_into(&mut found.name),
            _ if found.name.is_empty() => field.clone_into(&mut found.name),
            _ => return wrong("it has two names"),
        }
    }
    match found.name.as_str() {
        "" => wrong("it has no name"),
        name if !name.contains('/') => wrong("a name begins with a vendor and a class"),
        _ => Some(found),
    }
}

fn wrong_mode(flag: &str, word: &Word, modes: &[&str], diagnostics: &mut Diagnostics) {
    diagnostics.push(
        Diagnostic::error(
            "InvalidFlagValue",
            word.span,
            format!("`{}` is no value of --{flag}", word.text),
        )
        .help(one_of(&word.text, modes)),
    );
}
