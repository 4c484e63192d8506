//! `RUN --mount=…`: its keys as written, and what they say once variables are expanded.
//! Knows nothing of the trees that are mounted.

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::lint::parse_bool;
use crate::lower::stage::{Cx, Stage, one_of};
use crate::span::Span;
use crate::suggest;
use crate::syntax::words::Word;

/// One `key=value` of a mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// The key, in its main spelling.
    pub key: &'static str,
    /// What follows the `=`; none: the key stands alone.
    pub value: Option<Word>,
    /// All of it.
    pub span: Span,
}

/// A mount as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountFlag {
    /// Its keys in order.
    pub fields: Vec<Field>,
    /// `from`, in which variables are not expanded.
    pub from: Option<Word>,
    /// The whole value of the flag.
    pub span: Span,
}

/// Spellings of keys, and the main spelling of each.
const KEYS: &[(&str, &str)] = &[
    ("type", "type"),
    ("from", "from"),
    ("source", "source"),
    ("src", "source"),
    ("target", "target"),
    ("dst", "target"),
    ("destination", "target"),
    ("readonly", "readonly"),
    ("ro", "readonly"),
    ("readwrite", "readwrite"),
    ("rw", "readwrite"),
    ("id", "id"),
    ("sharing", "sharing"),
    ("required", "required"),
    ("size", "size"),
    ("mode", "mode"),
    ("uid", "uid"),
    ("gid", "gid"),
    ("env", "env"),
];

impl MountFlag {
    /// Reads a mount: keys separated by commas, a field with a comma in double quotes.
    pub fn parse(word: &Word, diagnostics: &mut Diagnostics) -> Option<Self> {
        let errors = diagnostics.error_count();
        let mut flag = Self {
            fields: Vec::new(),
            from: None,
            span: word.span,
        };
        for part in split_fields(word) {
            let (key, value) = match part.text.split_once('=') {
                Some((key, value)) => (key, Some(value)),
                None => (part.text.as_str(), None),
            };
            let lower = key.to_ascii_lowercase();
            let Some((_, name)) = KEYS.iter().find(|(spelling, _)| *spelling == lower) else {
                let help = suggest::did_you_mean(&lower, KEYS.iter().map(|(spelling, _)| *spelling));
                diagnostics.push(
                    Diagnostic::error(
                        "UnknownMountKey",
                        part.span,
                        format!("unknown key `{key}` of a mount"),
                    )
                    .maybe_help(help),
                );
                continue;
            };
            let name: &'static str = name;
            let value = value.map(|value| match part.span.len() == part.text.len() {
                true => Word::at(value, part.span.start + key.len() + 1),
                false => Word {
                    text: value.to_owned(),
                    span: part.span,
                },
            });
            match &value {
                None if !matches!(name, "readonly" | "readwrite" | "required") => diagnostics.push(
                    Diagnostic::error(
                        "MissingMountValue",
                        part.span,
                        format!("the key `{key}` needs a value"),
                    )
                    .help(format!("write {key}=VALUE")),
                ),
                Some(from) if name == "from" && from.text.trim_end_matches('$').contains('$') => diagnostics
                    .push(
                        Diagnostic::error("NoExpansion", from.span, "variables are not expanded in `from`")
                            .help("begin a stage with FROM and the variable, and name that stage"),
                    ),
                _ => {}
            }
            if name == "from" {
                flag.from.clone_from(&value);
            }
            flag.fields.push(Field {
                key: name,
                value,
                span: part.span,
            });
        }
        (errors == diagnostics.error_count()).then_some(flag)
    }
}

/// Splits at commas outside of double quotes.
fn split_fields(word: &Word) -> Vec<Word> {
    let contiguous = word.span.len() == word.text.len();
    let mut fields = Vec::new();
    let mut start = 0;
    let mut quoted = false;
    for (offset, c) in word.text.char_indices().chain([(word.text.len(), ',')]) {
        match c {
            '"' => quoted = !quoted,
            ',' if !quoted || offset == word.text.len() => {
                let text = &word.text[start..offset];
                let span = match contiguous {
                    true => Span::new(word.span.start + start, word.span.start + offset),
                    false => word.span,
                };
                fields.push(Word {
                    text: text.replace('"', ""),
                    span,
                });
                start = offset + 1;
            }
            _ => {}
        }
    }
    fields
}

