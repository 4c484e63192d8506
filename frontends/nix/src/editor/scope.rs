//! The names that a place of a file sees, and what they are bound to, by syntax alone. The parser takes broken texts, too.
//! Evaluates nothing.

use rnix::ast::{self, Entry, HasEntry};
use rnix::{Root, SyntaxKind, SyntaxNode, SyntaxToken, TextSize};
use rowan::ast::AstNode;

/// Steps from a name to the set that it stands for.
const MOST_STEPS: usize = 32;

/// A name and what it is bound to.
#[derive(Debug, Clone)]
pub struct Binding {
    /// The name.
    pub name: String,
    /// Where it is bound.
    pub node: SyntaxNode,
    /// What it is bound to; none: an argument, or an attribute of something else.
    pub value: Option<ast::Expr>,
}

/// A text as syntax, as far as it can be read.
pub struct Syntax(SyntaxNode);

impl Syntax {
    /// Reads a text; none: it nests too deep for the parser.
    pub fn of(text: &str) -> Option<Self> {
        u32::try_from(text.len()).ok()?;
        match crate::compile::nests_too_deep(text) {
            true => None,
            false => Some(Self(Root::parse(text).syntax())),
        }
    }

    /// The token before a byte.
    fn token(&self, offset: usize) -> Option<SyntaxToken> {
        let offset = TextSize::from(u32::try_from(offset).ok()?);
        self.0.token_at_offset(offset).left_biased()
    }

    /// Whether a byte is in a comment, or in the text of a string.
    pub fn is_text(&self, offset: usize) -> bool {
        self.token(offset).is_some_and(|token| {
            let inside = usize::from(token.text_range().end()) >= offset;
            inside
                && matches!(
                    token.kind(),
                    SyntaxKind::TOKEN_COMMENT | SyntaxKind::TOKEN_STRING_CONTENT | SyntaxKind::TOKEN_PATH_REL
                )
        })
    }

    /// The names that a byte sees, the nearest first.
    pub fn names(&self, offset: usize) -> Vec<Binding> {
        let mut found: Vec<Binding> = Vec::new();
        let Some(token) = self.token(offset) else {
            return found;
        };
        for node in token.parent_ancestors() {
            let bound = match node.kind() {
                SyntaxKind::NODE_LET_IN => ast::LetIn::cast(node).map(|found| entries(&found)),
                SyntaxKind::NODE_LEGACY_LET => ast::LegacyLet::cast(node).map(|found| entries(&found)),
                SyntaxKind::NODE_ATTR_SET => ast::AttrSet::cast(node)
                    .filter(|set| set.rec_token().is_some())
                    .map(|set| entries(&set)),
                SyntaxKind::NODE_LAMBDA => ast::Lambda::cast(node).map(|found| parameters(&found)),
                _ => None,
            };
            for binding in bound.into_iter().flatten() {
                if !found.iter().any(|known| known.name == binding.name) {
                    found.push(binding);
                }
            }
        }
        found
    }

    /// The set literal that a path of names, such as `a.b`, leads to.
    pub fn set(&self, path: &[&str], offset: usize) -> Option<ast::AttrSet> {
        let (first, rest) = path.split_first()?;
        let names = self.names(offset);
        let binding = names.into_iter().find(|binding| binding.name == *first)?;
        self.descend(binding.value?, rest, MOST_STEPS)
    }

    fn descend(&self, value: ast::Expr, path: &[&str], left: usize) -> Option<ast::AttrSet> {
        let left = left.checked_sub(1)?;
        let set = match value {
            ast::Expr::AttrSet(set) => set,
            ast::Expr::Paren(inner) => return self.descend(inner.expr()?, path, left),
            // The names of a set are those of its last part at least.
            ast::Expr::BinOp(operation) => return self.descend(operation.rhs()?, path, left),
            ast::Expr::LetIn(inner) => return self.descend(inner.body()?, path, left),
            ast::Expr::Ident(ident) => {
                let at = usize::from(ident.syntax().text_range().start());
                let name = ident.to_string();
                let mut names = self.names(at).into_iter();
                let binding = names.find(|binding| binding.name == name)?;
                return self.descend(binding.value?, path, left);
            }
            _ => return None,
        };
        match path.split_first() {
            None => Some(set),
            Some((first, rest)) => {
                let mut inside = entries(&set).into_iter();
                let binding = inside.find(|binding| binding.name == *first)?;
                self.descend(binding.value?, rest, left)
            }
        }
    }

    /// The set literal around a byte in which an attribute could begin there, with what it is an argument or attribute of.
    pub fn around(&self, offset: usize) -> Option<(ast::AttrSet, Vec<String>)> {
        let token = self.token(offset)?;
        let node = token
            .parent_ancestors()
            .find(|node| node.kind() == SyntaxKind::NODE_ATTR_SET)?;
        let set = ast::AttrSet::cast(node.clone())?;
        let mut path = Vec::new();
        let mut node = node;
        loop {
            let parent = node.parent()?;
            match parent.kind() {
                SyntaxKind::NODE_ATTRPATH_VALUE => {
                    let entry = ast::AttrpathValue::cast(parent.clone())?;
                    path.extend(name_of(&entry.attrpath()?));
                    node = parent.parent()?;
                }
                SyntaxKind::NODE_APPLY => {
                    let function = ast::Apply::cast(parent)?.lambda()?;
                    path.push(last_name(&function));
                    path.reverse();
                    return Some((set, path));
                }
                SyntaxKind::NODE_PAREN => node = parent,
                _ => return None,
            }
        }
    }
}

/// The last name of what is called: `buildImage` of `debian.buildImage`.
fn last_name(function: &ast::Expr) -> String {
    let text = function.to_string();
    text.rsplit('.').next().unwrap_or_default().trim().to_owned()
}

fn name_of(path: &ast::Attrpath) -> Option<String> {
    let mut attrs = path.attrs();
    let first = attrs.next()?;
    attrs.next().is_none().then(|| first.to_string())
}

/// The names that a set or a `let` binds; of `a.b = …` it is `a`.
pub fn entries(node: &impl HasEntry) -> Vec<Binding> {
    let mut found = Vec::new();
    for entry in node.entries() {
        match entry {
            Entry::AttrpathValue(entry) => {
                let Some(path) = entry.attrpath() else { continue };
                let Some(first) = path.attrs().next() else {
                    continue;
                };
                let is_whole = path.attrs().count() == 1;
                found.push(Binding {
                    name: first.to_string().trim_matches('"').to_owned(),
                    value: entry.value().filter(|_| is_whole),
                    node: entry.syntax().clone(),
                });
            }
            Entry::Inherit(inherit) => found.extend(inherit.attrs().map(|attr| Binding {
                name: attr.to_string(),
                node: inherit.syntax().clone(),
                value: None,
            })),
        }
    }
    found
}

fn parameters(lambda: &ast::Lambda) -> Vec<Binding> {
    let name = |name: String, node: &SyntaxNode| Binding {
        name,
        node: node.clone(),
        value: None,
    };
    match lambda.param() {
        Some(ast::Param::IdentParam(param)) => vec![name(param.to_string(), param.syntax())],
        Some(ast::Param::Pattern(pattern)) => {
            let mut found: Vec<Binding> = pattern
                .pat_entries()
                .filter_map(|entry| Some(name(entry.ident()?.to_string(), entry.syntax())))
                .collect();
            let whole = pattern.pat_bind().and_then(|bind| bind.ident());
            found.extend(whole.map(|ident| name(ident.to_string(), ident.syntax())));
            found
        }
        None => Vec::new(),
    }
}
