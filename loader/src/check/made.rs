//! Proxies that checks have made, for whoever would make them again.

use crate::diagnostic::Diagnostic;
use crate::model::Proxy;
use crate::model::istio::Workload;
use crate::resources::Meta;

/// Of each sort the proxy that is probably the one to be served: the one that is named, or else the first. All others
/// are let go of, since a mesh may have thousands.
#[derive(Debug, Default)]
pub struct Made {
    /// The name that is asked for.
    wanted: Option<String>,
    /// A built-in gateway, or the proxy next to a service if no gateway is there or it is the one that is named.
    dataplane: Option<(Meta, Proxy)>,
    egress: Option<(Meta, Proxy)>,
    workload: Option<(Workload, (Proxy, Vec<Diagnostic>))>,
    /// What is wrong with all gateways of Istio, whichever is served.
    pub of_workloads: Vec<Diagnostic>,
}

impl Made {
    /// None yet, of which the one with this name is wanted.
    pub fn wanting(name: Option<&str>) -> Self {
        Self {
            wanted: name.map(str::to_owned),
            ..Self::default()
        }
    }

    /// The proxy of a Dataplane, if it was kept.
    pub fn take_dataplane(&mut self, whose: &Meta) -> Option<Proxy> {
        take(&mut self.dataplane, whose)
    }

    /// The proxy of a zone egress, if it was kept.
    pub fn take_egress(&mut self, whose: &Meta) -> Option<Proxy> {
        take(&mut self.egress, whose)
    }

    /// The gateway that a workload is, if it was kept, with what does nothing as long as nobody says where it is:
    /// whoever is to be served should.
    pub fn take_workload(&mut self, whose: &Workload) -> Option<(Proxy, Vec<Diagnostic>)> {
        take(&mut self.workload, whose)
    }

    /// The proxy of the first Dataplane that is wanted.
    pub fn into_dataplane(self) -> Option<(Meta, Proxy)> {
        self.dataplane
    }

    /// Forgets what was made from resources that have changed since, or for somebody who is not asked about.
    pub fn forget(&mut self) {
        (self.dataplane, self.egress, self.workload) = (None, None, None);
    }

    pub(super) fn add_dataplane(&mut self, whose: &Meta, proxy: Proxy) {
        if self.dataplane.is_none() && self.is_wanted(whose) {
            self.dataplane = Some((whose.clone(), proxy));
        }
    }

    pub(super) fn add_egress(&mut self, whose: &Meta, proxy: Proxy) {
        if self.egress.is_none() && self.is_wanted(whose) {
            self.egress = Some((whose.clone(), proxy));
        }
    }

    pub(super) fn add_workload(
        &mut self,
        whose: &Workload,
        proxy: Proxy,
        unplaced: Vec<Diagnostic>,
    ) {
        if self.workload.is_none() {
            self.workload = Some((whose.clone(), (proxy, unplaced)));
        }
    }

    fn is_wanted(&self, whose: &Meta) -> bool {
        let wanted = self.wanted.as_deref();
        wanted.is_none_or(|name| whose.name == name || whose.core_name() == name)
    }
}

fn take<K: PartialEq, P>(kept: &mut Option<(K, P)>, whose: &K) -> Option<P> {
    let kept = kept.take_if(|(kept, _)| kept == whose);
    kept.map(|(_, proxy)| proxy)
}
