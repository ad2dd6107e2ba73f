//! Secrets of gateways (`analyzers/gateway/secret.go`), and whether they hold at this time.

use time::OffsetDateTime;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::diagnostic::{Code, Diagnostic};
use crate::model::Certificate;
use crate::model::istio::credentials::{
    CredentialError, Named, Reference, certificate, server_pair,
};
use crate::resources::istio::gateway::{Gateway, TlsMode};
use crate::resources::kubernetes::Kubernetes;
use crate::resources::{Resource, Resources};
use crate::source::Path;

use super::workloads::{selects, workloads};

/// Names credentials that are not there, or hold no certificate.
pub(super) fn check(resources: &Resources, findings: &mut Vec<Diagnostic>) {
    for (gateway, path, name) in named(resources) {
        findings.extend(unfit(resources, gateway, &path, name));
    }
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
            let text = format!("{named}: certificate is expired or not yet valid [IST0161]");
            let help = "put a certificate that is valid now into the Secret";
            let finding = gateway.warning(Code::CertificateTime, &path, text);
            findings.push(finding.help(help));
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
        found.extend(of.secrets.iter().map(|secret| secret.meta.namespace()));
    }
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
                    let text = format!("{named}: {why} [IST0161]");
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
