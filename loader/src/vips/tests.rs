use std::fs;
use std::path::Path as File;

use tempfile::TempDir;

use super::*;
use crate::resources;
use crate::source;

fn document(name: &str, vip: &str) -> String {
    format!(
        "---
type: MeshExternalService
mesh: default
name: {name}
spec:
  match: {{port: 80, protocol: tcp}}
  endpoints: [{{address: a.test, port: 1}}]
status: {{vip: {{ip: {vip}}}}}
"
    )
}

/// The resources with these services, each with the VIP that it says.
fn resources(services: &[(&str, &str)]) -> Resources {
    let text: Vec<_> = services
        .iter()
        .map(|(name, vip)| document(name, vip))
        .collect();
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("r.yaml");
    fs::write(&file, text.concat()).unwrap();
    let (_, documents, findings) = source::read(&[file]);
    assert!(findings.is_empty());
    resources::load(documents, false).0
}

fn given_out(services: &[(&str, &str)], range: &str, kept: &mut Kept) -> (String, Vec<Code>) {
    let mut resources = resources(services);
    let findings = give(&mut resources, &range.parse().unwrap(), kept);
    let vips: Vec<_> = resources
        .vips
        .iter()
        .map(|(key, address)| format!("{}={address}", key.trim_start_matches("default/")))
        .collect();
    (
        vips.join(" "),
        findings.iter().map(|finding| finding.code).collect(),
    )
}

#[test]
fn addresses_stay_and_freed_ones_are_the_last_to_be_given_out() {
    let mut kept = Kept::new();
    let range = "10.0.0.0/30";
    for (services, expected) in [
        (&["b", "c"][..], "b=10.0.0.0 c=10.0.0.1"),
        (&["a", "b", "c"], "a=10.0.0.2 b=10.0.0.0 c=10.0.0.1"),
        (&["a", "c"], "a=10.0.0.2 c=10.0.0.1"),
        (&["a", "c", "d"], "a=10.0.0.2 c=10.0.0.1 d=10.0.0.3"),
        // What comes back has what it had.
        (&["b"], "b=10.0.0.0"),
        // Nothing is left but what `a` had, and then `c`.
        (&["b", "d", "e"], "b=10.0.0.0 d=10.0.0.3 e=10.0.0.2"),
        (
            &["b", "d", "e", "f"],
            "b=10.0.0.0 d=10.0.0.3 e=10.0.0.2 f=10.0.0.1",
        ),
    ] {
        let services: Vec<_> = services.iter().map(|name| (*name, "")).collect();
        assert_eq!(given_out(&services, range, &mut kept).0, expected);
    }
    let services = ["b", "d", "e", "f", "g"].map(|name| (name, ""));
    let (vips, findings) = given_out(&services, range, &mut kept);
    assert_eq!(vips, "b=10.0.0.0 d=10.0.0.3 e=10.0.0.2 f=10.0.0.1");
    assert_eq!(findings, [Code::VipsUsedUp]);
}

#[test]
fn what_a_resource_says_goes_first() {
    let mut kept = Kept::new();
    for (services, expected, codes) in [
        (
            &[("a", ""), ("b", "10.0.0.0"), ("c", "127.1.2.3")][..],
            "a=10.0.0.1 b=10.0.0.0 c=127.1.2.3",
            &[][..],
        ),
        // `a` has to give way.
        (
            &[("a", ""), ("b", "10.0.0.1")],
            "a=10.0.0.0 b=10.0.0.1",
            &[],
        ),
        (&[("a", "ten")], "a=10.0.0.0", &[Code::VipUnusable]),
        (&[("a", "0.0.0.0")], "a=10.0.0.0", &[Code::VipUnusable]),
        (&[("a", "239.1.1.1")], "a=10.0.0.0", &[Code::VipUnusable]),
        (
            &[("a", "10.9.9.9"), ("b", "10.9.9.9")],
            "a=10.9.9.9 b=10.9.9.9",
            &[Code::VipTwice],
        ),
    ] {
        let (vips, findings) = given_out(services, "10.0.0.0/24", &mut kept);
        assert_eq!((&*vips, &*findings), (expected, codes), "{services:?}");
    }
}

