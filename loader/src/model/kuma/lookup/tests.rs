use std::collections::HashSet;
use std::path::Path;

use super::*;
use crate::model::kuma;
use crate::vips;
use crate::{resources, source};

/// All proxies of Dataplanes, and what is found on the way, once each.
type Made = (Vec<String>, Vec<String>);

fn made<'a>(
    dataplanes: &'a [Resource<Dataplane>],
    proxy: impl Fn(&'a Resource<Dataplane>, &mut Vec<Diagnostic>) -> Option<Proxy>,
) -> Made {
    let mut findings = Vec::new();
    let proxies = dataplanes.iter();
    let proxies = proxies.map(|dataplane| format!("{:?}", proxy(dataplane, &mut findings)));
    let proxies = proxies.collect();
    let mut seen = HashSet::new();
    let findings = findings.iter().map(|finding| format!("{finding:?}"));
    let findings = findings.filter(|finding| seen.insert(finding.clone()));
    (proxies, findings.collect())
}

#[test]
fn proxies_that_share_what_is_looked_up_are_those_that_do_not() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/testdata/translate");
    let mut proxies = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if !path.to_string_lossy().ends_with(".in.yaml") {
            continue;
        }
        let (sources, documents, _) = source::read(std::slice::from_ref(&path));
        let (mut resources, _) = resources::load(documents, false);
        let range = vips::DEFAULT_RANGE.parse().unwrap();
        vips::give(&mut resources, &range, &mut vips::Kept::new());
        let input = Input {
            resources: &resources,
            sources: &sources,
        };
        let dataplanes = &input.resources.dataplanes;
        let alone = made(dataplanes, |one, said| kuma::proxy(input, one, said));
        let lookup = Lookup::new(input);
        let together = made(dataplanes, |one, said| lookup.proxy(one, said));
        proxies += alone.0.len();
        assert_eq!(alone, together, "{}", path.display());
    }
    assert!(proxies > 100, "{proxies}");
}
