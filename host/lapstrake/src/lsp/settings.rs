//! What the server is told once: by the command line, and by the editor's `initializationOptions`.
//! Knows nothing of documents.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::options::{self, CompileOptions};
use crate::trust::FrontendPolicy;

/// What all build files are asked about with.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What frontends are told; context and file are replaced by those of each document.
    pub compile: CompileOptions,
    /// Context of all documents; none: the workspace folder that a document is in, else its own folder.
    pub context: Option<PathBuf>,
}

/// The editor's wishes.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Wishes {
    context: Option<PathBuf>,
    frontend: Option<String>,
    frontend_policy: Option<String>,
    target: Option<String>,
    build_args: BTreeMap<String, String>,
    build_contexts: BTreeMap<String, String>,
    online: Option<bool>,
}

impl Settings {
    /// Takes the editor's wishes in; paths are relative to the first workspace folder. A frontend policy can only become
    /// stricter: a workspace does not decide what is trusted.
    ///
    /// # Errors
    /// A wish without meaning, as people read it; nothing is taken in then.
    pub fn wish(&mut self, wishes: serde_json::Value, root: Option<&Path>) -> Result<(), String> {
        if wishes.is_null() {
            return Ok(());
        }
        if !wishes.is_object() {
            return Err("the settings are no object".to_owned());
        }
        let wishes: Wishes = serde_json::from_value(wishes).map_err(|error| error.to_string())?;
        let absolute = |path: PathBuf| root.map_or_else(|| path.clone(), |root| root.join(&path));
        let mut compile = self.compile.clone();
        if let Some(text) = wishes.frontend_policy {
            let wanted: FrontendPolicy = text.parse()?;
            compile.frontend_policy = Some(match compile.frontend_policy {
                Some(given) => stricter(given, wanted),
                None => wanted,
            });
        }
        for (name, source) in wishes.build_contexts {
            let context = options::named_context(&format!("{name}={source}"));
            let (name, source) = context.map_err(|error| error.to_string())?;
            let source = match source {
                options::NamedSource::Directory(path) => options::NamedSource::Directory(absolute(path)),
                other => other,
            };
            compile.named_contexts.retain(|(known, _)| *known != name);
            compile.named_contexts.push((name, source));
        }
        for (name, value) in wishes.build_args {
            compile.build_args.retain(|(known, _)| *known != name);
            compile.build_args.push((name, value));
        }
        compile.frontend = wishes.frontend.or(compile.frontend);
        compile.target = wishes.target.or(compile.target);
        if let Some(online) = wishes.online {
            compile.offline = !online;
        }
        self.compile = compile;
        self.context = wishes.context.map(absolute).or(self.context.take());
        Ok(())
    }
}

fn stricter(a: FrontendPolicy, b: FrontendPolicy) -> FrontendPolicy {
    use FrontendPolicy::{Any, Embedded, Locked};
    match (a, b) {
        (Embedded, _) | (_, Embedded) => Embedded,
        (Locked, _) | (_, Locked) => Locked,
        (Any, Any) => Any,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::{BuildFile, Context, FrontendLimits, LockUse};
    use serde_json::json;

    fn settings() -> Settings {
        Settings {
            compile: CompileOptions {
                context: Context::Empty,
                file: BuildFile::Default,
                target: None,
                build_args: vec![("A".to_owned(), "1".to_owned())],
                named_contexts: Vec::new(),
                labels: Vec::new(),
                platforms: Vec::new(),
                frontend_options: Vec::new(),
                offline: true,
                frontend: None,
                lock: LockUse::Pins,
                frontend_policy: Some(FrontendPolicy::Locked),
                limits: FrontendLimits::default(),
            },
            context: None,
        }
    }

    #[test]
    fn wishes_are_taken_in() {
        let mut settings = settings();
        let wishes = json!({
            "context": "sub", "target": "t", "buildArgs": {"A": "2"}, "online": true,
            "frontendPolicy": "any", "buildContexts": {"x": "dir"},
        });
        settings.wish(wishes, Some(Path::new("/w"))).unwrap();
        assert_eq!(settings.context.as_deref(), Some(Path::new("/w/sub")));
        let compile = settings.compile;
        assert_eq!(compile.build_args, [("A".to_owned(), "2".to_owned())]);
        let directory = options::NamedSource::Directory("/w/dir".into());
        assert_eq!(compile.named_contexts, [("x".to_owned(), directory)]);
        assert!(!compile.offline);
        // Not looser than the command line.
        assert_eq!(compile.frontend_policy, Some(FrontendPolicy::Locked));
    }

    #[test]
    fn a_wish_without_meaning_changes_nothing() {
        let mut settings = settings();
        for bad in [
            json!({"target": "t", "frontendPolicy": "none"}),
            json!({"contxt": "."}),
            json!("any"),
        ] {
            assert!(settings.wish(bad, None).is_err());
        }
        assert_eq!(settings.compile.target, None);
        settings.wish(serde_json::Value::Null, None).unwrap();
        let embedded = json!({"frontendPolicy": "embedded"});
        settings.wish(embedded, None).unwrap();
        assert_eq!(settings.compile.frontend_policy, Some(FrontendPolicy::Embedded));
    }
}
