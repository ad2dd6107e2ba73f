//! One request in front of one configured filter: what the filter decides with and acts through.

use core::ops::Deref;

use policy::config::Publish;
use policy::telemetry::{OTHER_MESH, clients_counter, state};
use policy::{
    Client, Decision, Facts, Listener, NoTrace, Outcome, Permissions, Permit, Policy, Reason,
    Refusal, RequestView, decide,
};

use crate::filter::Action;
use crate::host;
use crate::memory::HostBytes;
use crate::refuse::{Settings, refuse};
use crate::table::Table;

/// A request, and the listeners of the port that it came to.
pub struct Gate<'a> {
    settings: Settings,
    table: &'a Table,
    chain: Option<&'a Listener>,
    elsewhere: &'a dyn Fn() -> Option<&'a Table>,
}

impl<'a> Gate<'a> {
    pub(crate) fn new(
        settings: Settings,
        table: &'a Table,
        chain: Option<&'a Listener>,
        elsewhere: &'a dyn Fn() -> Option<&'a Table>,
    ) -> Self {
        Self {
            settings,
            table,
            chain,
            elsewhere,
        }
    }

    /// The request's `:authority`, which is the `Host` header in HTTP/1.
    pub fn authority(&self) -> Option<HostBytes<'_>> {
        host::request_header(self, ":authority")
    }

    /// Removes every request header with this name.
    ///
    /// It is looked for first, because a removal makes Envoy choose the route again, and a look in vain costs little.
    pub fn remove_header(&self, name: &str) {
        if host::request_header(self, name).is_some() {
            host::remove_request_header(name);
        }
    }

    /// Decides about the request, as far as its host does.
    pub fn decide(&self, request: &RequestView<'_>) -> Decision<'a> {
        let decide = |table: &'a Table| {
            let policy = Policy {
                table: &table.hosts,
                chain: self.chain,
            };
            decide(&policy, request, &mut NoTrace)
        };
        match decide(self.table) {
            // Whether it is the host of another chain does not make it one of this chain.
            Decision::Reject(refusal) if refusal.reason == Reason::NoListener => {
                let elsewhere = (self.elsewhere)().map(decide);
                match elsewhere {
                    Some(Decision::Reject(refusal)) => Decision::Reject(refusal),
                    _ => Decision::Reject(refusal),
                }
            }
            decision => decision,
        }
    }

    /// Says in the filter state that a request that passes belongs to `listener`, if anybody wants to know.
    pub fn announce(&self, listener: &Listener) {
        if self.settings.publish == Publish::All {
            self.publish(listener);
        }
    }

    /// Says in the filter state that the request belongs to `listener`.
    pub fn publish(&self, listener: &Listener) {
        host::set_filter_state(state::LISTENER, &listener.name);
        if !listener.tags.is_empty() {
            host::set_filter_state(state::TAGS, &listener.tags);
        }
    }

    /// Counts a request of `listener`. The counter's name is asked for once for each listener.
    pub fn count(&self, listener: &Listener, name: impl FnOnce(&str) -> String) {
        if let Some(counters) = self.table.counters(listener) {
            counters.requests.increment(|| name(&listener.name));
        }
    }

    /// Asks the permissions of `listener`, and counts by the client's mesh what comes of it.
    pub fn ask(
        &self,
        permissions: &Permissions,
        listener: &Listener,
        request: &RequestView<'_>,
    ) -> Action {
        let uris = permissions.ask_for_clients().then(|| host::client(self));
        let uris = uris.flatten();
        let client = uris.as_deref().and_then(Client::new);
        let meshes = permissions.meshes();
        let own = client.map(Client::mesh);
        let index = meshes.iter().position(|mesh| Some(mesh.as_bytes()) == own);
        let mesh = index
            .and_then(|index| meshes.get(index))
            .map_or(OTHER_MESH, |mesh| mesh);
        let counters = self.table.counters(listener);
        let counter = counters.and_then(|c| c.of_meshes.get(index.unwrap_or(meshes.len())));
        let name = |outcome| clients_counter(&listener.name, outcome, mesh);
        match permissions.permit(client, self) {
            Ok(Permit::Allowed) => {
                if let Some(counter) = counter {
                    counter.increment(|| name(Outcome::Forward));
                }
                Action::Continue
            }
            Ok(Permit::Shadow) => {
                if self.settings.publish == Publish::Refused {
                    self.publish(listener);
                }
                Settings::AUDIT.refuse(&Refusal::CLIENT, request, name)
            }
            Err(refusal) => {
                self.publish(listener);
                self.settings.refuse(&refusal, request, name)
            }
        }
    }

    /// Refuses the request whatever it is: for filters that have no such side.
    pub fn refuse_all(&self) -> Action {
        refuse(
            Settings::default(),
            None,
            &Refusal::NO_CONFIG,
            &RequestView::new(None),
        )
    }

    /// Refuses the request, or in audit mode only says so everywhere.
    pub fn refuse(&self, refusal: &Refusal<'_>, request: &RequestView<'_>) -> Action {
        if let Some(chain) = self.chain {
            self.publish(chain);
        }
        if let Some(owner) = refusal.owner {
            host::set_filter_state(state::OWNER, &owner.name);
        }
        refuse(self.settings, self.chain, refusal, request)
    }
}

/// What permissions may still ask for when the client is known.
impl Facts for Gate<'_> {
    fn client(&self) -> Option<impl Deref<Target = [u8]>> {
        None::<HostBytes<'_>>
    }

    fn method(&self) -> Option<impl Deref<Target = [u8]>> {
        host::request_header(self, ":method")
    }

    fn path(&self) -> Option<impl Deref<Target = [u8]>> {
        host::request_header(self, ":path")
    }

    fn upgrade(&self) -> Option<impl Deref<Target = [u8]>> {
        None::<HostBytes<'_>>
    }
}
