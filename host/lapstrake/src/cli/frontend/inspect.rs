//! `lapstrake frontend inspect`: what a frontend is.
//! Knows nothing of how that is found out.

use std::io::Write;

use lapstrake_frontend::FrontendInfo;
use serde_json::{Value, json};

use super::words::InspectWords;
use super::{Failure, Place, with_display};
use crate::cli::words::AnswerFormat;
use crate::engine::{Looked, Looker};
use crate::error::chain;
use crate::progress::Mode;

/// Looks, and prints what was found.
pub fn inspect(words: &InspectWords, place: &Place) -> Result<(), Failure> {
    let policy = words.frontend_policy.as_deref().map(str::parse).transpose();
    let looker = Looker {
        offline: words.offline,
        policy: policy.map_err(|text| Failure::Usage(format!("--frontend-policy: {text}")))?,
    };
    let engine = place.engine(&place.config()?)?;
    let looked = with_display(Mode::Quiet, |client| {
        engine.look(&words.reference, looker, client)
    })?;
    let mut out = std::io::stdout().lock();
    match words.format {
        AnswerFormat::Text => out.write_all(text(&looked).as_bytes())?,
        AnswerFormat::Json => writeln!(out, "{}", json(&looked))?,
    }
    out.flush()?;
    Ok(())
}

fn json(looked: &Looked) -> Value {
    let contract = &looked.inspection.contract;
    json!({
        "name": looked.frontend.name(),
        "reference": looked.component.as_ref().map(|component| &component.reference),
        "manifest": looked.component.as_ref().map(|component| component.manifest.to_string()),
        "digest": looked.frontend.digest().to_string(),
        "size": looked.frontend.size(),
        "world": contract.as_ref().ok().map(|version| format!("lapstrake:frontend@{version}")),
        "problem": contract.as_ref().err().map(|error| chain(error)),
        "imports": looked.inspection.imports,
        "exports": looked.inspection.exports,
        "describe": looked.info.as_ref().ok().map(info_json),
        "notAsked": looked.info.as_ref().err().map(|error| chain(error)),
    })
}

fn info_json(info: &FrontendInfo) -> Value {
    let calls = info
        .calls
        .iter()
        .map(|call| json!({"name": call.name, "description": call.description}));
    let options = info
        .options
        .iter()
        .map(|option| json!({"name": option.name, "description": option.description}));
    json!({
        "name": info.name,
        "version": info.version,
        "filePatterns": info.file_patterns,
        "calls": calls.collect::<Vec<_>>(),
        "options": options.collect::<Vec<_>>(),
    })
}

fn text(looked: &Looked) -> String {
    let mut out = String::new();
    let mut line = |name: &str, value: &str| out.push_str(&format!("{name:10} {value}\n"));
    line("name", looked.frontend.name());
    if let Some(component) = &looked.component {
        line("reference", &component.reference);
    }
    line("digest", &looked.frontend.digest().to_string());
    line("size", &format!("{} bytes", looked.frontend.size()));
    match &looked.inspection.contract {
        Ok(version) => line("world", &format!("lapstrake:frontend@{version}")),
        Err(error) => line("world", &format!("not usable: {}", chain(error))),
    }
    list(&mut line, "imports", &looked.inspection.imports);
    list(&mut line, "exports", &looked.inspection.exports);
    match &looked.info {
        Ok(info) => {
            line("describe", &format!("{} {}", info.name, info.version));
            list(&mut line, "files", &info.file_patterns);
            let calls: Vec<String> = info.calls.iter().map(|call| call.name.clone()).collect();
            list(&mut line, "calls", &calls);
            let options: Vec<String> = info.options.iter().map(|option| option.name.clone()).collect();
            list(&mut line, "options", &options);
        }
        Err(error) => line("describe", &format!("not asked: {}", chain(error))),
    }
    out
}

fn list(line: &mut impl FnMut(&str, &str), name: &str, values: &[String]) {
    for (at, value) in values.iter().enumerate() {
        line(if at == 0 { name } else { "" }, value);
    }
}
