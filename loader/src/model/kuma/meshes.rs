//! The mTLS of meshes: which backend signs, and where its authority is.

use std::collections::{BTreeMap, HashMap};

use time::Duration;

use super::{Input, certificates};
use crate::model::mesh::{KeyPair, Mtls, Source, Unusable};
use crate::resources::kuma::mesh::{Authority, Mesh, Mode};
use crate::resources::kuma::mesh_gateway::DataSource;
use crate::resources::{Resource, Resources};

/// Kuma `DefaultWorkloadCertValidityPeriod` in `pkg/core/ca/issuer/issuer.go` at 2.14.3.
const LIFETIME: Duration = Duration::hours(24);
/// Kuma `DefaultCACertValidityPeriod` in `pkg/plugins/ca/builtin/ca.go` at 2.14.3.
const LIFETIME_OF_CA: Duration = Duration::days(10 * 365);
/// Nothing is planned for longer; it ends before the year 9999, the last one that certificates can have.
const LONGEST: Duration = Duration::days(1000 * 365);

/// Whether the proxies of a mesh prove who they are.
pub fn has_mtls(resources: &Resources, mesh: &str) -> bool {
    let mut meshes = resources.meshes.iter();
    let mesh = meshes.find(|resource| resource.meta.name == mesh);
    mesh.and_then(enabled).is_some()
}

fn enabled(mesh: &Resource<Mesh>) -> Option<&Authority> {
    let (_, backend) = mesh.spec.mtls.as_ref()?.enabled()?;
    Some(backend)
}

/// The mTLS of a mesh, if it has any.
fn mtls(input: Input<'_>, mesh: &Resource<Mesh>) -> Option<Mtls> {
    let backend = enabled(mesh)?;
    let mesh = mesh.meta.name.as_str();
    let cert = backend.dp_cert.as_ref();
    let lifetime = cert.map_or("", |cert| &cert.rotation.expiration);
    Some(Mtls {
        mesh: mesh.to_owned(),
        backend: backend.name.clone(),
        kind: backend.kind.clone(),
        permissive: backend.mode == Mode::Permissive,
        lifetime: duration(lifetime).unwrap_or(LIFETIME),
        source: source(input, mesh, backend),
    })
}

/// The mTLS of all meshes that have any, by name.
pub fn all(input: Input<'_>) -> BTreeMap<String, Mtls> {
    let of_each = authorities(input);
    of_each
        .map(|(mesh, mtls)| (mesh.meta.name.clone(), mtls))
        .collect()
}

/// Each Mesh that has mTLS, with it; of a name that is given twice it is the first one's.
pub fn authorities(input: Input<'_>) -> impl Iterator<Item = (&Resource<Mesh>, Mtls)> {
    let meshes = &input.resources.meshes;
    let mut first: HashMap<&str, &Resource<Mesh>> = HashMap::with_capacity(meshes.len());
    for mesh in meshes {
        first.entry(&mesh.meta.name).or_insert(mesh);
    }
    meshes.iter().filter_map(move |mesh| {
        let first = first.get(mesh.meta.name.as_str())?;
        Some((mesh, mtls(input, first)?))
    })
}

fn source(input: Input<'_>, mesh: &str, backend: &Authority) -> Result<Source, Unusable> {
    match backend.kind.as_str() {
        "builtin" => builtin(input, mesh, backend),
        "provided" => {
            let read = |field: &str, source: &Option<DataSource>| {
                let source = source.as_ref();
                let source =
                    source.ok_or_else(|| Unusable(format!("{field}: has to be defined")))?;
                let pem = certificates::pem(input, mesh, source);
                pem.map(|(_, pem)| pem)
                    .map_err(|why| Unusable(format!("{field}: {}", why.why)))
            };
            Ok(Source::Given(KeyPair {
                certificates: read("cert", &backend.conf.cert)?,
                key: read("key", &backend.conf.key)?,
                ..KeyPair::default()
            }))
        }
        kind => Err(Unusable(format!(
            "could not find installed plugin for this type: `{kind}` is none of Kuma's own, which are builtin and provided"
        ))),
    }
}

/// The Secrets that a running Kuma keeps a builtin CA in, or else one of our own (Kuma
/// `pkg/plugins/ca/builtin/manager.go` at 2.14.3).
fn builtin(input: Input<'_>, mesh: &str, backend: &Authority) -> Result<Source, Unusable> {
    let secret = |part: &str| {
        let name = format!("{mesh}.ca-builtin-{part}-{}", backend.name);
        input.resources.secrets.get(mesh, &name).map(|_| {
            let source = DataSource {
                secret: Some(name),
                ..DataSource::default()
            };
            let pem = certificates::pem(input, mesh, &source);
            pem.map(|(_, pem)| pem).map_err(|why| Unusable(why.why))
        })
    };
    match (secret("cert"), secret("key")) {
        (Some(certificates), Some(key)) => Ok(Source::Given(KeyPair {
            certificates: certificates?,
            key: key?,
            ..KeyPair::default()
        })),
        (None, None) => {
            let conf = &backend.conf.ca_cert;
            let rsa_bits = conf.rsa_bits.filter(|&bits| bits != 0);
            if let Some(bits) = rsa_bits
                && !matches!(bits, 2048 | 3072 | 4096)
            {
                return Err(Unusable(format!(
                    "RSAbits: {bits} is none of 2048, 3072 and 4096"
                )));
            }
            Ok(Source::Made {
                lifetime: duration(&conf.expiration).unwrap_or(LIFETIME_OF_CA),
                rsa_bits,
            })
        }
        // A new CA in place of one whose other half is here would be believed by nobody.
        (Some(_), None) | (None, Some(_)) => Err(Unusable(format!(
            "of the Secrets `{mesh}.ca-builtin-cert-{0}` and `{mesh}.ca-builtin-key-{0}` one is missing",
            backend.name
        ))),
    }
}

/// A number and a unit (Kuma `ParseDuration` in `pkg/core/resources/apis/mesh/mesh_helpers.go` at 2.14.3); nothing if
/// it is none, or if it is 0, with which nothing would ever be valid.
fn duration(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let unit = match unit {
        "y" => Duration::days(365),
        "w" => Duration::weeks(1),
        "d" => Duration::days(1),
        "h" => Duration::hours(1),
        "m" => Duration::minutes(1),
        "s" => Duration::seconds(1),
        "ms" => Duration::milliseconds(1),
        _ => return None,
    };
    if number.is_empty() {
        return None;
    }
    let number = number.parse::<i32>().unwrap_or(i32::MAX);
    let all = unit.checked_mul(number).unwrap_or(LONGEST).min(LONGEST);
    (!all.is_zero()).then_some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_a_number_and_a_unit() {
        for (text, expected) in [
            ("1y", Some(Duration::days(365))),
            ("2w", Some(Duration::days(14))),
            ("1d", Some(Duration::days(1))),
            ("24h", Some(Duration::days(1))),
            ("90m", Some(Duration::minutes(90))),
            ("5s", Some(Duration::seconds(5))),
            ("500ms", Some(Duration::milliseconds(500))),
            ("99999999999999999999y", Some(LONGEST)),
            ("0", None),
            ("0s", None),
            ("", None),
            ("1h30m", None),
            ("h", None),
        ] {
            assert_eq!(duration(text), expected, "{text}");
        }
    }
}
