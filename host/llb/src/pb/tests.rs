//! Round trips, and bytes compared with what is known of BuildKit's.

use proptest::prelude::*;
use prost::Message as _;

use super::*;
use crate::testing::{self, edge, image, linux, run, vertex};
use crate::*;

fn op_bytes(definition: &Definition, index: usize) -> Vec<u8> {
    encode::ops(definition).swap_remove(index).1
}

#[test]
fn the_bytes_of_an_image_are_as_the_format_says() {
    let mut base = vertex(image("docker.io/library/alpine:latest"));
    base.platform = Some(linux());
    let definition = Definition {
        vertices: vec![base],
        sources: Vec::new(),
    };
    let mut expected = vec![0x52, 14, 0x0a, 5];
    expected.extend(b"amd64");
    expected.extend([0x12, 5]);
    expected.extend(b"linux");
    // Worker constraints are there though they are empty, and the op itself is last.
    expected.extend([0x5a, 0, 0x1a, 48, 0x0a, 46]);
    expected.extend(b"docker-image://docker.io/library/alpine:latest");
    assert_eq!(op_bytes(&definition, 0), expected);
    assert_eq!(definition.digests(), [Digest::of(&expected)]);
}

#[test]
fn maps_keep_empty_values_and_order() {
    let (definition, _) = testing::everything();
    let bytes = op_bytes(&definition, 9);
    // builder -1, then the entry whose value is an empty message, then the file name.
    let tail = &bytes[bytes.len() - 78..];
    assert_eq!(&tail[..2], [0x2a, 76]);
    assert_eq!(
        &tail[2..13],
        [0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]
    );
    assert_eq!(&tail[13..17], [0x12, 27, 0x0a, 23]);
    assert_eq!(&tail[17..40], DEFINITION_INPUT.as_bytes());
    assert_eq!(&tail[40..42], [0x12, 0]);
    assert_eq!(&tail[42..46], [0x22, 34, 0x0a, 17]);
}

#[test]
fn there_and_back() {
    let (definition, roots) = testing::everything();
    let bytes = definition.to_pb(&roots);
    assert_eq!(Definition::from_pb(&bytes).unwrap(), (definition, roots));
}

#[test]
fn equal_vertices_become_one() {
    let mut definition = Definition {
        vertices: vec![
            vertex(image("a")),
            vertex(image("a")),
            vertex(run("x", edge(1, 0))),
        ],
        sources: Vec::new(),
    };
    definition.vertices[1].metadata.name = "second".into();
    definition.vertices[1].metadata.ignore_cache = true;
    let digests = definition.digests();
    assert_eq!(digests[0], digests[1]);
    let (read, roots) = Definition::from_pb(&definition.to_pb(&[edge(1, 0), edge(2, 0)])).unwrap();
    assert_eq!(read.vertices.len(), 2);
    assert_eq!(read.vertices[0].metadata, definition.vertices[1].metadata);
    assert_eq!(roots, [edge(0, 0), edge(1, 0)]);
}

#[test]
fn what_the_digest_covers() {
    let (definition, _) = testing::everything();
    let digests = definition.digests();
    let mut other = definition.clone();
    for vertex in &mut other.vertices {
        vertex.metadata = Metadata::default();
    }
    assert_eq!(other.digests(), digests);
    let mut other = definition.clone();
    other.vertices[0].platform = None;
    let changed: Vec<bool> = other
        .digests()
        .iter()
        .zip(&digests)
        .map(|(a, b)| a != b)
        .collect();
    // The base, and all that is made of it: file, exec, merge, diff, build.
    assert_eq!(
        changed,
        [true, false, false, false, false, true, true, true, true, true]
    );
}

#[test]
fn outputs_in_another_order_are_renumbered() {
    let (definition, _) = testing::everything();
    let mut exec = message::Op::decode(op_bytes(&definition, 6).as_slice()).unwrap();
    let Some(message::OpKind::Exec(kind)) = &mut exec.op else {
        panic!("no exec")
    };
    kind.mounts[0].output = 4;
    exec.inputs.clear();
    for mount in &mut kind.mounts {
        mount.input = -1;
    }
    let exec = exec.encode_to_vec();
    let name = Digest::of(&exec).to_string();
    let input = |index| message::Input {
        digest: name.clone(),
        index,
    };
    let last = message::Op {
        inputs: vec![input(4), input(1)],
        ..message::Op::default()
    };
    let pb = message::Definition {
        def: vec![exec, last.encode_to_vec()],
        ..message::Definition::default()
    };
    let (_, roots) = Definition::from_pb(&pb.encode_to_vec()).unwrap();
    assert_eq!(roots, [edge(0, 0), edge(0, 1)]);
}

fn read(ops: Vec<message::Op>) -> Result<(Definition, Vec<Edge>), PbError> {
    let def = ops.into_iter().map(|op| op.encode_to_vec()).collect();
    Definition::from_pb(
        &message::Definition {
            def,
            ..message::Definition::default()
        }
        .encode_to_vec(),
    )
}

fn source(identifier: &str, attrs: &[(&str, &str)]) -> message::Op {
    let attrs = attrs
        .iter()
        .map(|(key, value)| message::TextEntry {
            key: Some((*key).into()),
            value: Some((*value).into()),
        })
        .collect();
    let source = message::SourceOp {
        identifier: identifier.into(),
        attrs,
    };
    message::Op {
        op: Some(message::OpKind::Source(source)),
        ..message::Op::default()
    }
}

