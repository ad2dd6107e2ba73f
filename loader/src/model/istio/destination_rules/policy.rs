//! What of several traffic policies holds for a port (`selectTrafficPolicyComponents` and `getSubsetTrafficPolicy` in
//! `pilot/pkg/networking/core` at 1.32).

use crate::resources::Resource;
use crate::resources::istio::destination_rule::DestinationRule;
use crate::resources::istio::traffic_policy::{
    ClientTls, ConnectionPool, LoadBalancer, OutlierDetection, ProxyProtocol, RetryBudget,
    TrafficPolicy,
};
use crate::source::Path;

pub(super) type At<'a, T> = Option<(&'a Resource<DestinationRule>, Path, &'a T)>;

/// The parts of a traffic policy, each from the last place that has it.
#[derive(Default)]
pub(super) struct Policy<'a> {
    pub(super) balancer: At<'a, LoadBalancer>,
    pub(super) pool: At<'a, ConnectionPool>,
    pub(super) outliers: At<'a, OutlierDetection>,
    pub(super) tls: At<'a, ClientTls>,
    pub(super) proxy_protocol: Option<&'a ProxyProtocol>,
    pub(super) retry_budget: Option<&'a RetryBudget>,
    pub(super) not_served: Vec<(&'a Resource<DestinationRule>, Path, String)>,
}

impl<'a> Policy<'a> {
    /// What a port says replaces the whole policy around it, and what it leaves out is Istio's default.
    pub(super) fn add(
        &mut self,
        rule: &'a Resource<DestinationRule>,
        policy: Option<&'a TrafficPolicy>,
        path: &Path,
        port: u16,
    ) {
        let Some(policy) = policy else {
            return;
        };
        // Ports say nothing about these.
        if let Some(value) = &policy.proxy_protocol {
            self.proxy_protocol = Some(value);
        }
        if let Some(value) = &policy.retry_budget {
            if value.budget_interval.is_some() {
                let path = path.field("retryBudget").field("budgetInterval");
                let message = "budgetInterval is not served: the requests at work are counted";
                self.not_served.push((rule, path, message.to_owned()));
            }
            self.retry_budget = Some(value);
        }
        let mut ports = policy.port_level_settings.iter().enumerate();
        let own = ports.find(|(_, own)| {
            let selector = own.port.as_ref();
            selector.is_some_and(|selector| selector.number == u32::from(port))
        });
        if let Some((index, own)) = own {
            let path = path.field("portLevelSettings").index(index);
            let at = |field: &str| path.field(field);
            self.balancer = own
                .load_balancer
                .as_ref()
                .map(|v| (rule, at("loadBalancer"), v));
            self.pool = own
                .connection_pool
                .as_ref()
                .map(|v| (rule, at("connectionPool"), v));
            let outliers = own.outlier_detection.as_ref();
            self.outliers = outliers.map(|v| (rule, at("outlierDetection"), v));
            self.tls = own.tls.as_ref().map(|v| (rule, at("tls"), v));
            return;
        }
        let at = |field: &str| path.field(field);
        if let Some(value) = &policy.load_balancer {
            self.balancer = Some((rule, at("loadBalancer"), value));
        }
        if let Some(value) = &policy.connection_pool {
            self.pool = Some((rule, at("connectionPool"), value));
        }
        if let Some(value) = &policy.outlier_detection {
            self.outliers = Some((rule, at("outlierDetection"), value));
        }
        if let Some(value) = &policy.tls {
            self.tls = Some((rule, at("tls"), value));
        }
    }
}
