//! Secrets of gateways (`analyzers/gateway/secret.go`), and whether they hold at this time.

use std::collections::HashSet;

use time::OffsetDateTime;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::diagnostic::{Code, Diagnostic};
use crate::model::Certificate;
use crate::model::certificates::files;
use crate::model::istio::credentials::{
    CredentialError, Named, Reference, certificate, server_pair,
};
use crate::model::istio::files_of;
use crate::resources::istio::gateway::{Gateway, TlsMode};
use crate::resources::kubernetes::Kubernetes;
use crate::resources::{Resource, Resources};
use crate::source::Path;

use super::workloads::{selects, workloads};

/// The key of a response of OCSP.
const STAPLE: &str = "tls.ocsp-staple";

/// Names credentials that are not there, or hold no certificate.
pub(super) fn check(resources: &Resources, findings: &mut Vec<Diagnostic>) {
    for (gateway, path, name) in named(resources) {
        findings.extend(unfit(resources, gateway, &path, name));
        findings.extend(stapled(resources, gateway, name));
    }
}

/// Names a response of OCSP that would be stapled to the certificate: it ends after some days, and resources that are
/// written once have none that is newer.
fn stapled(resources: &Resources, gateway: &Resource<Gateway>, name: &str) -> Option<Diagnostic> {
    let of = &resources.kubernetes;
    let mut places = namespaces(of, gateway).into_iter();
    let secret = places.find_map(|namespace| match Reference::parse(name, namespace) {
        Ok(Reference::Secret(named)) => server_pair(of, named).ok(),
        _ => None,
    });
    let (secret, pair) = secret?;
    pair.staple?;
    let field = ["data", "stringData"].into_iter().find(|field| {
        let values = secret.place.root.get(field);
        values.is_some_and(|values| values.get(STAPLE).is_some())
    });
    let path = Path::of(field?).key(STAPLE);
    let message = format!("{STAPLE} is not served: clients get no response of OCSP");
    let finding = secret.warning(Code::NotServedField, &path, message);
    Some(finding.help("remove it, or let clients ask the authority themselves"))
}

/// Names certificates of another time than `now`.
pub(super) fn stale(resources: &Resources, now: OffsetDateTime, findings: &mut Vec<Diagnostic>) {
    let of = &resources.kubernetes;
    for (gateway, path, name) in named(resources) {
        let places = namespaces(of, gateway).into_iter();
        let secrets = places.filter_map(|namespace| match Reference::parse(name, namespace) {
            Ok(Reference::Secret(named)) => Some((named, judge(of, named).ok()?)),
            _ => None,
        });
        let secrets: Vec<_> = secrets.collect();
        if let Some((named, _)) = secrets.first()
            && !secrets.iter().any(|(_, served)| holds(served, now))
        {
            let why = format!("{named}: certificate is expired or not yet valid");
            let text = invalid(gateway, &why);
            let help = "put a certificate that is valid now into the Secret";
            let finding = gateway.warning(Code::CertificateTime, &path, text);
            findings.push(finding.help(help));
        }
    }
    for gateway in &resources.istio.gateways {
        for (index, server) in gateway.spec.servers.iter().enumerate() {
            let Some(tls) = &server.tls else {
                continue;
            };
            for (place, pair) in files_of(tls) {
                let path = Path::of("servers").index(index).field("tls");
                let path = path.join(&place).field("serverCertificate");
                // What cannot be served at all is named where the server is made.
                let served = files::pair(&pair.chain, &pair.key);
                if served.is_ok_and(|served| !holds(&served, now)) {
                    let text = format!("`{}`: certificate is expired or not yet valid", pair.chain);
                    let finding = gateway.warning(Code::CertificateTime, &path, text);
                    findings
                        .push(finding.help("put a certificate that is valid now into the file"));
                }
            }
        }
    }
}

