//! `ValidateServiceEntry`.

use std::collections::BTreeSet;

use crate::diagnostic::Code;
use crate::resources::istio::gateway::Protocol;
use crate::resources::istio::service_entry::{
    Location, Resolution, ServiceEntry, ServicePort, WorkloadEntry,
};
use crate::resources::report::{Report, Validate};
use crate::source::Path;

use super::export_to::{self, Of};
use super::{labels, names, port, selector, warn};

impl Validate for ServiceEntry {
    fn validate(&self, report: &mut Report<'_>) {
        if let Some(of) = &self.workload_selector {
            let path = Path::of("workloadSelector").field("labels");
            if !selector(report, &path, &of.labels) {
                return;
            }
            if of.labels.is_empty() {
                let text = "service entry: workload selector specified without labels, will be applied to all services \
                            in namespace";
                warn(report, &path, Code::DoubtfulSetting, text);
            }
            if !self.endpoints.is_empty() {
                let text = "only one of WorkloadSelector or Endpoints is allowed in Service Entry";
                report.violation(&Path::of("workloadSelector"), text);
            }
        }
        self.hosts(report);
        self.addresses(report);
        self.ports(report);
        match self.resolution {
            Resolution::None => self.passed_on(report),
            Resolution::Static => {
                for (index, endpoint) in self.endpoints.iter().enumerate() {
                    let path = Path::of("endpoints").index(index);
                    self.fixed(report, &path, endpoint);
                }
            }
            Resolution::Dns | Resolution::DnsRoundRobin => self.resolved(report),
            Resolution::DynamicDns => self.dynamic(report),
        }
        let by_host = self.resolution != Resolution::None && self.hosts.len() > 1;
        let by_address = self.resolution.asks_dns() && !self.addresses.is_empty();
        if by_host || by_address {
            self.no_null_port(report, "ports cannot be nil");
        }
        let is_plain = |protocol: Option<Protocol>| {
            protocol.is_none_or(|protocol| !protocol.is_http() && !protocol.is_tls())
        };
        let mut protocols = self
            .ports
            .iter()
            .map(|port| Protocol::parse(&port.protocol));
        if by_host && protocols.any(is_plain) {
            let text = "multiple hosts provided with non-HTTP, non-TLS ports";
            report.advise(
                &Path::of("hosts"),
                text,
                "write a ServiceEntry for each host",
            );
        }
        let namespace = report.meta().namespace().to_owned();
        export_to::check(report, &namespace, &self.export_to, Of::ServiceEntry);
    }
}

impl ServiceEntry {
    fn hosts(&self, report: &mut Report<'_>) {
        if self.hosts.is_empty() {
            let text = "service entry must have at least one host";
            report.violation(&Path::of("hosts"), text);
        }
        for (index, host) in self.hosts.iter().enumerate() {
            let path = Path::of("hosts").index(index);
            if host == "*" {
                report.violation(&path, "invalid host *");
                continue;
            }
            if let Err(text) = names::wildcard_domain(host) {
                report.violation(&path, text);
            }
            if self.resolution != Resolution::DynamicDns
                && let Err(text) = names::whole_wildcard(host)
            {
                warn(report, &path, Code::DoubtfulSetting, text);
            }
        }
    }

    fn addresses(&self, report: &mut Report<'_>) {
        let path = Path::of("addresses");
        for (index, address) in self.addresses.iter().enumerate() {
            if let Err(text) = names::subnet(address) {
                report.violation(&path.index(index), text);
            }
        }
        let has_block = self.addresses.iter().any(|address| address.contains('/'));
        if has_block && !matches!(self.resolution, Resolution::None | Resolution::Static) {
            let text = "CIDR addresses are allowed only for NONE/STATIC resolution types";
            report.violation(&path, text);
        }
    }

    /// `ShouldV2AutoAllocateIP`: whether Istio finds addresses for it.
    fn is_allocated(&self, report: &Report<'_>) -> bool {
        let label = report
            .meta()
            .labels
            .get("networking.istio.io/enable-autoallocate-ip");
        self.resolution != Resolution::None
            && self.addresses.is_empty()
            && !label.is_some_and(|value| value.eq_ignore_ascii_case("false"))
    }

