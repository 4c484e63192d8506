//! The printed forms of a graph with everything in it.

use proptest::prelude::*;

use super::*;
use crate::testing;

#[test]
fn text_of_everything() {
    let (definition, roots) = testing::everything();
    insta::assert_snapshot!(text(&definition, &roots));
}

#[test]
fn dot_of_everything() {
    let (definition, roots) = testing::everything();
    insta::assert_snapshot!(dot(&definition, &roots));
}

#[test]
fn json_can_be_read_back() {
    let (definition, roots) = testing::everything();
    let value: serde_json::Value = serde_json::from_str(&json(&definition, &roots)).unwrap();
    let vertices: Vec<Vertex> = serde_json::from_value(value["vertices"].clone()).unwrap();
    assert_eq!(vertices, definition.vertices);
    assert_eq!(
        value["vertices"][6]["digest"],
        definition.digests()[6].to_string()
    );
    assert_eq!(
        serde_json::from_value::<Vec<Edge>>(value["roots"].clone()).unwrap(),
        roots
    );
    assert_eq!(
        serde_json::from_value::<Vec<SourceFile>>(value["sources"].clone()).unwrap(),
        definition.sources
    );
}

proptest! {
    #[test]
    fn different_graphs_print_differently((definition, roots) in testing::graph(), index in any::<prop::sample::Index>()) {
        let printed = text(&definition, &roots);
        let mut other = definition.clone();
        let vertex = index.get(&other.vertices).clone();
        let at = other.vertices.iter().position(|v| *v == vertex).unwrap();
        other.vertices[at].metadata.ignore_cache ^= true;
        prop_assert_ne!(&text(&other, &roots), &printed);
        prop_assert_eq!(text(&definition, &roots), printed);
    }
}
