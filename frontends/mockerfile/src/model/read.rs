//! From nodes to types, and from the same types to a JSON Schema. What is wrong becomes a finding, and the rest is read
//! on. Knows nothing of which types there are.

use std::rc::Rc;

use crate::findings::{Findings, Span, did_you_mean};
use crate::json::Json;
use crate::yaml::{Entry, Node, Value};

/// The two forms of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// `v1alpha1`: what r2d4/mockerfile has.
    V1alpha1,
    /// `v1beta1`: more, and stricter.
    V1beta1,
}

impl Version {
    /// All of them.
    pub const ALL: [Version; 2] = [Version::V1alpha1, Version::V1beta1];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Version::V1alpha1 => "v1alpha1",
            Version::V1beta1 => "v1beta1",
        }
    }
}

/// A file while it is being read.
pub struct Reader<'a> {
    /// Where findings go.
    pub findings: &'a mut Findings,
    /// The form of the file.
    pub version: Version,
    /// Whether the end of the file is missing, so that nothing is said about what is not there.
    pub is_cut: bool,
}

/// A type that a node can be.
pub trait Shape: Sized {
    /// Reads a node; none: it is something else, and a finding says so.
    fn read(node: &Rc<Node>, reader: &mut Reader<'_>) -> Option<Self>;

    /// The JSON Schema of the type.
    fn schema(version: Version) -> Json;
}

/// A type that a field of a mapping can be.
pub trait Field: Sized {
    /// Whether the field must be there.
    const REQUIRED: bool;

    /// Reads a field that is there; none: it is wrong.
    fn read_field(node: &Rc<Node>, reader: &mut Reader<'_>) -> Option<Self>;

    /// What it is where the field is not there; none: it must be.
    fn absent() -> Option<Self>;

    /// The JSON Schema of its value.
    fn schema(version: Version) -> Json;
}

impl<T: Shape> Field for T {
    const REQUIRED: bool = true;

    fn read_field(node: &Rc<Node>, reader: &mut Reader<'_>) -> Option<Self> {
        T::read(node, reader)
    }

    fn absent() -> Option<Self> {
        None
    }

    fn schema(version: Version) -> Json {
        T::schema(version)
    }
}

impl<T: Shape> Field for Option<T> {
    const REQUIRED: bool = false;

    fn read_field(node: &Rc<Node>, reader: &mut Reader<'_>) -> Option<Self> {
        Some(T::read(node, reader))
    }

    fn absent() -> Option<Self> {
        Some(None)
    }

    fn schema(version: Version) -> Json {
        T::schema(version)
    }
}

impl<T: Shape> Field for Vec<T> {
    const REQUIRED: bool = false;

    fn read_field(node: &Rc<Node>, reader: &mut Reader<'_>) -> Option<Self> {
        Some(reader.list(node))
    }

    fn absent() -> Option<Self> {
        Some(Vec::new())
    }

    fn schema(version: Version) -> Json {
        Json::object([("type", Json::text("array")), ("items", T::schema(version))])
    }
}

/// What is known of a field before it is read.
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// The form that it came with.
    pub since: Version,
}

/// A mapping while its fields are being taken.
pub struct Fields<'n> {
    entries: &'n [Entry],
    span: Span,
}

