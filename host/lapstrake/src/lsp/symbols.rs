//! Targets and arguments of a build file as the protocol's symbols. Knows nothing of languages: what stands behind a
//! target, up to the next one, belongs to it.

use lapstrake_llb::SourceRange;
use lsp_types::{DocumentSymbol, Location, Range, SymbolInformation, SymbolKind, Url};

use super::text::Text;
use crate::engine::editor::Structure;

/// A symbol while it is put in its place.
struct Item {
    start: usize,
    end: usize,
    symbol: DocumentSymbol,
}

/// The symbols of a text, by place.
pub fn symbols(structure: &Structure, text: &Text) -> Vec<DocumentSymbol> {
    let mut targets: Vec<Item> = Vec::new();
    for target in &structure.targets {
        let Some(range) = target.range.filter(|range| range.file == 0) else {
            continue;
        };
        let name = match (target.name.as_str(), target.base.as_str()) {
            ("", "") => "default",
            ("", base) => base,
            (name, _) => name,
        };
        let detail = match (target.base.as_str(), target.description.as_str()) {
            (base, "") => base.to_owned(),
            ("", description) => description.to_owned(),
            (base, description) => format!("{base}: {description}"),
        };
        targets.push(item(name, detail, SymbolKind::CLASS, range, text));
    }
    targets.sort_by_key(|target| target.start);
    let mut top = Vec::new();
    for argument in arguments(structure, text) {
        let owner = targets
            .iter_mut()
            .rev()
            .find(|target| target.start <= argument.start);
        match owner {
            Some(target) => {
                target.end = target.end.max(argument.end);
                target
                    .symbol
                    .children
                    .get_or_insert_default()
                    .push(argument.symbol);
            }
            None => top.push(argument),
        }
    }
    top.extend(targets);
    top.sort_by_key(|item| item.start);
    top.into_iter()
        .map(|item| DocumentSymbol {
            // A symbol's range holds those of its children.
            range: Range::new(text.position(item.start), text.position(item.end)),
            ..item.symbol
        })
        .collect()
}

/// The arguments of all targets, each place once.
fn arguments(structure: &Structure, text: &Text) -> Vec<Item> {
    let mut found: Vec<Item> = Vec::new();
    for outline in &structure.outlines {
        for argument in &outline.args {
            let Some(range) = argument.range else { continue };
            let source = outline.sources.get(range.file as usize);
            if source.is_none_or(|source| *source.text != **text.text()) {
                continue;
            }
            let detail = match (&argument.default_value, argument.description.as_str()) {
                (Some(value), "") => format!("= {value}"),
                (Some(value), description) => format!("= {value}: {description}"),
                (None, description) => description.to_owned(),
            };
            let item = item(&argument.name, detail, SymbolKind::VARIABLE, range, text);
            let known = |other: &Item| other.start == item.start && other.symbol.name == item.symbol.name;
            if !found.iter().any(known) {
                found.push(item);
            }
        }
    }
    found.sort_by_key(|item| item.start);
    found
}

fn item(name: &str, detail: String, kind: SymbolKind, range: SourceRange, text: &Text) -> Item {
    let start = text.source_offset(range.start);
    let selection = text.range(range);
    #[allow(deprecated, reason = "the struct has no constructor")]
    let symbol = DocumentSymbol {
        name: name.to_owned(),
        detail: Some(detail).filter(|detail| !detail.is_empty()),
        kind,
        tags: None,
        deprecated: None,
        range: selection,
        selection_range: selection,
        children: None,
    };
    Item {
        start,
        end: text.source_offset(range.stop).max(start),
        symbol,
    }
}

/// The same for clients that know no symbols in symbols.
pub fn flat(symbols: &[DocumentSymbol], uri: &Url) -> Vec<SymbolInformation> {
    let mut out = Vec::new();
    for symbol in symbols {
        add(&mut out, symbol, None, uri);
        for child in symbol.children.iter().flatten() {
            add(&mut out, child, Some(&symbol.name), uri);
        }
    }
    out
}

fn add(out: &mut Vec<SymbolInformation>, symbol: &DocumentSymbol, owner: Option<&str>, uri: &Url) {
    #[allow(deprecated, reason = "the struct has no constructor")]
    out.push(SymbolInformation {
        name: symbol.name.clone(),
        kind: symbol.kind,
        tags: None,
        deprecated: None,
        location: Location::new(uri.clone(), symbol.range),
        container_name: owner.map(str::to_owned),
    });
}

#[cfg(test)]
mod tests {
    use lapstrake_frontend::{ArgInfo, Outline, TargetInfo};
    use lapstrake_llb::{Position, SourceFile};

    use super::super::text::Encoding;
    use super::*;

    fn range(line: u32, stop: u32) -> Option<SourceRange> {
        let at = |column| Position { line, column };
        Some(SourceRange {
            file: 0,
            start: at(1),
            stop: at(stop),
        })
    }

    #[test]
    fn arguments_belong_to_the_target_before_them() {
        let source = "ARG g\nFROM x AS a\nARG i=1\nRUN y\nFROM z\n";
        let argument = |name: &str, line, value: Option<&str>| ArgInfo {
            name: name.to_owned(),
            description: String::new(),
            default_value: value.map(str::to_owned),
            range: range(line, 6),
        };
        let outline = Outline {
            target: TargetInfo {
                name: String::new(),
                description: String::new(),
                base: String::new(),
                is_default: true,
                range: None,
            },
            args: vec![argument("g", 1, None), argument("i", 3, Some("1"))],
            secrets: Vec::new(),
            ssh: Vec::new(),
            cache_ids: Vec::new(),
            sources: vec![SourceFile {
                name: "Dockerfile".to_owned(),
                language: String::new(),
                text: source.to_owned(),
            }],
        };
        let target = |name: &str, base: &str, line| TargetInfo {
            name: name.to_owned(),
            base: base.to_owned(),
            range: range(line, 7),
            ..outline.target.clone()
        };
        let structure = Structure {
            targets: vec![target("a", "x", 2), target("", "z", 5)],
            outlines: vec![outline.clone(), outline],
        };
        let found = symbols(&structure, &Text::new(source, Encoding::Utf16));
        let names: Vec<_> = found.iter().map(|symbol| symbol.name.as_str()).collect();
        assert_eq!(names, ["g", "a", "z"]);
        assert_eq!((found[1].range.start.line, found[1].range.end.line), (1, 2));
        let children = found[1].children.as_ref().unwrap();
        assert_eq!(children.len(), 1);
        assert_eq!(children[0].detail.as_deref(), Some("= 1"));
        let uri = Url::parse("file:///x").unwrap();
        let all = flat(&found, &uri);
        assert_eq!(all.len(), 4);
        assert_eq!(all[2].container_name.as_deref(), Some("a"));
    }
}
