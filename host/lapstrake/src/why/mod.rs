//! Says what a build would do and why: for people as text, for programs as JSON.
//! Knows nothing of how it was found out, and prints nothing itself.

mod phrase;

use std::fmt::Write as _;
use std::time::SystemTime;

use lapstrake_solver::{Cause, Explained, Found, Made, PartChange, Reason, Verdict, What, split_name};
use serde_json::{Value, json};

use crate::engine::Explanation;

use phrase::Phrases;

/// Changed files that are told when nobody asks for all.
const FILES: usize = 3;
/// Lines of one step's causes that are told when nobody asks for all.
const CAUSES: usize = 10;

/// How an explanation is told.
#[derive(Debug, Clone, Copy)]
pub struct Telling<'a> {
    /// Whether everything is told, however long it is.
    pub all: bool,
    /// The time to which ages are.
    pub now: SystemTime,
    /// Names of the build arguments that were given.
    pub build_args: &'a [String],
}

/// Writes an explanation for people.
pub fn text(explanation: &Explanation, telling: Telling<'_>) -> String {
    let writer = Writer {
        explanation,
        telling,
        phrases: Phrases {
            all: telling.all,
            files: if telling.all { usize::MAX } else { FILES },
            build_args: telling.build_args,
        },
    };
    match &explanation.asked {
        Some(asked) => {
            let steps = asked.iter().map(|place| writer.step(*place));
            steps.collect::<Vec<_>>().join("\n")
        }
        None => writer.summary(),
    }
}

struct Writer<'a> {
    explanation: &'a Explanation,
    telling: Telling<'a>,
    phrases: Phrases<'a>,
}

