//! Whatever is read: no panic, an end, and every finding points into its file.

use meshgate::diagnostic::render;
use meshgate::{resources, source};
use proptest::prelude::*;

const GATEWAY: &str = include_str!("testdata/diagnostics/good-gateway-with-everything.in.yaml");
const LIST: &str = include_str!("testdata/diagnostics/kubernetes-list-as-exported.in.yaml");
const ANCHORS: &str = include_str!("testdata/diagnostics/anchors-merges-and-aliases.in.yaml");
const ROUTES: &str = include_str!("testdata/diagnostics/fields-that-are-not-served.in.yaml");

fn survives(text: &str) {
    for resource_only in [false, true] {
        let (sources, documents, mut findings) = source::read_text("input.yaml", text);
        findings.extend(resources::load(documents, resource_only).1);
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
    }
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
