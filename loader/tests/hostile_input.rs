//! Whatever is read: no panic, an end, and every finding points into its file.

use meshgate::diagnostic::{Diagnostic, Severity, render};
use meshgate::model::kuma::Input;
use meshgate::source::{Node, Span, Value};
use meshgate::{check, resources, source};
use proptest::prelude::*;

const GATEWAY: &str = include_str!("testdata/diagnostics/good-gateway-with-everything.in.yaml");
const LIST: &str = include_str!("testdata/diagnostics/kubernetes-list-as-exported.in.yaml");
const ANCHORS: &str = include_str!("testdata/diagnostics/anchors-merges-and-aliases.in.yaml");
const ROUTES: &str = include_str!("testdata/diagnostics/fields-that-are-not-served.in.yaml");

const SERVED: &str = concat!(
    include_str!("../../envoy-configs/kuma-gateway/resources/mesh.yaml"),
    "\n---\n",
    include_str!("../../envoy-configs/kuma-gateway/resources/gateway.yaml"),
    "\n---\n",
    include_str!("../../envoy-configs/kuma-gateway/resources/routes.yaml"),
);
const OUTSIDE: &str = concat!(
    include_str!("../../envoy-configs/external-service/resources/mesh.yaml"),
    "\n---\n",
    include_str!("../../envoy-configs/external-service/resources/services.yaml"),
    "\n---\n",
    include_str!("../../envoy-configs/external-service/resources/permissions.yaml"),
);
const ISTIO: &str = concat!(
    include_str!("../../envoy-configs/istio-gateway/resources/gateway.yaml"),
    "\n---\n",
    include_str!("../../envoy-configs/istio-gateway/resources/routes.yaml"),
    "\n---\n",
    include_str!("../../envoy-configs/istio-gateway/resources/services.yaml"),
);
const POLICIES: &str =
    include_str!("testdata/translate/policies-for-some-clients-of-a-service.in.yaml");

/// A document with one mistake, behind others.
const LAST: &str = "\n---\ntype: MeshGateway\nmesh: default\nname: the-last\n\
    selectors: [{match: {kuma.io/service: the-last}}]\nconf: {listeners: [{port: 0, protocol: HTTP}]}\n";

/// What may stand where something else is wanted.
const ODD: [&str; 36] = [
    "[]",
    "{}",
    "[a]",
    "{a: b}",
    "[~, [{}]]",
    "~",
    "\"\"",
    "-1",
    "0",
    "0.5",
    "99999999999999999999999",
    "4294967296",
    "-9223372036854775809",
    "1e400",
    ".nan",
    "true",
    "1h",
    "9999999999h",
    "2001-01-01",
    "\"\\u00e9\\u202e\\0\"",
    "\"x y\"",
    "\"*\"",
    "\"*.*\"",
    "\".\"",
    "\"%\"",
    "\"(\"",
    "\"{{ x }}\"",
    "\"::1\"",
    "\"a:b:c\"",
    "\"../x\"",
    "{\"\": \"\"}",
    "{? [a] : b}",
    "*nowhere",
    "&x {y: *x}",
    "{<<: {a: b}, <<: [c]}",
    "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]",
];

fn survives(text: &str) {
    for resource_only in [false, true] {
        survives_as(text, resource_only);
    }
}

/// The findings about a text, each of which points into it.
fn survives_as(text: &str, resource_only: bool) -> Vec<Diagnostic> {
    {
        let (sources, documents, mut findings) = source::read_text("input.yaml", text);
        let (resources, more) = resources::load(documents, resource_only);
        findings.extend(more);
        if !resource_only {
            let input = Input {
                resources: &resources,
                sources: &sources,
            };
            findings.extend(check::all(input));
        }
        render::sort(&mut findings);
        for finding in &findings {
            let places = finding
                .span
                .into_iter()
                .chain(finding.related.iter().map(|(span, _)| *span));
            for span in places {
                let text = &sources.file(span.file).text;
                assert!(
                    span.start <= span.end && span.end <= text.len(),
                    "{finding:?}"
                );
                assert!(
                    text.is_char_boundary(span.start) && text.is_char_boundary(span.end),
                    "{finding:?}"
                );
            }
        }
        let human = render::human(&sources, &findings, false);
        assert!(!human.contains('\u{1b}'), "{human:?}");
        let json: Vec<serde_json::Value> =
            serde_json::from_str(&render::json(&sources, &findings)).expect("JSON");
        assert_eq!(json.len(), findings.len());
        serde_json::from_str::<serde_json::Value>(&render::sarif(&sources, &findings))
            .expect("JSON");
        findings
    }
}