#[test]
fn nobody_gets_the_address_of_the_machine() {
    let services = [("a", ""), ("b", "")];
    let (vips, _) = given_out(&services, "127.0.0.0/8", &mut Kept::new());
    assert_eq!(vips, "a=127.0.0.2 b=127.0.0.3");
}

/// What is wrong with the file, if anything is.
fn kept_in(folder: &File, range: &str) -> Option<Diagnostic> {
    let give = |kept: &mut Kept| {
        let address = kept.values().next().copied();
        let address = address.unwrap_or(range.split('/').next().unwrap().parse().unwrap());
        kept.insert("default/a".to_owned(), address);
    };
    let kept = store::keep(folder, &range.parse().unwrap(), give);
    kept.unwrap().err()
}

#[test]
fn each_range_keeps_its_own() {
    let dir = TempDir::new().unwrap();
    for range in ["10.0.0.0/8", "127.1.0.0/16", "10.0.0.0/8"] {
        assert!(kept_in(dir.path(), range).is_none());
    }
    let text = fs::read_to_string(dir.path().join("vips.json")).unwrap();
    let content: serde_json::Value = serde_json::from_str(&text).unwrap();
    let expected = serde_json::json!({"version": 1, "ranges": {
        "10.0.0.0/8": {"default/a": "10.0.0.0"},
        "127.1.0.0/16": {"default/a": "127.1.0.0"},
    }});
    assert_eq!(content, expected);
}

#[test]
fn a_file_that_cannot_be_used_is_named_and_left_alone() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("vips.json");
    for (text, why) in [
        ("", "EOF"),
        ("{", "EOF"),
        ("[]", "invalid"),
        (r#"{"version": 2, "ranges": {}}"#, "version 2"),
        (
            r#"{"version": 1, "ranges": {}, "more": 1}"#,
            "unknown field",
        ),
        (r#"{"version": 1, "ranges": {"10": {}}}"#, "no CIDR"),
        (
            r#"{"version": 1, "ranges": {"10.0.0.0/8": {"m/a": "x"}}}"#,
            "invalid",
        ),
        (
            r#"{"version": 1, "ranges": {"10.0.0.0/8": {"m/a": "11.0.0.0"}}}"#,
            "is not in 10.0.0.0/8",
        ),
        (
            r#"{"version": 1, "ranges": {"10.0.0.0/8": {"m/a": "10.0.0.1", "m/b": "10.0.0.1"}}}"#,
            "another service's",
        ),
    ] {
        fs::write(&file, text).unwrap();
        let finding = kept_in(dir.path(), "10.0.0.0/8").unwrap();
        assert_eq!(finding.code, Code::VipStore);
        assert!(finding.message.contains(why), "{text}: {}", finding.message);
        assert_eq!(fs::read_to_string(&file).unwrap(), text);
    }
}

#[test]
fn several_writers_take_turns() {
    let dir = TempDir::new().unwrap();
    let range: Range = "10.0.0.0/24".parse().unwrap();
    std::thread::scope(|scope| {
        for index in 0..8 {
            let (range, folder) = (&range, dir.path());
            scope.spawn(move || {
                let name = format!("s{index}");
                let mut resources = resources(&[(&name, "")]);
                store::keep(folder, range, |kept| give(&mut resources, range, kept))
                    .unwrap()
                    .unwrap();
            });
        }
    });
    let mut kept = Kept::new();
    store::keep(dir.path(), &range, |all| kept.clone_from(all))
        .unwrap()
        .unwrap();
    let addresses: BTreeSet<_> = kept.values().collect();
    assert_eq!((kept.len(), addresses.len()), (8, 8));
}
