//! The table of ways round the gate to the outside, by what Envoy hands on to the filter.

use system_tests::bypass::{CONFIG, Row, Sent, Verdict, rows};
use system_tests::wasm_host::{Host, Outcome, Root};

#[test]
fn there_is_no_way_round_to_the_outside() {
    for name in ["external_access", "gateway"] {
        let mut filter = Host::load(name);
        let root = filter.configure(CONFIG).unwrap();
        for row in rows() {
            let Some(expected) = row.verdict.of_filter() else {
                continue;
            };
            let outcome = ask(&mut filter, root, &row);
            assert!(
                is(&outcome, &row.sent, expected),
                "{name}: {row:?} {outcome:?}"
            );
        }
    }
}

fn ask(filter: &mut Host, root: Root, row: &Row) -> Outcome {
    if let Sent::Connection(name, address) = row.sent {
        filter.set_property("connection requested_server_name", name.as_bytes());
        filter.set_property("destination address", address.as_bytes());
        return filter.connect(root);
    }
    let is_said = |name: &str| row.seen.iter().any(|(own, _)| *own == name);
    let defaults = [(":method", "GET"), (":path", "/v1")];
    let defaults = defaults.iter().filter(|(name, _)| !is_said(name));
    let headers = row.seen.iter().chain(defaults);
    let headers: Vec<_> = headers
        .map(|(name, value)| (*name, value.as_bytes()))
        .collect();
    filter.request(root, &headers)
}

fn is(outcome: &Outcome, sent: &Sent, expected: Verdict) -> bool {
    let mut headers = outcome.headers.iter();
    let steered = headers.find(|(name, _)| name == "x-meshgate-cluster");
    match expected {
        Verdict::Refused(reason) => {
            !outcome.forwarded() && outcome.state("meshgate.reason") == Some(reason)
        }
        Verdict::Upgrades => outcome.forwarded(),
        Verdict::To(_) if matches!(sent, Sent::Connection(..)) => outcome.forwarded(),
        Verdict::To(cluster) => {
            outcome.forwarded() && steered.is_some_and(|(_, value)| value == cluster.as_bytes())
        }
        Verdict::Stopped | Verdict::StoppedOr(_) => false,
    }
}
