//! Build arguments that the request gives and the file does not ask for: most of the time a name is mistyped.
//! Knows nothing of their values.

use std::collections::BTreeSet;

use lapstrake_sdk::did_you_mean;
use lapstrake_sdk::options::is_predefined;
use lapstrake_sdk::types::Request;

use crate::diagnostic::{Diagnostic, Severity};
use crate::instructions::Instruction;
use crate::stages::Dockerfile;

/// Warns of arguments that no ARG of the file declares, in any of its stages.
pub fn build_args(request: &Request, file: &Dockerfile) -> Option<Diagnostic> {
    let in_stages = file.stages.iter().flat_map(|stage| &stage.commands);
    let in_stages = in_stages.filter_map(|command| match &command.instruction {
        Instruction::Arg(arg) => Some(arg),
        _ => None,
    });
    let declared: BTreeSet<&str> = file
        .globals
        .iter()
        .map(|(_, arg)| arg)
        .chain(in_stages)
        .flat_map(|arg| &arg.definitions)
        .map(|definition| definition.key.text.as_str())
        .collect();
    // A base image's triggers may declare any.
    let names = request.build_args.iter().map(|pair| pair.key.as_str());
    let unused: Vec<&str> = names
        .filter(|name| !declared.contains(name) && !is_predefined(name))
        .collect();
    if unused.is_empty() {
        return None;
    }
    let near: Vec<String> = unused
        .iter()
        .filter_map(|name| did_you_mean(name, declared.iter().copied()))
        .map(|near| format!("`{near}`"))
        .collect();
    let help = match near.is_empty() {
        true => "declare it with ARG where it is used".to_owned(),
        false => format!("did you mean {}?", near.join(", ")),
    };
    let message = format!("one or more build-args [{}] were not consumed", unused.join(" "));
    Some(Diagnostic {
        severity: Severity::Warning,
        ..Diagnostic::elsewhere("UnusedBuildArg", message).help(help)
    })
}
