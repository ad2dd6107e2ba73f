//! Certificates and authorities in Secrets and ConfigMaps (`pilot/pkg/credentials/kube/secrets.go` and
//! `pilot/pkg/model/credentials/resource.go` at 1.32).

use std::collections::BTreeMap;

use super::workload::Workload;
use crate::diagnostic::Code;
use crate::model::Certificate;
use crate::model::kuma::{Input, Unusable, read_bundle};
use crate::resources::kubernetes::secret::Secret;

/// Where a credential is.
enum Place<'a> {
    Secret(&'a str, &'a str),
    ConfigMap(&'a str, &'a str),
}

/// The certificate of a server.
pub(super) fn server(
    input: Input<'_>,
    workload: &Workload,
    name: &str,
) -> Result<Certificate, Unusable> {
    let Place::Secret(namespace, name) = place(workload, name)? else {
        return Err(unusable("a ConfigMap holds no private key"));
    };
    let secret = secret(input, namespace, name)?;
    let (chain, key) = pair(&secret.data)?;
    let mut certificate = read_bundle(name, &format!("{chain}\n{key}"))?;
    certificate.name = format!("kubernetes://{namespace}/{name}");
    Ok(certificate)
}

/// The authorities of client certificates, and what is revoked, as PEM: those of the Secret `<name>-cacert`, or else of
/// the Secret itself.
pub(super) fn authority(
    input: Input<'_>,
    workload: &Workload,
    name: &str,
) -> Result<(String, Option<String>), Unusable> {
    match place(workload, name)? {
        Place::ConfigMap(namespace, name) => {
            let maps = input.resources.kubernetes.config_maps.iter();
            let map = maps
                .into_iter()
                .find(|map| map.meta.namespace() == namespace && map.meta.name == name);
            let map = map.ok_or_else(|| unusable(format!("configmap {namespace}/{name} not found")))?;
            let texts = map.spec.data.iter();
            let texts: BTreeMap<_, _> = texts
                .map(|(key, text)| (key.clone(), text.clone().into_bytes()))
                .collect();
            authorities(&texts)
        }
        Place::Secret(namespace, name) => {
            let own = secret(input, namespace, &format!("{name}-cacert"))
                .or_else(|_| secret(input, namespace, name))?;
            authorities(&own.data)
        }
    }
}

fn secret<'a>(input: Input<'a>, namespace: &str, name: &str) -> Result<&'a Secret, Unusable> {
    let mut secrets = input.resources.kubernetes.secrets.iter();
    let found = secrets.find(|own| own.meta.namespace() == namespace && own.meta.name == name);
    found
        .map(|found| &found.spec)
        .ok_or_else(|| unusable(format!("secret {namespace}/{name} not found")))
}

/// The forms of a name. Only those of the workload's namespace may be used: no ReferenceGrant is read.
fn place<'a>(workload: &'a Workload, name: &'a str) -> Result<Place<'a>, Unusable> {
    for other in ["sds://", "builtin://", "invalid://"] {
        if name.starts_with(other) {
            let why = format!("{other} names what only Istio's agent has; name a Secret");
            return Err(Unusable {
                code: Code::NotServedField,
                why,
            });
        }
    }
    let map = name.strip_prefix("configmap://");
    let rest = map
        .or_else(|| name.strip_prefix("kubernetes-gateway://"))
        .or_else(|| name.strip_prefix("kubernetes://"))
        .unwrap_or(name);
    let (namespace, name) = match rest.split_once('/') {
        Some((namespace, name)) => (namespace, name),
        None => (workload.namespace.as_str(), rest),
    };
    if namespace != workload.namespace {
        return Err(unusable(format!(
            "{namespace}/{name} is in another namespace than the gateway's workload, {}",
            workload.namespace
        )));
    }
    Ok(if map.is_some() {
        Place::ConfigMap(namespace, name)
    } else {
        Place::Secret(namespace, name)
    })
}

fn pair(data: &BTreeMap<String, Vec<u8>>) -> Result<(String, String), Unusable> {
    let both = |chain: &str, key: &str| Some((data.get(chain)?, data.get(key)?));
    let kinds = [("cert", "key"), ("tls.crt", "tls.key")];
    let mut found = kinds.iter().filter_map(|(chain, key)| both(chain, key));
    let full = found
        .clone()
        .find(|(chain, key)| !chain.is_empty() && !key.is_empty());
    match (full, found.next()) {
        (Some((chain, key)), _) => Ok((text(chain)?, text(key)?)),
        (None, Some(_)) => Err(unusable("certificate or key are empty")),
        (None, None) => Err(unusable(format!(
            "found secret, but didn't have expected keys (cert and key) or (tls.crt and tls.key); found: {}",
            keys(data)
        ))),
    }
}

fn authorities(data: &BTreeMap<String, Vec<u8>>) -> Result<(String, Option<String>), Unusable> {
    let (name, revoked) = if data.contains_key("cacert") {
        ("cacert", "crl")
    } else {
        ("ca.crt", "ca.crl")
    };
    let crl = data.get(revoked).map(|bytes| text(bytes)).transpose()?;
    match data.get(name) {
        Some(bytes) if bytes.is_empty() => Err(unusable(format!(
            "found key {name:?}, but it was empty"
        ))),
        Some(bytes) => Ok((text(bytes)?, crl)),
        None => Err(unusable(format!(
            "found secret, but didn't have expected keys cacert or ca.crt; found: {}",
            keys(data)
        ))),
    }
}

fn keys(data: &BTreeMap<String, Vec<u8>>) -> String {
    let names: Vec<_> = data.keys().map(String::as_str).collect();
    match names.as_slice() {
        [first, second, third, rest @ ..] if !rest.is_empty() => {
            format!("{first}, {second}, {third}, and {} more...", rest.len())
        }
        all => all.join(", "),
    }
}

fn text(bytes: &[u8]) -> Result<String, Unusable> {
    String::from_utf8(bytes.to_vec()).map_err(|_| unusable("it is no PEM"))
}

fn unusable(why: impl Into<String>) -> Unusable {
    Unusable {
        code: Code::NoCredential,
        why: why.into(),
    }
}
