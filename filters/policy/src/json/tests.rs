use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::*;

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Value {
    number: u32,
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    list: Vec<String>,
    #[serde(default)]
    map: BTreeMap<String, String>,
}

fn value(json: &str) -> Result<Value, String> {
    read(json.as_bytes()).map_err(|error| error.to_string())
}

/// What both take, they take for the same; and ours takes no more.
#[test]
fn agrees_with_serde_json() {
    let texts = [
        r#""""#,
        r#""a b""#,
        r#""\"\\\/\b\f\n\r\t""#,
        r#""\u00e9\ud83d\ude00é😀""#,
        r#""\ud83d""#,
        r#""\ud83d\u0041""#,
        r#""\udc00""#,
        r#""\u12g4""#,
        r#""\x""#,
        "\"a\nb\"",
        r#""a"#,
        "null",
        "nul",
        "1",
        "''",
    ];
    let numbers = [
        "0",
        "1",
        "4294967295",
        "4294967296",
        "01",
        "-1",
        "+1",
        "1.0",
        "1e2",
        "",
        "\"1\"",
        "1x",
        "99999999999999999999",
    ];
    let lists = [
        "[]",
        "[ ]",
        r#"["a"]"#,
        r#"[ "a" , "b" ]"#,
        r#"["a",]"#,
        "[,]",
        r#"["a" "b"]"#,
        "[",
        r#"["a""#,
        "{}",
    ];
    let maps = [
        "{}",
        r#"{"a":"b"}"#,
        r#"{"a":"b",}"#,
        r#"{"a" "b"}"#,
        r#"{"a":}"#,
        r#"{a:"b"}"#,
        r#"{"a":"b","a":"c"}"#,
        "[]",
    ];
    let whole = [
        "",
        " ",
        "{",
        "}",
        "[]",
        "null",
        "\u{feff}{}",
        r#"{"number":1}"#,
        " {\t\"number\"\r\n: 1 } \n",
        r#"{"number":1} x"#,
        r#"{"number":1}{}"#,
        r#"{"number":1,"other":1}"#,
        r#"{"number":1,"number":1}"#,
        r#"{"list":[]}"#,
    ];
    let mut all: Vec<String> = whole.iter().map(|&text| text.to_owned()).collect();
    all.extend(texts.map(|text| format!(r#"{{"number":1,"text":{text}}}"#)));
    all.extend(numbers.map(|number| format!(r#"{{"number":{number}}}"#)));
    all.extend(lists.map(|list| format!(r#"{{"number":1,"list":{list}}}"#)));
    all.extend(maps.map(|map| format!(r#"{{"number":1,"map":{map}}}"#)));
    for json in all {
        let theirs = serde_json::from_str::<Value>(&json).ok();
        assert_eq!(value(&json).ok(), theirs, "{json}");
    }
    assert!(read::<Value>(b"{\"number\":1,\"text\":\"\xff\"}").is_err());
}

#[test]
fn mistakes_have_places() {
    for (json, mistake) in [
        ("", "expected an object at line 1 column 1"),
        (
            "{\n  \"number\": x}",
            "expected a whole number at line 2 column 13",
        ),
        (
            r#"{"number":1,"text":"a}"#,
            "expected a quotation mark at line 1 column 23",
        ),
        (
            r#"{"numbr":1}"#,
            "unknown field `numbr`, expected one of `number`, `text`, `list`, `map` at line 1 column 9",
        ),
        ("{}", "missing field `number` at line 1 column 3"),
        (r#"{"number":1} 2"#, "expected the end at line 1 column 14"),
        (
            r#"{"number":4294967296}"#,
            "expected u32 at line 1 column 21",
        ),
    ] {
        assert_eq!(value(json), Err(mistake.to_owned()));
    }
}
