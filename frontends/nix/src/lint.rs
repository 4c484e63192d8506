//! Checks of what is allowed and doubtful: names that nobody uses, `rec` and `with` that hide more than they help, and
//! literals that the language gives up. Looks at syntax alone; walks it without recursion.

use std::collections::{BTreeMap, BTreeSet};

use lapstrake_sdk::Host;
use lapstrake_sdk::types::*;
use rnix::SyntaxKind::*;
use rnix::ast::{self, Entry, HasEntry};
use rnix::{SyntaxNode, SyntaxToken, WalkEvent};
use rowan::ast::AstNode;

use crate::run::Run;
use crate::sources::Sources;
use crate::span::Span;

/// Globals that people do not expect to mean something else.
const WELL_KNOWN: &[&str] = &[
    "abort",
    "baseNameOf",
    "builtins",
    "derivation",
    "dirOf",
    "false",
    "import",
    "isNull",
    "map",
    "null",
    "removeAttrs",
    "throw",
    "toString",
    "true",
];

/// A finding.
struct Finding {
    code: &'static str,
    message: String,
    help: &'static str,
    span: Span,
}

/// Names that a node binds.
struct Scope {
    node: SyntaxNode,
    /// Where they are bound, and whether somebody uses them.
    names: BTreeMap<String, (Span, bool)>,
}

/// Answers the check of a request: what a build finds, and what is doubtful.
pub fn lint(host: &dyn Host, request: &Request) -> Result<Report, BuildError> {
    let mut report = match Run::build(host, request) {
        Ok(result) => result.warnings,
        Err(BuildError::Invalid(mut report)) => {
            report.items.extend(own_warnings(request)?);
            report
        }
        Err(error) => return Err(error),
    };
    if report.sources.is_empty() {
        report.sources = request.sources.clone();
    }
    Ok(report)
}

/// The doubtful things of a build file that cannot be built.
fn own_warnings(request: &Request) -> Result<Vec<Diagnostic>, BuildError> {
    let sources = Sources::default();
    let main = request.main_source()?;
    let file = sources.add(&main.name, None, &main.text);
    Ok(warnings(&sources, file))
}

/// The doubtful things of a file that `sources` has.
pub fn warnings(sources: &Sources, file: u32) -> Vec<Diagnostic> {
    let Some(source) = sources.get(file) else {
        return Vec::new();
    };
    let Ok(root) = crate::compile::parse(&source.text, file) else {
        return Vec::new();
    };
    let mut findings = Linter::new(file).run(root.syntax());
    findings.sort_by_key(|finding| finding.span);
    let diagnostic = |finding: Finding| {
        let diagnostic = Diagnostic::warning(finding.code, finding.message).help(finding.help);
        match sources.range(finding.span) {
            Some(range) => diagnostic.at(range),
            None => diagnostic,
        }
    };
    findings.into_iter().map(diagnostic).collect()
}

struct Linter {
    file: u32,
    scopes: Vec<Scope>,
    findings: Vec<Finding>,
}

impl Linter {
    fn new(file: u32) -> Self {
        Self {
            file,
            scopes: Vec::new(),
            findings: Vec::new(),
        }
    }

    fn run(mut self, root: &SyntaxNode) -> Vec<Finding> {
        for event in root.preorder() {
            match event {
                WalkEvent::Enter(node) => self.enter(&node),
                WalkEvent::Leave(node) => self.leave(&node),
            }
        }
        self.findings
    }

    fn find(&mut self, code: &'static str, span: Span, message: String, help: &'static str) {
        self.findings.push(Finding {
            code,
            message,
            help,
            span,
        });
    }

    fn enter(&mut self, node: &SyntaxNode) {
        match node.kind() {
            NODE_LET_IN | NODE_LEGACY_LET => {
                let names = bound(node, self.file);
                self.check_names(&names, &inherited(node));
                self.push(node, names);
            }
            NODE_ATTR_SET if is_rec(node) => {
                let names = bound(node, self.file);
                self.push(node, names);
            }
            NODE_LAMBDA => {
                let names = parameters(node, self.file);
                self.check_names(&names, &BTreeSet::new());
                self.push(node, names);
            }
            NODE_WITH if is_top(node) => {
                let span = self.keyword(node);
                let message = "`with` around the whole file hides where names come from".to_owned();
                self.find(
                    "TopLevelWith",
                    span,
                    message,
                    "bind what is used: `let inherit (…) a b; in`",
                );
            }
            NODE_LITERAL => {
                let uri = node.first_token().filter(|token| token.kind() == TOKEN_URI);
                if let Some(uri) = uri {
                    let span = Span::new(self.file, uri.text_range());
                    let message = "a URL without quotes is deprecated".to_owned();
                    self.find("UrlLiteral", span, message, "put it in quotes");
                }
            }
            NODE_IDENT => self.ident(node),
            _ => {}
        }
        if node.kind() == NODE_LEGACY_LET {
            let span = self.keyword(node);
            let message = "`let { … body = …; }` is deprecated".to_owned();
            self.find("LegacyLet", span, message, "write `let … in …`");
        }
    }

    fn push(&mut self, node: &SyntaxNode, names: BTreeMap<String, Span>) {
        self.scopes.push(Scope {
            node: node.clone(),
            names: names
                .into_iter()
                .map(|(name, span)| (name, (span, false)))
                .collect(),
        });
    }

