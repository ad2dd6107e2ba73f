//! Settings of TLS that do nothing where they stand. Istio takes all of these in silence.

use crate::diagnostic::{Code, Diagnostic};
use crate::resources::istio::gateway::{ServerTls, TlsMode, TlsProtocol};
use crate::resources::report::Report;
use crate::source::Path;

pub(super) fn check(report: &mut Report<'_>, path: &Path, tls: &ServerTls) {
    if report.is_named(&path.field("mode")) {
        return;
    }
    let (min, max) = (tls.min_protocol_version, tls.max_protocol_version);
    if max != TlsProtocol::Auto && min > max {
        let text = "the oldest version of TLS is newer than the newest one: no handshake succeeds";
        let finding = Diagnostic::error(Code::DoubtfulSetting, text);
        let path = path.field("minProtocolVersion");
        report.beyond(
            &path,
            finding.help("write an older version, or remove `maxProtocolVersion`"),
        );
    }
    let mode = tls.mode.name();
    if !tls.mode.terminates() {
        let why = format!("in the mode {mode} TLS does not end at the gateway");
        for (_, field) in handshake(tls).into_iter().filter(|(is_given, _)| *is_given) {
            idle(report, path, field, &why);
        }
    }
    if !asks(tls.mode) {
        let why = format!("in the mode {mode} no client is asked for a certificate");
        for (_, field) in clients(tls).into_iter().filter(|(is_given, _)| *is_given) {
            idle(report, path, field, &why);
        }
        return;
    }
    let has_credential = !tls.credential_name.is_empty() || !tls.credential_names.is_empty();
    if has_credential && !tls.ca_certificates.is_empty() {
        idle(
            report,
            path,
            "caCertificates",
            "the authorities are those of the credential",
        );
    }
    if !has_credential
        && !tls.ca_cert_credential_name.is_empty()
        && tls.mode != TlsMode::IstioMutual
    {
        idle(
            report,
            path,
            "caCertCredentialName",
            "it acts beside `credentialName` only",
        );
    }
}

fn asks(mode: TlsMode) -> bool {
    matches!(
        mode,
        TlsMode::Mutual | TlsMode::OptionalMutual | TlsMode::IstioMutual
    )
}

/// What the handshake is like.
fn handshake(tls: &ServerTls) -> [(bool, &'static str); 4] {
    [
        (
            tls.min_protocol_version != TlsProtocol::Auto,
            "minProtocolVersion",
        ),
        (
            tls.max_protocol_version != TlsProtocol::Auto,
            "maxProtocolVersion",
        ),
        (!tls.cipher_suites.is_empty(), "cipherSuites"),
        (!tls.ecdh_curves.is_empty(), "ecdhCurves"),
    ]
}

/// What clients have to prove; of files Istio says so itself where TLS does not end.
fn clients(tls: &ServerTls) -> [(bool, &'static str); 7] {
    let is_simple = tls.mode == TlsMode::Simple;
    let has_credential = !tls.credential_name.is_empty() || !tls.credential_names.is_empty();
    [
        (!tls.subject_alt_names.is_empty(), "subjectAltNames"),
        (
            !tls.verify_certificate_spki.is_empty(),
            "verifyCertificateSpki",
        ),
        (
            !tls.verify_certificate_hash.is_empty(),
            "verifyCertificateHash",
        ),
        (
            !tls.ca_cert_credential_name.is_empty(),
            "caCertCredentialName",
        ),
        (tls.insecure_skip_verify == Some(true), "insecureSkipVerify"),
        (
            is_simple && !tls.ca_certificates.is_empty(),
            "caCertificates",
        ),
        (
            is_simple && has_credential && !tls.ca_crl.is_empty(),
            "caCrl",
        ),
    ]
}

fn idle(report: &mut Report<'_>, path: &Path, field: &str, why: &str) {
    let text = format!("{field} has no effect: {why}");
    let finding = Diagnostic::warning(Code::IneffectiveSetting, text);
    let help = "remove it, or write the mode that is meant";
    report.beyond(&path.field(field), finding.help(help));
}
