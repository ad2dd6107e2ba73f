//! TLS towards a service (`ClientTLSSettings`).

use std::path::Path as File;

use crate::diagnostic::{Code, Diagnostic};
use crate::model::certificates::{Unusable, files};
use crate::model::identity::TlsParams;
use crate::model::istio::identities;
use crate::model::istio::registry::Service;
use crate::model::istio::secrets;
use crate::model::istio::workload::Workload;
use crate::model::kuma::Input;
use crate::model::{MeshTls, Source, SpiffeIds, TlsOrigination};
use crate::resources::Resource;
use crate::resources::istio::destination_rule::DestinationRule;
use crate::resources::istio::traffic_policy::{ClientTls, ClientTlsMode};
use crate::source::Path;

/// Where systems keep the authorities that they trust (Istio's own list, `pkg/security/security.go` at 1.32).
const SYSTEM: [&str; 6] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/tls/cacert.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Where the settings stand, and for whom.
pub(super) struct Place<'a, 'b> {
    pub(super) input: Input<'a>,
    pub(super) workload: &'b Workload,
    pub(super) rule: &'b Resource<DestinationRule>,
    pub(super) path: &'b Path,
}

impl Place<'_, '_> {
    fn error(&self, code: Code, field: &str, message: impl Into<String>) -> Diagnostic {
        self.rule.error(code, &self.path.field(field), message)
    }
}

/// TLS with workloads of the mesh. They have to be those that somebody names, or that the service is known to have, or
/// else any of the mesh (`conditionallyConvertToIstioMtls` in `pilot/pkg/networking/core/cluster_tls.go` at 1.32).
pub(super) fn of_mesh(tls: &ClientTls, service: &Service<'_>, sni: String) -> MeshTls {
    let named = [&*tls.subject_alt_names, service.subject_names];
    let named = named.into_iter().find(|names| !names.is_empty());
    let accounts = || {
        let accounts = service.accounts().unwrap_or_default().into_iter();
        accounts.map(identities::spiffe_id).collect::<Vec<_>>()
    };
    let peers = named.map_or_else(accounts, <[String]>::to_vec);
    MeshTls {
        trust: identities::trust(),
        peers: peers.into_iter().map(SpiffeIds::Exact).collect(),
        sni: if tls.sni.is_empty() {
            sni
        } else {
            tls.sni.clone()
        },
        params: TlsParams::default(),
    }
}

/// The TLS of a cluster. Whatever cannot be had is an error that stops the gateway: without it requests would leave in
/// the clear.
pub(super) fn origination(
    place: &Place<'_, '_>,
    tls: &ClientTls,
    service: &Service<'_>,
    findings: &mut Vec<Diagnostic>,
) -> Option<TlsOrigination> {
    if !matches!(tls.mode, ClientTlsMode::Simple | ClientTlsMode::Mutual) {
        return None;
    }
    let mut made = TlsOrigination {
        sni: (!tls.sni.is_empty()).then(|| tls.sni.clone()),
        names: if tls.subject_alt_names.is_empty() {
            service.subject_names.to_vec()
        } else {
            tls.subject_alt_names.clone()
        },
        crl: file(&tls.ca_crl),
        authority: None,
        certificate: None,
    };
    if made.names.is_empty() {
        made.names.extend(made.sni.clone());
    }
    let shows = tls.mode == ClientTlsMode::Mutual;
    let credential = &tls.credential_name;
    if credential.is_empty() {
        for (field, why) in unreadable(tls) {
            let message = format!("{field}: {}", why.why);
            findings.push(place.error(Code::ServiceTls, field, message));
        }
        made.authority = file(&tls.ca_certificates);
        if shows {
            let files = (&tls.client_certificate, &tls.private_key);
            made.certificate = Some((Source::File(files.0.clone()), Source::File(files.1.clone())));
        }
    } else {
        let mut read = || {
            if shows {
                let own = secrets::server(place.input, place.workload, credential)?;
                made.certificate = Some((Source::Inline(own.chain), Source::Inline(own.key)));
            }
            let (authority, crl) =
                secrets::authority_beside(place.input, place.workload, credential)?;
            made.authority = Some(Source::Inline(authority));
            made.crl = crl.map(Source::Inline).or(made.crl.take());
            Ok::<_, Unusable>(())
        };
        if let Err(why) = read() {
            let message = format!("credentialName: {}", why.why);
            findings.push(place.error(Code::ServiceTls, "credentialName", message));
        }
    }
    if tls.insecure_skip_verify == Some(true) {
        made.authority = None;
    } else if made.authority.is_none() && credential.is_empty() {
        made.authority = system();
        if made.authority.is_none() {
            let message =
                "caCertificates is missing, and this system has no file of trusted authorities";
            findings.push(place.error(Code::NotServedField, "caCertificates", message));
        }
    }
    Some(made)
}

/// Files that Envoy would refuse its whole configuration for.
fn unreadable(tls: &ClientTls) -> Vec<(&'static str, Unusable)> {
    let judged = |field, name: &str, judge: fn(&str) -> Result<(), Unusable>| {
        let why = (!name.is_empty()).then(|| judge(name).err()).flatten()?;
        Some((field, why))
    };
    let mut found = Vec::new();
    found.extend(judged(
        "caCertificates",
        &tls.ca_certificates,
        files::authority,
    ));
    found.extend(judged("caCrl", &tls.ca_crl, files::revoked));
    let (chain, key) = (&tls.client_certificate, &tls.private_key);
    if tls.mode == ClientTlsMode::Mutual
        && !chain.is_empty()
        && !key.is_empty()
        && let Err((which, why)) = files::pair(chain, key)
    {
        let field = match which {
            files::Which::Chain => "clientCertificate",
            files::Which::Key => "privateKey",
        };
        found.push((field, why));
    }
    found
}

fn file(name: &str) -> Option<Source> {
    (!name.is_empty()).then(|| Source::File(name.to_owned()))
}

/// The file of authorities that the system trusts.
pub(in crate::model::istio) fn system() -> Option<Source> {
    let mut files = SYSTEM.into_iter();
    let found = files.find(|name| File::new(name).is_file())?;
    Some(Source::File(found.to_owned()))
}