#[test]
fn foreign_sources() {
    let one = |identifier: &str, attrs: &[(&str, &str)]| {
        read(vec![source(identifier, attrs), message::Op::default()])
            .map(|(read, _)| read.vertices[0].op.clone())
    };
    assert_eq!(
        one(
            "local://context",
            &[("local.session", "x"), ("local.unique", "y")]
        )
        .unwrap(),
        testing::local("context")
    );
    let Ok(Op::Source(SourceOp::Git(git))) = one("git://git@github.com:a/b.git#v1:d/e", &[]) else {
        panic!("no git")
    };
    assert_eq!(
        (git.remote.as_str(), git.git_ref.as_str()),
        ("git@github.com:a/b.git", "v1")
    );
    assert_eq!(git.subdir, "d/e");
    assert!(!git.skip_submodules);
    let attrs = [("git.skipsubmodules", "true")];
    let Ok(Op::Source(SourceOp::Git(git))) = one("git://github.com/a/b", &attrs) else {
        panic!("no git")
    };
    assert_eq!(git.remote, "https://github.com/a/b");
    assert!(git.skip_submodules);
    for (identifier, attrs, expected) in [
        (
            "ftp://x",
            &[][..],
            "op 0: the source \"ftp://x\" is not supported",
        ),
        ("nothing", &[], "op 0: the source \"nothing\" is not supported"),
        (
            "local://x",
            &[("local.new", "1")],
            "op 0: the source attribute \"local.new\" is not supported",
        ),
        (
            "local://x",
            &[("local.followpaths", "[1]")],
            "op 0: local.followpaths \"[1]\" is not understood",
        ),
        (
            "docker-image://x",
            &[("image.layerlimit", "-1")],
            "op 0: image.layerlimit \"-1\" is not understood",
        ),
        (
            "docker-image://x",
            &[("image.resolvemode", "x")],
            "op 0: image.resolvemode \"x\" is not understood",
        ),
        (
            "git://x",
            &[("git.skipsubmodules", "yes")],
            "op 0: git.skipsubmodules \"yes\" is not understood",
        ),
    ] {
        assert_eq!(one(identifier, attrs).unwrap_err().to_string(), expected);
    }
}

#[test]
fn git_identifiers() {
    let identifier = |remote: &str| {
        let git = GitSource {
            remote: remote.into(),
            git_ref: "v1".into(),
            ..GitSource::default()
        };
        attributes::write(&SourceOp::Git(git))
    };
    for (remote, expected, full) in [
        (
            "https://user:pw@example.com:8443/a/b.git",
            "git://example.com:8443/a/b.git#v1",
            None,
        ),
        ("git@example.com:a/b.git", "git://example.com/a/b.git#v1", None),
        (
            "ssh://git@example.com/a/b.git",
            "git://example.com/a/b.git#v1",
            None,
        ),
        (
            "example.com/a/b",
            "git://example.com/a/b#v1",
            Some("https://example.com/a/b"),
        ),
    ] {
        let (found, attrs) = identifier(remote);
        assert_eq!(found, expected);
        assert_eq!(attrs["git.fullurl"], full.unwrap_or(remote));
    }
}

#[test]
fn broken_definitions_are_errors() {
    let message = |result: Result<(Definition, Vec<Edge>), PbError>| result.unwrap_err().to_string();
    assert_eq!(
        message(Definition::from_pb(b"\xff")),
        "not a marshalled definition"
    );
    assert!(message(Definition::from_pb(b"")).starts_with("the definition is empty"));
    assert!(message(read(vec![source("local://x", &[])])).starts_with("the definition is empty"));
    assert!(
        message(read(vec![message::Op::default(), message::Op::default()]))
            .starts_with("op 0: has no content")
    );
    let unknown = message::Input {
        digest: "sha256:no".into(),
        index: 0,
    };
    let last = message::Op {
        inputs: vec![unknown],
        ..message::Op::default()
    };
    assert_eq!(
        message(read(vec![last])),
        "op 0: input \"sha256:no\" is no op before it"
    );
    let local = source("local://x", &[]);
    let digest = Digest::of(&local.encode_to_vec()).to_string();
    let last = message::Op {
        inputs: vec![message::Input { digest, index: 1 }],
        ..message::Op::default()
    };
    assert_eq!(
        message(read(vec![local, last])),
        "op 1: the output of an input is 1, which refers to nothing"
    );
    let merge = message::MergeOp {
        inputs: vec![message::IndexInput { input: 0 }],
    };
    let merge = message::Op {
        op: Some(message::OpKind::Merge(merge)),
        ..message::Op::default()
    };
    assert_eq!(
        message(read(vec![merge])),
        "op 0: a merge's input is 0, which refers to nothing"
    );
}

proptest! {
    #[test]
    fn any_graph_survives((definition, roots) in testing::graph()) {
        let bytes = definition.to_pb(&roots);
        let (read, read_roots) = Definition::from_pb(&bytes).unwrap();
        prop_assert_eq!(&read, &definition);
        prop_assert_eq!(&read_roots, &roots);
        prop_assert_eq!(read.to_pb(&read_roots), bytes.clone());
        // The digest of a vertex is that of its op's bytes as they stand in the definition.
        let pb = message::Definition::decode(bytes.as_slice()).unwrap();
        let expected: Vec<Digest> = pb.def[..pb.def.len() - 1].iter().map(|op| Digest::of(op)).collect();
        prop_assert_eq!(definition.digests(), expected);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Definition::from_pb(&bytes);
    }

    #[test]
    fn damaged_definitions_are_read_or_refused(
        (definition, roots) in testing::graph(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = definition.to_pb(&roots);
        for (index, byte) in damage {
            let at = index.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok((read, roots)) = Definition::from_pb(&bytes) {
            let _ = validate(&read, &roots, &Limits::default());
        }
    }
}