    fn ports(&self, report: &mut Report<'_>) {
        let is_allocated = self.is_allocated(report);
        let (mut by_name, mut by_number) = (BTreeSet::new(), BTreeSet::new());
        for (index, entry) in self.ports.iter().enumerate() {
            let path = Path::of("ports").index(index);
            if is_nothing(entry) {
                let help = "write `number`, `name` and `protocol`";
                report.advise(&path, "service entry port may not be null", help);
            }
            if !by_name.insert(&entry.name) {
                let text = format!("service entry port name {:?} already defined", entry.name);
                report.violation(&path.field("name"), text);
            }
            if !by_number.insert(entry.number) {
                let text = format!("service entry port {} already defined", entry.number);
                report.violation(&path.field("number"), text);
            }
            if entry.target_port != 0 {
                port(report, &path.field("targetPort"), entry.target_port);
            }
            if self.addresses.is_empty()
                && !is_allocated
                && matches!(entry.protocol.as_str(), "" | "TCP")
            {
                let text = "addresses are required for ports serving TCP (or unset) protocol when IP Autoallocation is \
                            not enabled";
                warn(report, &path, Code::DoubtfulSetting, text);
            }
            port_name(report, &path.field("name"), &entry.name);
            if !entry.protocol.is_empty() && Protocol::parse(&entry.protocol).is_none() {
                let text = format!("unsupported protocol: {}", entry.protocol);
                report.violation(&path.field("protocol"), text);
            }
            port(report, &path.field("number"), entry.number);
        }
    }

    fn no_null_port(&self, report: &mut Report<'_>, text: &str) {
        for (index, _) in (0..).zip(&self.ports).filter(|(_, port)| is_nothing(port)) {
            report.violation(&Path::of("ports").index(index), text);
        }
    }

    fn passed_on(&self, report: &mut Report<'_>) {
        if !self.endpoints.is_empty() {
            let text = "no endpoints should be provided for resolution type none";
            report.advise(&Path::of("endpoints"), text, "write `resolution: STATIC`");
        }
        if self.workload_selector.is_some() {
            let text = "workloadSelector should not be set when resolution mode is NONE";
            let path = Path::of("workloadSelector");
            warn(report, &path, Code::IneffectiveSetting, text);
        }
    }

    /// `validateWorkloadEntry`.
    fn fixed(&self, report: &mut Report<'_>, path: &Path, endpoint: &WorkloadEntry) {
        let address = &endpoint.address;
        let at = path.field("address");
        if address.is_empty() {
            if endpoint.network.is_empty() {
                return report.violation(&at, "address is required");
            }
            let text = format!("address is unset with network {:?}", endpoint.network);
            warn(report, &at, Code::DoubtfulSetting, text);
        } else if let Some(socket) = address.strip_prefix("unix://") {
            if let Err(text) = names::unix(socket) {
                report.violation(&at, text);
            }
            if !endpoint.ports.is_empty() {
                let text = format!("unix endpoint {address} must not include ports");
                report.violation(&path.field("ports"), text);
            }
            if self.ports.len() != 1 {
                report.violation(&at, "exactly 1 service port required for unix endpoints");
            }
        } else if !names::is_ip(address) {
            let text = format!("endpoint address {address:?} is not a valid IP address");
            report.advise(&at, text, "write `resolution: DNS` for names");
        }
        self.endpoint_ports(report, path, endpoint);
        labels(report, &path.field("labels"), &endpoint.labels);
    }

    fn endpoint_ports(&self, report: &mut Report<'_>, path: &Path, endpoint: &WorkloadEntry) {
        for (name, number) in &endpoint.ports {
            let path = path.field("ports").key(name);
            if !self.ports.iter().any(|port| port.name == *name) {
                let text = format!("endpoint port {number} is not defined by the service entry");
                report.advise(
                    &path,
                    text,
                    "the names are those of `ports` of the ServiceEntry",
                );
            }
            port_name(report, &path, name);
            port(report, &path, *number);
        }
    }

