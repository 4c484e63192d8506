//! Whether a component is a frontend of this contract, judged by the names of its imports and exports before anything
//! of it runs: a wrong world is said in the contract's words and not in the linker's. Knows nothing of types.

use wasmtime::Engine;
use wasmtime::component::Component;
use wasmtime::component::types::ComponentItem;

use crate::error::FrontendError;

/// Version of the contract in `wit/lapstrake.wit`.
pub(crate) const CONTRACT: &str = "0.1.0";

/// The versions whose frontends this host can call.
const SPEAKS: &str = "0.1.x";

const PACKAGE: &str = "lapstrake:frontend/";

/// The interface that a frontend exports.
pub(crate) const FRONTEND: &str = "lapstrake:frontend/frontend@0.1.0";

/// Functions that every frontend has. What later versions add is looked up when it is called.
const EXPORTS: &[&str] = &[
    "describe",
    "build",
    "lint",
    "get-outline",
    "list-targets",
    "call",
    "completions",
    "get-hover",
    "rewrite-sources",
    "rewrite-images",
    "rewrite-result",
];

/// All that a frontend can import. The other interfaces hold types only.
const HOST: &[&str] = &[
    "resolve-image-configs",
    "solve",
    "build-file",
    "progress",
    "log",
    "warn",
    "reference",
    "[method]reference.read-file",
    "[method]reference.read-text",
    "[method]reference.read-dir",
    "[method]reference.stat",
];

/// Interfaces of the package that can be imported.
const INTERFACES: &[&str] = &["llb", "diagnostics", "requests", "host"];

/// Checks the imports and exports of a component, and returns the version of the contract that it was made for.
pub(crate) fn check(engine: &Engine, component: &Component, frontend: &str) -> Result<String, FrontendError> {
    let component = component.component_type();
    let mut versions: Vec<Version> = Vec::new();
    let mut wasi = Vec::new();
    let mut unknown = Vec::new();
    let mut lacking = Vec::new();

    for (name, item) in component.imports(engine) {
        match Interface::parse(name) {
            Some(interface) => {
                let known = INTERFACES.contains(&interface.name);
                if !known {
                    lacking.push(interface.name.to_owned());
                } else if let ComponentItem::ComponentInstance(instance) = &item.ty {
                    lacking.extend(
                        instance
                            .exports(engine)
                            .filter(|(_, item)| !matches!(item.ty, ComponentItem::Type(_)))
                            .filter(|(function, _)| interface.name != "host" || !HOST.contains(function))
                            .map(|(function, _)| format!("{}.{function}", interface.name)),
                    );
                }
                versions.push(interface.version);
            }
            None if name.starts_with("wasi:") => wasi.push(name.to_owned()),
            None => unknown.push(name.to_owned()),
        }
    }

    let mut missing = Vec::new();
    let exports = component
        .exports(engine)
        .filter_map(|(name, item)| Some((Interface::parse(name)?, item)));
    // One may speak several versions; the one that this host speaks counts.
    let export = exports
        .filter(|(interface, _)| interface.name == "frontend")
        .max_by_key(|(interface, _)| (interface.version.is_spoken(), interface.version.numbers));
    match export {
        Some((interface, item)) => {
            versions.push(interface.version);
            if let ComponentItem::ComponentInstance(instance) = item.ty {
                missing.extend(
                    EXPORTS
                        .iter()
                        .filter(|name| instance.get_export(engine, name).is_none()),
                );
            }
        }
        None => missing.push(FRONTEND),
    }

    let frontend = frontend.to_owned();
    if let Some(other) = versions.iter().find(|version| !version.is_spoken()) {
        let (found, speaks) = (other.text.clone(), SPEAKS);
        return Err(if other.numbers > Version::parse(CONTRACT).numbers {
            let [major, minor, _] = other.numbers;
            let needs = format!("{major}.{minor}");
            FrontendError::NeedsLater {
                frontend,
                found,
                needs,
                speaks,
            }
        } else {
            FrontendError::OtherVersion {
                frontend,
                found,
                speaks,
            }
        });
    }
    let version = versions.into_iter().max_by_key(|version| version.numbers);
    let version = version.map_or_else(|| CONTRACT.to_owned(), |version| version.text);
    if !unknown.is_empty() || !missing.is_empty() {
        let missing = missing.into_iter().map(str::to_owned).collect();
        unknown.append(&mut wasi);
        return Err(FrontendError::OtherWorld {
            frontend,
            missing,
            unknown,
        });
    }
    if !wasi.is_empty() {
        return Err(FrontendError::NeedsWasi {
            frontend,
            imports: wasi,
        });
    }
    if !lacking.is_empty() {
        return Err(FrontendError::NeedsNewer {
            frontend,
            found: version,
            has: CONTRACT,
            missing: lacking,
        });
    }
    Ok(version)
}

