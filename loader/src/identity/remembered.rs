//! What a renewal needs to go on in a later process whose resources cannot be used.
//!
//! Only of CAs that meshgate makes: the key of one that resources give belongs into no other file.

use policy::Tags;
use serde::{Deserialize, Serialize};
use time::Duration;

use super::{Keeper, Renewal, Store};
use crate::model::Identity;
use crate::model::mesh::{Mtls, Source};

/// The identities of a proxy, and the meshes that it knows.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remembered {
    identities: Vec<Own>,
    meshes: Vec<Mesh>,
}

/// An [`Identity`].
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Own {
    mesh: String,
    dataplane: String,
    services: Vec<String>,
    tags: Vec<Tags>,
}

/// An [`Mtls`] with a CA that meshgate makes; times in seconds.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Mesh {
    mesh: String,
    backend: String,
    kind: String,
    permissive: bool,
    lifetime: i64,
    lifetime_of_authority: i64,
    rsa_bits: Option<u32>,
}

impl Renewal {
    /// What is needed to go on with it; nothing if resources give a CA, or one that cannot be used: without that mesh,
    /// its proxies would not be believed any more.
    pub fn remembered(&self) -> Option<Remembered> {
        let identities = self.identities.iter().map(|own| Own {
            mesh: own.mesh.clone(),
            dataplane: own.dataplane.clone(),
            services: own.services.clone(),
            tags: own.tags.clone(),
        });
        let meshes: Option<_> = self.keeper.meshes.values().map(Mesh::of).collect();
        Some(Remembered {
            identities: identities.collect(),
            meshes: meshes?,
        })
    }
}

impl Remembered {
    /// The renewal of these identities in a store.
    pub fn renewal(self, store: Store) -> Renewal {
        let meshes = self.meshes.into_iter().map(Mesh::mtls);
        let meshes = meshes.map(|mtls| (mtls.mesh.clone(), mtls)).collect();
        let identities = self.identities.into_iter().map(|own| Identity {
            mesh: own.mesh,
            dataplane: own.dataplane,
            services: own.services,
            tags: own.tags,
        });
        Renewal::new(Keeper::new(store, meshes), identities.collect())
    }
}

impl Mesh {
    fn of(mtls: &Mtls) -> Option<Self> {
        let Ok(Source::Made { lifetime, rsa_bits }) = &mtls.source else {
            return None;
        };
        Some(Self {
            mesh: mtls.mesh.clone(),
            backend: mtls.backend.clone(),
            kind: mtls.kind.clone(),
            permissive: mtls.permissive,
            lifetime: mtls.lifetime.whole_seconds(),
            lifetime_of_authority: lifetime.whole_seconds(),
            rsa_bits: *rsa_bits,
        })
    }

    fn mtls(self) -> Mtls {
        Mtls {
            mesh: self.mesh,
            backend: self.backend,
            kind: self.kind,
            permissive: self.permissive,
            lifetime: Duration::seconds(self.lifetime),
            source: Ok(Source::Made {
                lifetime: Duration::seconds(self.lifetime_of_authority),
                rsa_bits: self.rsa_bits,
            }),
        }
    }
}
