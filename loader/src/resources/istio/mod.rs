//! Istio's resources as they are written (Istio 1.32; `apiVersion: networking.istio.io/{v1alpha3,v1beta1,v1}`, and
//! `security.istio.io/{v1beta1,v1}`).
//!
//! Field names follow `networking/v1alpha3/*.proto` and `security/v1beta1/*.proto` of istio/api. Both spellings of a field are read, as `jsonpb` does.

pub mod authorization_policy;
mod client_tls;
pub mod destination_rule;
pub mod gateway;
pub mod http_route;
pub mod jwks;
pub mod request_authentication;
pub mod service_entry;
pub mod traffic_policy;
mod validate;
pub mod virtual_service;

pub(crate) use validate::{CIPHERS, claim, grpc_status, help, is_cipher};

use super::Resource;

use authorization_policy::AuthorizationPolicy;
use destination_rule::DestinationRule;
use gateway::Gateway;
use request_authentication::RequestAuthentication;
use service_entry::{ServiceEntry, WorkloadEntry};
use virtual_service::VirtualService;

/// Istio's resources of the kinds that are served, in the order of the input.
#[derive(Clone, Debug, Default)]
pub struct Istio {
    /// `Gateway`.
    pub gateways: Vec<Resource<Gateway>>,
    /// `VirtualService`.
    pub virtual_services: Vec<Resource<VirtualService>>,
    /// `DestinationRule`.
    pub destination_rules: Vec<Resource<DestinationRule>>,
    /// `ServiceEntry`.
    pub service_entries: Vec<Resource<ServiceEntry>>,
    /// `WorkloadEntry`.
    pub workload_entries: Vec<Resource<WorkloadEntry>>,
    /// `AuthorizationPolicy`.
    pub authorization_policies: Vec<Resource<AuthorizationPolicy>>,
    /// `RequestAuthentication`.
    pub request_authentications: Vec<Resource<RequestAuthentication>>,
}

impl Istio {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.gateways.is_empty()
            && self.virtual_services.is_empty()
            && self.destination_rules.is_empty()
            && self.service_entries.is_empty()
            && self.workload_entries.is_empty()
            && self.authorization_policies.is_empty()
            && self.request_authentications.is_empty()
    }
}
