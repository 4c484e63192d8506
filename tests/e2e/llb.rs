//! `lapstrake llb`: the graph in its four forms, without running anything.

use lapstrake_tests::Place;

fn llb(place: &Place, more: &[&str]) -> lapstrake_tests::Ran {
    let context = lapstrake_tests::base::context();
    let mut arguments = vec!["llb", "context", "--build-context", &context];
    arguments.extend(more);
    place.run(arguments)
}

#[test]
fn the_four_forms() {
    let place = Place::new();
    place
        .dockerfile("# syntax=docker/dockerfile:1\nFROM base\nRUN false\nCOPY a /a\n")
        .file("a", "a");
    let text = llb(&place, &[]).ok().stdout;
    assert!(
        text.contains("/bin/sh -c false") || text.contains("\"false\""),
        "{text}"
    );
    let json = llb(&place, &["--format", "json"]).ok().stdout;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert!(json.is_object());
    let dot = llb(&place, &["--format", "dot"]).ok().stdout;
    assert!(dot.starts_with("digraph"), "{dot}");
    let pb = llb(&place, &["--format", "pb"]).ok().bytes;
    // Field 1 (def), wire type 2: the first marshalled op.
    assert_eq!(pb[0], 0x0a);
    let command = b"false";
    assert!(pb.windows(command.len()).any(|window| window == command));
}

#[test]
fn the_same_bytes_every_time() {
    let place = Place::new();
    place.dockerfile("FROM base\nENV A=1 B=2\nRUN echo $A\nLABEL x=y\n");
    for format in ["text", "json", "dot", "pb"] {
        let first = llb(&place, &["--format", format]).ok().bytes;
        assert_eq!(first, llb(&place, &["--format", format]).ok().bytes, "{format}");
    }
}
