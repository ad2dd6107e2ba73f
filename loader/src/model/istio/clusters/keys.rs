//! Clusters from which the keys of tokens come.

use std::collections::BTreeMap;
use std::net::IpAddr;

use policy::Tags;

use super::{Clusters, Labelled, endpoints};
use crate::diagnostic::{Code, Diagnostic};
use crate::model::istio::destination_rules::{Calls, Rules, system};
use crate::model::istio::names;
use crate::model::policy::ClusterPolicy;
use crate::model::{Cluster, Endpoint, TlsOrigination, UpstreamProtocol};
use crate::resources::Resource;
use crate::resources::istio::request_authentication::JwksUri;
use crate::source::Path;

impl Clusters<'_> {
    /// The cluster of a `jwksUri`: a service of the registry with what DestinationRules say about it, or else the host
    /// that the URI names. Where that is `https`, there is TLS whatever they say.
    pub(in crate::model::istio) fn of_keys<T>(
        &mut self,
        uri: &JwksUri,
        resource: &Resource<T>,
        path: &Path,
        findings: &mut Vec<Diagnostic>,
    ) -> String {
        let JwksUri { is_tls, host, port } = uri;
        let scheme = if *is_tls { "https" } else { "http" };
        let name = format!("jwks|{port}|{scheme}|{host}");
        if self.made.contains_key(&name) {
            return name;
        }
        let mut made = outside(name.clone(), uri);
        made.origin = self.input.origin(resource, path);
        let calls = self.inside(&mut made, uri, resource, path, findings);
        if calls.is_none() && !is_tls && !is_local(host) {
            let message = format!(
                "{host} is asked for keys without TLS: who is on the way can have any token taken"
            );
            let finding = resource.warning(Code::PlainTokenKeys, path, message);
            findings.push(finding.help("write `https://`"));
        }
        if *is_tls && made.tls.is_none() && made.origination.is_none() {
            let authority = system();
            if authority.is_none() {
                let message =
                    "this system has no file of trusted authorities to verify the host with";
                let finding = resource.error(Code::NotServedField, path, message);
                findings.push(finding.help(
                    "name one in a DestinationRule for a ServiceEntry with this host: \
                     `tls: {mode: SIMPLE, caCertificates: …}`",
                ));
            }
            made.origination = Some(TlsOrigination {
                sni: host.parse::<IpAddr>().is_err().then(|| host.clone()),
                names: vec![host.clone()],
                authority,
                ..TlsOrigination::default()
            });
        }
        let calls = calls.unwrap_or_default();
        self.made.insert(name.clone(), (made, calls));
        name
    }

    /// Makes the cluster one of the registry, if that has the host and the port.
    fn inside<T>(
        &self,
        made: &mut Cluster,
        uri: &JwksUri,
        resource: &Resource<T>,
        path: &Path,
        findings: &mut Vec<Diagnostic>,
    ) -> Option<Calls> {
        let names = names::candidates(&uri.host, resource.meta.namespace());
        let (known, own, port) = names.into_iter().find_map(|known| {
            let own = self.registry.find(&known, &self.workload.namespace)?;
            Some((known, own, own.port(uri.port)?))
        })?;
        let none = BTreeMap::new();
        let mut endpoints = endpoints(own, port, &none, &none);
        let outside = std::mem::take(&mut made.endpoints).into_iter();
        if own.is_passthrough {
            // Without endpoints of its own a service outside is where its name leads.
            endpoints = outside
                .map(|endpoint| Labelled {
                    endpoint,
                    labels: &none,
                })
                .collect();
        } else if endpoints.is_empty() {
            let message =
                format!("no endpoints of {known} are known, so that no token will be right");
            let finding = resource.warning(Code::MissingDestination, path, message);
            findings.push(finding.help("add them to its Service or ServiceEntry"));
        }
        made.protocol = port.protocol;
        let rules = Rules::new(self.input, &self.rules, &known, own);
        let calls = rules.apply(made, endpoints, "", port.number, findings);
        rules.secure(made, "", port.number, findings);
        Some(calls)
    }
}

fn outside(name: String, uri: &JwksUri) -> Cluster {
    Cluster {
        name,
        protocol: UpstreamProtocol::Http1,
        endpoints: vec![Endpoint {
            address: uri.host.clone(),
            port: uri.port,
            tls: None,
            weight: None,
            priority: 0,
            locality: None,
        }],
        tls: None,
        origination: None,
        destination: Tags::default(),
        source: Tags::default(),
        policy: ClusterPolicy::default(),
        origin: crate::model::Origin::default(),
    }
}

/// Whether what is sent to a host does not leave the machine.
fn is_local(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|own| own.is_loopback())
}
