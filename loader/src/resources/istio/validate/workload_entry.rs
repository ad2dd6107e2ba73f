//! `ValidateWorkloadEntry`.

use crate::diagnostic::Code;
use crate::resources::istio::service_entry::WorkloadEntry;
use crate::resources::report::{Report, Validate};
use crate::source::Path;

use super::service_entry::port_name;
use super::{labels, names, port, warn};

impl Validate for WorkloadEntry {
    fn validate(&self, report: &mut Report<'_>) {
        let at = Path::of("address");
        let address = &self.address;
        if address.is_empty() {
            if self.network.is_empty() {
                return report.violation(&at, "address is required");
            }
            let text = format!("address is unset with network {:?}", self.network);
            warn(report, &at, Code::DoubtfulSetting, text);
        } else if let Some(socket) = address.strip_prefix("unix://") {
            if let Err(text) = names::unix(socket) {
                report.violation(&at, text);
            }
            if !self.ports.is_empty() {
                let text = format!("unix endpoint {address} must not include ports");
                report.violation(&Path::of("ports"), text);
            }
        } else if !names::is_ip(address) && names::fqdn(address).is_err() {
            let text = format!("endpoint address {address:?} is not a valid FQDN or an IP address");
            report.violation(&at, text);
        }
        for (name, number) in &self.ports {
            let path = Path::of("ports").key(name);
            port_name(report, &path, name);
            port(report, &path, *number);
        }
        labels(report, &Path::of("labels"), &self.labels);
    }
}
