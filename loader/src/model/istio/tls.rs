//! The TLS of a server (`BuildListenerTLSContext` in `pilot/pkg/networking/core/listener.go` at 1.32).
//!
//! Istio looks at pinned keys and hashes only beside `credentialName`, and at `caCrl` only beside files. Here each acts
//! in both cases.

use super::parameters;
use super::secrets::Certificates;
use super::servers::GatewayServer;
use super::workload::Workload;
use super::{credentials, identities, secrets};
use crate::diagnostic::{Code, Diagnostic};
use crate::model::certificates::Unusable;
use crate::model::certificates::files::{self, Which};
use crate::model::kuma::Input;
use crate::model::{
    Certificate, CertificateFiles, ClientValidation, ServerTls, Source, TlsVersion,
};
use crate::resources::istio::gateway::{ServerTls as Settings, TlsMode, TlsProtocol};
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
    known: &mut Certificates,
    findings: &mut Vec<Diagnostic>,
) -> Option<Terminated> {
    let settings = server.server.tls.as_ref()?;
    let path = server.path().field("tls");
    let mut usable = true;
    let mut refuse = |field: &Path, why: Unusable| {
        usable = false;
        let message = format!("{field}: {}", why.why);
        let path = path.join(field);
        let finding = server.gateway.error(why.code, &path, message);
        findings.push(finding.help(help(why.code)));
    };
    let credentials = credential_names(settings);
    let mut certificates = Vec::new();
    let shows_own = shows_certificate_of_mesh(settings);
    for (field, name) in credentials.iter().filter(|_| !shows_own) {
        match known.server(input, workload, name) {
            Ok(certificate) => certificates.push(certificate),
            Err(why) => refuse(field, why),
        }
    }
    for (field, why) in parameters::refused(settings) {
        let code = Code::InvalidValue;
        refuse(&Path::of(field), Unusable { code, why });
    }
    let pairs = files_of(settings);
    for (path, own) in &pairs {
        if let Err((which, why)) = files::pair(&own.chain, &own.key) {
            let field = match which {
                Which::Chain => "serverCertificate",
                Which::Key => "privateKey",
            };
            refuse(&path.field(field), why);
        }
    }
    let asks = matches!(settings.mode, TlsMode::Mutual | TlsMode::OptionalMutual);
    let of_mesh = settings.mode == TlsMode::IstioMutual;
    let clients = (asks || of_mesh).then(|| {
        let first = credentials.first();
        // Without an authority of their own it is the mesh's.
        let is_of_mesh = shows_own && settings.ca_cert_credential_name.is_empty();
        let (authority, revoked) = if of_mesh || is_of_mesh {
            (None, None)
        } else {
            authority(input, workload, settings, first, &mut refuse)
        };
        let own = || found("caCrl", &settings.ca_crl, files::revoked, &mut refuse);
        ClientValidation {
            required: settings.mode != TlsMode::OptionalMutual,
            authority,
            crl: revoked.or_else(own),
            names: settings.subject_alt_names.clone(),
            spki: settings.verify_certificate_spki.clone(),
            hashes: settings.verify_certificate_hash.clone(),
            takes_untrusted: !of_mesh && settings.insecure_skip_verify == Some(true),
        }
    });
    usable.then(|| Terminated {
        certificates,
        tls: ServerTls {
            mesh: (of_mesh || shows_own).then(identities::trust),
            accepted: Vec::new(),
            files: pairs.into_iter().map(|(_, files)| files).collect(),
            clients,
            min: version(settings.min_protocol_version),
            max: version(settings.max_protocol_version),
            ciphers: parameters::ciphers(settings),
            curves: settings.ecdh_curves.clone(),
        },
    })
}

/// Who has to have signed for clients, and what is revoked, of a server with its first credential if it has some.
fn authority(
    input: Input<'_>,
    workload: &Workload,
    settings: &Settings,
    credential: Option<&(Path, &str)>,
    refuse: &mut impl FnMut(&Path, Unusable),
) -> (Option<Source>, Option<Source>) {
    let Some((field, name)) = credential else {
        let name = settings.ca_certificates.as_str();
        return (
            found("caCertificates", name, files::authority, refuse),
            None,
        );
    };
    let own = settings.ca_cert_credential_name.as_str();
    let (found, field) = if own.is_empty() {
        let beside = secrets::authority_beside(input, workload, name);
        (beside, field.clone())
    } else {
        let found = secrets::authority(input, workload, own);
        (found, Path::of("caCertCredentialName"))
    };
    match found {
        Ok((authority, crl)) => (Some(Source::Inline(authority)), crl.map(Source::Inline)),
        Err(why) => {
            refuse(&field, why);
            (None, None)
        }
    }
}

/// What to do about something that cannot be used.
fn help(code: Code) -> &'static str {
    match code {
        Code::MissingFile => "paths are those of the machine that meshgate runs on",
        Code::UnusableAuthorities => "put certificates or revocation lists in PEM there",
        Code::KeyMismatch => "put the private key there that belongs to the certificate",
        Code::MissingCredential => "add the Secret, in the namespace of the gateway's workload",
        Code::NotServedField => "name a Secret, or files",
        Code::InvalidValue => "write it in the form that the message says",
        _ => "put a certificate and its private key in PEM there",
    }
}

/// Whether a server shows the workload's own certificate in the mesh by name.
pub(super) fn shows_certificate_of_mesh(settings: &Settings) -> bool {
    let names = credential_names(settings);
    let is_alone = matches!(names.as_slice(), [(_, credentials::OF_MESH)]);
    is_alone && settings.mode.terminates() && settings.mode != TlsMode::IstioMutual
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