/// Where the values of a text are.
fn values(text: &str) -> Vec<Span> {
    fn below(node: &Node, spans: &mut Vec<Span>) {
        if !matches!(node.value, Value::Null) {
            spans.push(node.span);
        }
        match &node.value {
            Value::Sequence(items) => items.iter().for_each(|item| below(item, spans)),
            Value::Mapping(entries) => {
                for (key, value) in entries {
                    spans.push(key.span);
                    below(value, spans);
                }
            }
            _ => {}
        }
    }
    let (_, documents, _) = source::read_text("input.yaml", text);
    let mut spans = Vec::new();
    for document in &documents {
        below(&document.root, &mut spans);
    }
    spans
}

/// A good text of the list with something odd in place of one of its values or keys.
fn with_an_odd_value() -> impl Strategy<Value = String> {
    let texts = vec![GATEWAY, LIST, ROUTES, SERVED, OUTSIDE, ISTIO, POLICIES];
    let texts: Vec<_> = texts.into_iter().map(|text| (text, values(text))).collect();
    let text = prop::sample::select(texts);
    let odd = prop::sample::select(ODD.to_vec());
    (text, any::<prop::sample::Index>(), odd).prop_map(|((text, spans), at, odd)| {
        let span = at.get(&spans);
        format!("{}{odd}{}", &text[..span.start], &text[span.end..])
    })
}

/// A text of the list with some bytes of it cut out, doubled or replaced.
fn mutated() -> impl Strategy<Value = String> {
    let text = prop::sample::select(vec![GATEWAY, LIST, ANCHORS, ROUTES]);
    let piece = prop::sample::select(vec![
        "",
        " ",
        "\n",
        "\n---\n",
        "\t",
        "- ",
        ": ",
        "{",
        "}",
        "[",
        "]",
        "*a",
        "&a ",
        "<<: ",
        "!!str ",
        "|\n",
        "\"",
        "'",
        "#",
        "null",
        "~",
        "2",
        "yes",
        "é",
        "\u{202e}",
        "\u{1b}[0m",
        "\u{0}",
        "?",
        "%",
        "@",
    ]);
    let change = (any::<prop::sample::Index>(), 0usize..40, piece);
    (text, prop::collection::vec(change, 1..6)).prop_map(|(text, changes)| {
        let mut text: Vec<char> = text.chars().collect();
        for (at, length, piece) in changes {
            let at = at.index(text.len() + 1);
            let end = (at + length).min(text.len());
            text.splice(at..end, piece.chars());
        }
        text.into_iter().collect()
    })
}

proptest! {
    #[test]
    fn any_text(text in "\\PC{0,200}") {
        survives(&text);
    }

    #[test]
    fn any_yaml_like_text(text in "[a-z{}\\[\\]:,&*!|>'\"#%@` \n\t-]{0,200}") {
        survives(&text);
    }

    #[test]
    fn resources_with_mistakes(text in mutated()) {
        survives(&text);
    }

    /// Nothing that stands in one document is so odd that what is wrong with another is not said.
    #[test]
    fn odd_values_hide_no_other_document(text in with_an_odd_value()) {
        for resource_only in [false, true] {
            let findings = survives_as(&format!("{}{LAST}", text.trim_end()), resource_only);
            let is_last = |finding: &&Diagnostic| {
                finding.resource.as_deref() == Some("MeshGateway/default/the-last")
            };
            prop_assert!(findings.iter().any(|f| is_last(&f) && f.path == "conf.listeners[0].port"));
            let nowhere = findings.iter().find(|f| f.severity == Severity::Error && f.span.is_none());
            prop_assert!(nowhere.is_none(), "{nowhere:?}");
        }
    }

    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("input.yaml"), &bytes).expect("written");
        let (sources, documents, findings) = source::read(&[folder.path().to_owned()]);
        let _ = resources::load(documents, false);
        render::human(&sources, &findings, false);
        if let Ok(text) = String::from_utf8(bytes) {
            survives(&text);
        }
    }
}
