//! Devices of the Container Device Interface: from names in a build to what a command gets for them.
//!
//! The specifications of devices are files of this machine that vendors' tools write (CDI 1.0, SPEC.md). Knows
//! nothing of containers and of who may have which device.

mod edits;
mod spec;

use std::path::{Path, PathBuf};

pub use self::edits::{DeviceEdits, DeviceNode};
use self::spec::{Device, Spec};

/// Directories where specifications are, as BuildKit has them. A later one wins.
pub const SPEC_DIRS: [&str; 3] = ["/etc/cdi", "/var/run/cdi", "/etc/buildkit/cdi"];

/// Annotation of devices that no build has to be allowed to use. BuildKit's.
const AUTO_ALLOW: &str = "org.mobyproject.buildkit.device.autoallow";

/// Why specifications cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CdiError {
    /// A file or directory cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file is not a specification.
    #[error("{} is not a CDI specification", path.display())]
    Parse {
        /// Which.
        path: PathBuf,
        /// Where and why.
        source: serde_norway::Error,
    },
    /// A device node is not there, and the specification does not say which device it is.
    #[error("the device {} of the CDI device {device:?} cannot be used", path.display())]
    Node {
        /// Name of the CDI device.
        device: String,
        /// The node on this machine.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// A device that was found.
#[derive(Debug)]
pub struct Found {
    /// Whole name, such as `vendor.com/class=name`.
    pub name: String,
    /// Whether every build may use it.
    pub auto_allowed: bool,
    edits: Vec<spec::Edits>,
}

/// All devices of this machine.
#[derive(Debug, Default)]
pub struct Registry {
    specs: Vec<Spec>,
    errors: Vec<CdiError>,
}

impl Registry {
    /// Reads all specifications in some directories. Directories need not exist; what cannot be read is kept for
    /// [`Registry::into_error`] and takes nothing from the others.
    pub fn read(dirs: &[PathBuf]) -> Self {
        let mut registry = Self::default();
        for dir in dirs {
            match files(dir) {
                Ok(files) => files.into_iter().for_each(|file| registry.add(file)),
                Err(error) => registry.errors.push(error),
            }
        }
        registry
    }

    fn add(&mut self, path: PathBuf) {
        match std::fs::read_to_string(&path) {
            // JSON is YAML.
            Ok(text) => match serde_norway::from_str(&text) {
                Ok(spec) => self.specs.push(spec),
                Err(source) => self.errors.push(CdiError::Parse { path, source }),
            },
            Err(source) => self.errors.push(CdiError::Read { path, source }),
        }
    }

    /// The first thing that could not be read: where a device that is not found may be. None: all was read.
    pub fn into_error(self) -> Option<CdiError> {
        self.errors.into_iter().next()
    }

    /// Finds what a name means: `vendor.com/class=name`, `vendor.com/class=*` for all of a class, and
    /// `vendor.com/class` for its first one. Nothing: there is no such device.
    pub fn find(&self, name: &str) -> Vec<Found> {
        let (kind, wanted) = match name.split_once('=') {
            Some((kind, "*")) => (kind, None),
            Some((kind, device)) => (kind, Some(device)),
            None => (name, None),
        };
        // A specification that is read later wins.
        let all = self.specs.iter().rev().filter(|spec| spec.kind == kind);
        let mut found: Vec<(&Spec, &Device)> = Vec::new();
        for (spec, device) in all.flat_map(|spec| spec.devices.iter().map(move |device| (spec, device))) {
            let known = found.iter().any(|(_, other)| other.name == device.name);
            if !known && wanted.is_none_or(|wanted| wanted == device.name) {
                found.push((spec, device));
            }
        }
        found.sort_by(|a, b| a.1.name.cmp(&b.1.name));
        if !name.contains('=') {
            found.truncate(1);
        }
        found
            .into_iter()
            .map(|(spec, device)| Found {
                name: format!("{}={}", spec.kind, device.name),
                auto_allowed: [&device.annotations, &spec.annotations]
                    .iter()
                    .any(|annotations| annotations.get(AUTO_ALLOW).is_some_and(|value| value == "true")),
                edits: vec![spec.container_edits.clone(), device.container_edits.clone()],
            })
            .collect()
    }
}

/// The specifications' files in a directory, sorted. None where there is no directory.
fn files(dir: &Path) -> Result<Vec<PathBuf>, CdiError> {
    let failed = |source| CdiError::Read {
        path: dir.to_owned(),
        source,
    };
    let entries = match std::fs::read_dir(dir) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(failed)?,
    };
    let mut files = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(failed)?;
    files.retain(|file| {
        let ending = file.extension().and_then(|e| e.to_str());
        matches!(ending, Some("json" | "yaml" | "yml"))
    });
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registry(files: &[(&str, &str)]) -> Registry {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(directory.path().join(name), text).unwrap();
        }
        Registry::read(&[directory.path().to_owned(), "/nowhere".into()])
    }

    fn names(found: &[Found]) -> Vec<&str> {
        found.iter().map(|found| found.name.as_str()).collect()
    }

    #[test]
    fn names_mean_one_or_many() {
        let registry = registry(&[
            (
                "a.yaml",
                "cdiVersion: 0.6.0\nkind: v.com/gpu\ndevices:\n- name: b\n  containerEdits: {}\n- name: a\n  \
                 annotations:\n    org.mobyproject.buildkit.device.autoallow: \"true\"\n  containerEdits:\n    env: [X=1]\n",
            ),
            (
                "b.json",
                r#"{"cdiVersion": "0.6.0", "kind": "v.com/nic", "devices": [{"name": "0", "containerEdits": {}}]}"#,
            ),
            ("c.txt", "nothing"),
        ]);
        assert_eq!(names(&registry.find("v.com/gpu=b")), ["v.com/gpu=b"]);
        assert_eq!(
            names(&registry.find("v.com/gpu=*")),
            ["v.com/gpu=a", "v.com/gpu=b"]
        );
        assert_eq!(names(&registry.find("v.com/gpu")), ["v.com/gpu=a"]);
        assert_eq!(names(&registry.find("v.com/nic=0")), ["v.com/nic=0"]);
        assert!(registry.find("v.com/gpu=c").is_empty() && registry.find("w.com/gpu").is_empty());
        let allowed = registry.find("v.com/gpu=*");
        assert_eq!((allowed[0].auto_allowed, allowed[1].auto_allowed), (true, false));
        let edits = DeviceEdits::of(&allowed).unwrap();
        assert_eq!(edits.env, [("X".to_owned(), "1".to_owned())]);
    }

    #[test]
    fn a_file_that_is_none_is_named_and_hides_no_other() {
        let good = r#"{"cdiVersion": "0.6.0", "kind": "v.com/nic", "devices": [{"name": "0", "containerEdits": {}}]}"#;
        let registry = registry(&[("bad.json", "{\"kind\": 3"), ("good.json", good)]);
        assert_eq!(names(&registry.find("v.com/nic")), ["v.com/nic=0"]);
        let error = registry.into_error().unwrap();
        assert!(matches!(&error, CdiError::Parse { path, .. } if path.ends_with("bad.json")));
    }
}
