//! Reads a `pb.Definition`: ops in the order in which they stand, metadata, source locations.
//! Knows nothing of the inside of an op.

use std::collections::{BTreeMap, HashMap};

use prost::Message as _;

use super::message as pb;
use super::{CUSTOM_NAME, decode_op};
use crate::{
    Definition, Digest, Edge, Metadata, PbError, Platform, Position, ProgressGroup, SourceFile, SourceRange,
    Vertex,
};

/// An op that was read: its place in the graph, and which of its outputs is which.
struct Known {
    vertex: u32,
    outputs: decode_op::Outputs,
}

pub(super) fn definition(bytes: &[u8]) -> Result<(Definition, Vec<Edge>), PbError> {
    let message = pb::Definition::decode(bytes).map_err(PbError::Definition)?;
    let mut metadata: HashMap<String, pb::OpMetadata> = message
        .metadata
        .into_iter()
        .filter_map(|entry| Some((entry.key?, entry.value?)))
        .collect();
    let source = message.source.unwrap_or_default();
    let sources = source
        .infos
        .into_iter()
        .map(source_file)
        .collect::<Result<Vec<_>, _>>()?;
    let mut locations: HashMap<String, pb::Locations> = source
        .locations
        .into_iter()
        .filter_map(|entry| Some((entry.key?, entry.value?)))
        .collect();

    let mut known: HashMap<String, Known> = HashMap::with_capacity(message.def.len());
    let mut definition = Definition {
        vertices: Vec::with_capacity(message.def.len()),
        sources,
    };
    let last = message.def.len().checked_sub(1).ok_or(PbError::NoRoots)?;
    for (index, bytes) in message.def.iter().enumerate() {
        let op = pb::Op::decode(bytes.as_slice()).map_err(|source| PbError::Op { index, source })?;
        let inputs = inputs(index, &op.inputs, &known)?;
        let Some(kind) = op.op else {
            if index != last {
                return Err(PbError::NoContent { index });
            }
            return Ok((definition, inputs));
        };
        let digest = Digest::of(bytes);
        let name = digest.to_string();
        if known.contains_key(&name) {
            continue;
        }
        let (op_kind, outputs) = decode_op::op(index, kind, &inputs)?;
        let vertex = definition.vertices.len() as u32;
        definition.vertices.push(Vertex {
            op: op_kind,
            platform: op.platform.map(platform),
            constraints: op.constraints.unwrap_or_default().filter,
            metadata: Metadata {
                ranges: ranges(digest, locations.remove(&name), definition.sources.len())?,
                ..self::metadata(metadata.remove(&name).unwrap_or_default())
            },
        });
        known.insert(name, Known { vertex, outputs });
    }
    Err(PbError::NoRoots)
}

fn inputs(index: usize, inputs: &[pb::Input], known: &HashMap<String, Known>) -> Result<Vec<Edge>, PbError> {
    inputs
        .iter()
        .map(|input| {
            let vertex = known.get(&input.digest).ok_or_else(|| PbError::UnknownInput {
                index,
                digest: input.digest.chars().take(200).collect(),
            })?;
            let output = vertex.outputs.get(&input.index).ok_or(PbError::BadIndex {
                index,
                field: "the output of an input",
                value: input.index,
            })?;
            Ok(Edge {
                vertex: vertex.vertex,
                output: *output,
            })
        })
        .collect()
}

fn source_file(info: pb::SourceInfo) -> Result<SourceFile, PbError> {
    let text = String::from_utf8(info.data).map_err(|source| PbError::NotUtf8 {
        name: info.filename.clone(),
        source,
    })?;
    Ok(SourceFile {
        name: info.filename,
        language: info.language,
        text,
    })
}

fn platform(platform: pb::Platform) -> Platform {
    Platform {
        os: platform.os,
        architecture: platform.architecture,
        variant: Some(platform.variant).filter(|text| !text.is_empty()),
        os_version: Some(platform.os_version).filter(|text| !text.is_empty()),
        os_features: platform.os_features,
    }
}

/// Turns the entries of a map into one. A missing key or value is empty.
pub(super) fn map(entries: Vec<pb::TextEntry>) -> BTreeMap<String, String> {
    let pair = |entry: pb::TextEntry| (entry.key.unwrap_or_default(), entry.value.unwrap_or_default());
    entries.into_iter().map(pair).collect()
}

fn metadata(metadata: pb::OpMetadata) -> Metadata {
    let mut description = map(metadata.description);
    Metadata {
        name: description.remove(CUSTOM_NAME).unwrap_or_default(),
        description,
        ranges: Vec::new(),
        ignore_cache: metadata.ignore_cache,
        export_cache: metadata.export_cache.map(|export| export.value),
        progress_group: metadata.progress_group.map(|group| ProgressGroup {
            id: group.id,
            name: group.name,
            weak: group.weak,
        }),
        resources: None,
    }
}

fn ranges(
    vertex: Digest,
    locations: Option<pb::Locations>,
    files: usize,
) -> Result<Vec<SourceRange>, PbError> {
    let mut ranges = Vec::new();
    for location in locations.unwrap_or_default().locations {
        let file = u32::try_from(location.source_index)
            .ok()
            .filter(|file| (*file as usize) < files)
            .ok_or(PbError::NoSuchSourceFile {
                vertex,
                index: location.source_index,
                count: files,
            })?;
        ranges.extend(location.ranges.into_iter().map(|range| {
            let start = position(range.start);
            // Other clients name the last line, and no column.
            SourceRange {
                file,
                start,
                stop: position(range.end).max(start),
            }
        }));
    }
    Ok(ranges)
}

fn position(position: Option<pb::Position>) -> Position {
    let position = position.unwrap_or_default();
    let number = |value: i32| u32::try_from(value).unwrap_or(0);
    Position {
        line: number(position.line).max(1),
        column: number(position.character).saturating_add(1),
    }
}
