//! Answers for people, as docker buildx shows them: tables with three spaces between the columns.

use lapstrake_frontend::{FrontendInfo, Outline, TargetInfo};

/// The stages that can be built.
pub fn targets(targets: &[TargetInfo]) -> String {
    let rows = targets.iter().map(|target| {
        let name = match (target.name.as_str(), target.is_default) {
            ("", true) => "(default)".to_owned(),
            (name, true) => format!("{name} (default)"),
            (name, false) => name.to_owned(),
        };
        [name, target.description.clone()]
    });
    table(["TARGET", "DESCRIPTION"], rows)
}

/// What a target takes.
pub fn outline(outline: &Outline) -> String {
    let mut parts = Vec::new();
    let mut head = Vec::new();
    for (title, text) in [
        ("TARGET:     ", &outline.target.name),
        ("DESCRIPTION:", &outline.target.description),
    ] {
        if !text.is_empty() {
            head.push(format!("{title} {text}\n"));
        }
    }
    parts.extend((!head.is_empty()).then(|| head.concat()));
    if !outline.args.is_empty() {
        let rows = outline.args.iter().map(|arg| {
            let value = arg.default_value.clone().unwrap_or_default();
            [arg.name.clone(), value, arg.description.clone()]
        });
        parts.push(table(["BUILD ARG", "VALUE", "DESCRIPTION"], rows));
    }
    for (title, names) in [
        ("SECRET", &outline.secrets),
        ("SSH", &outline.ssh),
        ("CACHE MOUNT", &outline.cache_ids),
    ] {
        if !names.is_empty() {
            parts.push(table([title], names.iter().map(|name| [name.clone()])));
        }
    }
    parts.join("\n")
}

/// What the frontend is.
pub fn describe(info: &FrontendInfo) -> String {
    let mut out = format!("{} {}\n", info.name, info.version);
    if !info.file_patterns.is_empty() {
        out += &format!("files: {}\n", info.file_patterns.join(", "));
    }
    if !info.options.is_empty() {
        let rows = info.options.iter().map(|option| {
            let default = option.default_value.clone().unwrap_or_default();
            [option.name.clone(), default, option.description.clone()]
        });
        out += &format!("\n{}", table(["OPTION", "DEFAULT", "DESCRIPTION"], rows));
    }
    if !info.calls.is_empty() {
        let rows = info.calls.iter();
        let rows = rows.map(|call| [call.name.clone(), call.description.clone()]);
        out += &format!("\n{}", table(["CALL", "DESCRIPTION"], rows));
    }
    out
}

/// What can be asked.
pub fn subrequests(info: &FrontendInfo) -> String {
    let rows = super::subrequests(info).into_iter();
    let rows = rows.map(|(name, description)| [name, "1.0.0".to_owned(), description]);
    table(["NAME", "VERSION", "DESCRIPTION"], rows)
}

fn table<const N: usize>(head: [&str; N], rows: impl Iterator<Item = [String; N]>) -> String {
    let mut lines = vec![head.map(str::to_owned)];
    lines.extend(rows);
    let width = |column: usize| {
        lines
            .iter()
            .map(move |line| console::measure_text_width(&line[column]))
    };
    let widths: Vec<usize> = (0..N).map(|column| width(column).max().unwrap_or(0)).collect();
    let mut out = String::new();
    for line in lines {
        let cells: Vec<_> = line
            .iter()
            .zip(&widths)
            .map(|(cell, width)| console::pad_str(cell, *width, console::Alignment::Left, None).into_owned())
            .collect();
        out += cells.join("   ").trim_end();
        out.push('\n');
    }
    out
}
