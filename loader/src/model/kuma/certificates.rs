//! The certificates of a listener, from the places that it names.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rsa::pkcs1::RsaPrivateKey;
use rsa::pkcs8::{ObjectIdentifier, PrivateKeyInfo};

use sec1::EcPrivateKey;

use super::{Input, of_mesh};
use crate::diagnostic::{Code, Diagnostic};
use crate::hash::sha256_hex;
use crate::model::Certificate;
use crate::resources::Resource;
use crate::resources::kuma::mesh_gateway::{DataSource, Listener, MeshGateway};
use crate::source::Path;

const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

/// The certificates of a listener. If one of them cannot be used the listener has none, and is not served: the others
/// are not affected.
pub(super) fn of_listener(
    input: Input<'_>,
    gateway: &Resource<MeshGateway>,
    path: &Path,
    listener: &Listener,
    findings: &mut Vec<Diagnostic>,
) -> Vec<Certificate> {
    let sources = listener
        .tls
        .as_ref()
        .map_or(&[][..], |tls| &tls.certificates);
    let path = path.field("tls").field("certificates");
    let mut certificates = Vec::new();
    let mut usable = true;
    for (index, source) in sources.iter().enumerate() {
        let certificate = bundle(input, &gateway.meta.mesh, source).and_then(|(id, pem)| {
            let certificate = certificate(&id, &pem)
                .map_err(|why| (Code::InvalidCertificate, format!("{id}: {why}")))?;
            Ok(certificate)
        });
        match certificate {
            Ok(certificate) => certificates.push(certificate),
            Err((code, message)) => {
                usable = false;
                findings.push(gateway.error(code, &path.index(index), message).help(
                    "`meshgate generate tls-certificate --type=server --hostname=NAME` makes a bundle of key and certificate",
                ));
            }
        }
    }
    if usable { certificates } else { Vec::new() }
}

/// The bytes of a data source, with the name that Kuma has for it.
pub(super) fn bundle(
    input: Input<'_>,
    mesh: &str,
    source: &DataSource,
) -> Result<(String, String), (Code, String)> {
    if let Some(name) = &source.secret {
        let secret = of_mesh(&input.resources.secrets, mesh)
            .find(|secret| secret.meta.name == *name)
            .ok_or_else(|| {
                (
                    Code::MissingSecret,
                    format!("there is no Secret `{name}` in mesh `{mesh}`"),
                )
            })?;
        let pem = decode(&secret.spec.data)
            .map_err(|why| (Code::InvalidCertificate, format!("secret `{name}`: {why}")))?;
        return Ok((format!("secret:{name}"), pem));
    }
    let invalid = |why: String| (Code::InvalidCertificate, why);
    if let Some(file) = &source.file {
        let pem = std::fs::read_to_string(file)
            .map_err(|why| invalid(format!("file `{file}`: {why}")))?;
        return Ok((format!("file:{file}"), pem));
    }
    // Kuma names inline certificates after the listener; one name for two different ones would be wrong here.
    if let Some(inline) = &source.inline {
        let pem = decode(inline).map_err(|why| invalid(format!("inline: {why}")))?;
        return Ok((format!("inline:{}", sha256_hex([&pem], 6)), pem));
    }
    match &source.inline_string {
        Some(pem) => Ok((
            format!("inlineString:{}", sha256_hex([pem], 6)),
            pem.clone(),
        )),
        None => Err(invalid(
            "give one of `secret`, `file`, `inline`, `inlineString`".to_owned(),
        )),
    }
}

fn decode(base64: &str) -> Result<String, String> {
    let compact: String = base64.split_whitespace().collect();
    let bytes = STANDARD
        .decode(compact)
        .map_err(|why| format!("the data is no base64: {why}"))?;
    String::from_utf8(bytes).map_err(|_| "the data is no text, PEM blocks are expected".to_owned())
}

/// Reads a bundle by Kuma's rules: one private key and at least one certificate, the server's first, in any order
/// (`NewServerSecret` in `pkg/plugins/runtime/gateway/filter_chain_generator.go` at 2.14.3; its words).
pub(crate) fn certificate(id: &str, bundle: &str) -> Result<Certificate, String> {
    let blocks = pem::parse_many(bundle).map_err(|why| format!("invalid PEM: {why}"))?;
    let mut key = None;
    let mut chain = String::new();
    for (index, block) in blocks.iter().enumerate() {
        let tag = block.tag();
        if tag.ends_with("PRIVATE KEY") {
            if key.is_some() {
                return Err(format!(
                    "secret[{index}]: secret contains multiple private keys"
                ));
            }
            let kind = key_kind(block).map_err(|why| format!("secret[{index}]: {why}"))?;
            key = Some((kind, block.to_string()));
        } else if tag.ends_with("CERTIFICATE") {
            chain += &block.to_string();
        } else {
            return Err(format!("secret[{index}]: unsupported PEM block \"{tag}\""));
        }
    }
    if chain.is_empty() {
        return Err("missing server certificate".to_owned());
    }
    let (kind, key) = key.ok_or("missing private key")?;
    Ok(Certificate {
        name: format!("cert.{kind}:{id}"),
        chain,
        key,
    })
}

fn key_kind(block: &pem::Pem) -> Result<&'static str, &'static str> {
    const UNREADABLE: &str = "failed to parse private key";
    match block.tag() {
        "RSA PRIVATE KEY" => match RsaPrivateKey::try_from(block.contents()) {
            Ok(_) => Ok("rsa"),
            Err(_) => Err(UNREADABLE),
        },
        "EC PRIVATE KEY" => match EcPrivateKey::try_from(block.contents()) {
            Ok(_) => Ok("ecdsa"),
            Err(_) => Err(UNREADABLE),
        },
        "PRIVATE KEY" => {
            let info = PrivateKeyInfo::try_from(block.contents()).map_err(|_| UNREADABLE)?;
            match info.algorithm.oid {
                RSA => Ok("rsa"),
                EC => Ok("ecdsa"),
                ED25519 => Err("unsupported private key type ed25519.PrivateKey"),
                _ => Err("unsupported private key type"),
            }
        }
        _ => Err(UNREADABLE),
    }
}