    /// Names that are `meant` to be another's, as in `inherit (builtins) map` and `inherit (withImage i) derivation`, hide
    /// nothing.
    fn check_names(&mut self, names: &BTreeMap<String, Span>, meant: &BTreeSet<String>) {
        for (name, span) in names {
            if WELL_KNOWN.contains(&name.as_str()) && !meant.contains(name) {
                let message = format!("'{name}' hides the builtin of this name");
                self.find("HiddenBuiltin", *span, message, "call it something else");
            }
        }
    }

    fn keyword(&self, node: &SyntaxNode) -> Span {
        let token = node.first_token();
        Span::new(
            self.file,
            token.map_or(node.text_range(), |token| token.text_range()),
        )
    }

    /// Notes the use of a variable.
    fn ident(&mut self, node: &SyntaxNode) {
        let (Some(parent), Some(token)) = (node.parent(), node.first_token()) else {
            return;
        };
        let mut skipped = None;
        match parent.kind() {
            NODE_ATTRPATH | NODE_IDENT_PARAM | NODE_PAT_BIND => return,
            // The first child is the parameter, a second one its default.
            NODE_PAT_ENTRY if parent.first_child().as_ref() == Some(node) => return,
            NODE_INHERIT => {
                if parent.children().any(|child| child.kind() == NODE_INHERIT_FROM) {
                    return;
                }
                // What is inherited comes from around the set.
                skipped = parent.parent();
            }
            _ => {}
        }
        let name = token.text();
        for scope in self.scopes.iter_mut().rev() {
            if skipped.as_ref() == Some(&scope.node) {
                continue;
            }
            if let Some((_, is_used)) = scope.names.get_mut(name) {
                *is_used = true;
                return;
            }
        }
    }

    fn leave(&mut self, node: &SyntaxNode) {
        if self.scopes.last().is_none_or(|scope| scope.node != *node) {
            return;
        }
        let Some(scope) = self.scopes.pop() else { return };
        match node.kind() {
            NODE_LET_IN => {
                for (name, (span, is_used)) in &scope.names {
                    if !is_used && !name.starts_with('_') {
                        let message = format!("the binding '{name}' is never used");
                        self.find(
                            "UnusedBinding",
                            *span,
                            message,
                            "remove it, or begin its name with `_`",
                        );
                    }
                }
            }
            NODE_ATTR_SET if !scope.names.is_empty() && scope.names.values().all(|(_, is_used)| !is_used) => {
                let span = self.keyword(node);
                let message = "nothing in this set refers to another attribute of it".to_owned();
                self.find("UselessRec", span, message, "leave out `rec`");
            }
            _ => {}
        }
    }
}

fn is_rec(node: &SyntaxNode) -> bool {
    ast::AttrSet::cast(node.clone()).is_some_and(|set| set.rec_token().is_some())
}

/// Whether a node is all of a file, or of the function that the file is.
fn is_top(node: &SyntaxNode) -> bool {
    let mut parent = node.parent();
    while let Some(node) = parent {
        match node.kind() {
            NODE_ROOT => return true,
            NODE_LAMBDA | NODE_PAREN => parent = node.parent(),
            _ => return false,
        }
    }
    false
}

fn name(node: &SyntaxNode, file: u32) -> Option<(String, Span)> {
    let token: SyntaxToken = node.first_token()?;
    Some((token.text().to_owned(), Span::new(file, token.text_range())))
}

fn entries(node: &SyntaxNode) -> Vec<Entry> {
    match node.kind() {
        NODE_LET_IN => ast::LetIn::cast(node.clone()).map(|it| it.entries().collect()),
        NODE_LEGACY_LET => ast::LegacyLet::cast(node.clone()).map(|it| it.entries().collect()),
        _ => ast::AttrSet::cast(node.clone()).map(|it| it.entries().collect()),
    }
    .unwrap_or_default()
}

/// The names that a set or `let` takes from another set.
fn inherited(node: &SyntaxNode) -> BTreeSet<String> {
    let from_sets = entries(node).into_iter().filter_map(|entry| match entry {
        Entry::Inherit(inherit) if inherit.from().is_some() => Some(inherit),
        _ => None,
    });
    let attrs = from_sets.flat_map(|inherit| inherit.attrs().collect::<Vec<_>>());
    attrs.map(|attr| attr.syntax().text().to_string()).collect()
}

/// The names that a set or `let` binds; not those of nested paths' further steps.
fn bound(node: &SyntaxNode, file: u32) -> BTreeMap<String, Span> {
    let mut names = BTreeMap::new();
    for entry in entries(node) {
        let attrs: Vec<ast::Attr> = match &entry {
            Entry::Inherit(inherit) => inherit.attrs().collect(),
            Entry::AttrpathValue(value) => value
                .attrpath()
                .into_iter()
                .filter_map(|p| p.attrs().next())
                .collect(),
        };
        let idents = attrs.iter().filter(|attr| matches!(attr, ast::Attr::Ident(_)));
        for (text, span) in idents.filter_map(|attr| name(attr.syntax(), file)) {
            names.entry(text).or_insert(span);
        }
    }
    names
}

fn parameters(node: &SyntaxNode, file: u32) -> BTreeMap<String, Span> {
    let idents: Vec<ast::Ident> = match ast::Lambda::cast(node.clone()).and_then(|lambda| lambda.param()) {
        Some(ast::Param::IdentParam(param)) => param.ident().into_iter().collect(),
        Some(ast::Param::Pattern(pattern)) => {
            let bind = pattern.pat_bind().and_then(|bind| bind.ident());
            bind.into_iter()
                .chain(pattern.pat_entries().filter_map(|entry| entry.ident()))
                .collect()
        }
        None => Vec::new(),
    };
    idents
        .iter()
        .filter_map(|ident| name(ident.syntax(), file))
        .collect()
}
