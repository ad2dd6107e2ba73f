//! The certificates of a listener, from the places that it names.

use super::Input;
use crate::diagnostic::{Code, Diagnostic};
use crate::hash::sha256_hex;
use crate::model::Certificate;
use crate::model::certificates::{Unusable, bundle};
use crate::resources::Resource;
use crate::resources::kuma::mesh_gateway::{DataSource, Listener, MeshGateway};
use crate::resources::kuma::secret::Secret;
use crate::source::Path;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The certificates of a listener. If one of them cannot be used the listener has none, and is not served: the others
/// are not affected.
pub(super) fn of_listener(
    input: Input<'_>,
    gateway: &Resource<MeshGateway>,
    path: &Path,
    listener: &Listener,
    findings: &mut Vec<Diagnostic>,
) -> Vec<Certificate> {
    let mut certificates = Vec::new();
    let mut usable = true;
    for (path, certificate) in each(input, gateway, path, listener) {
        match certificate {
            Ok(certificate) => certificates.push(certificate),
            Err(Unusable { code, why }) => {
                usable = false;
                let message = format!("listener `{}`: {why}", listener_name(gateway, listener));
                findings.push(gateway.error(code, &path, message).help(
                    "`meshgate generate tls-certificate --type=server --hostname=NAME` makes a bundle of key and certificate",
                ));
            }
        }
    }
    if usable { certificates } else { Vec::new() }
}

/// Each certificate that a listener names, with the place where it does.
pub(crate) fn each(
    input: Input<'_>,
    gateway: &Resource<MeshGateway>,
    path: &Path,
    listener: &Listener,
) -> impl Iterator<Item = (Path, Result<Certificate, Unusable>)> {
    let path = path.field("tls").field("certificates");
    let sources = listener
        .tls
        .as_ref()
        .map_or(&[][..], |tls| &tls.certificates);
    sources.iter().enumerate().map(move |(index, source)| {
        let certificate = one(input, &gateway.meta.mesh, source);
        (path.index(index), certificate)
    })
}

fn one(input: Input<'_>, mesh: &str, source: &DataSource) -> Result<Certificate, Unusable> {
    let read = |(id, pem): (String, String)| {
        bundle::read(&id, &pem).map_err(|unusable| Unusable {
            why: format!("{id}: {}", unusable.why),
            ..unusable
        })
    };
    let Some(name) = &source.secret else {
        return pem(input, mesh, source).and_then(read);
    };
    let secret = secret(input, mesh, name)?;
    let certificate = &secret.spec.certificate;
    let certificate = certificate.get_or_init(|| of_secret(name, secret).and_then(read));
    certificate.clone()
}

/// A certificate, its chain and its key.
pub(super) fn read_bundle(pem: &str) -> Result<Certificate, Unusable> {
    bundle::read("inline", pem)
}

/// Whether a text is nothing but certificates, and not empty.
pub(super) fn are_certificates(pem: &str) -> bool {
    bundle::are_certificates(pem)
}

/// What the listener is called in findings, logs and counters.
pub(crate) fn listener_name(gateway: &Resource<MeshGateway>, listener: &Listener) -> String {
    let hostname = match listener.hostname.as_str() {
        "" => "*",
        hostname => hostname,
    };
    format!("{}/{}/{hostname}", gateway.meta.name, listener.port)
}

/// The bytes of a data source, with the name that Kuma has for it.
pub(super) fn pem(
    input: Input<'_>,
    mesh: &str,
    source: &DataSource,
) -> Result<(String, String), Unusable> {
    if let Some(name) = &source.secret {
        return of_secret(name, secret(input, mesh, name)?);
    }
    if let Some(file) = &source.file {
        let pem = std::fs::read_to_string(file)
            .map_err(|why| Unusable::invalid(format!("file `{file}`: {why}")))?;
        return Ok((format!("file:{file}"), pem));
    }
    // Kuma names inline certificates after the listener; one name for two different ones would be wrong here.
    if let Some(inline) = &source.inline {
        let pem = decode(inline).map_err(|why| Unusable::invalid(format!("inline: {why}")))?;
        return Ok((format!("inline:{}", sha256_hex([&pem], 6)), pem));
    }
    match &source.inline_string {
        Some(pem) => Ok((
            format!("inlineString:{}", sha256_hex([pem], 6)),
            pem.clone(),
        )),
        None => Err(Unusable::invalid(
            "give one of `secret`, `file`, `inline`, `inlineString`",
        )),
    }
}

fn secret<'a>(input: Input<'a>, mesh: &str, name: &str) -> Result<&'a Resource<Secret>, Unusable> {
    let missing = || {
        let why = format!("there is no Secret `{name}` in mesh `{mesh}`");
        Unusable::new(Code::MissingSecret, why)
    };
    let secrets = &input.resources.secrets;
    secrets.get(mesh, name).ok_or_else(missing)
}

fn of_secret(name: &str, secret: &Resource<Secret>) -> Result<(String, String), Unusable> {
    let pem = decode(&secret.spec.data)
        .map_err(|why| Unusable::invalid(format!("secret `{name}`: {why}")))?;
    Ok((format!("secret:{name}"), pem))
}

fn decode(base64: &str) -> Result<String, String> {
    let compact: String = base64.split_whitespace().collect();
    let bytes = STANDARD
        .decode(compact)
        .map_err(|why| format!("the data is no base64: {why}"))?;
    String::from_utf8(bytes).map_err(|_| "the data is no text, PEM blocks are expected".to_owned())
}
