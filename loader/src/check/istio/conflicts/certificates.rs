//! Certificates of several gateways (`analyzers/gateway/certificate.go`).

use std::collections::HashMap;

use crate::diagnostic::{Code, Diagnostic};
use crate::model::istio::label_index::{LabelIndex, selects};
use crate::resources::istio::gateway::{Gateway, ServerTls};
use crate::resources::{Resource, Resources};
use crate::source::Path;

/// So many gateways with one certificate are looked at before those with a selector are.
const MANY: usize = 64;

pub(super) fn check(resources: &Resources, findings: &mut Vec<Diagnostic>) {
    let gateways = &resources.istio.gateways;
    let mut known: HashMap<_, Vec<usize>> = HashMap::new();
    for (place, gateway) in gateways.iter().enumerate() {
        for (_, certificate) in certificates(gateway) {
            let of_certificate = known.entry(certificate).or_default();
            if of_certificate.last() != Some(&place) {
                of_certificate.push(place);
            }
        }
    }
    let selectors = gateways.iter().map(|own| ("", &own.spec.selector));
    let by_selector = LabelIndex::new(selectors);
    for (place, gateway) in gateways.iter().enumerate() {
        let selector = &gateway.spec.selector;
        let is_shared = |other: usize| {
            let other = gateways.get(other).filter(|_| other != place);
            other.is_some_and(|other| selects(selector, &other.spec.selector))
        };
        let first = |list: &Vec<usize>| {
            let mut some = list.iter().copied().take(MANY);
            some.find(|other| is_shared(*other)).or_else(|| {
                let mut all = by_selector.selected(None, selector);
                let is_listed = |other: &usize| list.binary_search(other).is_ok();
                let is_long = list.len() > MANY;
                is_long.then(|| all.find(|other| *other != place && is_listed(other)))?
            })
        };
        let lists = || certificates(gateway).filter_map(|(at, own)| Some((at, known.get(&own)?)));
        let Some(place) = lists().filter_map(|(_, list)| first(list)).min() else {
            continue;
        };
        let mut lists = lists().filter(|(_, list)| list.binary_search(&place).is_ok());
        if let (Some(other), Some((index, _))) = (gateways.get(place), lists.next()) {
            findings.push(shared(gateway, other, index));
        }
    }
}

/// What tells certificates apart, in Istio's eyes: the name of the credential, or else two files.
type Certificate<'r> = (&'r str, &'r str, &'r str);

/// The certificates of a gateway, with the places of their servers.
fn certificates(gateway: &Resource<Gateway>) -> impl Iterator<Item = (usize, Certificate<'_>)> {
    let servers = gateway.spec.servers.iter().enumerate();
    servers.filter_map(|(index, server)| {
        let ServerTls {
            credential_name,
            server_certificate,
            private_key,
            ..
        } = server.tls.as_ref()?;
        let certificate: Certificate<'_> = match credential_name.as_str() {
            "" => ("", server_certificate, private_key),
            name => (name, "", ""),
        };
        let is_there = match certificate {
            ("", chain, key) => !chain.is_empty() && !key.is_empty(),
            _ => true,
        };
        is_there.then_some((index, certificate))
    })
}

fn shared(gateway: &Resource<Gateway>, other: &Resource<Gateway>, index: usize) -> Diagnostic {
    let text = format!(
        "Duplicate certificate in multiple gateways [{}/{} {}/{}] may cause 404s if clients re-use HTTP2 connections. \
         [IST0138]",
        gateway.meta.namespace(),
        gateway.meta.name,
        other.meta.namespace(),
        other.meta.name
    );
    let path = Path::of("servers").index(index).field("tls");
    let finding = gateway.warning(Code::SharedCertificate, &path, text);
    finding
        .also(other.span(&Path::of("servers")), "the other gateway")
        .help("put the hosts of a certificate into one server")
}
