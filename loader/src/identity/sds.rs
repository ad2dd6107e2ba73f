//! Secrets as Envoy reads them from files: each file is an answer of its secret discovery service, with all that it is
//! about in it, so that a certificate and its key change at the same instant
//! (<https://www.envoyproxy.io/docs/envoy/latest/configuration/security/secret>).

use serde_json::{Value, json};

use super::issue::Issued;

/// A proxy's own certificate; `version` is for whoever writes the file.
pub(super) fn identity(name: &str, issued: &Issued, version: &str) -> Vec<u8> {
    answer(
        version,
        name,
        "tls_certificate",
        &json!({
            "certificate_chain": { "inline_string": issued.certificate },
            "private_key": { "inline_string": issued.key },
        }),
    )
}

/// Whom to believe, whoever it is: certificates, PEM.
pub(super) fn authority(name: &str, bundle: &str) -> Vec<u8> {
    answer(
        "",
        name,
        "validation_context",
        &json!({ "trusted_ca": { "inline_string": bundle } }),
    )
}

/// Whom to believe about each mesh: certificates, PEM, by the mesh. Envoy takes the trust domain of a certificate's
/// first URI, and then believes the authorities of that one only, so that no CA can sign for the mesh of another one
/// (`source/extensions/transport_sockets/tls/cert_validator/spiffe/spiffe_validator.cc` at 1.36 and 1.40).
pub(super) fn authorities<'a>(
    name: &str,
    meshes: impl Iterator<Item = (&'a str, &'a str)>,
) -> Vec<u8> {
    let domain =
        |(mesh, bundle)| json!({ "name": mesh, "trust_bundle": { "inline_string": bundle } });
    let validator = json!({
        "name": "envoy.tls.cert_validator.spiffe",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.SPIFFECertValidatorConfig",
            "trust_domains": meshes.map(domain).collect::<Vec<_>>(),
        },
    });
    answer(
        "",
        name,
        "validation_context",
        &json!({ "custom_validator_config": validator }),
    )
}

fn answer(version: &str, name: &str, kind: &str, content: &Value) -> Vec<u8> {
    let mut secret = json!({
        "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret",
        "name": name,
    });
    if let Some(fields) = secret.as_object_mut() {
        fields.insert(kind.to_owned(), content.clone());
    }
    let answer = json!({ "version_info": version, "resources": [secret] });
    answer.to_string().into_bytes()
}

/// What [`identity`] wrote: its version and the certificate.
pub(super) fn read_identity(bytes: &[u8]) -> Option<(String, String)> {
    let answer: Value = serde_json::from_slice(bytes).ok()?;
    let version = answer.get("version_info")?.as_str()?;
    let chain = answer.pointer("/resources/0/tls_certificate/certificate_chain/inline_string")?;
    Some((version.to_owned(), chain.as_str()?.to_owned()))
}
