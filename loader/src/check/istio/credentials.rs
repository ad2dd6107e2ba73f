//! Secrets of gateways (`analyzers/gateway/secret.go`), and whether they hold at this time.

mod secrets;

use time::OffsetDateTime;

use self::secrets::{Secrets, Unfit, Validity};
use crate::diagnostic::{Code, Diagnostic};
use crate::model::certificates::files;
use crate::model::istio::credentials::{Reference, server_pair};
use crate::model::istio::files_of;
use crate::resources::istio::gateway::{Gateway, TlsMode};
use crate::resources::{Resource, Resources};
use crate::source::Path;

/// The key of a response of OCSP.
const STAPLE: &str = "tls.ocsp-staple";

/// Names credentials that are not there, or hold no certificate.
pub(super) fn check(resources: &Resources, findings: &mut Vec<Diagnostic>) {
    let mut secrets = Secrets::new(&resources.kubernetes);
    for (gateway, path, name) in named(resources) {
        let places = secrets.places(gateway, name);
        findings.extend(unfit(&mut secrets, &places, gateway, &path, name));
        findings.extend(stapled(&secrets, &places, name));
    }
}

/// Names a response of OCSP that would be stapled to the certificate: it ends after some days, and resources that are
/// written once have none that is newer.
fn stapled(secrets: &Secrets<'_>, places: &[&str], name: &str) -> Option<Diagnostic> {
    let mut places = places.iter();
    let secret = places.find_map(|namespace| match Reference::parse(name, namespace) {
        Ok(Reference::Secret(named)) => server_pair(secrets.of, named).ok(),
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
    let mut secrets = Secrets::new(&resources.kubernetes);
    for (gateway, path, name) in named(resources) {
        let places = secrets.places(gateway, name);
        let places = places.iter();
        let served = places.filter_map(|namespace| match Reference::parse(name, namespace) {
            Ok(Reference::Secret(named)) => {
                let validity = secrets.judge(named).as_ref().ok()?;
                Some((named, validity.holds(now)))
            }
            _ => None,
        });
        let served: Vec<_> = served.collect();
        if let Some((named, _)) = served.first()
            && !served.iter().any(|(_, holds)| *holds)
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
                if served.is_ok_and(|served| !Validity::of(&served).holds(now)) {
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

fn unfit(
    secrets: &mut Secrets<'_>,
    places: &[&str],
    gateway: &Resource<Gateway>,
    path: &Path,
    name: &str,
) -> Option<Diagnostic> {
    let mut last = None;
    for namespace in places {
        let error = match Reference::parse(name, namespace) {
            Ok(Reference::Secret(named)) => match secrets.judge(named) {
                Ok(_) => return None,
                Err(Unfit::Missing(error)) => error.clone(),
                Err(Unfit::Useless(code, why)) => {
                    let text = invalid(gateway, &format!("{named}: {why}"));
                    let help =
                        "put a certificate and its key into `tls.crt` and `tls.key` of the Secret";
                    return Some(gateway.error(*code, path, text).help(help));
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
    Some(
        match secrets.by_name.get(name).and_then(|all| all.first()) {
            Some(secret) => finding
                .also(
                    secret.span(&Path::root()),
                    "a Secret of this name in another namespace",
                )
                .help(
                    "Istio looks in the namespace of the gateway's workload, not in the Gateway's",
                ),
            None => finding.help("add the Secret, in the namespace of the gateway's workload"),
        },
    )
}

/// What Istio says, and why.
fn invalid(gateway: &Resource<Gateway>, why: &str) -> String {
    format!(
        "The credential referenced by the Gateway {} in namespace {} is invalid: {why} [IST0161]",
        gateway.meta.name,
        gateway.meta.namespace()
    )
}
