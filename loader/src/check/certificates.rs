//! Certificates that Envoy serves and clients refuse: of another time, or of another host.

use std::net::IpAddr;

use policy::HostPattern;
use time::OffsetDateTime;
use x509_parser::pem::parse_x509_pem;
use x509_parser::prelude::{GeneralName, X509Certificate};
use x509_parser::time::ASN1Time;

use crate::diagnostic::{Code, Diagnostic};
use crate::model::Certificate;
use crate::model::kuma::{self, Input};
use crate::resources::Resource;
use crate::resources::kuma::mesh_gateway::{Listener, MeshGateway, Protocol, TlsMode};
use crate::source::Path;

/// Everything that clients will not like about the certificates of all listeners at the time `now`.
pub fn certificates(input: Input<'_>, now: OffsetDateTime) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    for gateway in &input.resources.mesh_gateways {
        let conf = gateway.spec.conf.as_ref();
        let listeners = conf.map_or(&[][..], |conf| &conf.listeners);
        for (index, listener) in listeners.iter().enumerate() {
            let path = Path::of("conf.listeners").index(index);
            if terminates(listener) {
                of_listener(input, gateway, &path, listener, now, &mut findings);
            }
        }
    }
    findings.extend(super::istio::certificates(input.resources, now));
    findings
}

fn terminates(listener: &Listener) -> bool {
    let mode = listener.tls.as_ref().map(|tls| tls.mode);
    matches!(listener.protocol, Protocol::Https | Protocol::Tls) && mode == Some(TlsMode::Terminate)
}

fn of_listener(
    input: Input<'_>,
    gateway: &Resource<MeshGateway>,
    path: &Path,
    listener: &Listener,
    now: OffsetDateTime,
    findings: &mut Vec<Diagnostic>,
) {
    let name = kuma::listener_name(gateway, listener);
    let mut warn = |code, path: &Path, why: String, help: &str| {
        let message = format!("listener `{name}`: {why}");
        findings.push(gateway.warning(code, path, message).help(help));
    };
    let mut kinds: Vec<String> = Vec::new();
    for (path, certificate) in kuma::certificates_of(input, gateway, path, listener) {
        // What cannot be served at all is named where the listener is made.
        let Ok(certificate) = certificate else {
            continue;
        };
        let (kind, id) = parts(&certificate);
        if kinds.iter().any(|other| other == kind) {
            let why = format!(
                "{id}: another certificate of the listener has a key of the same kind ({kind}), and clients get one of them"
            );
            let help = "two certificates are for clients that know ECDSA and for those that do not";
            warn(Code::SameKindOfKey, &path, why, help);
        }
        kinds.push(kind.to_owned());
        let Ok((_, block)) = parse_x509_pem(certificate.chain.as_bytes()) else {
            continue;
        };
        let Ok(x509) = block.parse_x509() else {
            continue;
        };
        if let Some(why) = of_another_time(&x509, now) {
            let help = "put a certificate that is valid now into the secret";
            warn(Code::CertificateTime, &path, format!("{id}: {why}"), help);
        }
        if let Some(why) = of_another_host(&x509, &listener.hostname) {
            let help = "clients compare the host with the subject alternative names only, never with the CN";
            warn(
                Code::HostnameNotCovered,
                &path,
                format!("{id}: {why}"),
                help,
            );
        }
    }
}

/// The two parts of `cert.<kind>:<id>`.
fn parts(certificate: &Certificate) -> (&str, &str) {
    let name = certificate.name.as_str();
    let name = name.strip_prefix("cert.").unwrap_or(name);
    name.split_once(':').unwrap_or((name, name))
}

fn of_another_time(certificate: &X509Certificate<'_>, now: OffsetDateTime) -> Option<String> {
    let validity = certificate.validity();
    let now = now.unix_timestamp();
    let date = |time: ASN1Time| time.to_datetime().date();
    if now > validity.not_after.timestamp() {
        Some(format!(
            "the certificate expired on {}: clients refuse it",
            date(validity.not_after)
        ))
    } else if now < validity.not_before.timestamp() {
        Some(format!(
            "the certificate is not valid before {}: clients refuse it",
            date(validity.not_before)
        ))
    } else {
        None
    }
}

fn of_another_host(certificate: &X509Certificate<'_>, hostname: &str) -> Option<String> {
    let names = Names::of(certificate);
    let pattern = hostname.parse::<HostPattern>().ok()?;
    if names.cover(&pattern) {
        return None;
    }
    Some(match names.list().as_str() {
        "" => "no host is among the subject alternative names of the certificate".to_owned(),
        list => format!("the certificate is for {list}, not for `{pattern}`"),
    })
}

/// Whom a certificate is for, in lower case.
#[derive(Default)]
struct Names {
    dns: Vec<String>,
    addresses: Vec<IpAddr>,
}

impl Names {
    fn of(certificate: &X509Certificate<'_>) -> Self {
        let mut names = Self::default();
        let Ok(Some(extension)) = certificate.subject_alternative_name() else {
            return names;
        };
        for name in &extension.value.general_names {
            match name {
                GeneralName::DNSName(name) => names.dns.push(name.to_ascii_lowercase()),
                GeneralName::IPAddress(bytes) => names.addresses.extend(address(bytes)),
                _ => {}
            }
        }
        names
    }

    /// Whether a client accepts the certificate for a host of the pattern. A wildcard stands for one whole label (RFC
    /// 9525 §6.3).
    fn cover(&self, pattern: &HostPattern) -> bool {
        match pattern {
            HostPattern::Any => !self.dns.is_empty() || !self.addresses.is_empty(),
            HostPattern::Exact(host) => {
                let host = host.as_str();
                let wildcard = host.split_once('.').map(|(_, rest)| format!("*.{rest}"));
                let is_host = |name: &String| name == host || Some(name) == wildcard.as_ref();
                let address = host.parse::<IpAddr>();
                self.dns.iter().any(is_host)
                    || address.is_ok_and(|address| self.addresses.contains(&address))
            }
            HostPattern::Suffix(domain) => {
                let end = format!(".{}", domain.as_str());
                self.dns.iter().any(|name| name.ends_with(&end))
            }
        }
    }

    /// The first few of them, for a message.
    fn list(&self) -> String {
        let dns = self.dns.iter().cloned();
        let all = dns.chain(self.addresses.iter().map(ToString::to_string));
        let some: Vec<_> = all.take(4).map(|name| format!("`{name}`")).collect();
        match some.as_slice() {
            [first, second, third, _] => format!("{first}, {second}, {third} and others"),
            few => few.join(", "),
        }
    }
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let four = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    four.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from))
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_name_stands_for_one_label() {
        for (name, pattern, covered) in [
            ("a.example.com", "a.example.com", true),
            ("a.example.com", "b.example.com", false),
            ("*.example.com", "a.example.com", true),
            ("*.example.com", "example.com", false),
            ("*.example.com", "a.b.example.com", false),
            ("*.example.com", "*.example.com", true),
            ("*.com", "*.example.com", false),
            ("a.example.com", "*.example.com", true),
            ("badexample.com", "*.example.com", false),
            ("*", "a", false),
            ("a.example.com", "*", true),
        ] {
            let names = Names {
                dns: vec![name.to_owned()],
                addresses: Vec::new(),
            };
            let pattern = pattern.parse().unwrap();
            assert_eq!(names.cover(&pattern), covered, "{name} for {pattern}");
        }
        assert!(!Names::default().cover(&HostPattern::Any));
    }
}
