//! Answers for people, byte for byte as docker buildx shows them where it knows the same: its tables pad every cell but a
//! line's last to the width of the column and one space or three more, also where nothing follows.

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
    table(1, ["TARGET", "DESCRIPTION"], rows)
}

/// What a target takes. Each part ends with an empty line. buildx has no part for caches.
pub fn outline(outline: &Outline) -> String {
    let mut out = String::new();
    let mut part = |text: String| {
        out += &text;
        out.push('\n');
    };
    let (name, description) = (&outline.target.name, &outline.target.description);
    if !name.is_empty() || !description.is_empty() {
        let name = if name.is_empty() { "(default)" } else { name };
        let description = (!description.is_empty()).then(|| ["DESCRIPTION:".to_owned(), description.clone()]);
        part(table(1, ["TARGET:", name], description.into_iter()));
    }
    if !outline.args.is_empty() {
        let rows = outline.args.iter().map(|arg| {
            let value = arg.default_value.clone().unwrap_or_default();
            [arg.name.clone(), value, arg.description.clone()]
        });
        part(table(3, ["BUILD ARG", "VALUE", "DESCRIPTION"], rows));
    }
    for (title, names) in [("SECRET", &outline.secrets), ("SSH", &outline.ssh)] {
        if !names.is_empty() {
            // The contract does not say which of them are required.
            let rows = names.iter().map(|name| [name.clone(), String::new()]);
            part(table(3, [title, "REQUIRED"], rows));
        }
    }
    if !outline.cache_ids.is_empty() {
        let rows = outline.cache_ids.iter().map(|id| [id.clone()]);
        part(table(3, ["CACHE MOUNT"], rows));
    }
    out
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
        out += &format!("\n{}", table(3, ["OPTION", "DEFAULT", "DESCRIPTION"], rows));
    }
    if !info.calls.is_empty() {
        let rows = info.calls.iter();
        let rows = rows.map(|call| [call.name.clone(), call.description.clone()]);
        out += &format!("\n{}", table(3, ["CALL", "DESCRIPTION"], rows));
    }
    out
}

/// What can be asked.
pub fn subrequests(info: &FrontendInfo) -> String {
    let rows = super::subrequests(info).into_iter();
    let rows = rows.map(|(name, description)| [name, "1.0.0".to_owned(), description]);
    table(1, ["NAME", "VERSION", "DESCRIPTION"], rows)
}

/// Writes rows; `gap` is the least space between two columns.
fn table<const N: usize>(gap: usize, head: [&str; N], rows: impl Iterator<Item = [String; N]>) -> String {
    let mut lines = vec![head.map(str::to_owned)];
    lines.extend(rows);
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max();
    let widths: [usize; N] = std::array::from_fn(|column| width(column).unwrap_or(0) + gap);
    let mut out = String::new();
    for line in &lines {
        for (column, (cell, width)) in line.iter().zip(widths).enumerate() {
            out += cell;
            if column + 1 < N {
                out.extend((cell.chars().count()..width).map(|_| ' '));
            }
        }
        out.push('\n');
    }
    out
}
