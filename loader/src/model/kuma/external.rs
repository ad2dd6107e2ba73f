//! `ExternalService`s: endpoints outside of the mesh, and the TLS that they want.

use std::net::IpAddr;

use super::Input;
use super::certificates;
use crate::diagnostic::{Code, Diagnostic};
use crate::model::certificates::Unusable;
use crate::model::{Authority, ClientCertificate, Endpoint, ExpectedName, UpstreamTls};
use crate::resources::Resource;
use crate::resources::kuma::external_service::{ExternalService, Tls};
use crate::resources::kuma::mesh_gateway::DataSource;
use crate::source::Path;

/// The endpoint; none if its address or its certificates are none, which a finding says (Kuma
/// `NewExternalServiceEndpoint` in `pkg/xds/topology/outbound.go` at 2.14.3).
pub(super) fn endpoint(
    input: Input<'_>,
    service: &Resource<ExternalService>,
    findings: &mut Vec<Diagnostic>,
) -> Option<Endpoint> {
    let networking = service.spec.networking.as_ref()?;
    let (host, port) = networking.host_and_port()?;
    let tls = if networking.tls.enabled {
        Some(tls(input, service, &networking.tls, host, findings)?)
    } else {
        None
    };
    Some(Endpoint {
        address: host.to_owned(),
        port,
        priority: 0,
        tls,
        weight: None,
        locality: None,
    })
}

fn tls(
    input: Input<'_>,
    service: &Resource<ExternalService>,
    tls: &Tls,
    host: &str,
    findings: &mut Vec<Diagnostic>,
) -> Option<UpstreamTls> {
    let mut read = |field: &str, source: &Option<DataSource>| match source {
        None => Some(None),
        Some(source) => match certificates::pem(input, &service.meta.mesh, source) {
            Ok((_, pem)) => Some(Some(pem)),
            Err(Unusable { code, why }) => {
                let path = Path::of("networking.tls").field(field);
                findings.push(service.error(code, &path, why));
                None
            }
        },
    };
    let authority = read("caCert", &tls.ca_cert)?;
    let chain = read("clientCert", &tls.client_cert)?;
    let key = read("clientKey", &tls.client_key)?;
    if authority.is_none() {
        let message = "the service's certificate is not checked: whoever answers is believed";
        findings.push(
            service
                .warning(Code::UncheckedService, &Path::of("networking.tls"), message)
                .help("give the certificate of who signs it as `caCert`"),
        );
    }
    let server_name = tls.server_name.clone().filter(|name| !name.is_empty());
    // A server name is a name, not an address (RFC 6066 §3).
    let sni = server_name.or_else(|| {
        let is_name = host.parse::<IpAddr>().is_err();
        is_name.then(|| host.to_owned())
    });
    Some(UpstreamTls {
        expected: (!tls.skip_hostname_verification)
            .then(|| ExpectedName::Exact(sni.clone().unwrap_or_else(|| host.to_owned())))
            .into_iter()
            .collect(),
        sni,
        authority: authority.map(Authority::Pem),
        min: None,
        max: None,
        certificate: chain
            .zip(key)
            .map(|(chain, key)| ClientCertificate { chain, key }),
        allow_renegotiation: tls.allow_renegotiation,
    })
}
