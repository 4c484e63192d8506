//! What can be set from outside and what can be built: a function's parameters, a set's attributes.
//! Knows nothing of how it is built.

use lapstrake_sdk::types::*;

use crate::arguments::{self, Arguments};
use crate::error::Error;
use crate::eval::code::Param;
use crate::eval::{Value, Vm};
use crate::primitives::output;
use crate::run::Run;

/// Sets inside of sets that are looked into for targets.
const MAX_DEPTH: usize = 4;

/// The outline of a build file's function.
pub fn outline(run: &Run<'_>) -> Result<Outline, BuildError> {
    let targets = targets(run).unwrap_or_default();
    let path = arguments::attribute_path(run.request).map_err(|error| run.invalid(&error))?;
    let name = path.join(".");
    let target = targets.into_iter().find(|target| match name.is_empty() {
        true => target.is_default,
        false => target.name == name,
    });
    Ok(Outline {
        target: target.unwrap_or_else(|| TargetInfo {
            name,
            ..TargetInfo::default()
        }),
        args: parameters(run.vm(), &run.file),
        sources: run.vm().sources().files(),
        ..Outline::default()
    })
}

fn parameters(vm: &Vm, value: &Value) -> Vec<ArgInfo> {
    let Value::Lambda(lambda) = value else {
        return Vec::new();
    };
    let Param::Set(formals) = &lambda.function.param else {
        return Vec::new();
    };
    let formals = formals.list.iter();
    formals
        .map(|formal| ArgInfo {
            name: vm.symbols().text(formal.name).to_string(),
            description: description(vm, formal.span),
            default_value: formal.default.as_ref().and_then(|code| text(vm, code.span)),
            range: vm.sources().range(formal.span),
        })
        .collect()
}

fn text(vm: &Vm, span: crate::span::Span) -> Option<String> {
    let source = vm.sources().get(span.file)?;
    source
        .text
        .get(span.start as usize..span.end as usize)
        .map(str::to_owned)
}

/// The comment of the line above a place, or at the end of its line.
fn description(vm: &Vm, span: crate::span::Span) -> String {
    let Some(source) = vm.sources().get(span.file) else {
        return String::new();
    };
    let start = source.text[..span.start as usize]
        .rfind('\n')
        .map_or(0, |end| end + 1);
    let above = source.text[..start].trim_end_matches('\n');
    let last = above.rsplit('\n').next().unwrap_or_default().trim();
    match last.strip_prefix('#') {
        Some(comment) => comment.trim().to_owned(),
        None => String::new(),
    }
}

/// What can be built: the file's value itself, or the attributes of its set.
pub fn targets(run: &Run<'_>) -> Result<Vec<TargetInfo>, BuildError> {
    let arguments = Arguments::of(run.vm(), run.request).map_err(|error| run.invalid(&error))?;
    let (vm, file) = (run.vm().clone(), run.file.clone());
    let targets = run.vm().block_on(async move {
        let value = arguments::call(&vm, file, &arguments).await?;
        let mut found = Vec::new();
        collect(&vm, &value, &arguments, &mut found).await?;
        Ok(found)
    });
    targets.map_err(|error| run.invalid(&error))
}

/// Looks into sets, the outermost first. What fails is no target: another one may still be what is wanted.
async fn collect(
    vm: &Vm,
    value: &Value,
    arguments: &Arguments,
    found: &mut Vec<TargetInfo>,
) -> Result<(), Error> {
    let mut open = vec![(String::new(), value.clone(), None, 0)];
    while let Some((name, value, span, depth)) = open.pop() {
        let Ok(value) = arguments::call(vm, value, arguments).await else {
            continue;
        };
        let Value::Attrs(attrs) = &value else { continue };
        if output::can_be_built(vm, &value).await.unwrap_or(false) {
            found.push(TargetInfo {
                is_default: name.is_empty() || name == "default",
                description: described(vm, &value).await,
                name,
                range: span.and_then(|span| vm.sources().range(span)),
                ..TargetInfo::default()
            });
        } else if depth < MAX_DEPTH {
            for (inner, attr) in attrs.sorted(vm.symbols()).into_iter().rev() {
                let inner = crate::eval::print::attribute_name(&inner);
                let path = if name.is_empty() {
                    inner
                } else {
                    format!("{name}.{inner}")
                };
                open.push((path, attr.value.clone(), attr.span, depth + 1));
            }
        }
    }
    if let [only] = found.as_mut_slice() {
        only.is_default = true;
    }
    Ok(())
}

/// What a derivation says that it is: `meta.description`, else its name.
async fn described(vm: &Vm, value: &Value) -> String {
    let Value::Attrs(attrs) = value else {
        return String::new();
    };
    if let Some(meta) = vm.get(attrs, "meta")
        && let Ok(meta) = vm.attrs(&meta).await
        && let Some(text) = vm.get(&meta, "description")
        && let Ok(text) = vm.plain_string(&text).await
    {
        return text;
    }
    match vm.get(attrs, "name") {
        Some(name) => vm.plain_string(&name).await.unwrap_or_default(),
        None => String::new(),
    }
}
