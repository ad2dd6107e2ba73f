//! The TLS of a server (`BuildListenerTLSContext` in `pilot/pkg/networking/core/listener.go` at 1.32).
//!
//! Istio looks at pinned keys and hashes only beside `credentialName`, and at `caCrl` only beside files. Here each acts
//! in both cases.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::secrets;
use super::servers::GatewayServer;
use super::workload::Workload;
use crate::diagnostic::{Code, Diagnostic};
use crate::model::certificates::files::Which;
use crate::model::certificates::{self, Unusable};
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
    let mut served = Vec::new();
    for (field, name) in &names {
        match secrets::server(input, workload, name) {
            Ok(certificate) => served.push(certificate),
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
    let named = files_of(settings);
    for (path, own) in &named {
        if let Err((which, why)) = certificates::files::pair(&own.chain, &own.key) {
            let field = match which {
                Which::Chain => "serverCertificate",
                Which::Key => "privateKey",
            };
            refuse(&path.field(field), why);
        }
    }
    let asks = matches!(settings.mode, TlsMode::Mutual | TlsMode::OptionalMutual);
    let clients = asks.then(|| {
        let (authority, revoked) = match names.first() {
            None => {
                let name = settings.ca_certificates.as_str();
                (
                    found(
                        "caCertificates",
                        name,
                        certificates::files::authority,
                        &mut refuse,
                    ),
                    None,
                )
            }
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
        let own = || {
            let name = settings.ca_crl.as_str();
            found("caCrl", name, certificates::files::revoked, &mut refuse)
        };
        let crl = revoked.or_else(own);
        ClientValidation {
            required: settings.mode == TlsMode::Mutual,
            authority,
            crl,
            names: settings.subject_alt_names.clone(),
            spki: settings.verify_certificate_spki.clone(),
            hashes: settings.verify_certificate_hash.clone(),
            takes_untrusted: settings.insecure_skip_verify == Some(true),
        }
    });
    usable.then(|| Terminated {
        certificates: served,
        tls: ServerTls {
            files: named.into_iter().map(|(_, files)| files).collect(),
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

/// The files of certificates, each with the place of its fields; none where the gateway shows none of its own, beside
/// credentials, and where validation has refused them.
pub(crate) fn files_of(settings: &Settings) -> Vec<(Path, CertificateFiles)> {
    let shows = settings.mode.terminates() && settings.mode != TlsMode::IstioMutual;
    if !shows || !credential_names(settings).is_empty() {
        return Vec::new();
    }
    let pair = |path: Path, chain: &String, key: &String| {
        let (chain, key) = (chain.clone(), key.clone());
        (path, CertificateFiles { chain, key })
    };
    let listed = settings.tls_certificates.iter().enumerate();
    let listed = listed.map(|(index, own)| {
        let path = Path::of("tlsCertificates").index(index);
        pair(path, &own.server_certificate, &own.private_key)
    });
    let single = pair(
        Path::root(),
        &settings.server_certificate,
        &settings.private_key,
    );
    let all = [single].into_iter().chain(listed);
    all.filter(|(_, files)| !files.chain.is_empty() && !files.key.is_empty())
        .collect()
}

/// A file, if one is named, that holds what is looked for.
fn found(
    field: &str,
    name: &str,
    judge: fn(&str) -> Result<(), Unusable>,
    refuse: &mut impl FnMut(&Path, Unusable),
) -> Option<Source> {
    if name.is_empty() {
        return None;
    }
    if let Err(why) = judge(name) {
        refuse(&Path::of(field), why);
    }
    Some(Source::File(name.to_owned()))
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
