use std::fmt::Write as _;

use crate::diagnostic::Code;
use crate::source::{Document, Node, Path, Sources, Value, read_text};

fn read(text: &str) -> (Sources, Vec<Document>, Vec<Code>) {
    let (sources, documents, findings) = read_text("test.yaml", text);
    let codes = findings.iter().map(|finding| finding.code).collect();
    (sources, documents, codes)
}

/// The texts of all scalars, each as its span shows it.
fn spans(sources: &Sources, node: &Node, out: &mut Vec<String>) {
    let text = &sources.file(node.span.file).text;
    match &node.value {
        Value::Scalar { .. } => out.push(text[node.span.start..node.span.end].to_owned()),
        Value::Sequence(items) => items.iter().for_each(|item| spans(sources, item, out)),
        Value::Mapping(entries) => {
            for (key, value) in entries {
                out.push(text[key.span.start..key.span.end].to_owned());
                spans(sources, value, out);
            }
        }
        Value::Null => {}
    }
}

#[test]
fn spans_are_bytes_also_behind_wide_characters() {
    let (sources, documents, codes) =
        read("# ключ 🦀\nключ: [\"значение 🦀\", b]\r\nlast: 'x'\r\n");
    assert_eq!(codes, []);
    let mut found = Vec::new();
    spans(&sources, &documents[0].root, &mut found);
    assert_eq!(found, ["ключ", "\"значение 🦀\"", "b", "last", "'x'"]);
    let span = documents[0].root.locate(&Path::of("last"));
    assert_eq!(sources.line_column(span), (3, 7));
}

#[test]
fn a_byte_order_mark_moves_nothing() {
    let (sources, documents, codes) = read("\u{feff}a: 1\n");
    assert_eq!(codes, []);
    let span = documents[0].root.locate(&Path::of("a"));
    assert_eq!(sources.line_column(span), (1, 4));
}

#[test]
fn a_broken_document_hides_no_other() {
    let (_, documents, codes) = read("a: 1\n---\nb: [\n---\nc: }\n---\nd: 1\n");
    assert_eq!(codes, [Code::Syntax, Code::Syntax]);
    let names: Vec<_> = documents
        .iter()
        .map(|document| match &document.root.value {
            Value::Mapping(entries) => entries[0].0.name.as_str(),
            _ => "",
        })
        .collect();
    assert_eq!(names, ["a", "d"]);
}

#[test]
fn empty_documents_are_none() {
    assert_eq!(read("").1.len(), 0);
    assert_eq!(read("# nothing\n---\n---\nnull\n---\n").1.len(), 0);
}

#[test]
fn aliases_and_merges_are_expanded() {
    let (_, documents, codes) =
        read("a: &a {x: 1, y: 2}\nb: *a\nc: {<<: *a, y: 3}\nd: {<<: [*a, {z: 4}], x: 5}\n");
    assert_eq!(codes, []);
    let text = |path: &[&str]| {
        path.iter()
            .try_fold(&documents[0].root, |node, name| node.get(name))
            .and_then(Node::text)
    };
    assert_eq!(text(&["b", "y"]), Some("2"));
    assert_eq!(text(&["c", "x"]), Some("1"));
    assert_eq!(text(&["c", "y"]), Some("3"));
    assert_eq!(text(&["d", "x"]), Some("5"));
    assert_eq!(text(&["d", "z"]), Some("4"));
}

#[test]
fn mistakes_of_yaml_are_named() {
    for (text, code) in [
        ("a: *b\n", Code::Alias),
        ("a: &a [*a]\n", Code::Alias),
        ("a: {<<: x}\n", Code::Alias),
        ("a: 1\na: 2\n", Code::DuplicateKey),
        ("? [a]\n: b\n", Code::UnusableKey),
        ("~: b\n", Code::UnusableKey),
        ("a: !secret b\n", Code::UnknownTag),
        ("a: !!binary aGk=\n", Code::UnknownTag),
        ("a: !!set {b}\n", Code::UnknownTag),
        ("a:\n\tb: 1\n", Code::Syntax),
        ("a: 'b\n", Code::Syntax),
        ("a: b: c\n", Code::Syntax),
        ("\u{0}\n", Code::Syntax),
    ] {
        assert_eq!(read(text).2, [code], "{text:?}");
    }
}

#[test]
fn tags_of_yaml_itself_decide_the_type() {
    let (_, documents, codes) =
        read("a: !!str 1\nb: !!int \"1\"\nc: !!null x\nd: ! 1\ne: !!map {}\n");
    assert_eq!(codes, []);
    let plain = |name| match &documents[0].root.get(name).expect("there").value {
        Value::Scalar { plain, .. } => Some(*plain),
        _ => None,
    };
    assert_eq!(plain("a"), Some(false));
    assert_eq!(plain("b"), Some(true));
    assert_eq!(plain("c"), None);
    assert_eq!(plain("d"), Some(false));
}

#[test]
fn bombs_of_aliases_are_refused() {
    let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..20 {
        let below = vec![format!("*a{}", level - 1); 10].join(", ");
        let _ = writeln!(text, "a{level}: &a{level} [{below}]");
    }
    let (_, _, codes) = read(&text);
    assert_eq!(codes, [Code::TooMuch]);

    let long = "x".repeat(1 << 20);
    let copies = vec!["*a"; 1000].join(", ");
    let (_, _, codes) = read(&format!("a: &a {long}\nb: [{copies}]\n"));
    assert_eq!(codes, [Code::TooMuch]);
}

#[test]
fn nesting_has_an_end() {
    for text in [
        "[".repeat(100_000),
        "{a: ".repeat(100_000),
        "- ".repeat(100_000),
        (0..1000).fold(String::new(), |text, depth| {
            text + &" ".repeat(depth) + "a:\n"
        }),
    ] {
        let (_, documents, codes) = read(&text);
        assert_eq!(documents.len(), 0);
        assert_eq!(codes, [Code::Syntax], "{}", &text[..20]);
    }
    let mut text = String::from("a0: &a0 [x]\n");
    for level in 1..1000 {
        let _ = writeln!(text, "a{level}: &a{level} [*a{}]", level - 1);
    }
    assert!(read(&text).2.contains(&Code::TooMuch));
}

#[test]
fn many_duplicates_are_named_a_thousand_times() {
    let (_, _, codes) = read(&"a: 1\n".repeat(20_000));
    assert_eq!(codes.len(), 1000);
}

#[test]
fn addresses_that_end_in_a_colon_are_texts_inside_of_brackets() {
    let rows = [
        ("a: [::1, fd00::]", r#"["::1", "fd00::"]"#),
        ("a: [fd00::, ::]", r#"["fd00::", "::"]"#),
        ("a: [fd00::/8, 2001:db8::]", r#"["fd00::/8", "2001:db8::"]"#),
        // go-yaml agrees that these are maps.
        ("a: [b: ]", "map"),
        ("a:\n- fd00::\n", "map"),
        ("a: [{fd00: }]", "map"),
    ];
    for (text, expected) in rows {
        let (_, documents, codes) = read(text);
        assert!(codes.is_empty(), "{text}: {codes:?}");
        let Some(Value::Sequence(items)) = documents[0].root.get("a").map(|node| &node.value)
        else {
            panic!("no list in {text}");
        };
        let texts: Option<Vec<_>> = items.iter().map(|item| item.text()).collect();
        let found = texts.map_or_else(|| "map".to_owned(), |texts| format!("{texts:?}"));
        assert_eq!(found, expected, "{text}");
    }
}
