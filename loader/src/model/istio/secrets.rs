//! Certificates and authorities that a gateway's workload finds by name.

use std::collections::HashMap;

use super::credentials::{self, CredentialError, Reference};
use super::workload::Workload;
use crate::diagnostic::Code;
use crate::model::Certificate;
use crate::model::certificates::{Unusable, authorities};
use crate::model::kuma::Input;
use crate::resources::kubernetes::secret::Authorities;

/// Certificates of a workload's servers by the names of their credentials, each read once.
#[derive(Debug, Default)]
pub(super) struct Certificates(HashMap<String, Result<Certificate, Unusable>>);

impl Certificates {
    /// The certificate of a server.
    pub(super) fn server(
        &mut self,
        input: Input<'_>,
        workload: &Workload,
        name: &str,
    ) -> Result<Certificate, Unusable> {
        if let Some(known) = self.0.get(name) {
            return known.clone();
        }
        let read = server(input, workload, name);
        self.0.insert(name.to_owned(), read.clone());
        read
    }
}

/// The certificate of a name.
pub(super) fn server(
    input: Input<'_>,
    workload: &Workload,
    name: &str,
) -> Result<Certificate, Unusable> {
    let Reference::Secret(named) = reference(workload, name)? else {
        return Err(unusable("a ConfigMap holds no private key"));
    };
    let (_, pair) =
        credentials::server_pair(&input.resources.kubernetes, named).map_err(missing)?;
    let mut certificate = credentials::certificate(name, pair)?;
    certificate.name = format!("kubernetes://{named}");
    Ok(certificate)
}

/// The authorities that belong to the certificate of this name, and what is revoked, as PEM.
pub(super) fn authority_beside(
    input: Input<'_>,
    workload: &Workload,
    name: &str,
) -> Result<(String, Option<String>), Unusable> {
    let resources = &input.resources.kubernetes;
    match reference(workload, name)? {
        Reference::Secret(named) => {
            text(credentials::authorities_beside(resources, named).map_err(missing)?)
        }
        _ => authority(input, workload, name),
    }
}

/// The authorities of this name, and what is revoked, as PEM.
pub(super) fn authority(
    input: Input<'_>,
    workload: &Workload,
    name: &str,
) -> Result<(String, Option<String>), Unusable> {
    let resources = &input.resources.kubernetes;
    let found = match reference(workload, name)? {
        Reference::Secret(named) => credentials::authorities(resources, named),
        Reference::ConfigMap(named) => credentials::config_map(resources, named),
        Reference::Mesh | Reference::Invalid | Reference::External(_) => {
            return Err(unusable("it names no Secret or ConfigMap"));
        }
    };
    text(found.map_err(missing)?)
}

fn reference<'a>(workload: &'a Workload, name: &'a str) -> Result<Reference<'a>, Unusable> {
    match Reference::parse(name, &workload.namespace).map_err(missing)? {
        Reference::Mesh => Err(Unusable {
            code: Code::NotServedField,
            why: format!(
                "`{name}` is the certificate of the mesh, which only servers show, as `builtin://` alone; towards \
                 services it is `mode: ISTIO_MUTUAL`"
            ),
        }),
        Reference::External(_) => Err(Unusable {
            code: Code::NotServedField,
            why: format!(
                "`{name}` is handed out by a server that only Istio's agent asks; name a Secret"
            ),
        }),
        Reference::Invalid => Err(unusable("it names a certificate that is never there")),
        found => Ok(found),
    }
}

fn text(found: Authorities<'_>) -> Result<(String, Option<String>), Unusable> {
    let read = |bytes: &[u8]| {
        String::from_utf8(bytes.to_vec()).map_err(|_| unusable("it is no PEM, it is no text"))
    };
    let certificates = read(found.certificates)?;
    let of = |keys: &'static str| {
        move |unusable: Unusable| Unusable {
            why: format!("{keys}: {}", unusable.why),
            ..unusable
        }
    };
    authorities::certificates(&certificates).map_err(of("`ca.crt` or `cacert`"))?;
    let crl = found.crl.map(read).transpose()?;
    let judged = crl.as_deref().map_or(Ok(()), authorities::revoked);
    judged.map_err(of("`ca.crl` or `crl`"))?;
    Ok((certificates, crl))
}

#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn missing(why: CredentialError) -> Unusable {
    let code = match why {
        CredentialError::Content(_) => Code::UnusableCredential,
        _ => Code::MissingCredential,
    };
    Unusable {
        code,
        why: why.to_string(),
    }
}

fn unusable(why: impl Into<String>) -> Unusable {
    Unusable {
        code: Code::UnusableCredential,
        why: why.into(),
    }
}
