//! Identities of proxies: who signs them, and where Envoy reads them.
//!
//! - [`authority`]: the CA of a mesh
//! - `issue`: the certificate of a proxy
//! - [`Renewal`]: the same certificate, again and again
//! - [`Remembered`]: what is needed for that without resources
//! - `sds`: the form that Envoy reads
//! - `succession`: an authority and the one after it
//! - [`store`]: the folder, which outlives every process

pub mod authority;
mod issue;
mod remembered;
mod renewal;
mod sds;
pub mod store;
mod succession;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use time::{Duration, OffsetDateTime};

pub use authority::{Authority, InvalidAuthority, RuleOfSpiffe};
pub use remembered::Remembered;
pub use renewal::Renewal;
pub use store::Store;

use self::issue::Validity;
use crate::envoy::mesh_tls::files as names;
use crate::hash::sha256_hex;
use crate::model::mesh::{Mtls, Source};
use crate::model::{Identity, Trust};

/// The meshes with mTLS, by name.
pub type Meshes = BTreeMap<String, Mtls>;

/// Keeps certificates in a store: makes what is missing, and replaces what is due.
#[derive(Clone, Debug)]
pub struct Keeper {
    store: Store,
    meshes: Meshes,
}

/// The certificate of a proxy, as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Its URIs: `spiffe://<mesh>/<service>` first, then `kuma://<tag>/<value>`.
    pub names: Vec<String>,
    /// When it ends to be valid.
    pub until: OffsetDateTime,
    /// When it will be replaced.
    pub due: OffsetDateTime,
    /// Why it was made just now; nothing if it was there.
    pub renewed: Option<Why>,
    /// Where Envoy reads it.
    pub folder: PathBuf,
}

/// Why a certificate was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// There was none.
    Missing,
    /// Its CA, its names or its lifetime are other ones now.
    Changed,
    /// Four fifths of its time were over.
    Due,
    /// Its time had not begun: somebody has set the clock back.
    Early,
    /// Somebody wanted another one.
    Asked,
}

impl Keeper {
    /// For the proxies of these meshes.
    pub fn new(store: Store, meshes: Meshes) -> Self {
        Self { store, meshes }
    }

    /// Opens the store for some work: no other process changes it in the meantime.
    pub fn open(&self, now: OffsetDateTime) -> anyhow::Result<Round<'_>> {
        let lock = self.store.lock()?;
        let authorities = self.meshes.values().map(|mtls| {
            let authority = self.authority(mtls, now);
            let what = || format!("the CA of mesh {} (backend {})", mtls.mesh, mtls.backend);
            (mtls.mesh.clone(), authority.with_context(what))
        });
        Ok(Round {
            store: &self.store,
            meshes: &self.meshes,
            authorities: authorities.collect(),
            now,
            _lock: lock,
        })
    }

    /// [`Round::keep`] for one proxy.
    pub fn keep(&self, identity: &Identity, now: OffsetDateTime) -> anyhow::Result<Kept> {
        self.open(now)?.keep(identity, false)
    }

    /// The authority of a mesh; one that meshgate makes is made if it is not there.
    fn authority(&self, mtls: &Mtls, now: OffsetDateTime) -> anyhow::Result<Authority> {
        match mtls.source.as_ref().map_err(Clone::clone)? {
            Source::Given(pair) => {
                let (authority, _) = Authority::read(&pair.certificates, &pair.key)?;
                Ok(authority.showing(&pair.chain))
            }
            Source::Made { lifetime, rsa_bits } => {
                let make = || authority::make(&mtls.mesh, *lifetime, *rsa_bits, now);
                succession::authority(&self.store, mtls, make, now)
            }
        }
    }
}

/// Some work on a store, which is locked until the end of it.
#[derive(Debug)]
pub struct Round<'a> {
    store: &'a Store,
    meshes: &'a Meshes,
    authorities: BTreeMap<String, anyhow::Result<Authority>>,
    now: OffsetDateTime,
    _lock: store::Lock,
}