    fn resolved(&self, report: &mut Report<'_>) {
        let mode = self.resolution.name();
        if self.endpoints.is_empty() {
            let mut hosts = self.hosts.iter().enumerate();
            let wrong = hosts.find_map(|(index, host)| Some((index, names::fqdn(host).err()?)));
            if let Some((index, why)) = wrong {
                let text = format!(
                    "hosts must be FQDN or contain only prefix wildcards if no endpoints are provided for resolution \
                     mode {mode}, {why}"
                );
                report.violation(&Path::of("hosts").index(index), text);
            }
        }
        if self.resolution == Resolution::DnsRoundRobin && self.endpoints.len() > 1 {
            let text = format!("there must only be 0 or 1 endpoint for resolution mode {mode}");
            report.advise(&Path::of("endpoints"), text, "write `resolution: DNS`");
        }
        for (index, endpoint) in self.endpoints.iter().enumerate() {
            let path = Path::of("endpoints").index(index);
            let address = &endpoint.address;
            if !names::is_ip(address) && names::fqdn(address).is_err() {
                let text =
                    format!("endpoint address {address:?} is not a valid FQDN or an IP address");
                report.violation(&path.field("address"), text);
            }
            labels(report, &path.field("labels"), &endpoint.labels);
            self.endpoint_ports(report, &path, endpoint);
        }
        let mut protocols = self
            .ports
            .iter()
            .filter_map(|port| Protocol::parse(&port.protocol));
        let is_tcp = |protocol: Protocol| !protocol.is_http() && protocol != Protocol::Udp;
        if !self.addresses.is_empty() && self.hosts.len() > 1 && protocols.any(is_tcp) {
            let text = "service entry can not have more than one host specified simultaneously with address and tcp port";
            warn(report, &Path::of("hosts"), Code::DoubtfulSetting, text);
        }
    }

    fn dynamic(&self, report: &mut Report<'_>) {
        let mode = self.resolution.name();
        if self.hosts.is_empty() {
            let text =
                format!("at least one wildcard host must be provided for resolution type {mode}");
            report.violation(&Path::of("hosts"), text);
        }
        for (index, host) in self.hosts.iter().enumerate() {
            if !host.starts_with('*') {
                let text = format!("host must be wildcarded for resolution mode {mode}");
                report.advise(
                    &Path::of("hosts").index(index),
                    text,
                    "write `resolution: DNS`",
                );
            }
        }
        if !self.addresses.is_empty() {
            let text = format!(
                "addresses cannot be set for resolution type {mode}. HTTP route domains will only be generatedfrom the \
                 hosts field values"
            );
            report.violation(&Path::of("addresses"), text);
        }
        if !self.endpoints.is_empty() {
            let text = format!(
                "endpoints cannot be set for resolution type {mode}. Destination IP address determined from hostsfield \
                 values"
            );
            report.violation(&Path::of("endpoints"), text);
        }
        self.no_null_port(report, "port cannot be nil");
        for (index, port) in self.ports.iter().enumerate() {
            let served = [
                Protocol::Http,
                Protocol::Tls,
                Protocol::Grpc,
                Protocol::Http2,
            ];
            let protocol = Protocol::parse(&port.protocol);
            if !protocol.is_some_and(|protocol| served.contains(&protocol)) {
                let text = format!(
                    "only HTTP, TLS, GRPC, and HTTP2 protocols are supported for resolution type {mode}"
                );
                let path = Path::of("ports").index(index).field("protocol");
                report.violation(&path, text);
            }
        }
        let waypoint = report.meta().labels.get("istio.io/use-waypoint");
        let has_waypoint =
            waypoint.is_some_and(|name| !name.is_empty() && !name.eq_ignore_ascii_case("none"));
        if self.location == Location::Internal && has_waypoint {
            let text = format!(
                "location MESH_INTERNAL with resolution type {mode} is not supported when using waypoints"
            );
            report.violation(&Path::of("location"), text);
        }
    }
}

/// Whether a port says nothing at all, which `null` becomes.
fn is_nothing(port: &ServicePort) -> bool {
    port.number == 0 && port.name.is_empty() && port.protocol.is_empty() && port.target_port == 0
}

impl Resolution {
    fn asks_dns(self) -> bool {
        matches!(self, Self::Dns | Self::DnsRoundRobin)
    }

    fn name(self) -> &'static str {
        match self {
            Self::None => "NONE",
            Self::Static => "STATIC",
            Self::Dns => "DNS",
            Self::DnsRoundRobin => "DNS_ROUND_ROBIN",
            Self::DynamicDns => "DYNAMIC_DNS",
        }
    }
}

/// `ValidatePortName`.
fn port_name(report: &mut Report<'_>, path: &Path, name: &str) {
    if !names::is_label(name) {
        report.violation(path, format!("invalid port name: {name}"));
    }
}