/// What is mounted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum MountType {
    /// A tree.
    #[default]
    Bind,
    /// A directory that later builds see again.
    Cache,
    /// A directory in memory.
    Tmpfs,
    /// A secret.
    Secret,
    /// The socket of an SSH agent.
    Ssh,
}

/// A mount with its variables expanded. The place of a value is that of its field.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mount {
    /// What is mounted.
    pub kind: MountType,
    /// Path in the tree.
    pub source: String,
    /// Path in the container; may be relative.
    pub target: String,
    /// Whether writing fails.
    pub read_only: bool,
    /// Name of a cache, secret or agent.
    pub id: String,
    /// `shared`, `private` or `locked`; empty: not given.
    pub sharing: String,
    /// Whether a missing secret or agent is an error.
    pub required: bool,
    /// Size of a tmpfs in bytes.
    pub size: Option<u64>,
    /// Permission bits.
    pub mode: Option<u32>,
    /// Owner.
    pub uid: Option<u32>,
    /// Group.
    pub gid: Option<u32>,
    /// The variable that holds the secret.
    pub env: Option<String>,
}

impl MountFlag {
    /// Expands the values and checks what goes together; none: what is wrong is reported.
    pub fn resolve(&self, stage: &Stage, cx: &mut Cx<'_>) -> Option<Mount> {
        let errors = cx.diagnostics.error_count();
        let mut mount = Mount::default();
        let mut read_only = None;
        for field in &self.fields {
            let text = match &field.value {
                Some(value) if field.key != "from" => cx.expand(stage, value),
                Some(value) => value.text.clone(),
                None => "true".to_owned(),
            };
            let place = field.value.as_ref().map_or(field.span, |value| value.span);
            if let Err((message, help)) = mount.set(field.key, &text, &mut read_only) {
                cx.error("InvalidMount", place, message, &help);
            }
        }
        mount.read_only = read_only.unwrap_or(!matches!(mount.kind, MountType::Cache | MountType::Tmpfs));
        self.check(&mount, cx);
        (errors == cx.diagnostics.error_count()).then_some(mount)
    }

    /// Reports keys that the type of the mount does not have.
    fn check(&self, mount: &Mount, cx: &mut Cx<'_>) {
        use MountType::{Cache, Secret, Ssh, Tmpfs};
        for field in &self.fields {
            let allowed: &[MountType] = match field.key {
                "size" => &[Tmpfs],
                "required" => &[Secret, Ssh],
                "mode" | "uid" | "gid" => &[Secret, Ssh, Cache],
                "sharing" => &[Cache],
                "env" => &[Secret],
                _ => continue,
            };
            if !allowed.contains(&mount.kind) {
                let types: Vec<&str> = allowed.iter().map(|kind| kind.name()).collect();
                cx.error(
                    "InvalidMount",
                    field.span,
                    format!("a mount of type {} has no `{}`", mount.kind.name(), field.key),
                    &format!("`{}` is for {}", field.key, types.join(", ")),
                );
            }
        }
        if mount.kind == Secret {
            if let Some(from) = &self.from {
                cx.error("InvalidMount", from.span, "a secret has no `from`", "remove it");
            }
            if mount.source.is_empty() && mount.target.is_empty() && mount.id.is_empty() {
                cx.error(
                    "InvalidMount",
                    self.span,
                    "it is not said which secret",
                    "add id=NAME",
                );
            }
            if !mount.source.is_empty() && !mount.id.is_empty() {
                cx.error(
                    "InvalidMount",
                    self.span,
                    "a secret has `id` or `source`, not both",
                    "remove one of them",
                );
            }
        }
        if mount.kind == Ssh && !mount.source.is_empty() {
            cx.error(
                "InvalidMount",
                self.span,
                "a mount of type ssh has no `source`",
                "use id=NAME",
            );
        }
    }
}

impl MountType {
    /// Its name in the file.
    pub fn name(self) -> &'static str {
        match self {
            MountType::Bind => "bind",
            MountType::Cache => "cache",
            MountType::Tmpfs => "tmpfs",
            MountType::Secret => "secret",
            MountType::Ssh => "ssh",
        }
    }
}

