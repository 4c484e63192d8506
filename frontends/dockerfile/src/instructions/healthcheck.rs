//! `HEALTHCHECK`: how to find out whether a container works. Knows nothing of containers.

use lapstrake_sdk::types;

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::instructions::Command;
use crate::instructions::command_line::CommandLine;
use crate::instructions::entrypoint;
use crate::lower::golang;
use crate::lower::stage::{Cx, Stage, one_of};
use crate::parse::Arguments;
use crate::syntax::flags::{Flags, Kind};
use crate::syntax::words::{self, Word};

/// `HEALTHCHECK`; times in nanoseconds, 0: not given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Healthcheck {
    /// `NONE`, `CMD` and words, or `CMD-SHELL` and text.
    pub test: Vec<String>,
    /// Time between two checks.
    pub interval: i64,
    /// Time a check may take.
    pub timeout: i64,
    /// Time a container has to start.
    pub start_period: i64,
    /// Time between two checks while it starts.
    pub start_interval: i64,
    /// Failures that make it unhealthy.
    pub retries: u32,
}

impl Healthcheck {
    /// Reads the arguments.
    pub fn parse(arguments: &Arguments<'_>, diagnostics: &mut Diagnostics) -> Option<Self> {
        let text = arguments.text();
        let length = text.find(char::is_whitespace).unwrap_or(text.len());
        let kind = &text[..length];
        let skip = text.len() - text[length..].trim_start().len();
        match kind.to_ascii_uppercase().as_str() {
            "NONE" => {
                Flags::check("HEALTHCHECK NONE", &arguments.flags, &[], &[], diagnostics);
                if skip < text.len() {
                    let rest = arguments.rest.start + skip..arguments.rest.end;
                    diagnostics.push(
                        Diagnostic::error(
                            "TooManyArguments",
                            arguments.line.span_of(rest),
                            "HEALTHCHECK NONE takes no arguments",
                        )
                        .help("remove them"),
                    );
                    return None;
                }
                Some(Self {
                    test: vec!["NONE".to_owned()],
                    ..Self::default()
                })
            }
            "CMD" => Self::command(arguments, skip, diagnostics),
            "" => {
                arguments.missing("CMD or NONE", "write HEALTHCHECK CMD command", diagnostics);
                None
            }
            _ => {
                let start = arguments.rest.start;
                let word = Word::of(arguments.line, start..start + length);
                diagnostics.push(
                    Diagnostic::error(
                        "UnknownHealthcheck",
                        word.span,
                        format!("`{kind}` is not CMD or NONE"),
                    )
                    .help(one_of(kind, &["CMD", "NONE"])),
                );
                None
            }
        }
    }

    fn command(arguments: &Arguments<'_>, skip: usize, diagnostics: &mut Diagnostics) -> Option<Self> {
        const FLAGS: [(&str, Kind); 5] = [
            ("interval", Kind::Text),
            ("timeout", Kind::Text),
            ("start-period", Kind::Text),
            ("start-interval", Kind::Text),
            ("retries", Kind::Text),
        ];
        let flags = Flags::check("HEALTHCHECK", &arguments.flags, &FLAGS, &[], diagnostics);
        let errors = diagnostics.error_count();
        let mut time = |name: &str| {
            flags
                .text(name)
                .map_or(0, |word| duration(name, &word, diagnostics))
        };
        let [interval, timeout] = ["interval", "timeout"].map(&mut time);
        let [start_period, start_interval] = ["start-period", "start-interval"].map(&mut time);
        let retries = flags
            .text("retries")
            .map_or(0, |word| retries(&word, diagnostics));
        let line = CommandLine::read(arguments, skip, diagnostics)?;
        if line.words.is_empty() {
            let place = words::trim(&arguments.line.text, arguments.rest.clone());
            diagnostics.push(
                Diagnostic::error(
                    "MissingArgument",
                    arguments.line.span_of(place),
                    "HEALTHCHECK CMD needs a command",
                )
                .help("write HEALTHCHECK CMD command"),
            );
        }
        let mut test = vec![if line.shell { "CMD-SHELL" } else { "CMD" }.to_owned()];
        test.extend(line.words);
        (errors == diagnostics.error_count()).then_some(Self {
            test,
            interval,
            timeout,
            start_period,
            start_interval,
            retries,
        })
    }

    /// Sets the image's check.
    pub fn lower(&self, command: &Command, stage: &mut Stage, cx: &mut Cx<'_>) {
        entrypoint::used_once(command, stage.healthcheck.replace(command.span), cx);
        let given = |time: i64| (time != 0).then_some(time);
        stage.image.healthcheck = Some(types::Healthcheck {
            test: self.test.clone(),
            interval_ns: given(self.interval),
            timeout_ns: given(self.timeout),
            start_period_ns: given(self.start_period),
            start_interval_ns: given(self.start_interval),
            retries: (self.retries != 0).then_some(self.retries),
        });
        let created_by = format!(
            "HEALTHCHECK {{Test:{} Interval:{} Timeout:{} StartPeriod:{} StartInterval:{} Retries:{}}}",
            golang::list(&self.test),
            golang::duration(self.interval),
            golang::duration(self.timeout),
            golang::duration(self.start_period),
            golang::duration(self.start_interval),
            self.retries
        );
        cx.record(stage, created_by, false);
    }
}

/// Reads a time; the shortest one is a millisecond, and 0 means that none is given.
fn duration(name: &str, word: &Word, diagnostics: &mut Diagnostics) -> i64 {
    const MINIMUM: i64 = 1_000_000;
    match golang::parse_duration(&word.text) {
        Some(time) if time == 0 || time >= MINIMUM => time,
        Some(_) => {
            diagnostics.push(
                Diagnostic::error(
                    "InvalidDuration",
                    word.span,
                    format!("--{name} is shorter than 1ms"),
                )
                .help("write a time of at least 1ms, or 0 for the default"),
            );
            0
        }
        None => {
            diagnostics.push(
                Diagnostic::error(
                    "InvalidDuration",
                    word.span,
                    format!("`{}` is no time", word.text),
                )
                .help("write a number and a unit, such as 30s, 1m30s or 500ms"),
            );
            0
        }
    }
}

fn retries(word: &Word, diagnostics: &mut Diagnostics) -> u32 {
    match word.text.parse::<i32>().ok().and_then(|n| u32::try_from(n).ok()) {
        Some(retries) => retries,
        None => {
            diagnostics.push(
                Diagnostic::error(
                    "InvalidFlagValue",
                    word.span,
                    format!("`{}` is no number of retries", word.text),
                )
                .help("write a whole number that is not negative"),
            );
            0
        }
    }
}
