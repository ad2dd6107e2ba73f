//! `validateTLSOptions`.

use std::collections::BTreeSet;

use crate::diagnostic::Code;
use crate::resources::istio::gateway::{ServerTls, TlsMode, TlsProtocol};
use crate::resources::report::Report;
use crate::source::Path;

use super::warn;

/// `ValidCipherSuites` (`pkg/config/security/security.go`).
pub(crate) const CIPHERS: [&str; 15] = [
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-CHACHA20-POLY1305",
    "ECDHE-ECDSA-AES128-SHA",
    "ECDHE-RSA-AES128-SHA",
    "ECDHE-ECDSA-AES256-SHA",
    "ECDHE-RSA-AES256-SHA",
    "AES128-GCM-SHA256",
    "AES256-GCM-SHA384",
    "AES128-SHA",
    "AES256-SHA",
    "DES-CBC3-SHA",
];

/// `IsValidCipherSuite`: operators such as `-` and `[…]` are for `BoringSSL` to judge.
pub(crate) fn is_cipher(name: &str) -> bool {
    let is_word = name.starts_with(char::is_alphanumeric);
    !is_word || name == "ALL" || CIPHERS.contains(&name)
}

/// What is wrong with the TLS settings of a server.
pub(super) fn check(report: &mut Report<'_>, path: &Path, tls: &ServerTls) {
    ciphers(report, path, tls);
    // What belongs to an unknown mode, nobody knows.
    if report.is_named(&path.field("mode")) {
        return;
    }
    if tls.mode == TlsMode::IstioMutual {
        return istio_mutual(report, path, tls);
    }
    let has_credential = !tls.credential_name.is_empty() || !tls.credential_names.is_empty();
    if !tls.mode.terminates() {
        let files = [
            &tls.ca_crl,
            &tls.server_certificate,
            &tls.private_key,
            &tls.ca_certificates,
        ];
        if has_credential
            || !tls.tls_certificates.is_empty()
            || files.iter().any(|file| !file.is_empty())
        {
            let text = format!(
                "{} mode does not use certificates, they will be ignored",
                tls.mode.name()
            );
            warn(report, path, Code::IneffectiveSetting, text);
        }
    }
    let sources = [
        !tls.server_certificate.is_empty() && !tls.private_key.is_empty(),
        !tls.credential_name.is_empty(),
        !tls.credential_names.is_empty(),
        !tls.tls_certificates.is_empty(),
    ];
    if sources.into_iter().filter(|given| *given).count() > 1 {
        report.violation(
            path,
            "only one of credential_name, credential_names, server_certificate/private_key, \
             tls_certificates should be specified",
        );
    }
    // Credentials have all that is looked for below.
    if tls.mode.terminates() && has_credential {
        return;
    }
    if tls.mode.terminates() {
        files(report, path, tls);
    }
    if !tls.ca_crl.is_empty() {
        let path = path.field("caCrl");
        if !tls.credential_name.is_empty() {
            report.violation(
                &path,
                "CRL is not supported with credentialName. CRL has to be specified in the credential",
            );
        }
        if tls.mode == TlsMode::Simple {
            report.violation(&path, "CRL is not supported with SIMPLE TLS");
        }
    }
}

fn ciphers(report: &mut Report<'_>, path: &Path, tls: &ServerTls) {
    let is_old = matches!(
        tls.min_protocol_version,
        TlsProtocol::V1_0 | TlsProtocol::V1_1
    );
    if is_old && tls.cipher_suites.is_empty() {
        warn(
            report,
            &path.field("minProtocolVersion"),
            Code::IneffectiveSetting,
            "TLS version below TLSV1_2 require setting compatible ciphers as by default they no longer include \
             compatible ciphers.",
        );
    }
    let mut seen = BTreeSet::new();
    let (mut invalid, mut twice) = (BTreeSet::new(), BTreeSet::new());
    for cipher in &tls.cipher_suites {
        if !is_cipher(cipher) {
            invalid.insert(cipher.as_str());
        } else if !seen.insert(cipher) {
            twice.insert(cipher.as_str());
        }
    }
    let path = path.field("cipherSuites");
    for (what, ciphers) in [("invalid", invalid), ("duplicate", twice)] {
        if !ciphers.is_empty() {
            let list = ciphers.into_iter().collect::<Vec<_>>().join(" ");
            let text = format!("ignoring {what} cipher suites: [{list}]");
            warn(report, &path, Code::IneffectiveSetting, text);
        }
    }
}

fn istio_mutual(report: &mut Report<'_>, path: &Path, tls: &ServerTls) {
    for (is_given, field, noun) in [
        (
            !tls.server_certificate.is_empty(),
            "serverCertificate",
            "server certificate",
        ),
        (!tls.private_key.is_empty(), "privateKey", "private key"),
        (
            !tls.ca_certificates.is_empty(),
            "caCertificates",
            "CA bundle",
        ),
        (
            !tls.tls_certificates.is_empty(),
            "tlsCertificates",
            "tlsCertificates",
        ),
        (
            !tls.credential_name.is_empty(),
            "credentialName",
            "credentialName",
        ),
        (
            !tls.credential_names.is_empty(),
            "credentialNames",
            "credentialNames",
        ),
    ] {
        if is_given {
            let text = format!("ISTIO_MUTUAL TLS cannot have associated {noun}");
            let help = "remove it: the certificates of this mode are the mesh's";
            report.advise(&path.field(field), text, help);
        }
    }
}

fn files(report: &mut Report<'_>, path: &Path, tls: &ServerTls) {
    let mode = match tls.mode {
        TlsMode::Simple => "SIMPLE TLS",
        _ => "MUTUAL TLS",
    };
    if tls.mode != TlsMode::Simple && tls.ca_certificates.is_empty() {
        let text = format!("{mode} requires a client CA bundle");
        let help = "add `caCertificates`, or `credentialName` of a Secret that has `ca.crt`";
        report.advise(&path.field("caCertificates"), text, help);
    }
    if tls.tls_certificates.len() > 2 {
        let text = format!("{mode} can support up to 2 server certificates");
        let path = path.field("tlsCertificates");
        warn(report, &path, Code::IneffectiveSetting, text);
    }
    let list = path.field("tlsCertificates");
    let several = tls
        .tls_certificates
        .iter()
        .enumerate()
        .map(|(index, entry)| {
            let files = (&entry.server_certificate, &entry.private_key);
            (list.index(index), files)
        });
    let mut pairs: Vec<_> = several.collect();
    if pairs.is_empty() {
        let files = (&tls.server_certificate, &tls.private_key);
        pairs.push((path.clone(), files));
    }
    for (path, (certificate, key)) in pairs {
        if certificate.is_empty() {
            let text = format!("{mode} requires a server certificate");
            let help = "add `credentialName`, or `serverCertificate` with the path of a file";
            report.advise(&path.field("serverCertificate"), text, help);
        }
        if key.is_empty() {
            let text = format!("{mode} requires a private key");
            let help = "add `credentialName`, or `privateKey` with the path of a file";
            report.advise(&path.field("privateKey"), text, help);
        }
    }
}
