//! Parts of the configuration that not every filter has.

use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{CrossMeshConfig, ExternalAccessConfig, PermissionsConfig};

/// In place of a part that a filter does not have. There is no value of it, so the code for the part is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unused {}

impl<'de> Deserialize<'de> for Unused {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(D::Error::custom(
            "this filter does not have this part, gateway.wasm has",
        ))
    }
}

impl Serialize for Unused {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        match *self {}
    }
}

/// The part `T`, or [`Unused`].
pub trait Part<T>: DeserializeOwned {
    /// The part itself.
    fn part(&self) -> &T;
}

impl<T> Part<T> for Unused {
    fn part(&self) -> &T {
        match *self {}
    }
}

impl Part<CrossMeshConfig> for CrossMeshConfig {
    fn part(&self) -> &Self {
        self
    }
}

impl Part<ExternalAccessConfig> for ExternalAccessConfig {
    fn part(&self) -> &Self {
        self
    }
}

impl Part<PermissionsConfig> for PermissionsConfig {
    fn part(&self) -> &Self {
        self
    }
}
