//! What Istio reads of Kubernetes' own resources: services with their endpoints, secrets, and labels of workloads.
//!
//! They say much that no gateway asks for, and nothing is said about fields that are not read.

pub mod deployment;
pub mod endpoint_slice;
pub mod endpoints;
mod named;
pub mod secret;
pub mod service;

use std::collections::BTreeMap;

use super::Resource;
use super::report::Validate;

use deployment::Deployment;
use endpoint_slice::EndpointSlice;
use endpoints::Endpoints;
pub use named::NamedList;
use secret::{ConfigMap, Secret};
use service::Service;

/// Kubernetes' resources of the kinds that are read, in the order of the input.
#[derive(Clone, Debug, Default)]
pub struct Kubernetes {
    /// `Service`.
    pub services: Vec<Resource<Service>>,
    /// `Endpoints`.
    pub endpoints: Vec<Resource<Endpoints>>,
    /// `EndpointSlice`.
    pub endpoint_slices: Vec<Resource<EndpointSlice>>,
    /// `Secret`, but for those of Kuma.
    pub secrets: NamedList<Secret>,
    /// `ConfigMap`.
    pub config_maps: NamedList<ConfigMap>,
    /// `Pod`: its labels are in its metadata.
    pub pods: NamedList<Pod>,
    /// `Node`: its labels say where it is.
    pub nodes: NamedList<Node>,
    /// `Deployment`.
    pub deployments: Vec<Resource<Deployment>>,
}

/// What is read of the `spec` of a Pod, also of one that a Deployment makes.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Pod {
    /// The service account, which names it in mTLS; `default` if empty.
    pub service_account_name: String,
    /// The Node that it runs on, if it runs.
    pub node_name: String,
    /// The labels that its Node has to have.
    pub node_selector: BTreeMap<String, String>,
}

/// What is read of the `spec` of a Node: nothing.
#[derive(Clone, Copy, Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct Node {}

impl Validate for Service {}
impl Validate for Endpoints {}
impl Validate for EndpointSlice {}
impl Validate for ConfigMap {}
impl Validate for Pod {}
impl Validate for Node {}
impl Validate for Deployment {}