/// All credentials of servers, with their places.
fn named(resources: &Resources) -> Vec<(&Resource<Gateway>, Path, &str)> {
    let mut all = Vec::new();
    for gateway in &resources.istio.gateways {
        for (index, server) in gateway.spec.servers.iter().enumerate() {
            let Some(tls) = &server.tls else {
                continue;
            };
            if !tls.mode.terminates() || tls.mode == TlsMode::IstioMutual {
                continue;
            }
            let path = Path::of("servers").index(index).field("tls");
            let one = Some(&tls.credential_name).filter(|name| !name.is_empty());
            let one = one.map(|name| (path.field("credentialName"), name));
            let several = tls.credential_names.iter().enumerate();
            let several = several.map(|(at, name)| (path.field("credentialNames").index(at), name));
            let sound = one
                .into_iter()
                .chain(several)
                .filter(|(path, _)| !gateway.place.is_faulty(path));
            all.extend(sound.map(|(path, name)| (gateway, path, name.as_str())));
        }
    }
    all
}

/// The namespaces of the workloads of a gateway; those of all Secrets where nobody names workloads.
fn namespaces<'r>(of: &'r Kubernetes, gateway: &'r Resource<Gateway>) -> Vec<&'r str> {
    let selected =
        workloads(of).filter(|workload| selects(&gateway.spec.selector, workload.labels));
    let mut found: Vec<_> = selected.map(|workload| workload.namespace).collect();
    if workloads(of).next().is_none() {
        found.push(gateway.meta.namespace());
        found.extend(of.secrets.namespaces());
    }
    let mut seen = HashSet::new();
    found.retain(|namespace| seen.insert(*namespace));
    found
}

fn unfit(
    resources: &Resources,
    gateway: &Resource<Gateway>,
    path: &Path,
    name: &str,
) -> Option<Diagnostic> {
    let mut last = None;
    for namespace in namespaces(&resources.kubernetes, gateway) {
        let error = match Reference::parse(name, namespace) {
            Ok(Reference::Secret(named)) => match judge(&resources.kubernetes, named) {
                Ok(_) => return None,
                Err(Unfit::Missing(error)) => error,
                Err(Unfit::Useless(code, why)) => {
                    let text = invalid(gateway, &format!("{named}: {why}"));
                    let help =
                        "put a certificate and its key into `tls.crt` and `tls.key` of the Secret";
                    return Some(gateway.error(code, path, text).help(help));
                }
            },
            Ok(_) => return None,
            Err(error) => error,
        };
        last.get_or_insert(error);
    }
    let why = last?;
    let text = format!("Referenced credentialName not found: {name:?} [IST0101]: {why}");
    let finding = gateway.error(Code::MissingCredential, path, text);
    let elsewhere = resources
        .kubernetes
        .secrets
        .iter()
        .find(|secret| secret.meta.name == name);
    Some(match elsewhere {
        Some(secret) => finding
            .also(
                secret.span(&Path::root()),
                "a Secret of this name in another namespace",
            )
            .help("Istio looks in the namespace of the gateway's workload, not in the Gateway's"),
        None => finding.help("add the Secret, in the namespace of the gateway's workload"),
    })
}

/// What Istio says, and why.
fn invalid(gateway: &Resource<Gateway>, why: &str) -> String {
    format!(
        "The credential referenced by the Gateway {} in namespace {} is invalid: {why} [IST0161]",
        gateway.meta.name,
        gateway.meta.namespace()
    )
}

/// Why no client can be served.
enum Unfit {
    Missing(CredentialError),
    Useless(Code, String),
}

fn judge(of: &Kubernetes, named: Named<'_>) -> Result<Certificate, Unfit> {
    let (_, pair) = server_pair(of, named).map_err(|error| match error {
        CredentialError::Content(why) => Unfit::Useless(Code::UnusableCredential, why.to_string()),
        error => Unfit::Missing(error),
    })?;
    let id = format!("secret:{named}");
    certificate(&id, pair).map_err(|unfit| Unfit::Useless(unfit.code, unfit.why))
}

/// Whether clients take it at this time, as far as can be told.
fn holds(served: &Certificate, now: OffsetDateTime) -> bool {
    let chain = pem::parse_many(&served.chain).unwrap_or_default();
    let der = chain.first().map(pem::Pem::contents).unwrap_or_default();
    let Ok((_, x509)) = X509Certificate::from_der(der) else {
        return true;
    };
    let (validity, now) = (x509.validity(), now.unix_timestamp());
    validity.not_before.timestamp() <= now && now <= validity.not_after.timestamp()
}
