//! The graph as BuildKit's client writes it: the order of its ops.

use lapstrake_tests::{Place, base, layout};

use super::engine::digests::{INPUTS, fields, payload};

/// The digests of an op's inputs.
fn inputs(op: &[u8]) -> Vec<String> {
    let inputs = fields(op).into_iter().filter(|(number, _)| *number == INPUTS);
    let digest = |input: &[u8]| {
        let parts = fields(input);
        let digest = parts.iter().find(|(number, _)| *number == 1).unwrap();
        String::from_utf8(payload(digest.1).to_vec()).unwrap()
    };
    inputs.map(|(_, input)| digest(payload(input))).collect()
}

#[test]
fn ops_stand_in_the_order_in_which_buildkit_walks_them() {
    let place = Place::new();
    place.file("a", "a").file("b", "b").dockerfile(
        "FROM base AS tools\nRUN tools\nFROM base AS unused\nRUN unused\n\
         FROM base\nCOPY a b /\nRUN one\nCOPY --from=tools /t /t\n",
    );
    let context = base::context();
    let ran = place
        .run(["llb", "context", "--build-context", &context, "--format", "pb"])
        .ok();
    let ops: Vec<&[u8]> = fields(&ran.bytes)
        .into_iter()
        .filter(|(number, _)| *number == 1)
        .map(|(_, op)| payload(op))
        .collect();
    let digests: Vec<String> = ops.iter().map(|op| layout::digest(op)).collect();
    let place_of = |digest: &String| digests.iter().position(|other| other == digest).unwrap();
    let edges: Vec<Vec<usize>> = ops
        .iter()
        .map(|op| inputs(op).iter().map(place_of).collect())
        .collect();
    // The base image, the context, the copy, the command on it; then the other stage; then what takes from both, and the
    // op that names the result.
    assert_eq!(
        edges,
        [vec![], vec![], vec![0, 1], vec![2], vec![0], vec![3, 4], vec![5]]
    );
}
