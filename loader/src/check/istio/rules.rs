//! Services whose certificate nobody looks at (`analyzers/destinationrule/ca-certificate.go`).

use crate::diagnostic::{Code, Diagnostic};
use crate::resources::istio::destination_rule::DestinationRule;
use crate::resources::istio::traffic_policy::{ClientTls, ClientTlsMode};
use crate::resources::{Resource, Resources};
use crate::source::Path;

pub(super) fn check(resources: &Resources, findings: &mut Vec<Diagnostic>) {
    for rule in &resources.istio.destination_rules {
        let Some(policy) = &rule.spec.traffic_policy else {
            continue;
        };
        let path = Path::of("trafficPolicy");
        let whole = policy
            .tls
            .as_ref()
            .map(|tls| (path.field("tls"), tls, None));
        let ports = policy.port_level_settings.iter().enumerate();
        let ports = ports.filter_map(|(index, entry)| {
            let path = path.field("portLevelSettings").index(index).field("tls");
            let port = entry.port.as_ref().map(|port| port.number.to_string());
            Some((path, entry.tls.as_ref()?, Some(port.unwrap_or_default())))
        });
        for (path, tls, port) in whole.into_iter().chain(ports) {
            findings.extend(unchecked(rule, &path, tls, port));
        }
    }
}

fn unchecked(
    rule: &Resource<DestinationRule>,
    path: &Path,
    tls: &ClientTls,
    port: Option<String>,
) -> Option<Diagnostic> {
    let mode = match tls.mode {
        ClientTlsMode::Simple => "SIMPLE",
        ClientTlsMode::Mutual => "MUTUAL",
        ClientTlsMode::Disable | ClientTlsMode::IstioMutual => return None,
    };
    // Sidecars take credentials only where the rule selects them.
    let has_credential = !tls.credential_name.is_empty() && rule.spec.workload_selector.is_some();
    if has_credential || !tls.ca_certificates.is_empty() {
        return None;
    }
    let said = match port {
        Some(port) => format!(" at port {port} [IST0129]"),
        None => " [IST0128]".to_owned(),
    };
    let text = format!(
        "DestinationRule {}/{} in namespace {} has TLS mode set to {mode} but no caCertificates are set to validate server \
         identity for host: {}{said}",
        rule.meta.namespace(),
        rule.meta.name,
        rule.meta.namespace(),
        rule.spec.host
    );
    let finding = rule.warning(Code::UncheckedService, path, text);
    Some(finding.help("add `caCertificates`; Istio uses the authorities of the system without it"))
}