/// An interface of the contract's package, of whatever version.
struct Interface<'a> {
    name: &'a str,
    version: Version,
}

impl<'a> Interface<'a> {
    fn parse(name: &'a str) -> Option<Self> {
        let (name, version) = name.strip_prefix(PACKAGE)?.split_once('@').unzip();
        let name = name?;
        Some(Self {
            name,
            version: Version::parse(version.unwrap_or_default()),
        })
    }
}

struct Version {
    text: String,
    numbers: [u32; 3],
}

impl Version {
    /// A version that is none becomes 0.0.0, which nobody speaks.
    fn parse(text: &str) -> Self {
        let mut numbers = [0; 3];
        let release = text.split(['-', '+']).next().unwrap_or_default();
        for (number, part) in numbers.iter_mut().zip(release.split('.')) {
            *number = part.parse().unwrap_or_default();
        }
        Self {
            text: text.to_owned(),
            numbers,
        }
    }

    fn is_spoken(&self) -> bool {
        self.numbers[..2] == [0, 1]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lists here are the contract's.
    #[test]
    fn knows_the_contract() {
        let wit = include_str!("../../../wit/lapstrake.wit");
        assert!(
            wit.starts_with(&format!("package lapstrake:frontend@{CONTRACT};")),
            "version"
        );
        assert!(FRONTEND.ends_with(CONTRACT));
        let functions = |interface: &str| -> Vec<String> {
            let start = wit.find(&format!("\ninterface {interface} {{")).unwrap();
            let body = &wit[start..start + wit[start..].find("\n}").unwrap()];
            let lines = body.lines().filter(|line| line.contains(": func("));
            let methods = |line: &str| {
                if line.starts_with("    ") {
                    "[method]reference."
                } else {
                    ""
                }
            };
            lines
                .map(|line| format!("{}{}", methods(line), line.trim().split(':').next().unwrap()))
                .collect()
        };
        assert_eq!(functions("frontend"), EXPORTS);
        let mut host = functions("host");
        host.push("reference".to_owned());
        host.sort();
        let mut known = HOST.to_vec();
        known.sort_unstable();
        assert_eq!(host, known);
    }

    /// Guests that are out there were made of it. Within 0.1.x functions and interfaces may be added; anything else
    /// needs a new minor version beside this one. A change that is meant goes into the copy, too.
    #[test]
    fn the_contract_is_as_recorded() {
        let now = include_str!("../../../wit/lapstrake.wit");
        let recorded = include_str!("../../../tests/wit/lapstrake-0.1.0.wit");
        let difference = now.lines().zip(recorded.lines()).position(|(a, b)| a != b);
        assert_eq!(
            now,
            recorded,
            "first in line {:?}",
            difference.map(|line| line + 1)
        );
    }

    #[test]
    fn reads_versions() {
        let spoken = |text| Version::parse(text).is_spoken();
        assert!(spoken("0.1.0") && spoken("0.1.17") && spoken("0.1.0-rc.1"));
        assert!(!spoken("0.2.0") && !spoken("1.1.0") && !spoken("") && !spoken("x"));
        assert!(Interface::parse("wasi:io/poll@0.2.0").is_none());
        assert_eq!(
            Interface::parse("lapstrake:frontend/host@0.1.3").unwrap().name,
            "host"
        );
    }
}
