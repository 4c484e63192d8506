//! Writes a graph as a `pb.Definition`: ops, metadata, source locations.
//! Knows nothing of the inside of an op.

use std::collections::BTreeMap;

use prost::Message as _;

use super::message as pb;
use super::{ABSENT, CUSTOM_NAME, encode_op};
use crate::{Definition, Digest, Edge, Metadata, Position, Vertex};

/// Marshals every op. Returns digests and bytes.
pub(super) fn ops(definition: &Definition) -> Vec<(Digest, Vec<u8>)> {
    let mut done: Vec<(Digest, Vec<u8>)> = Vec::with_capacity(definition.vertices.len());
    // Each digest is named by every vertex above it: write its text once.
    let mut names: Vec<String> = Vec::with_capacity(definition.vertices.len());
    for vertex in &definition.vertices {
        let bytes = bytes(op(vertex, &names));
        let digest = Digest::of(&bytes);
        names.push(digest.to_string());
        done.push((digest, bytes));
    }
    done
}

pub(super) fn op(vertex: &Vertex, names: &[String]) -> pb::Op {
    let (inputs, kind) = encode_op::op(&vertex.op);
    pb::Op {
        inputs: inputs.into_iter().map(|edge| input(edge, names)).collect(),
        op: Some(kind),
        platform: vertex.platform.as_ref().map(|platform| pb::Platform {
            architecture: platform.architecture.clone(),
            os: platform.os.clone(),
            variant: platform.variant.clone().unwrap_or_default(),
            os_version: platform.os_version.clone().unwrap_or_default(),
            os_features: platform.os_features.clone(),
        }),
        // BuildKit's client writes the message even where it is empty.
        constraints: Some(pb::WorkerConstraints {
            filter: vertex.constraints.clone(),
        }),
    }
}

/// Marshals an op as Go's protobuf library does: what is one of several at the end, the rest in the order of numbers.
pub(super) fn bytes(op: pb::Op) -> Vec<u8> {
    let kind = pb::Op {
        op: op.op,
        ..pb::Op::default()
    };
    let mut bytes = pb::Op { op: None, ..op }.encode_to_vec();
    bytes.reserve(kind.encoded_len());
    // A Vec grows as needed, so there is always room.
    let _ = kind.encode(&mut bytes);
    bytes
}

fn input(edge: Edge, names: &[String]) -> pb::Input {
    pb::Input {
        digest: names.get(edge.vertex as usize).cloned().unwrap_or_default(),
        index: edge.output.into(),
    }
}

pub(super) fn definition(definition: &Definition, roots: &[Edge]) -> Vec<u8> {
    let ops = ops(definition);
    let names: Vec<String> = ops.iter().map(|(digest, _)| digest.to_string()).collect();
    let mut metadata: BTreeMap<&str, Metadata> = BTreeMap::new();
    let mut locations: BTreeMap<&str, pb::Locations> = BTreeMap::new();
    let mut message = pb::Definition::default();
    for ((vertex, name), (_, bytes)) in definition.vertices.iter().zip(&names).zip(ops) {
        match metadata.get_mut(name.as_str()) {
            Some(first) => merge(first, &vertex.metadata),
            None => {
                metadata.insert(name, vertex.metadata.clone());
                message.def.push(bytes);
            }
        }
        if !vertex.metadata.ranges.is_empty() {
            let entry = locations.entry(name).or_default();
            entry.locations.extend(self::locations(&vertex.metadata));
        }
    }
    let last = pb::Op {
        inputs: roots.iter().map(|root| input(*root, &names)).collect(),
        ..pb::Op::default()
    };
    message.def.push(bytes(last));
    message.metadata = metadata
        .into_iter()
        .map(|(key, value)| pb::MetadataEntry {
            key: Some(key.to_owned()),
            value: Some(op_metadata(value)),
        })
        .collect();
    message.source = Some(pb::Source {
        locations: locations
            .into_iter()
            .map(|(key, value)| pb::LocationsEntry {
                key: Some(key.to_owned()),
                value: Some(value),
            })
            .collect(),
        infos: definition
            .sources
            .iter()
            .map(|file| pb::SourceInfo {
                filename: file.name.clone(),
                data: file.text.clone().into_bytes(),
                language: file.language.clone(),
            })
            .collect(),
    });
    message.encode_to_vec()
}

/// Joins what is said of two vertices with equal ops, as BuildKit does: the later one wins.
fn merge(first: &mut Metadata, second: &Metadata) {
    first.ignore_cache |= second.ignore_cache;
    first.description.extend(second.description.clone());
    if !second.name.is_empty() {
        first.name.clone_from(&second.name);
    }
    if second.export_cache.is_some() {
        first.export_cache = second.export_cache;
    }
    if second.progress_group.is_some() {
        first.progress_group.clone_from(&second.progress_group);
    }
}

fn op_metadata(metadata: Metadata) -> pb::OpMetadata {
    let mut description = metadata.description;
    if !metadata.name.is_empty() {
        description.insert(CUSTOM_NAME.to_owned(), metadata.name);
    }
    pb::OpMetadata {
        ignore_cache: metadata.ignore_cache,
        description: entries(description),
        export_cache: metadata.export_cache.map(|value| pb::ExportCache { value }),
        progress_group: metadata.progress_group.map(|group| pb::ProgressGroup {
            id: group.id,
            name: group.name,
            weak: group.weak,
        }),
    }
}

pub(super) fn entries(map: BTreeMap<String, String>) -> Vec<pb::TextEntry> {
    map.into_iter()
        .map(|(key, value)| pb::TextEntry {
            key: Some(key),
            value: Some(value),
        })
        .collect()
}

/// Groups neighbouring ranges of one file.
fn locations(metadata: &Metadata) -> Vec<pb::Location> {
    let ranges = metadata.ranges.chunk_by(|a, b| a.file == b.file);
    ranges
        .map(|group| pb::Location {
            source_index: i32::try_from(group[0].file).unwrap_or(ABSENT as i32),
            ranges: group
                .iter()
                .map(|range| pb::Range {
                    start: Some(position(range.start)),
                    end: Some(position(range.stop)),
                })
                .collect(),
        })
        .collect()
}

/// BuildKit counts characters of a line from 0.
fn position(position: Position) -> pb::Position {
    pb::Position {
        line: i32::try_from(position.line).unwrap_or(i32::MAX),
        character: i32::try_from(position.column.saturating_sub(1)).unwrap_or(i32::MAX),
    }
}
