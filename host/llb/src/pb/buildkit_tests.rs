//! Digests that BuildKit itself published, in the provenance attestations of two public images (built in March 2023 and
//! April 2025), with the ops that they are of. Local sources are named by their digest only, as theirs hold a session.

use prost::Message as _;

use super::*;
use crate::testing::{bind, copy, edge, image, linux, vertex};
use crate::*;

fn op(vertex: &Vertex, inputs: &[&str]) -> message::Op {
    let names: Vec<String> = inputs.iter().map(|input| format!("sha256:{input}")).collect();
    encode::op(vertex, &names)
}

/// As clients of today digest an op.
fn digest(vertex: &Vertex, inputs: &[&str]) -> String {
    Digest::of(&encode::bytes(op(vertex, inputs))).hex()
}

/// As clients of 2023 did: all fields in the order of their numbers.
fn old_digest(vertex: &Vertex, inputs: &[&str]) -> String {
    Digest::of(&op(vertex, inputs).encode_to_vec()).hex()
}

fn on_linux(op: Op) -> Vertex {
    Vertex {
        platform: Some(linux()),
        ..vertex(op)
    }
}

/// As the Dockerfile frontend copies one file.
fn copied(from: &str, to: &str, change: impl FnOnce(&mut CopyAction)) -> Op {
    let mut kind = copy(FileInput::Edge(edge(1, 0)), from, to);
    if let FileActionKind::Copy(copy) = &mut kind {
        copy.follow_symlink = true;
        copy.dir_contents_only = true;
        copy.create_dst_path = true;
        copy.allow_wildcard = true;
        copy.allow_empty_wildcard = true;
        change(copy);
    }
    let base = FileInput::Edge(edge(0, 0));
    Op::File(FileOp {
        actions: vec![FileAction {
            base,
            kind,
            output: true,
        }],
    })
}

// Of 2025.
const PYTHON: &str = "de26ac856cfa3a78d41f9afc56cbf99148b029f067c24adfc65a4635fc06f5fa";
const README: &str = "0dc4de8261b5f57fb8841320b739fcfab7aa37bad994059fa7e656b1a8613b25";

// Of 2023.
const STATIC: &str = "459a7ce65cf2cbf67af7b756e81f4baf06b3bbb597110df31c89a4c59165c1c5";
const UBUNTU: &str = "2c55385cff27f03725baa576f152fed01724374a0a78e865616b1f23b29009a4";
const CONTEXT: &str = "8824e9b3a491d8366e62a6c40cd2faf2a674dd75654d2c2011b2f4ebcae82696";
const ADDED: &str = "9c2983bee7ccc9a7a78e68023862d96441c6ad232f234d49167edfeb861e04cc";
const CHANGED: &str = "c0550c726d1950c5e93f6f808aff011ebbf177177b23e7810bb77ecb1806b3be";
const IMAGE: &str = "a4c7ff10faf34e69e519045fa9cec8677ae4fe7bf04a341d818568704c5f317a";
const ROOT: &str = "8762169e75acc64712d28ed2d2557b1b86e0d1ee408b3fed64cd201e2c74e383";

#[test]
fn sources() {
    let checksum = "fb93ca595ad82020cc52ff60604cddc1a6d393229ef5ecc8f6ac7c7fb52bacda";
    let python = on_linux(image(&format!(
        "docker.io/library/python:alpine3.14@sha256:{checksum}"
    )));
    assert_eq!(digest(&python, &[]), PYTHON);
    let of = |reference: &str| old_digest(&on_linux(image(reference)), &[]);
    let checksum = "3c5767883bc3ad6c4ad7caf97f313e482f500f2c214f78e452ac1ca932e1bf7f";
    assert_eq!(of(&format!("gcr.io/distroless/static@sha256:{checksum}")), STATIC);
    let checksum = "b2175cd4cfdd5cdb1740b0e6ec6bbb4ea4892801c0ad5101a81f694152b6c559";
    assert_eq!(of(&format!("docker.io/library/ubuntu@sha256:{checksum}")), UBUNTU);
}

#[test]
fn files() {
    let path = "/binary-linux-amd64/binary-linux-amd64";
    let added = on_linux(copied(path, "/app", |copy| copy.unpack_archive = true));
    assert_eq!(old_digest(&added, &[UBUNTU, CONTEXT]), ADDED);
    assert_eq!(
        old_digest(&on_linux(copied("/app", "/app", |_| {})), &[STATIC, CHANGED]),
        IMAGE
    );
    // Later clients leave the platform out where it does not matter.
    let readme = vertex(copied("/README.md", "/README.md", |_| {}));
    let context = "89e2f16e1b3612bab3c8c7f6a58b6e59b72b4453381874fed3c7827ef1b95894";
    assert_eq!(digest(&readme, &[PYTHON, context]), README);
}

#[test]
fn execs() {
    let path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    let exec = ExecOp {
        args: vec!["/bin/sh".into(), "-c".into(), "chmod 755 /app".into()],
        env: vec![("PATH".into(), path.into())],
        cwd: "/".into(),
        mounts: vec![bind("/", Some(edge(0, 0)), true)],
        ..ExecOp::default()
    };
    assert_eq!(old_digest(&on_linux(Op::Exec(exec)), &[ADDED]), CHANGED);
}

#[test]
fn the_last_op() {
    for (input, expected) in [
        (IMAGE, ROOT),
        (
            README,
            "d177efd10a9c6867868470b75a11251105d3a3ecc44b233623a35f31a6bb6aae",
        ),
    ] {
        let input = message::Input {
            digest: format!("sha256:{input}"),
            index: 0,
        };
        let last = message::Op {
            inputs: vec![input],
            ..message::Op::default()
        };
        assert_eq!(Digest::of(&last.encode_to_vec()).hex(), expected);
    }
}