impl Mount {
    /// Sets one key; the error is a message and what to do.
    fn set(&mut self, key: &str, text: &str, read_only: &mut Option<bool>) -> Result<(), (String, String)> {
        let number = |radix: u32, what: &str| {
            u32::from_str_radix(text, radix)
                .map(Some)
                .map_err(|_| (format!("`{text}` is no {what}"), format!("write {key}=NUMBER")))
        };
        let boolean = || {
            parse_bool(text).ok_or_else(|| {
                (
                    format!("`{text}` is not true or false"),
                    format!("write {key}=true or {key}=false"),
                )
            })
        };
        match key {
            "type" => {
                use MountType::{Bind, Cache, Secret, Ssh, Tmpfs};
                let lower = text.to_ascii_lowercase();
                let kinds = [Bind, Cache, Tmpfs, Secret, Ssh];
                self.kind = kinds
                    .into_iter()
                    .find(|kind| kind.name() == lower)
                    .ok_or_else(|| {
                        (
                            format!("`{text}` is no type of mount"),
                            one_of(&lower, &kinds.map(MountType::name)),
                        )
                    })?;
            }
            "source" => self.source = text.to_owned(),
            "target" => self.target = text.to_owned(),
            "readonly" => *read_only = Some(boolean()?),
            "readwrite" => *read_only = Some(!boolean()?),
            "id" => self.id = text.to_owned(),
            "sharing" => {
                const MODES: [&str; 3] = ["shared", "private", "locked"];
                self.sharing = text.to_ascii_lowercase();
                if !MODES.contains(&self.sharing.as_str()) {
                    return Err((
                        format!("`{text}` is no way of sharing"),
                        one_of(&self.sharing, &MODES),
                    ));
                }
            }
            "required" => self.required = boolean()?,
            "size" => {
                self.size = Some(size(text).ok_or_else(|| {
                    (
                        format!("`{text}` is no size"),
                        "write a number and maybe a unit, such as 64m".to_owned(),
                    )
                })?);
            }
            "mode" => self.mode = number(8, "octal mode")?,
            "uid" => self.uid = number(10, "user number")?,
            "gid" => self.gid = number(10, "group number")?,
            "env" => self.env = Some(text.to_owned()),
            _ => {}
        }
        Ok(())
    }
}

/// Reads a size in bytes with a unit of 1024 and its powers: `64m`, `1.5GiB`.
pub fn size(text: &str) -> Option<u64> {
    let digits = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let number: f64 = text[..digits].parse().ok()?;
    let unit = text[digits..].trim().to_ascii_lowercase();
    let unit = unit
        .strip_suffix("ib")
        .or(unit.strip_suffix('b'))
        .unwrap_or(&unit);
    let power = match unit {
        "" => 0,
        "k" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        "p" => 5,
        _ => return None,
    };
    Some((number * 1024f64.powi(power)) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields() {
        let word = Word::at("type=cache,\"target=/a,b\",ro", 10);
        let fields: Vec<String> = split_fields(&word).into_iter().map(|w| w.text).collect();
        assert_eq!(fields, ["type=cache", "target=/a,b", "ro"]);
        let mut diagnostics = Diagnostics::default();
        let flag = MountFlag::parse(&Word::at("type=bind,src=/x,from=y", 10), &mut diagnostics).unwrap();
        assert_eq!(flag.fields[1].value, Some(Word::at("/x", 24)));
        assert_eq!(flag.from, Some(Word::at("y", 32)));
    }

    #[test]
    fn wrong_keys() {
        let mut diagnostics = Diagnostics::default();
        assert!(MountFlag::parse(&Word::at("typ=bind,target,from=$x,ro", 0), &mut diagnostics).is_none());
        let codes: Vec<_> = diagnostics.items().iter().map(|d| d.code).collect();
        assert_eq!(codes, ["UnknownMountKey", "MissingMountValue", "NoExpansion"]);
    }

    #[test]
    fn sizes() {
        assert_eq!(size("64m"), Some(64 << 20));
        assert_eq!(size("1.5GiB"), Some(3 << 29));
        assert_eq!(size("10"), Some(10));
        assert_eq!(size("10kb"), Some(10 << 10));
        assert_eq!(size("x"), None);
        assert_eq!(size("5q"), None);
    }
}
