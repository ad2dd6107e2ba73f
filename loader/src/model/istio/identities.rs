//! The mesh of Istio's workloads: who signs their certificates, and who they are there (`ISTIO_MUTUAL`).
//!
//! A mesh has one trust domain, `cluster.local` where nobody says another one, and a workload in it is its service
//! account: `spiffe://cluster.local/ns/<namespace>/sa/<account>` (`pkg/spiffe/spiffe.go` at 1.32).

use std::collections::BTreeSet;

use time::Duration;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::tls::shows_certificate_of_mesh;
use super::workload::{self, Workload};
use crate::diagnostic::{Code, Diagnostic};
use crate::model::kuma::{self, Input};
use crate::model::mesh::{KeyPair, Mtls, Source, Unusable};
use crate::model::{Identity, Proxy, Trust};
use crate::resources::Resource;

use crate::resources::istio::destination_rule::DestinationRule;
use crate::resources::istio::gateway::TlsMode;
use crate::resources::istio::traffic_policy::{ClientTls, ClientTlsMode, TrafficPolicy};
use crate::resources::kubernetes::secret::Secret;
use crate::source::Path;

/// The trust domain, which is the name of the mesh too.
const TRUST_DOMAIN: &str = "cluster.local";
/// The namespace of istiod, where it keeps its authority.
const SYSTEM: &str = "istio-system";
/// How long the certificate of a workload is valid (`SECRET_TTL` of Istio's agent).
const LIFETIME: Duration = Duration::hours(24);
/// How long the authority is (`CITADEL_SELF_SIGNED_CA_CERT_TTL` of istiod).
const LIFETIME_OF_CA: Duration = Duration::days(10 * 365);

/// Whose certificates are believed.
pub(super) fn trust() -> Trust {
    Trust::Mesh(TRUST_DOMAIN.to_owned())
}

/// The SPIFFE ID of `<namespace>/<account>`.
pub(super) fn spiffe_id(account: &str) -> String {
    let (namespace, name) = account.split_once('/').unwrap_or_default();
    format!("spiffe://{TRUST_DOMAIN}/ns/{namespace}/sa/{name}")
}

/// The mTLS of the mesh, if any resource asks for it: with istiod's authority where its Secret is there, `cacerts` or
/// `istio-ca-secret` in `istio-system`, or else one that meshgate makes.
pub fn mesh(input: Input<'_>) -> Option<Mtls> {
    is_asked_for(input).then(|| Mtls {
        mesh: TRUST_DOMAIN.to_owned(),
        backend: "istiod".to_owned(),
        kind: "builtin".to_owned(),
        permissive: false,
        lifetime: LIFETIME,
        source: source(input),
    })
}

/// Who the workloads that resources stand for are, the gateways among them; nobody if nothing asks for it.
pub fn identities(input: Input<'_>) -> Vec<Identity> {
    if !is_asked_for(input) {
        return Vec::new();
    }
    let written = workload::written(input.resources);
    let gateways = workload::workloads(input.resources);
    let mut seen = BTreeSet::new();
    let all = gateways.iter().chain(&written).map(identity);
    all.filter(|own| seen.insert(own.dataplane.clone()))
        .collect()
}

fn identity(workload: &Workload) -> Identity {
    let (namespace, account) = (&workload.namespace, &workload.service_account);
    Identity {
        mesh: TRUST_DOMAIN.to_owned(),
        dataplane: format!("{namespace}.{}", workload.name),
        services: vec![format!("ns/{namespace}/sa/{account}")],
        tags: Vec::new(),
    }
}

/// Who a gateway is, if a server or a cluster of it asks for that.
pub(super) fn of_proxy(
    input: Input<'_>,
    workload: &Workload,
    proxy: &Proxy,
    findings: &mut Vec<Diagnostic>,
) -> Option<Identity> {
    let mut listeners = proxy.ports.iter().flat_map(|port| &port.listeners);
    let mut clusters = proxy.clusters.iter();
    let is_asked_for = listeners.any(|listener| listener.tls.mesh.is_some())
        || clusters.any(|cluster| cluster.tls.is_some());
    if !is_asked_for {
        return None;
    }
    // The certificates of both would be one another's.
    let mut meshes = input.resources.meshes.iter();
    if let Some(mesh) = meshes.find(|mesh| mesh.meta.name == TRUST_DOMAIN)
        && kuma::has_mtls(input.resources, TRUST_DOMAIN)
    {
        let message = format!("{TRUST_DOMAIN} is the trust domain of Istio's mesh as well");
        let finding = mesh.error(Code::TrustDomainTaken, &Path::root(), message);
        findings.push(finding.help("give the Mesh another name, or remove ISTIO_MUTUAL"));
    }
    Some(identity(workload))
}

