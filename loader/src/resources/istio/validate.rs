//! Istio's own rules for each resource, in its words (`pkg/config/validation` at 1.32).

use crate::resources::report::Validate;

use super::destination_rule::DestinationRule;
use super::gateway::Gateway;
use super::service_entry::ServiceEntry;
use super::virtual_service::VirtualService;

impl Validate for Gateway {}
impl Validate for VirtualService {}
impl Validate for DestinationRule {}
impl Validate for ServiceEntry {}