impl Reader<'_> {
    /// Says that a node is something else.
    pub fn expected(&mut self, node: &Node, what: &str) {
        let message = format!("this is {}, not {what}", node.kind());
        let help = match (&node.value, what) {
            (Value::Scalar { .. }, "a list") => Some("write every item on a line of its own, after `- `"),
            (Value::Map(_), "a text") => Some("a text with `: ` or ` #` in it needs quotes"),
            _ => None,
        };
        self.findings
            .error("WrongType", &node.span, message)
            .maybe_help(help.map(str::to_owned));
    }

    /// Reads a list; what is wrong in it is left out.
    pub fn list<T: Shape>(&mut self, node: &Node) -> Vec<T> {
        match &node.value {
            Value::List(items) => items.iter().filter_map(|item| T::read(item, self)).collect(),
            Value::Null => Vec::new(),
            _ => {
                self.expected(node, "a list");
                Vec::new()
            }
        }
    }

    /// Takes a mapping apart; keys that are not known are findings.
    pub fn fields<'n>(&mut self, node: &'n Node, keys: &[Key]) -> Option<Fields<'n>> {
        let Value::Map(entries) = &node.value else {
            self.expected(node, "a mapping");
            return None;
        };
        let version = self.version;
        for entry in entries {
            match keys.iter().find(|key| key.name == entry.key) {
                Some(key) if key.since <= version => {}
                Some(key) => {
                    let message = format!("`{}` is ignored: {} does not have it", key.name, version.name());
                    self.findings
                        .warning("NewerKey", &entry.key_span, message)
                        .help(format!("write `apiVersion: {}`", key.since.name()));
                }
                None => self.unknown_key(entry, keys),
            }
        }
        Some(Fields {
            entries,
            span: node.span.clone(),
        })
    }

    fn unknown_key(&mut self, entry: &Entry, keys: &[Key]) {
        let names = || {
            let known = keys.iter().filter(|key| key.since <= self.version);
            known.map(|key| key.name)
        };
        let all: Vec<&str> = names().collect();
        let help =
            did_you_mean(&entry.key, names()).unwrap_or_else(|| format!("the keys are {}", all.join(", ")));
        let (key, span) = (&entry.key, &entry.key_span);
        match self.version {
            // Files for r2d4/mockerfile may have anything in them.
            Version::V1alpha1 => {
                self.findings
                    .warning("UnknownKey", span, format!("the unknown key `{key}` is ignored"))
            }
            Version::V1beta1 => self
                .findings
                .error("UnknownKey", span, format!("there is no key `{key}`")),
        }
        .help(help);
    }

    /// Takes a field; none: it is wrong or missing, and the mapping is of no use.
    pub fn field<T: Field>(&mut self, fields: &Fields<'_>, key: &Key) -> Option<T> {
        let found = fields.entries.iter().find(|entry| entry.key == key.name);
        match found.filter(|_| key.since <= self.version) {
            Some(entry) if T::REQUIRED && entry.value.value == Value::Null => {
                let message = format!("`{}` has no value", key.name);
                self.findings.error("MissingValue", &entry.key_span, message);
                None
            }
            // As if it was not there.
            Some(entry) if entry.value.value == Value::Null => T::absent(),
            Some(entry) => T::read_field(&entry.value, self),
            None => {
                let absent = T::absent();
                if absent.is_none() && !self.is_cut {
                    let message = format!("`{}` is missing", key.name);
                    let start = fields.span.start;
                    self.findings
                        .error("MissingKey", &(start..start), message)
                        .help(format!("add `{}:`", key.name));
                }
                absent
            }
        }
    }
}

/// Makes a struct that is read from a mapping, with the JSON Schema of that mapping. A field's first word is the form of
/// the file that it came with; doc comments become descriptions.
macro_rules! mapping {
    (
        $(#[doc = $doc:literal])*
        pub struct $type:ident {
            $(
                $(#[doc = $field_doc:literal])*
                $since:ident $name:literal $field:ident: $kind:ty,
            )*
        }
    ) => {
        $(#[doc = $doc])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $type {
            /// Where it is.
            pub span: Span,
            $($(#[doc = $field_doc])* pub $field: $kind,)*
        }

        impl $type {
            const KEYS: &[Key] = &[$(Key { name: $name, since: Version::$since }),*];
        }

        impl Shape for $type {
            fn read(node: &Rc<Node>, reader: &mut Reader<'_>) -> Option<Self> {
                let fields = reader.fields(node, Self::KEYS)?;
                // All fields are read before the first wrong one counts.
                $(let $field = reader.field(&fields, &Key { name: $name, since: Version::$since });)*
                Some(Self { span: node.span.clone(), $($field: $field?,)* })
            }

            fn schema(version: Version) -> Json {
                let mut properties = Vec::new();
                let mut required = Vec::new();
                $(if Version::$since <= version {
                    let description = [$($field_doc),*].concat();
                    let schema = <$kind as Field>::schema(version);
                    properties.push(($name, described(schema, &description)));
                    if <$kind as Field>::REQUIRED {
                        required.push($name);
                    }
                })*
                object_schema(version, &[$($doc),*].concat(), properties, &required)
            }
        }
    };
}
pub(crate) use mapping;

/// The schema with a description in front.
pub fn described(schema: Json, description: &str) -> Json {
    let description = Json::object([("description", Json::text(description.trim()))]);
    match (description, schema) {
        (Json::Object(mut fields), Json::Object(schema)) => {
            fields.extend(schema.into_iter().filter(|(key, _)| key != "description"));
            Json::Object(fields)
        }
        (_, schema) => schema,
    }
}

/// The schema of a mapping.
pub fn object_schema(
    version: Version,
    description: &str,
    properties: Vec<(&str, Json)>,
    required: &[&str],
) -> Json {
    let mut schema = described(Json::object([("type", Json::text("object"))]), description);
    schema = schema.with("properties", Json::object(properties));
    if !required.is_empty() {
        schema = schema.with("required", Json::texts(required.iter().copied()));
    }
    schema.with("additionalProperties", Json::Bool(version == Version::V1alpha1))
}
