//! The TLS of a server (`BuildListenerTLSContext` in `pilot/pkg/networking/core/listener.go` at 1.32).
//!
//! Istio looks at pinned keys and hashes only beside `credentialName`, and at `caCrl` only beside files. Here each acts
//! in both cases.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::servers::GatewayServer;
use super::workload::Workload;
use super::{identities, secrets};
use crate::diagnostic::{Code, Diagnostic};
use crate::model::certificates::Unusable;
use crate::model::kuma::Input;
use crate::model::{
    Certificate, CertificateFiles, ClientValidation, ServerTls, Source, TlsVersion,
};
use crate::resources::istio::gateway::{ServerTls as Settings, TlsMode, TlsProtocol};
use crate::resources::istio::is_cipher;
use crate::source::Path;

/// The certificates of a server, and what else its TLS is like.
pub(super) struct Terminated {
    pub(super) certificates: Vec<Certificate>,
    pub(super) tls: ServerTls,
}

/// Nothing if a certificate or authority cannot be used; then it is named.
pub(super) fn of_server(
    input: Input<'_>,
    workload: &Workload,
    server: &GatewayServer<'_>,
    findings: &mut Vec<Diagnostic>,
) -> Option<Terminated> {
    let settings = server.server.tls.as_ref()?;
    let path = server.path().field("tls");
    let mut usable = true;
    let mut refuse = |field: &Path, why: Unusable| {
        usable = false;
        let message = format!("{field}: {}", why.why);
        let path = path.join(field);
        findings.push(server.gateway.error(why.code, &path, message));
    };
    let names = credential_names(settings);
    let mut certificates = Vec::new();
    for (field, name) in &names {
        match secrets::server(input, workload, name) {
            Ok(certificate) => certificates.push(certificate),
            Err(why) => refuse(field, why),
        }
    }
    let mut malformed = |field: &str, is_valid: bool, what: &str| {
        if !is_valid {
            let why = Unusable {
                code: Code::InvalidValue,
                why: what.to_owned(),
            };
            refuse(&Path::of(field), why);
        }
    };
    // For one of another form Envoy would refuse all of its configuration.
    let hashes = settings.verify_certificate_hash.iter();
    malformed(
        "verifyCertificateHash",
        hashes
            .map(|text| text.replace(':', ""))
            .all(|text| text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())),
        "a hash is a SHA-256 of 64 hexadecimal digits, with colons between pairs or without",
    );
    let spki = settings.verify_certificate_spki.iter();
    malformed(
        "verifyCertificateSpki",
        spki.map(|text| STANDARD.decode(text))
            .all(|bytes| bytes.is_ok_and(|bytes| bytes.len() == 32)),
        "a pinned key is a SHA-256 in base64",
    );
    let of_mesh = settings.mode == TlsMode::IstioMutual;
    let asks = matches!(settings.mode, TlsMode::Mutual | TlsMode::OptionalMutual);
    let clients = (asks || of_mesh).then(|| {
        let (authority, revoked) = match names.first() {
            _ if of_mesh => (None, None),
            None => (file(&settings.ca_certificates), None),
            Some((field, first)) => {
                let own = settings.ca_cert_credential_name.as_str();
                let (found, field) = if own.is_empty() {
                    (
                        secrets::authority_beside(input, workload, first),
                        field.clone(),
                    )
                } else {
                    let found = secrets::authority(input, workload, own);
                    (found, Path::of("caCertCredentialName"))
                };
                match found {
                    Ok((authority, crl)) => {
                        (Some(Source::Inline(authority)), crl.map(Source::Inline))
                    }
                    Err(why) => {
                        refuse(&field, why);
                        (None, None)
                    }
                }
            }
        };
        ClientValidation {
            required: settings.mode != TlsMode::OptionalMutual,
            authority,
            crl: revoked.or_else(|| file(&settings.ca_crl)),
            names: settings.subject_alt_names.clone(),
            spki: settings.verify_certificate_spki.clone(),
            hashes: settings.verify_certificate_hash.clone(),
            takes_untrusted: !of_mesh && settings.insecure_skip_verify == Some(true),
        }
    });
    usable.then(|| Terminated {
        certificates,
        tls: ServerTls {
            mesh: of_mesh.then(identities::trust),
            accepted: Vec::new(),
            files: if names.is_empty() {
                files(settings)
            } else {
                Vec::new()
            },
            clients,
            min: version(settings.min_protocol_version),
            max: version(settings.max_protocol_version),
            ciphers: ciphers(settings),
            curves: settings.ecdh_curves.clone(),
        },
    })
}

/// The names of credentials, each with its place.
fn credential_names(settings: &Settings) -> Vec<(Path, &str)> {
    let one = settings.credential_name.as_str();
    if !one.is_empty() {
        return vec![(Path::of("credentialName"), one)];
    }
    let names = settings.credential_names.iter().enumerate();
    let place = |index| Path::of("credentialNames").index(index);
    names
        .map(|(index, name)| (place(index), name.as_str()))
        .collect()
}

fn files(settings: &Settings) -> Vec<CertificateFiles> {
    let pair = |chain: &String, key: &String| CertificateFiles {
        chain: chain.clone(),
        key: key.clone(),
    };
    let listed = settings.tls_certificates.iter();
    let listed = listed.map(|own| pair(&own.server_certificate, &own.private_key));
    let single = pair(&settings.server_certificate, &settings.private_key);
    let single = Some(single).filter(|files| !files.chain.is_empty());
    single.into_iter().chain(listed).collect()
}

fn file(name: &str) -> Option<Source> {
    (!name.is_empty()).then(|| Source::File(name.to_owned()))
}

fn version(version: TlsProtocol) -> Option<TlsVersion> {
    match version {
        TlsProtocol::Auto => None,
        TlsProtocol::V1_0 => Some(TlsVersion::V1_0),
        TlsProtocol::V1_1 => Some(TlsVersion::V1_1),
        TlsProtocol::V1_2 => Some(TlsVersion::V1_2),
        TlsProtocol::V1_3 => Some(TlsVersion::V1_3),
    }
}

/// Each once, without those that Istio leaves out, which validation names: Envoy would refuse all of its configuration
/// for one.
fn ciphers(settings: &Settings) -> Vec<String> {
    let mut ciphers: Vec<String> = Vec::new();
    for cipher in &settings.cipher_suites {
        if is_cipher(cipher) && !ciphers.contains(cipher) {
            ciphers.push(cipher.clone());
        }
    }
    ciphers
}
