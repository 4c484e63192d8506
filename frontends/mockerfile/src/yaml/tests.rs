//! Nodes and their places.

use super::*;
use crate::findings::Findings;

/// Every node as its kind and the text at its place.
fn places(text: &str) -> Vec<String> {
    let mut findings = Findings::new(text);
    let document = load(text, &mut findings);
    assert_eq!(findings.into_sorted(), []);
    let mut out = Vec::new();
    list(&document.root.unwrap(), text, &mut out);
    out
}

fn list(node: &Node, text: &str, out: &mut Vec<String>) {
    let at = &text[node.span.clone()];
    match &node.value {
        Value::Null => out.push(format!("null {at:?}")),
        Value::Scalar { text, .. } => out.push(format!("{text:?} {at:?}")),
        Value::List(items) => {
            out.push(format!("list {at:?}"));
            items.iter().for_each(|item| list(item, text, out));
        }
        Value::Map(entries) => {
            out.push(format!("map {at:?}"));
            for entry in entries {
                out.push(format!("{} {:?}", entry.key, &text[entry.key_span.clone()]));
                list(&entry.value, text, out);
            }
        }
    }
}

#[test]
fn every_value_has_its_place() {
    assert_eq!(
        places("\u{feff}é: 'ü' # x'\r\n\"k\": |\r\n  a\r\n  b\r\n\r\nl:\r\n- [1, ~]\r\n- {a: b}\r\nn:\r\n"),
        [
            r#"map "é: 'ü' # x'\r\n\"k\": |\r\n  a\r\n  b\r\n\r\nl:\r\n- [1, ~]\r\n- {a: b}\r\nn""#,
            r#"é "é""#,
            r#""ü" "'ü'""#,
            r#"k "\"k\"""#,
            r#""a\nb\n" "a\r\n  b""#,
            r#"l "l""#,
            r#"list "[1, ~]\r\n- {a: b}""#,
            r#"list "[1, ~]""#,
            r#""1" "1""#,
            r#"null "~""#,
            r#"map "{a: b}""#,
            r#"a "a""#,
            r#""b" "b""#,
            r#"n "n""#,
            r#"null """#,
        ]
    );
}

#[test]
fn aliases_stand_for_values_and_own_keys_win() {
    let text = "a: &x {k: 1, l: 2}\nb: {l: 3, <<: *x}\nc: {<<: [*x, {m: 4}], k: 5}\n";
    assert_eq!(
        places(text)[7..],
        [
            "b \"b\"",
            "map \"{l: 3, <<: *x}\"",
            "l \"l\"",
            "\"3\" \"3\"",
            "k \"k\"",
            "\"1\" \"1\"",
            "c \"c\"",
            "map \"{<<: [*x, {m: 4}], k: 5}\"",
            "k \"k\"",
            "\"5\" \"5\"",
            "l \"l\"",
            "\"2\" \"2\"",
            "m \"m\"",
            "\"4\" \"4\"",
        ]
    );
}

#[test]
fn what_cannot_be_read_ends_the_reading() {
    let text = "a: 1\nb: [1, 2\nc: 3\n";
    let mut findings = Findings::new(text);
    let document = load(text, &mut findings);
    assert!(document.is_cut && findings.has_errors());
    let Some(Value::Map(entries)) = document.root.map(|root| root.value.clone()) else {
        panic!("no mapping");
    };
    assert_eq!(entries[0].key, "a");
}

#[test]
fn a_chain_of_aliases_is_not_deeper_than_a_file() {
    let mut text = "a0: &a0 [x]\n".to_owned();
    for at in 1..100 {
        text += &format!("a{at}: &a{at} [*a{}]\n", at - 1);
    }
    let mut findings = Findings::new(&text);
    load(&text, &mut findings);
    let codes: Vec<String> = findings.into_sorted().into_iter().map(|item| item.code).collect();
    assert_eq!(codes, ["TooDeep"]);
}
