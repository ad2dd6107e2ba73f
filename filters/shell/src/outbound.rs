//! One request or connection that wants to leave: to the gateway of another mesh, or to something outside the mesh.

use core::ops::{Deref, DerefMut};

use policy::telemetry::{CLUSTER_HEADER, destinations_counter, state};
use policy::{
    ConnectionFacts, Facts, Outbound, Outcome, Permit, Refusal, RequestView, Target, Way,
};

use crate::counters::Counter;
use crate::filter::Action;
use crate::host;
use crate::refuse::Settings;

/// Destinations, with the ids of their counters once they are defined.
pub(crate) struct Destinations {
    outbound: Outbound,
    counters: Box<[Counter]>,
}

impl Destinations {
    pub(crate) fn new(outbound: Outbound) -> Self {
        let counters = outbound
            .targets()
            .iter()
            .map(|_| Counter::default())
            .collect();
        Self { outbound, counters }
    }
}

/// A request or a connection, and where it may go.
pub struct Exit<'a> {
    settings: Settings,
    destinations: &'a Destinations,
}

impl<'a> Exit<'a> {
    pub(crate) fn new(settings: Settings, destinations: &'a Destinations) -> Self {
        Self {
            settings,
            destinations,
        }
    }

    /// Lets the request go to its destination, or answers it.
    pub fn request(&self) -> Action {
        let mut authority = host::request_header(self, ":authority");
        let request = RequestView::new(authority.as_deref_mut());
        let Way { target, verdict } = self.destinations.outbound.decide(&request, self);
        let counter = |outcome| destinations_counter(target.map(|t| &*t.name), outcome);
        let action = match verdict {
            Ok(permit) => {
                self.passed(target, permit);
                Action::Continue
            }
            Err(refusal) => {
                publish(target);
                self.settings.refuse(&refusal, &request, counter)
            }
        };
        // In audit mode, too, it is not the client who says where the request goes.
        match self.destinations.outbound.cluster(target) {
            Some(cluster)
                if action == Action::Continue
                    && !host::replace_request_header(CLUSTER_HEADER, cluster) =>
            {
                Settings::default().refuse(&Refusal::NO_CONFIG, &request, counter)
            }
            _ => action,
        }
    }

    /// Refuses the request whatever it is: for filters that have no such side.
    pub fn refuse_all(&self) -> Action {
        let name = |outcome| destinations_counter(None, outcome);
        Settings::default().refuse(&Refusal::NO_CONFIG, &RequestView::new(None), name)
    }

    /// Lets the connection go to its destination, or closes it.
    pub fn connection(&self) -> Action {
        let Way { target, verdict } = self.destinations.outbound.decide_connection(self);
        match verdict {
            Ok(permit) => {
                self.passed(target, permit);
                Action::Continue
            }
            Err(refusal) => {
                publish(target);
                let name = target.map(|target| &*target.name);
                let counter = |outcome| destinations_counter(name, outcome);
                self.settings.refuse_connection(&refusal, counter)
            }
        }
    }

    fn passed(&self, target: Option<&Target>, permit: Permit) {
        let name = |outcome| destinations_counter(target.map(|t| &*t.name), outcome);
        if permit == Permit::Shadow {
            publish(target);
            let unread = RequestView::new(None);
            Settings::AUDIT.refuse(&Refusal::CLIENT, &unread, name);
            return;
        }
        let index = target.and_then(|target| self.destinations.outbound.index_of(target));
        if let Some(counter) = index.and_then(|index| self.destinations.counters.get(index)) {
            counter.increment(|| name(Outcome::Forward));
        }
    }
}

fn publish(target: Option<&Target>) {
    if let Some(target) = target {
        host::set_filter_state(state::DESTINATION, &target.name);
    }
}

impl Facts for Exit<'_> {
    fn client(&self) -> Option<impl Deref<Target = [u8]>> {
        host::client(self)
    }

    fn method(&self) -> Option<impl Deref<Target = [u8]>> {
        host::request_header(self, ":method")
    }

    fn path(&self) -> Option<impl Deref<Target = [u8]>> {
        host::request_header(self, ":path")
    }

    fn upgrade(&self) -> Option<impl Deref<Target = [u8]>> {
        host::request_header(self, "upgrade")
    }
}

impl ConnectionFacts for Exit<'_> {
    fn server_name(&self) -> Option<impl DerefMut<Target = [u8]>> {
        host::property(self, "connection\0requested_server_name")
    }

    fn destination(&self) -> Option<impl DerefMut<Target = [u8]>> {
        host::property(self, "destination\0address")
    }
}