fn is_asked_for(input: Input<'_>) -> bool {
    let istio = &input.resources.istio;
    let mut servers = istio.gateways.iter().flat_map(|own| &own.spec.servers);
    let by_server = servers.any(|server| {
        let tls = server.tls.as_ref();
        tls.is_some_and(|tls| tls.mode == TlsMode::IstioMutual || shows_certificate_of_mesh(tls))
    });
    by_server || istio.destination_rules.iter().any(by_rule)
}

fn by_rule(rule: &Resource<DestinationRule>) -> bool {
    let is = |tls: &Option<ClientTls>| {
        let tls = tls.as_ref();
        tls.is_some_and(|tls| tls.mode == ClientTlsMode::IstioMutual)
    };
    let subsets = rule.spec.subsets.iter();
    let own = subsets.map(|subset| &subset.traffic_policy);
    let mut policies = own.chain([&rule.spec.traffic_policy]).flatten();
    policies.any(|policy: &TrafficPolicy| {
        is(&policy.tls) || policy.port_level_settings.iter().any(|port| is(&port.tls))
    })
}

/// What istiod reads (`security/pkg/pki/ca` and `pkg/pki/util` at 1.32): the authority that an operator brings, or the
/// one that istiod has made for itself.
fn source(input: Input<'_>) -> Result<Source, Unusable> {
    for name in ["cacerts", "istio-ca-secret"] {
        let found = input.resources.kubernetes.secrets.find(SYSTEM, name);
        if let Some(secret) = found {
            return given(&secret.spec)
                .map(Source::Given)
                .map_err(|why| Unusable(format!("Secret {SYSTEM}/{name}: {why}")));
        }
    }
    Ok(Source::Made {
        lifetime: LIFETIME_OF_CA,
        rsa_bits: None,
    })
}

fn given(secret: &Secret) -> Result<KeyPair, String> {
    let text = |key: &str| {
        let bytes = secret.data.get(key).filter(|bytes| !bytes.is_empty());
        let text = bytes.map(|bytes| String::from_utf8(bytes.clone()));
        text.transpose().map_err(|_| format!("{key} is no PEM"))
    };
    let missing = |key: &str| format!("there is no {key}");
    let own = text("ca-cert.pem")?.ok_or_else(|| missing("ca-cert.pem"))?;
    let key = text("ca-key.pem")?.ok_or_else(|| missing("ca-key.pem"))?;
    let root = text("root-cert.pem")?.filter(|root| root.trim() != own.trim());
    let above = text("cert-chain.pem")?.unwrap_or_default();
    let chain = match root {
        Some(_) => chain(&own, &above)?,
        None => String::new(),
    };
    Ok(KeyPair {
        certificates: match root {
            Some(root) => format!("{}\n{root}", own.trim_end()),
            None => own,
        },
        chain,
        key,
    })
}

/// The authority and what stands above it up to the root, which nobody has to be told (RFC 8446 §4.4.2). Istio's agent
/// gets `cert-chain.pem` behind its own certificate (`GetCertChainPem` in `security/pkg/pki/util/keycertbundle.go` at
/// 1.32), which begins with the authority if it was made as Istio's documentation says.
fn chain(own: &str, above: &str) -> Result<String, String> {
    let blocks = |name: &str, text: &str| {
        pem::parse_many(text).map_err(|why| format!("{name}: invalid PEM: {why}"))
    };
    let mut all = blocks("ca-cert.pem", own)?;
    all.truncate(1);
    for block in blocks("cert-chain.pem", above)? {
        if !all.contains(&block) {
            all.push(block);
        }
    }
    let mut chain = String::new();
    for block in &all {
        let read = X509Certificate::from_der(block.contents());
        let (_, read) = read.map_err(|_| "cert-chain.pem: there is no certificate".to_owned())?;
        if read.subject() != read.issuer() {
            chain += &block.to_string();
        }
    }
    Ok(chain)
}

#[cfg(test)]
mod tests;
