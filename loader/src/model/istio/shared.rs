//! What the gateways of all workloads are made from: looked up once, not for each of them.

use super::attached::Policies;
use super::bindings::VirtualServices;
use super::destination_rules::ByHost;
use super::label_index::SelectorIndex;
use super::registry::Registry;
use super::servers::Gateways;
use super::workload::Workload;
use crate::model::kuma::Input;
use crate::resources::Resource;
use crate::resources::istio::authorization_policy::AuthorizationPolicy;
use crate::resources::istio::gateway::Gateway;
use crate::resources::istio::request_authentication::RequestAuthentication;

/// The resources, each sort by what it is asked for.
#[derive(Debug)]
pub(super) struct Shared<'a> {
    pub(super) input: Input<'a>,
    pub(super) registry: Registry<'a>,
    pub(super) rules: ByHost<'a>,
    pub(super) gateways: Gateways<'a>,
    pub(super) virtual_services: VirtualServices<'a>,
    pub(super) request_authentications: Policies<'a, RequestAuthentication>,
    pub(super) authorization_policies: Policies<'a, AuthorizationPolicy>,
    /// The places of Gateways by what they select.
    selectors: SelectorIndex<'a>,
}

impl<'a> Shared<'a> {
    pub(super) fn new(input: Input<'a>) -> Self {
        let istio = &input.resources.istio;
        let selectors = istio.gateways.iter().enumerate();
        let selectors = selectors.map(|(place, own)| (place, "", &own.spec.selector));
        Self {
            input,
            registry: Registry::new(input),
            rules: ByHost::new(&istio.destination_rules),
            gateways: Gateways::new(input),
            virtual_services: VirtualServices::new(input),
            request_authentications: Policies::new(&istio.request_authentications),
            authorization_policies: Policies::new(&istio.authorization_policies),
            selectors: SelectorIndex::new(selectors),
        }
    }

    /// The first Gateway whose selector has the workload.
    pub(super) fn first_selecting(&self, workload: &Workload) -> Option<&'a Resource<Gateway>> {
        let place = self.selectors.first_selecting("", &workload.labels)?;
        self.input.resources.istio.gateways.get(place)
    }
}
