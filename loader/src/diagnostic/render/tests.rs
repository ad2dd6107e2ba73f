use super::*;
use crate::diagnostic::Code;
use crate::source::{Span, read_text};

fn span(text: &str, part: &str) -> (crate::source::Sources, Span) {
    let (sources, _, _) = read_text("edge.yaml", text);
    let (file, _) = sources.files().next().expect("a file");
    let start = text.find(part).expect("a part of the text");
    let span = Span {
        file,
        start,
        end: start + part.len(),
    };
    (sources, span)
}

fn shown(text: &str, part: &str) -> String {
    let (sources, span) = span(text, part);
    human(
        &sources,
        &[Diagnostic::error(Code::Syntax, "m").at(span)],
        false,
    )
}

#[test]
fn secrets_are_not_shown() {
    for (text, part) in [
        ("kind: Secret\ndata:\n  value: aHVudGVyMg==\n", "aHVudGVyMg"),
        ("type: Secret\nname: a\ndata: aHVudGVyMg==\n", "data"),
        (
            "type: Secret\nname: a\ndata: |\n  aHVudGVyMg==\n",
            "aHVudGVyMg",
        ),
        (
            "{\"type\": \"Secret\", \"data\": \"aHVudGVyMg==\"}\n",
            "aHVudGVyMg",
        ),
        (
            "{\"type\": \"Secret\", \"data\": \"aHVudGVyMg==\"}\n",
            "type",
        ),
        ("certificates:\n- inline: aHVudGVyMg==\n", "inline"),
        ("- {secret: a, inlineString: aHVudGVyMg==}\n", "secret"),
    ] {
        let shown = shown(text, part);
        assert!(!shown.contains("aHVudGVyMg"), "{shown}");
        assert!(shown.contains("<redacted>"), "{shown}");
    }
    let list = "items:\n- kind: Secret\n  a: one\n- kind: Mesh\n  a: two\n";
    assert!(!shown(list, "one").contains("one"));
    assert!(shown(list, "two").contains("two"));
    assert!(shown("kind: Secret\nmetadata:\n  name: edge\n", "edge").contains("name: edge"));
}

#[test]
fn terminals_are_not_commanded() {
    let shown = shown("a: \u{1b}[31mred\u{7}\u{202e}\r\nb: 1\n", "red");
    assert!(
        !shown.contains(['\u{1b}', '\u{7}', '\u{202e}', '\r']),
        "{shown:?}"
    );
}

#[test]
fn columns_count_characters() {
    let (sources, span) = span("ключ: {значение: x}\n", "x");
    assert_eq!(sources.line_column(span), (1, 18));
    assert!(
        human(
            &sources,
            &[Diagnostic::error(Code::Syntax, "m").at(span)],
            false
        )
        .contains("edge.yaml:1:18")
    );
}

#[test]
fn the_last_line() {
    let error = Diagnostic::error(Code::Syntax, "m");
    let warning = Diagnostic::warning(Code::Syntax, "m");
    assert_eq!(summary(&[], 3, 7), "3 files, 7 resources, no findings");
    assert_eq!(
        summary(&[error, warning], 1, 1),
        "1 error, 1 warning in 1 file (1 resource)"
    );
}

#[test]
fn sarif_has_what_its_schema_requires() {
    let (sources, span) = span("a b: 1\n", "b");
    let finding = Diagnostic::error(Code::Syntax, "m")
        .at(span)
        .also(span, "r");
    let log: serde_json::Value = serde_json::from_str(&sarif(&sources, &[finding])).expect("JSON");
    let run = &log["runs"][0];
    assert_eq!(log["version"], "2.1.0");
    assert_eq!(run["tool"]["driver"]["name"], "meshgate");
    assert_eq!(run["tool"]["driver"]["rules"][0]["id"], "MG0003");
    let result = &run["results"][0];
    assert_eq!(result["message"]["text"], "m");
    let place = &result["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], "edge.yaml");
    assert_eq!(place["region"]["startColumn"], 3);
}
