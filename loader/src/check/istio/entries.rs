//! ServiceEntries that say different things about one port (`analyzers/serviceentry/conflictingserviceentries.go`).

use std::collections::{BTreeMap, BTreeSet};

use crate::diagnostic::{Code, Diagnostic};
use crate::resources::istio::service_entry::ServiceEntry;
use crate::resources::{Resource, Resources};
use crate::source::Path;

/// A namespace that may use it, or `*`, with a host and a port.
type Key<'r> = (&'r str, &'r str, u32);

/// What an entry says about it.
#[derive(Clone, Debug)]
struct Said<'r> {
    entry: &'r Resource<ServiceEntry>,
    path: Path,
    protocol: String,
}

pub(super) fn check(resources: &Resources, findings: &mut Vec<Diagnostic>) {
    let mut all: BTreeMap<Key<'_>, Vec<Said<'_>>> = BTreeMap::new();
    for entry in &resources.istio.service_entries {
        for scope in scopes(entry) {
            for host in &entry.spec.hosts {
                for (index, port) in entry.spec.ports.iter().enumerate() {
                    let key = (scope, host.as_str(), port.number);
                    all.entry(key).or_default().push(Said {
                        entry,
                        path: Path::of("ports").index(index).field("protocol"),
                        protocol: port.protocol.to_ascii_uppercase(),
                    });
                }
            }
        }
    }
    let spoken = all.iter().map(|(key, own)| {
        let protocols = own.iter().map(|said| said.protocol.as_str());
        (*key, protocols.collect::<BTreeSet<_>>())
    });
    let spoken: BTreeMap<_, _> = spoken.collect();
    let mut named = BTreeSet::new();
    for (key, own) in &all {
        let (scope, host, port) = key;
        let public_key = ("*", *host, *port);
        let protocols = [*key, public_key].into_iter();
        let protocols = protocols.filter_map(|key| spoken.get(&key)).flatten();
        let protocols: BTreeSet<_> = protocols.copied().collect();
        if protocols.len() < 2 {
            continue;
        }
        let public = all.get(&public_key).filter(|_| *scope != "*");
        let both: Vec<_> = own.iter().chain(public.into_iter().flatten()).collect();
        let protocols = protocols.into_iter().collect::<Vec<_>>().join(", ");
        let entries: BTreeSet<_> = both.iter().map(|said| name(said.entry)).collect();
        let entries = entries.into_iter().collect::<Vec<_>>().join(", ");
        for said in both {
            if !named.insert(name(said.entry)) {
                continue;
            }
            let text = format!(
                "Multiple ServiceEntries ({entries}) define the same host {host:?} and port {port} with conflicting \
                 protocols ({protocols}). [IST0177]"
            );
            let finding = said
                .entry
                .warning(Code::ConflictingEntries, &said.path, text);
            findings.push(
                finding
                    .help("write one protocol in all of them: one of them decides what is spoken"),
            );
        }
    }
}

fn name(entry: &Resource<ServiceEntry>) -> String {
    format!("{}/{}", entry.meta.namespace(), entry.meta.name)
}

/// The namespaces that an entry is for, or `*`.
fn scopes(entry: &Resource<ServiceEntry>) -> BTreeSet<&str> {
    let export_to = &entry.spec.export_to;
    if export_to.is_empty() || export_to.iter().any(|to| to == "*") {
        return BTreeSet::from(["*"]);
    }
    let own = entry.meta.namespace();
    let named = export_to.iter().map(String::as_str);
    named.map(|to| if to == "." { own } else { to }).collect()
}
