//! Rules that stand behind others for the same requests.

use std::collections::HashSet;

use crate::diagnostic::{Code, Diagnostic};
use crate::model::kuma::Input;
use crate::model::{Origin, Port};
use crate::resources::Resource;
use crate::source::Path;

/// Which rules have routes, and which of them a route that requests can get to.
#[derive(Default)]
pub(super) struct Shadowed {
    made: HashSet<Origin>,
    reached: HashSet<Origin>,
}

impl Shadowed {
    pub(super) fn add(&mut self, ports: &[Port]) {
        let listeners = ports.iter().flat_map(|port| &port.listeners);
        for host in listeners.flat_map(|listener| &listener.virtual_hosts) {
            let mut seen = HashSet::new();
            for route in &host.routes {
                self.made.insert(route.origin.clone());
                let is_first =
                    seen.insert((&route.path, &route.method, &route.headers, &route.query));
                if is_first {
                    self.reached.insert(route.origin.clone());
                }
                for part in &route.also {
                    self.made.insert(part.origin.clone());
                    if is_first && part.serves {
                        self.reached.insert(part.origin.clone());
                    }
                }
            }
        }
    }

    pub(super) fn report(&self, input: Input<'_>, findings: &mut Vec<Diagnostic>) {
        for route in &input.resources.mesh_http_routes {
            for (index, to) in route.spec.to.iter().enumerate() {
                let path = Path::of("to").index(index).field("rules");
                for index in 0..to.rules.len() {
                    self.rule(input, route, &path.index(index), findings);
                }
            }
        }
        for route in &input.resources.mesh_gateway_routes {
            let http = route.spec.conf.as_ref().and_then(|conf| conf.http.as_ref());
            for index in 0..http.map_or(0, |http| http.rules.len()) {
                let path = Path::of("conf.http.rules").index(index);
                self.rule(input, route, &path, findings);
            }
        }
    }

    fn rule<T>(
        &self,
        input: Input<'_>,
        route: &Resource<T>,
        path: &Path,
        findings: &mut Vec<Diagnostic>,
    ) {
        let origin = input.origin(route, path);
        if self.made.contains(&origin) && !self.reached.contains(&origin) {
            let message = "no request gets to this rule: others for the same requests come first";
            findings.push(route.warning(Code::RuleShadowed, path, message));
        }
    }
}
