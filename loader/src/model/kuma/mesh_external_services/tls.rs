//! The TLS that a service outside of the mesh wants (Kuma `setTlsConfiguration` in `pkg/xds/topology/outbound.go` and
//! `UpstreamTlsContextOutsideMesh` in `pkg/xds/envoy/tls/v3/tls.go` at 2.14.3).
//!
//! Three things are stricter than on Kuma: without any CA there is no connection, names of `subjectAltNames` are the
//! only ones that count, and versions count in every mode.

use std::net::IpAddr;

use crate::diagnostic::{Code, Diagnostic};
use crate::model::TlsVersion;
use crate::model::certificates::Unusable;
use crate::model::kuma::Input;
use crate::model::kuma::certificates;
use crate::model::{Authority, ClientCertificate, ExpectedName, UpstreamTls};
use crate::resources::Resource;
use crate::resources::kuma::mesh_external_service::{
    MeshExternalService, SanMatch, Tls, Verification,
};
use crate::resources::kuma::mesh_gateway::DataSource;
use crate::source::Path;

/// Names the file of the CAs in place of what is found (Kuma `pkg/config/app/kuma-dp`).
const CA_FILE: &str = "KUMA_DATAPLANE_RUNTIME_DYNAMIC_SYSTEM_CA_PATH";

/// Where systems have their CAs (Kuma `app/kuma-dp/pkg/dataplane/certificate` at 2.14.3, after Go's `crypto/x509`).
const CA_FILES: [&str; 6] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/tls/cacert.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// What is wrong has been added to the findings.
pub(super) struct Unreachable;

/// The TLS with all endpoints of the service; none if it wants none.
pub(super) fn of(
    input: Input<'_>,
    service: &Resource<MeshExternalService>,
    findings: &mut Vec<Diagnostic>,
) -> Result<Option<UpstreamTls>, Unreachable> {
    let Some(tls) = service.spec.tls.as_ref().filter(|tls| tls.enabled) else {
        return Ok(None);
    };
    let mesh = &service.meta.mesh;
    let read = |source: &DataSource| certificates::pem(input, mesh, source).map(|(_, pem)| pem);
    let host = service.spec.endpoints.first();
    let host = host.map_or("", |endpoint| endpoint.address.as_str());
    match made(tls, host, read, system_authorities) {
        Ok(tls) => Ok(Some(tls)),
        Err((field, Unusable { code, why })) => {
            let path = Path::of("tls.verification").field(field);
            findings.push(
                service
                    .error(code, &path, why)
                    .help("requests to this service get 503, all others are served"),
            );
            Err(Unreachable)
        }
    }
}

/// The file of the system's CAs.
fn system_authorities() -> Option<String> {
    let said = std::env::var(CA_FILE).ok().filter(|name| !name.is_empty());
    let found = || {
        CA_FILES
            .into_iter()
            .find(|name| std::fs::exists(name).unwrap_or(false))
    };
    said.or_else(|| found().map(str::to_owned))
}

/// The field that is wrong, and why.
type Wrong = (&'static str, Unusable);

fn made(
    tls: &Tls,
    host: &str,
    read: impl Fn(&DataSource) -> Result<String, Unusable>,
    system: impl FnOnce() -> Option<String>,
) -> Result<UpstreamTls, Wrong> {
    let default = Verification::default();
    let conf = tls.verification.as_ref().unwrap_or(&default);
    let is_name = host.parse::<IpAddr>().is_err() && !host.contains('/') && !host.is_empty();
    let asks_for_own_name = matches!(conf.mode.as_str(), "SkipSAN" | "SkipAll");
    let server_name = conf.server_name.clone();
    let sni = server_name
        .filter(|name| !name.is_empty() && !asks_for_own_name)
        // A server name is a name, not an address (RFC 6066 §3).
        .or_else(|| is_name.then(|| host.to_owned()));
    let authority = match conf.mode.as_str() {
        "SkipCA" | "SkipAll" => None,
        _ => Some(authority(read_ca(conf, &read)?, system)?),
    };
    let expected = match conf.mode.as_str() {
        "SkipSAN" | "SkipCA" | "SkipAll" => Vec::new(),
        _ => expected(conf, sni.as_deref(), host)?,
    };
    let certificate = match conf.mode.as_str() {
        "SkipAll" => None,
        _ => certificate(conf, &read)?,
    };
    let version = tls.version.clone().unwrap_or_default();
    Ok(UpstreamTls {
        sni,
        expected,
        authority,
        min: self::version(&version.min),
        max: self::version(&version.max),
        certificate,
        allow_renegotiation: tls.allow_renegotiation,
    })
}

fn read_ca(
    conf: &Verification,
    read: impl Fn(&DataSource) -> Result<String, Unusable>,
) -> Result<Option<String>, Wrong> {
    let Some(source) = &conf.ca_cert else {
        return Ok(None);
    };
    let pem = read(source).map_err(|why| ("caCert", why))?;
    if certificates::are_certificates(&pem) {
        return Ok(Some(pem));
    }
    let why = "these are no certificates in PEM".to_owned();
    let code = Code::InvalidCertificate;
    Err(("caCert", Unusable { code, why }))
}

fn authority(
    given: Option<String>,
    system: impl FnOnce() -> Option<String>,
) -> Result<Authority, Wrong> {
    let given = given.map(Authority::Pem);
    given.or_else(|| system().map(Authority::File)).ok_or_else(|| {
        let why = format!(
            "the system has no file of CAs, and nobody would look at the service's certificate: give a `caCert`, or name the file in {CA_FILE}"
        );
        let code = Code::NoSystemAuthority;
        ("caCert", Unusable { code, why })
    })
}

/// Those of `subjectAltNames`, or else the name that is asked for.
fn expected(
    conf: &Verification,
    sni: Option<&str>,
    host: &str,
) -> Result<Vec<ExpectedName>, Wrong> {
    let name = |san: &SanMatch| match san.kind.as_str() {
        "Prefix" => ExpectedName::Prefix(san.value.clone()),
        _ => ExpectedName::Exact(san.value.clone()),
    };
    let names: Vec<_> = conf.subject_alt_names.iter().map(name).collect();
    if !names.is_empty() {
        return Ok(names);
    }
    let is_address = host.parse::<IpAddr>().is_ok();
    match sni.or(is_address.then_some(host)) {
        Some(name) => Ok(vec![ExpectedName::Exact(name.to_owned())]),
        None => {
            let why =
                "nothing says which name the service's certificate has to have: a socket has none"
                    .to_owned();
            let code = Code::NamelessService;
            Err(("serverName", Unusable { code, why }))
        }
    }
}

fn certificate(
    conf: &Verification,
    read: impl Fn(&DataSource) -> Result<String, Unusable>,
) -> Result<Option<ClientCertificate>, Wrong> {
    let (Some(chain), Some(key)) = (&conf.client_cert, &conf.client_key) else {
        return Ok(None);
    };
    let chain = read(chain).map_err(|why| ("clientCert", why))?;
    let key = read(key).map_err(|why| ("clientKey", why))?;
    let bundle = format!("{}\n{}", chain.trim_end(), key);
    match certificates::read_bundle(&bundle) {
        Ok(own) => Ok(Some(ClientCertificate {
            chain: own.chain,
            key: own.key,
        })),
        Err(why) => Err(("clientCert", why)),
    }
}

fn version(name: &str) -> Option<TlsVersion> {
    match name {
        "TLS10" => Some(TlsVersion::V1_0),
        "TLS11" => Some(TlsVersion::V1_1),
        "TLS12" => Some(TlsVersion::V1_2),
        "TLS13" => Some(TlsVersion::V1_3),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
