use std::collections::BTreeMap;

use super::*;
use crate::source::read_text;

#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
struct Sample {
    text: String,
    port: u16,
    #[serde(rename = "crossMesh", alias = "cross_mesh")]
    cross_mesh: bool,
    list: Vec<u32>,
    tags: BTreeMap<String, String>,
    kind: Kind,
    inner: Option<Box<Sample>>,
}

#[derive(Debug, Default, Deserialize, PartialEq)]
enum Kind {
    #[default]
    #[serde(rename = "NONE", alias = "0")]
    None,
    #[serde(rename = "HTTP", alias = "4")]
    Http,
}

fn sample(yaml: &str) -> (Sample, Vec<String>) {
    let (_, documents, findings) = read_text("test.yaml", yaml);
    assert!(findings.is_empty(), "{findings:?}");
    let decoded = decode(&documents[0].root, Reader::Proto, &[]);
    let findings = decoded
        .findings
        .iter()
        .map(|finding| format!("{}: {}", finding.path, finding.message))
        .collect();
    (decoded.value, findings)
}

#[test]
fn all_mistakes_at_once() {
    let (value, findings) = sample(
        "{text: 2, port: 70000, crossMesh: 'yes', list: [1, a], tags: {a: on, b: x}, kind: http, inner: [], frob: 1}",
    );
    assert_eq!(
        findings,
        [
            "text: `2` is a number where a text is wanted",
            "port: 70000 is out of range: 0 to 65535",
            "crossMesh: a text where `true` or `false` is wanted",
            "list[1]: a text where a whole number is wanted",
            "tags[\"a\"]: `on` is a truth value where a text is wanted",
            "kind: unknown value \"http\"",
            "inner: a list where a map is wanted",
            "frob: unknown field `frob`",
        ]
    );
    assert_eq!(value.tags["b"], "x");
}

#[test]
fn spellings_that_kuma_takes() {
    let (value, findings) = sample("{cross_mesh: yes, port: \"80\", kind: 4, text: null, list: }");
    assert_eq!(findings, [""; 0]);
    let expected = Sample {
        cross_mesh: true,
        port: 80,
        kind: Kind::Http,
        ..Sample::default()
    };
    assert_eq!(value, expected);
}

#[test]
fn a_field_in_two_spellings() {
    let (_, findings) = sample("{crossMesh: true, cross_mesh: false}");
    assert_eq!(
        findings,
        ["cross_mesh: `cross_mesh` is given twice, in two spellings"]
    );
}

#[test]
fn second_spellings_are_not_proposed() {
    let (_, documents, _) = read_text("test.yaml", "inner: {crosmesh: true}");
    let decoded = decode::<Sample>(&documents[0].root, Reader::Proto, &[]);
    let finding = &decoded.findings[0];
    assert_eq!(finding.message, "unknown field `crosmesh` in `inner`");
    assert_eq!(finding.help.as_deref(), Some("write `crossMesh:`"));
    assert!(decoded.misspelt.contains(&Path::of("inner.crossMesh")));
}

#[test]
fn scalars_of_yaml_1_1() {
    for (text, expected) in [
        ("0", Scalar::Number),
        ("-1.5e3", Scalar::Number),
        ("0x1F", Scalar::Number),
        ("1_000", Scalar::Number),
        (".5", Scalar::Number),
        (".inf", Scalar::Number),
        ("y", Scalar::Truth(true)),
        ("Off", Scalar::Truth(false)),
        ("v1", Scalar::Text),
        ("1.2.3", Scalar::Text),
        ("127.0.0.1", Scalar::Text),
        ("2001-01-01", Scalar::Text),
        ("infinity", Scalar::Text),
        ("", Scalar::Text),
    ] {
        assert_eq!(Scalar::of(text, true), expected, "{text}");
        assert_eq!(Scalar::of(text, false), Scalar::Text, "{text}");
    }
}
