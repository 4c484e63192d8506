//! What a command gets for its devices, with the nodes looked up on this machine.
//! Knows nothing of specifications' files.

use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::spec::{self, Node};
use super::{CdiError, Found};

/// What a command gets for its devices.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeviceEdits {
    /// Variables.
    pub env: Vec<(String, String)>,
    /// Nodes.
    pub nodes: Vec<DeviceNode>,
    /// Files and directories of the machine: where they are, where they go, whether they are read-only.
    pub mounts: Vec<(PathBuf, String, bool)>,
    /// Groups of the command beside its user's.
    pub groups: Vec<u32>,
    /// Programs that are to be run around the container, which nothing here does.
    pub hooks: Vec<PathBuf>,
}

/// A device node that a command gets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceNode {
    /// Absolute path in the container.
    pub path: String,
    /// The node on this machine.
    pub host_path: PathBuf,
    /// Whether it is a block device, else a character device.
    pub block: bool,
    /// Major number.
    pub major: u32,
    /// Minor number.
    pub minor: u32,
    /// Permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Whether it may be read.
    pub read: bool,
    /// Whether it may be written to.
    pub write: bool,
}

impl DeviceEdits {
    /// Adds up what devices want, in their order.
    ///
    /// # Errors
    /// A node is not on this machine.
    pub fn of(devices: &[Found]) -> Result<Self, CdiError> {
        let mut all = Self::default();
        for device in devices {
            for edits in &device.edits {
                all.add(&device.name, edits)?;
            }
        }
        Ok(all)
    }

    fn add(&mut self, device: &str, edits: &spec::Edits) -> Result<(), CdiError> {
        let pairs = edits.env.iter().filter_map(|text| text.split_once('='));
        self.env
            .extend(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())));
        for node in &edits.device_nodes {
            let resolved = resolve(node).map_err(|source| CdiError::Node {
                device: device.to_owned(),
                path: node.host_path.clone().unwrap_or_else(|| node.path.clone()),
                source,
            })?;
            // What holds for all devices of a file is there once.
            if !self.nodes.iter().any(|other| other.path == resolved.path) {
                self.nodes.push(resolved);
            }
        }
        for mount in &edits.mounts {
            if !self.mounts.iter().any(|(_, to, _)| *to == mount.container_path) {
                let read_only = mount.options.iter().any(|option| option == "ro");
                self.mounts
                    .push((mount.host_path.clone(), mount.container_path.clone(), read_only));
            }
        }
        for group in edits.additional_gids.iter().filter(|group| **group != 0) {
            if !self.groups.contains(group) {
                self.groups.push(*group);
            }
        }
        self.hooks
            .extend(edits.hooks.iter().map(|hook| hook.path.clone()));
        Ok(())
    }
}

/// Fills in, from the node on this machine, what a specification leaves open.
fn resolve(node: &Node) -> io::Result<DeviceNode> {
    let invalid = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    let host_path = node.host_path.clone().unwrap_or_else(|| node.path.clone());
    let there = std::fs::metadata(&host_path);
    let stated = match (node.kind.as_deref(), node.major) {
        (Some("b"), Some(major)) => Some((true, major, node.minor.unwrap_or(0))),
        (Some("c" | "u"), Some(major)) => Some((false, major, node.minor.unwrap_or(0))),
        _ => None,
    };
    let (block, major, minor) = match (stated, &there) {
        (Some(stated), _) => stated,
        (None, Ok(found)) if found.file_type().is_block_device() || found.file_type().is_char_device() => (
            found.file_type().is_block_device(),
            rustix::fs::major(found.rdev()),
            rustix::fs::minor(found.rdev()),
        ),
        (None, Ok(_)) => return Err(invalid("it is no device")),
        (None, Err(error)) => return Err(io::Error::new(error.kind(), error.to_string())),
    };
    let may = |letter: char| {
        node.permissions
            .as_deref()
            .is_none_or(|text| text.contains(letter))
    };
    let owner = |stated: Option<u32>, found: fn(&std::fs::Metadata) -> u32| {
        stated.unwrap_or_else(|| there.as_ref().map_or(0, found))
    };
    Ok(DeviceNode {
        path: node
            .path
            .to_str()
            .filter(|path| path.starts_with('/'))
            .ok_or_else(|| invalid("its path is not absolute"))?
            .to_owned(),
        block,
        major,
        minor,
        mode: node
            .file_mode
            .unwrap_or_else(|| there.as_ref().map_or(0o666, |found| found.mode()))
            & 0o777,
        uid: owner(node.uid, MetadataExt::uid),
        gid: owner(node.gid, MetadataExt::gid),
        read: may('r'),
        write: may('w'),
        host_path,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(text: &str) -> io::Result<DeviceNode> {
        resolve(&serde_norway::from_str(text).unwrap())
    }

    #[test]
    fn a_node_is_what_the_machine_has_unless_it_is_stated() {
        let null = node("{path: /dev/mine, hostPath: /dev/null, permissions: r, uid: 7}").unwrap();
        assert_eq!((null.block, null.major, null.minor), (false, 1, 3));
        assert_eq!(
            (null.path.as_str(), null.uid, null.read, null.write),
            ("/dev/mine", 7, true, false)
        );
        let stated = node("{path: /dev/no-such, type: b, major: 8, minor: 1, fileMode: 416}").unwrap();
        assert_eq!(
            (stated.block, stated.major, stated.minor, stated.mode),
            (true, 8, 1, 0o640)
        );
        assert!(stated.read && stated.write);
        assert!(node("{path: /dev/no-such}").is_err());
        assert!(node("{path: /etc/passwd}").is_err());
        assert!(node("{path: x, hostPath: /dev/null}").is_err());
    }
}
