//! What a `credentialName` refers to (`pilot/pkg/model/credentials/resource.go` and `pilot/pkg/credentials/kube` at
//! 1.32), and what is in it.

use crate::model::Certificate;
use crate::model::certificates::{Unusable, bundle};
use crate::resources::Resource;
use crate::resources::kubernetes::Kubernetes;
use crate::resources::kubernetes::secret::{
    Authorities, ConfigMap, NotInSecret, Secret, ServerPair,
};

/// The name of the workload's own certificate in the mesh, and of its authority where clients show theirs
/// (`ConstructSdsSecretConfigForCredential` in `pilot/pkg/security/model/authentication.go` at 1.32).
pub const OF_MESH: &str = "builtin://";

/// What the name of a Secret with authorities only ends with.
const CA: &str = "-cacert";

/// A name as it is written, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reference<'a> {
    /// `name`, `namespace/name`, and both after `kubernetes://` or `kubernetes-gateway://`.
    Secret(Named<'a>),
    /// `configmap://namespace/name`.
    ConfigMap(Named<'a>),
    /// `builtin://`: the workload's own certificate in the mesh. What stands behind it is nothing that istiod has.
    Mesh,
    /// `invalid://`: a certificate that is never there.
    Invalid,
    /// `sds://name`: somebody else hands it out.
    External(&'a str),
}

/// A name in a namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Named<'a> {
    /// The namespace.
    pub namespace: &'a str,
    /// The name.
    pub name: &'a str,
}

/// Why a credential cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CredentialError {
    /// It names no place.
    #[error("invalid resource name {0:?}. Expected namespace and name")]
    Name(String),
    /// There is none of this name.
    #[error("secret {0} not found")]
    NoSecret(String),
    /// There is none of this name.
    #[error("configmap {0} not found")]
    NoConfigMap(String),
    /// It is in another namespace than the gateway's workload.
    #[error("cross namespace secret reference requires ReferenceGrant")]
    OtherNamespace,
    /// It has not what is looked for.
    #[error(transparent)]
    Content(#[from] NotInSecret),
}

impl<'a> Reference<'a> {
    /// Reads a name of a gateway whose workload is in `namespace`.
    ///
    /// A namespace of its own is taken only if it is that one: Istio hands out no Secret across namespaces without a
    /// `ReferenceGrant`, which only the Gateway API has.
    pub fn parse(text: &'a str, namespace: &'a str) -> Result<Self, CredentialError> {
        let refused = || CredentialError::Name(text.to_owned());
        let complete = |rest: &'a str| {
            let (namespace, name) = rest.split_once('/').ok_or_else(refused)?;
            let name = name.split('/').next().unwrap_or_default();
            if namespace.is_empty() || name.is_empty() {
                return Err(refused());
            }
            Ok(Named { namespace, name })
        };
        let own = |named: Named<'a>| {
            if named.namespace == namespace {
                Ok(Self::Secret(named))
            } else {
                Err(CredentialError::OtherNamespace)
            }
        };
        if text.starts_with(OF_MESH) {
            return Ok(Self::Mesh);
        }
        if text.starts_with("invalid://") {
            return Ok(Self::Invalid);
        }
        if let Some(name) = text.strip_prefix("sds://") {
            return Ok(Self::External(name));
        }
        if let Some(rest) = text.strip_prefix("configmap://") {
            return complete(rest).map(Self::ConfigMap);
        }
        if let Some(rest) = text.strip_prefix("kubernetes-gateway://") {
            return complete(rest).and_then(own);
        }
        let rest = text.strip_prefix("kubernetes://").unwrap_or(text);
        if rest.is_empty() {
            return Err(refused());
        }
        if rest.contains('/') {
            return complete(rest).and_then(own);
        }
        own(Named {
            namespace,
            name: rest,
        })
    }
}

/// The Secret with a server's certificate (`GetCertInfo`), and the certificate.
pub fn server_pair<'r>(
    resources: &'r Kubernetes,
    named: Named<'_>,
) -> Result<(&'r Resource<Secret>, ServerPair<'r>), CredentialError> {
    let secret = resources
        .secrets
        .find(named.namespace, named.name)
        .ok_or_else(|| CredentialError::NoSecret(named.to_string()))?;
    Ok((secret, secret.spec.server_pair()?))
}

/// The certificate for Envoy, judged by what Envoy takes; `id` names it.
pub(crate) fn certificate(id: &str, pair: ServerPair<'_>) -> Result<Certificate, Unusable> {
    let text = |bytes| {
        std::str::from_utf8(bytes).map_err(|_| Unusable::invalid("invalid PEM: it is no text"))
    };
    bundle::read(
        id,
        &format!("{}\n{}", text(pair.certificate)?, text(pair.key)?),
    )
}

/// The authorities that belong to a server's Secret: those of `name-cacert` if there is one, else its own.
pub fn authorities_beside<'r>(
    resources: &'r Kubernetes,
    named: Named<'_>,
) -> Result<Authorities<'r>, CredentialError> {
    let beside = format!("{}{CA}", named.name);
    authorities(
        resources,
        Named {
            name: &beside,
            ..named
        },
    )
}

/// The authorities in a Secret, or in the one of the same name without `-cacert` (`GetCaCert`).
pub fn authorities<'r>(
    resources: &'r Kubernetes,
    named: Named<'_>,
) -> Result<Authorities<'r>, CredentialError> {
    let name = named.name.strip_suffix(CA).unwrap_or(named.name);
    let other = Named { name, ..named };
    let find = |named: Named<'_>| resources.secrets.find(named.namespace, named.name);
    let secret = find(named)
        .or_else(|| find(other))
        .ok_or_else(|| CredentialError::NoSecret(other.to_string()))?;
    Ok(secret.spec.authorities()?)
}

/// The authorities in a `ConfigMap` (`GetConfigMapCaCert`).
pub fn config_map<'r>(
    resources: &'r Kubernetes,
    named: Named<'_>,
) -> Result<Authorities<'r>, CredentialError> {
    let name = named.name.strip_suffix(CA).unwrap_or(named.name);
    let named = Named { name, ..named };
    let map: &Resource<ConfigMap> = resources
        .config_maps
        .find(named.namespace, named.name)
        .ok_or_else(|| CredentialError::NoConfigMap(named.to_string()))?;
    Ok(map.spec.authorities()?)
}

impl std::fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_every_form_are_read() {
        let secret = |namespace, name| Ok(Reference::Secret(Named { namespace, name }));
        let wrong = |text: &str| Err(CredentialError::Name(text.to_owned()));
        for (text, expected) in [
            ("shop", secret("ns", "shop")),
            ("ns/shop", secret("ns", "shop")),
            ("kubernetes://shop", secret("ns", "shop")),
            ("kubernetes-gateway://ns/shop", secret("ns", "shop")),
            ("other/shop", Err(CredentialError::OtherNamespace)),
            (
                "configmap://other/shop",
                Ok(Reference::ConfigMap(Named {
                    namespace: "other",
                    name: "shop",
                })),
            ),
            ("builtin://", Ok(Reference::Mesh)),
            ("invalid://", Ok(Reference::Invalid)),
            ("sds://shop", Ok(Reference::External("shop"))),
            ("configmap://shop", wrong("configmap://shop")),
            (
                "kubernetes-gateway://shop",
                wrong("kubernetes-gateway://shop"),
            ),
            ("/shop", wrong("/shop")),
            ("", wrong("")),
        ] {
            assert_eq!(Reference::parse(text, "ns"), expected, "{text}");
        }
    }
}