impl Writer<'_> {
    fn name(&self, place: usize) -> String {
        let step = &self.explanation.steps[place];
        let vertex = &self.explanation.definition.vertices[step.vertex];
        match vertex.metadata.name.as_str() {
            "" => phrase::clean(&lapstrake_llb::print::summary(&vertex.op)),
            name => phrase::clean(name),
        }
    }

    fn names(&self, places: &[usize]) -> String {
        let names: Vec<String> = places.iter().map(|place| self.name(*place)).collect();
        names.join(", ")
    }

    /// Everything about one step.
    fn step(&self, place: usize) -> String {
        let step = &self.explanation.steps[place];
        let mut out = format!("{}\n", self.name(place));
        if let Err(cover) = step.needed {
            let _ = match cover {
                Some(cover) => writeln!(
                    out,
                    "  not needed: {} is cached, and only it would use this",
                    self.name(cover)
                ),
                None => writeln!(out, "  not needed: nothing that is wanted uses it"),
            };
        }
        let (sentence, reason) = self.verdict(place, step);
        let _ = writeln!(out, "  {sentence}");
        if let Some(Reason::Differs { causes, .. }) = reason {
            let lines = self.causes(place, causes);
            let shown = if self.telling.all { lines.len() } else { CAUSES };
            for line in lines.iter().take(shown) {
                let _ = writeln!(out, "    {line}");
            }
            if lines.len() > shown {
                let _ = writeln!(out, "    and {} more (-v tells all)", lines.len() - shown);
            }
        }
        out
    }

    /// What would become of a step, in one line.
    fn verdict<'s>(&self, place: usize, step: &'s Explained) -> (String, Option<&'s Reason>) {
        let would = if step.needed.is_ok() {
            "runs"
        } else {
            "if it were needed, it would run"
        };
        match &step.verdict {
            Verdict::Cached { found, made } => (
                format!("cached: {}", self.cached(place, *found, made.as_ref())),
                None,
            ),
            Verdict::Looked => (
                "looked at in every build: of a directory there is no record, what uses its files has one"
                    .to_owned(),
                None,
            ),
            Verdict::Runs(reason) => (format!("{would}: {}", self.reason(place, reason)), Some(reason)),
            Verdict::Open { on, reason } => {
                let names = self.names(on);
                (
                    format!(
                        "may be cached by content once {names} has run; as far as is known now, {}",
                        self.reason(place, reason)
                    ),
                    Some(reason),
                )
            }
            Verdict::Same(other) => (
                format!(
                    "the same as {}: one of the two runs, the other gets its result",
                    self.name(*other)
                ),
                None,
            ),
            Verdict::Unneeded => ("not looked at".to_owned(), None),
        }
    }

    fn cached(&self, place: usize, found: Found, made: Option<&Made>) -> String {
        let why = match found {
            Found::Definition => "nothing that it is made of changed",
            Found::Inputs => "its inputs are made in another way, but are results that it was made of before",
            Found::Content => "its inputs are others, but hold the same as before",
        };
        match made {
            Some(made) => format!("{why}; recorded {}", self.made(place, made)),
            None => why.to_owned(),
        }
    }

    /// When and by whom a record was made.
    fn made(&self, place: usize, made: &Made) -> String {
        let ago = phrase::ago(made.at, self.telling.now);
        let by = phrase::clean(&made.by);
        // Labels count all steps of a stage, so they change with every step that is added.
        if by.is_empty() || split_name(&by) == split_name(&self.name(place)) {
            ago
        } else {
            format!("{ago} by {by}")
        }
    }

    fn reason(&self, place: usize, reason: &Reason) -> String {
        match reason {
            Reason::NoCache => {
                "the cache is switched off for it (--no-cache or --no-cache-filter)".to_owned()
            }
            Reason::FirstTime => "there is no record of it, nor of an earlier version of it".to_owned(),
            Reason::Removed(made) => format!(
                "nothing changed since it was recorded {}, but the record is gone (pruned, or replaced)",
                self.made(place, made)
            ),
            Reason::ResultLost(made) => {
                let made = made
                    .as_ref()
                    .map_or(String::new(), |made| format!(" {}", self.made(place, made)));
                format!("it was recorded{made}, but the result is no longer in the store")
            }
            Reason::Differs { from, .. } => {
                format!("it differs from what was recorded {}:", self.made(place, from))
            }
        }
    }

    /// What differs, a line each, seen from the step that is explained. What differs in the same way at several steps,
    /// such as a variable, is told once.
    fn causes(&self, place: usize, causes: &[Cause]) -> Vec<String> {
        let mut told: Vec<&PartChange> = Vec::new();
        let mut lines = Vec::new();
        for cause in causes {
            let at = match cause.step == place {
                true => String::new(),
                false => format!("input {}: ", self.name(cause.step)),
            };
            for what in &cause.what {
                if let What::Part(change) = what {
                    if told.contains(&change) {
                        continue;
                    }
                    told.push(change);
                }
                lines.extend(self.what(cause, what).map(|text| format!("{at}{text}")));
            }
        }
        lines
    }

    /// One thing that differs; none: another one says it better.
    fn what(&self, cause: &Cause, what: &What) -> Option<String> {
        Some(match what {
            What::Part(change) => return self.part(cause, change),
            What::Inputs { before, after } => format!("number of inputs: {before} -> {after}"),
            What::Content { label, changes } => self.phrases.content(label, changes),
            What::Added(steps) => format!("new before it: {}", self.names(steps)),
            What::Gone(names) => {
                let names: Vec<String> = names.iter().map(|name| phrase::clean(name)).collect();
                format!("no longer before it: {}", names.join(", "))
            }
            What::Replaced { label, before, after } => {
                let after = self.name(*after);
                match before {
                    Some(before) => format!("{label}: made by {} -> made by {after}", phrase::clean(before)),
                    None => format!(
                        "{label}: another result of {after} (what the earlier one was made of is forgotten)"
                    ),
                }
            }
            What::NoCache => "made anew, as the cache is switched off for it".to_owned(),
            What::AnotherResult => {
                "the same step, but another result of it: it was executed more than once".to_owned()
            }
        })
    }

    fn part(&self, cause: &Cause, change: &PartChange) -> Option<String> {
        let vertex = &self.explanation.definition.vertices[self.explanation.steps[cause.step].vertex];
        let other = |name: &str| {
            let named = |what: &What| matches!(what, What::Part(change) if change.name == name);
            cause.what.iter().any(named)
        };
        if change.name == "base image digest" && other("base image") {
            return None;
        }
        Some(self.phrases.part(change, &vertex.op))
    }

    /// All steps that would run, with the first cause of each.
    fn summary(&self) -> String {
        let steps = &self.explanation.steps;
        let mut out = String::new();
        let (mut run, mut open, mut rest) = (0, 0, 0);
        for (place, step) in steps.iter().enumerate().filter(|(_, step)| step.needed.is_ok()) {
            let reason = match &step.verdict {
                Verdict::Runs(reason) => {
                    run += 1;
                    reason
                }
                Verdict::Open { reason, .. } => {
                    open += 1;
                    reason
                }
                _ => {
                    rest += 1;
                    continue;
                }
            };
            let _ = writeln!(out, "{}", self.name(place));
            if let Verdict::Open { on, .. } = &step.verdict {
                let _ = writeln!(out, "  may be cached by content once {} has run", self.names(on));
            }
            let _ = writeln!(out, "  {}", self.first(place, reason));
        }
        let unneeded = steps.iter().filter(|step| step.needed.is_err()).count();
        let _ = match (run, open) {
            (0, 0) => writeln!(out, "nothing would run: what is wanted is cached"),
            (run, 0) => writeln!(
                out,
                "{run} would run, {rest} are cached or only looked at, {unneeded} are not needed"
            ),
            (run, open) => writeln!(
                out,
                "{run} would run, {open} may, {rest} are cached or only looked at, {unneeded} are not needed"
            ),
        };
        out
    }

    /// The first cause, and how many more there are.
    fn first(&self, place: usize, reason: &Reason) -> String {
        let Reason::Differs { causes, .. } = reason else {
            return self.reason(place, reason);
        };
        let lines = self.causes(place, causes);
        match lines.split_first() {
            Some((first, [])) => first.clone(),
            Some((first, more)) if !self.telling.all => format!("{first} (and {} more)", more.len()),
            _ => lines.join("\n  "),
        }
    }
}