impl Round<'_> {
    /// The authorities, by mesh; an error for those that cannot be used.
    pub fn authorities(&self) -> &BTreeMap<String, anyhow::Result<Authority>> {
        &self.authorities
    }

    /// What the user has to know of what has just happened to authorities.
    pub fn warnings(&self) -> impl Iterator<Item = String> {
        let good = self.authorities.iter();
        let good = good.filter_map(|(mesh, authority)| Some((mesh, authority.as_ref().ok()?)));
        good.filter_map(|(mesh, authority)| {
            let early = authority.in_place_of?;
            Some(format!(
                "the CA of mesh {mesh} would not be valid before {} {:02}:{:02} UTC: a clock made it that was ahead; another one signs from now on, and both are believed",
                early.date(),
                early.hour(),
                early.minute()
            ))
        })
    }

    /// Sees to it that a proxy has a certificate and knows whom to believe, in its folder of the store. The certificate
    /// is made again if it is due, if its CA or its names have changed, and if `renew` is set.
    pub fn keep(&self, identity: &Identity, renew: bool) -> anyhow::Result<Kept> {
        let Identity {
            mesh, dataplane, ..
        } = identity;
        let what = || format!("there is no identity for {dataplane} in mesh {mesh}");
        let (mtls, authority) = match (self.meshes.get(mesh), self.authorities.get(mesh)) {
            (Some(mtls), Some(Ok(authority))) => (mtls, authority),
            (_, Some(Err(why))) => bail!("{}: {why:#}", what()),
            _ => bail!("{}: the mesh has no mTLS", what()),
        };
        let folder = self.store.proxy(mesh, dataplane)?;
        self.trust(&folder)?;

        let file = folder.join(names::IDENTITY);
        let version = version(authority, identity, mtls.lifetime);
        let existing = store::read(&file)?.and_then(|bytes| sds::read_identity(&bytes));
        let existing = existing.and_then(|(v, chain)| Some((v, Validity::of(&chain)?)));
        let why = match &existing {
            _ if renew => Some(Why::Asked),
            None => Some(Why::Missing),
            Some((written, _)) if *written != version => Some(Why::Changed),
            // It was made by a clock that was ahead: nobody believes it until then.
            Some((_, validity)) if self.now < validity.from => Some(Why::Early),
            // No certificate outlives its CA: near its end another one would be no better.
            Some((_, validity)) => {
                (self.now >= validity.due() && validity.until < authority.until).then_some(Why::Due)
            }
        };
        let validity = match (why, existing) {
            (None, Some((_, validity))) => validity,
            _ => {
                let issued = issue::issue(authority, identity, mtls.lifetime, self.now)
                    .with_context(what)?;
                let name = names::identity_secret(mesh);
                store::put(&file, &sds::identity(&name, &issued, &version))?;
                Validity::of(&issued.certificate).with_context(what)?
            }
        };
        Ok(Kept {
            due: authority
                .changes
                .map_or(validity.due(), |changes| changes.min(validity.due())),
            until: validity.until,
            names: validity.names,
            renewed: why,
            folder,
        })
    }

    /// Writes whom a proxy can believe. A mesh whose CA cannot be used is believed in nothing, and breaks nobody else
    /// (Kuma `pkg/xds/secrets/secrets.go` at 2.14.3).
    fn trust(&self, folder: &Path) -> anyhow::Result<()> {
        let put = |trust: &Trust, secret: &[u8]| {
            store::put(&folder.join(names::authority(trust)), secret)
        };
        let mut all = Vec::new();
        for (mesh, authority) in &self.authorities {
            let nobody;
            let bundle = match authority {
                Ok(authority) => {
                    all.push((mesh.as_str(), authority.bundle.as_str()));
                    &authority.bundle
                }
                Err(_) => {
                    nobody = self.nobody()?;
                    &nobody
                }
            };
            let trust = Trust::Mesh(mesh.clone());
            put(
                &trust,
                &sds::authority(&names::authority_secret(&trust), bundle),
            )?;
        }
        let any = Trust::AnyMesh;
        put(
            &any,
            &sds::authorities(&names::authority_secret(&any), all.into_iter()),
        )
    }

    /// The certificate of an authority that has signed nothing, and never will: its key is gone.
    fn nobody(&self) -> anyhow::Result<String> {
        let path = self.store.nobody();
        if let Some(bytes) = store::read(&path)? {
            return Ok(String::from_utf8(bytes)?);
        }
        let pem = authority::make("nobody", Duration::days(1), None, self.now)?;
        let (authority, _) = Authority::read(&pem, &pem)?;
        store::put(&path, authority.bundle.as_bytes())?;
        Ok(authority.bundle)
    }
}

/// Changes with whatever a certificate is made from.
fn version(authority: &Authority, identity: &Identity, lifetime: Duration) -> String {
    let mut parts = vec![authority.fingerprint.clone(), lifetime.to_string()];
    parts.extend(issue::names(identity));
    parts.extend((!authority.chain.is_empty()).then(|| authority.chain.clone()));
    sha256_hex(parts.into_iter().map(|part| part + "\n"), 16)
}

#[cfg(test)]
mod tests;
