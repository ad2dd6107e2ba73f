//! Secrets of gateways (`analyzers/gateway/secret.go`), and whether they hold at this time.

use time::OffsetDateTime;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::diagnostic::{Code, Diagnostic};
use crate::model::istio::credentials::{
    CredentialError, Named, Reference, certificate, server_pair,
};
use crate::resources::istio::gateway::{Gateway, TlsMode};
use crate::resources::kubernetes::Kubernetes;
use crate::resources::{Resource, Resources};
use crate::source::Path;

use super::workloads::{selects, workloads};

pub(super) fn check(resources: &Resources, now: OffsetDateTime, findings: &mut Vec<Diagnostic>) {
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
            for (path, name) in one.into_iter().chain(several) {
                if !gateway.place.is_faulty(&path) {
                    findings.extend(credential(resources, gateway, &path, name, now));
                }
            }
        }
    }
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

fn credential(
    resources: &Resources,
    gateway: &Resource<Gateway>,
    path: &Path,
    name: &str,
    now: OffsetDateTime,
) -> Option<Diagnostic> {
    let mut last = None;
    for namespace in namespaces(&resources.kubernetes, gateway) {
        let error = match Reference::parse(name, namespace) {
            Ok(Reference::Secret(named)) => match judge(&resources.kubernetes, named, now) {
                Ok(()) => return None,
                Err(Unfit::Missing(error)) => error,
                Err(Unfit::Useless(code, why)) => {
                    let text = format!("{named}: {why} [IST0161]");
                    let help =
                        "put a certificate and its key into `tls.crt` and `tls.key` of the Secret";
                    return Some(gateway.error(code, path, text).help(help));
                }
                Err(Unfit::Stale(why)) => {
                    let text = format!("{named}: {why} [IST0161]");
                    let help = "put a certificate that is valid now into the Secret";
                    return Some(
                        gateway
                            .warning(Code::CertificateTime, path, text)
                            .help(help),
                    );
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
    Stale(&'static str),
}

fn judge(of: &Kubernetes, named: Named<'_>, now: OffsetDateTime) -> Result<(), Unfit> {
    let (_, pair) = server_pair(of, named).map_err(|error| match error {
        CredentialError::Content(why) => Unfit::Useless(Code::UnusableCredential, why.to_string()),
        error => Unfit::Missing(error),
    })?;
    let id = format!("secret:{named}");
    let served = certificate(&id, pair).map_err(|unfit| Unfit::Useless(unfit.code, unfit.why))?;
    let chain = pem::parse_many(&served.chain).unwrap_or_default();
    let der = chain.first().map(pem::Pem::contents).unwrap_or_default();
    let Ok((_, x509)) = X509Certificate::from_der(der) else {
        return Ok(());
    };
    let (validity, now) = (x509.validity(), now.unix_timestamp());
    let holds = validity.not_before.timestamp() <= now && now <= validity.not_after.timestamp();
    if holds {
        Ok(())
    } else {
        Err(Unfit::Stale("certificate is expired or not yet valid"))
    }
}