/// Writes an explanation for programs: the steps that were asked for, or all that are needed.
pub fn json(explanation: &Explanation) -> Value {
    let steps = &explanation.steps;
    let places: Vec<usize> = match &explanation.asked {
        Some(asked) => asked.clone(),
        None => (0..steps.len())
            .filter(|place| steps[*place].needed.is_ok())
            .collect(),
    };
    let steps: Vec<Value> = places
        .into_iter()
        .map(|place| json_step(explanation, place))
        .collect();
    json!({ "steps": steps })
}

fn json_name(explanation: &Explanation, place: usize) -> &str {
    let vertex = explanation.steps[place].vertex;
    &explanation.definition.vertices[vertex].metadata.name
}

fn json_step(explanation: &Explanation, place: usize) -> Value {
    let step = &explanation.steps[place];
    let mut value = json!({
        "digest": step.digest,
        "name": json_name(explanation, place),
        "needed": step.needed.is_ok(),
    });
    let mut set = |name: &str, field: Value| {
        value[name] = field;
    };
    if let Err(Some(cover)) = step.needed {
        set("coveredBy", json!(json_name(explanation, cover)));
    }
    let reason = match &step.verdict {
        Verdict::Cached { found, made } => {
            set("state", json!("cached"));
            set("found", json!(found));
            set("record", json!(made.as_ref().map(json_made)));
            None
        }
        Verdict::Looked => {
            set("state", json!("looked-at"));
            None
        }
        Verdict::Same(other) => {
            set("state", json!("same"));
            set("sameAs", json!(json_name(explanation, *other)));
            None
        }
        Verdict::Unneeded => None,
        Verdict::Runs(reason) => {
            set("state", json!("runs"));
            Some(reason)
        }
        Verdict::Open { on, reason } => {
            set("state", json!("open"));
            let names: Vec<&str> = on.iter().map(|place| json_name(explanation, *place)).collect();
            set("dependsOn", json!(names));
            Some(reason)
        }
    };
    match reason {
        None => {}
        Some(Reason::NoCache) => set("reason", json!("no-cache")),
        Some(Reason::FirstTime) => set("reason", json!("first-time")),
        Some(Reason::Removed(made)) => {
            set("reason", json!("record-removed"));
            set("record", json_made(made));
        }
        Some(Reason::ResultLost(made)) => {
            set("reason", json!("result-lost"));
            set("record", json!(made.as_ref().map(json_made)));
        }
        Some(Reason::Differs { from, causes }) => {
            set("reason", json!("differs"));
            set("record", json_made(from));
            let causes = causes.iter().flat_map(|cause| {
                let step = json_name(explanation, cause.step);
                cause
                    .what
                    .iter()
                    .map(move |what| json_what(explanation, step, what))
            });
            set("causes", causes.collect());
        }
    }
    value
}

fn json_made(made: &Made) -> Value {
    let at = jiff::Timestamp::try_from(made.at).map(|at| at.to_string());
    json!({ "id": made.id, "made": at.ok(), "by": made.by })
}

fn json_what(explanation: &Explanation, step: &str, what: &What) -> Value {
    let mut value = match what {
        What::Part(change) => {
            let mut value = json_change(change);
            value["kind"] = json!("part");
            value
        }
        What::Inputs { before, after } => json!({ "kind": "input-count", "before": before, "after": after }),
        What::Content { label, changes } => {
            let files: Vec<Value> = changes.iter().map(json_change).collect();
            json!({ "kind": "content", "name": label, "files": files })
        }
        What::Added(steps) => {
            let names: Vec<&str> = steps.iter().map(|place| json_name(explanation, *place)).collect();
            json!({ "kind": "steps-added", "steps": names })
        }
        What::Gone(names) => json!({ "kind": "steps-gone", "steps": names }),
        What::Replaced { label, before, after } => {
            json!({ "kind": "replaced", "name": label, "before": before, "after": json_name(explanation, *after) })
        }
        What::NoCache => json!({ "kind": "no-cache" }),
        What::AnotherResult => json!({ "kind": "another-result" }),
    };
    value["step"] = json!(step);
    value
}

/// A list is an array.
fn json_change(change: &PartChange) -> Value {
    let value = |value: &Option<String>| match value {
        None => Value::Null,
        Some(text) => match phrase::list(text) {
            Some(list) => json!(list),
            None => json!(text),
        },
    };
    let mut out =
        json!({ "name": change.name, "before": value(&change.before), "after": value(&change.after) });
    if !change.of.is_empty() {
        out["of"] = json!(change.of);
    }
    out
}
