//! Who a proxy is in its mesh, and whom it believes: mTLS between proxies.
//!
//! Certificates and keys are no part of it. They live in the working directory, change without a new configuration,
//! and Envoy reads them from files.

use std::collections::BTreeSet;

use policy::Tags;

use super::TlsVersion;

/// What a proxy proves to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The mesh whose CA issues its certificate.
    pub mesh: String,
    /// The Dataplane's name: one certificate for each.
    pub dataplane: String,
    /// `spiffe://<mesh>/<service>` for each of these; at least one.
    pub services: Vec<String>,
    /// `kuma://<tag>/<value>` for each of these.
    pub tags: Vec<Tags>,
}

impl Identity {
    /// The URIs in its certificate: a SPIFFE ID for each service, and each tag.
    pub fn uris(&self) -> Vec<String> {
        let services: BTreeSet<_> = self.services.iter().collect();
        let tags: BTreeSet<_> = self.tags.iter().flat_map(Tags::iter).collect();
        let ids = services
            .into_iter()
            .map(|service| format!("spiffe://{}/{service}", self.mesh));
        let tags = tags
            .into_iter()
            .map(|(name, value)| format!("kuma://{name}/{value}"));
        ids.chain(tags).collect()
    }
}

/// Whose certificates are believed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trust {
    /// Those that the CA of this mesh has signed.
    Mesh(String),
    /// Those that the CA of any mesh with mTLS has signed.
    AnyMesh,
}

/// A set of SPIFFE IDs (`spiffe://<mesh>/<service>`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SpiffeIds {
    /// This one.
    Exact(String),
    /// Those that begin with this.
    Prefix(String),
}

impl SpiffeIds {
    /// A service of a mesh.
    pub fn service(mesh: &str, service: &str) -> Self {
        Self::Exact(format!("spiffe://{mesh}/{service}"))
    }

    /// All services of a mesh.
    pub fn mesh(mesh: &str) -> Self {
        Self::Prefix(format!("spiffe://{mesh}/"))
    }
}

/// What is spoken between proxies; Envoy's choice where nothing is said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsParams {
    /// The oldest version.
    pub min: Option<TlsVersion>,
    /// The newest version.
    pub max: Option<TlsVersion>,
    /// The ciphers, sorted, up to TLS 1.2.
    pub ciphers: BTreeSet<String>,
}

/// mTLS with the endpoints of a cluster. The proxy shows its own identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MeshTls {
    /// Who has to have signed the endpoint's certificate.
    pub trust: Trust,
    /// What the endpoint has to be: any of these.
    pub peers: Vec<SpiffeIds>,
    /// The name that is asked for.
    pub sni: String,
    /// Versions and ciphers.
    pub params: TlsParams,
}

/// mTLS with the clients of a port. The proxy shows its own identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MeshClients {
    /// Who has to have signed the client's certificate.
    pub trust: Trust,
    /// What the client has to be: any of these; anything if there are none.
    pub peers: Vec<SpiffeIds>,
    /// Versions and ciphers.
    pub params: TlsParams,
}
