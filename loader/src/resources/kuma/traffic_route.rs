//! `TrafficRoute` (Kuma `api/mesh/v1alpha1/traffic_route.proto`).

use policy::Tags;
use serde::Deserialize;

use super::mesh_gateway::Selector;
use crate::resources::decode::Anything;

/// Where the proxies next to services send what they are sent. Of it the destinations count, for egresses: each is
/// a name that clients ask them for.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct TrafficRoute {
    /// Whose requests.
    pub sources: Vec<Selector>,
    /// To which service they are.
    pub destinations: Vec<Selector>,
    /// Where they go.
    pub conf: Option<Conf>,
}

/// `TrafficRoute.Conf`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Conf {
    /// To any of these.
    pub split: Vec<Split>,
    /// Which endpoint gets a request.
    #[serde(alias = "load_balancer")]
    pub load_balancer: Anything,
    /// To this one.
    pub destination: Tags,
    /// Some requests go elsewhere.
    pub http: Vec<Http>,
}

/// `TrafficRoute.Split`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Split {
    /// Its share.
    pub weight: Option<u32>,
    /// The tags of the endpoints.
    pub destination: Tags,
}

/// `TrafficRoute.Http`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Http {
    /// Which requests.
    #[serde(rename = "match")]
    pub matching: Anything,
    /// What is changed.
    pub modify: Anything,
    /// To any of these.
    pub split: Vec<Split>,
    /// To this one.
    pub destination: Tags,
}

impl Conf {
    /// The tags of all endpoints that anything may go to.
    pub fn all_destinations(&self) -> impl Iterator<Item = &Tags> {
        let of_http = self.http.iter().flat_map(|http| {
            let split = http.split.iter().map(|split| &split.destination);
            split.chain([&http.destination])
        });
        let split = self.split.iter().map(|split| &split.destination);
        let all = split.chain([&self.destination]).chain(of_http);
        all.filter(|tags| !tags.is_empty())
    }
}
