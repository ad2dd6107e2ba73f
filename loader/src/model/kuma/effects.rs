//! What a rule does to its requests, in the terms of both kinds of routes.

use std::collections::BTreeMap;

use crate::model::{
    Action, Forward, HeaderChanges, HostRewrite, Mirror, Origin, PathRewrite, Redirect, Route,
    WeightedCluster,
};

/// The filters and backends of a rule. Of filters that exclude each other the last one counts.
#[derive(Clone, Debug, Default)]
pub(super) struct Effects {
    pub(super) clusters: Vec<WeightedCluster>,
    pub(super) redirect: Option<Redirect>,
    pub(super) path: Option<PathRewrite>,
    pub(super) host: Option<HostRewrite>,
    /// Whether a backend knows itself by its own name only.
    pub(super) is_outside: bool,
    pub(super) mirror: Option<Mirror>,
    pub(super) request_headers: HeaderChanges,
    pub(super) response_headers: HeaderChanges,
}

impl Effects {
    /// A route for every path.
    ///
    /// Backends come before a redirect (Kuma's `RouteActionForward` runs after `RouteActionRedirect`), and a header
    /// `host` is no header but a rewrite (`pkg/plugins/runtime/gateway/route_table_generator.go` at 2.14.3).
    pub(super) fn into_route(mut self, origin: Origin) -> Route {
        let is_host = |(name, _): &(String, String)| is_host(name);
        let (host, set) = self.request_headers.set.into_iter().partition(is_host);
        self.request_headers.set = set;
        let host: Vec<(String, String)> = host;
        let host = host
            .into_iter()
            .next_back()
            .map(|(_, value)| HostRewrite::To(value));
        let action = match (self.clusters.is_empty(), self.redirect) {
            (true, Some(redirect)) => Action::Redirect(redirect),
            (true, None) => Action::Respond {
                status: 500,
                body: "".into(),
            },
            (false, _) => Action::Forward(Forward {
                clusters: self.clusters,
                path: self.path,
                host: host
                    .or(self.host)
                    .or(self.is_outside.then_some(HostRewrite::ToBackend)),
                mirrors: self.mirror.into_iter().collect(),
            }),
        };
        Route {
            request_headers: self.request_headers,
            response_headers: self.response_headers,
            ..Route::new(action, origin)
        }
    }
}

/// Whether a header is the host, which Envoy changes in another way than headers.
pub(super) fn is_host(name: &str) -> bool {
    name.eq_ignore_ascii_case("host") || name.eq_ignore_ascii_case(":authority")
}

/// The clusters of a rule by name; of several references to one the last counts (Kuma `RouteActionForward`).
///
/// Without any share a single cluster gets all. Of several, Kuma leaves the sum at 0, which Envoy refuses: they share
/// evenly where 0 is what no weight is written as, and get nothing where it was written.
pub(super) fn shares(
    clusters: impl IntoIterator<Item = (String, u32)>,
    is_default_zero: bool,
) -> Vec<WeightedCluster> {
    let clusters: Vec<_> = clusters.into_iter().collect();
    let is_single = clusters.len() == 1;
    let mut clusters: BTreeMap<String, u32> = clusters.into_iter().collect();
    if clusters.values().all(|weight| *weight == 0) {
        if is_single || is_default_zero {
            for weight in clusters.values_mut() {
                *weight = 1;
            }
        } else {
            clusters.clear();
        }
    }
    // Envoy's sum has 32 bits.
    let sum: u64 = clusters.values().copied().map(u64::from).sum();
    let shift = (u64::BITS - sum.leading_zeros()).saturating_sub(u32::BITS);
    clusters
        .into_iter()
        .map(|(cluster, weight)| WeightedCluster {
            cluster,
            weight: weight >> shift,
            changes: None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_never_zero_in_sum() {
        for (weights, is_default_zero, expected) in [
            (&[0][..], false, &[1][..]),
            (&[0, 0], true, &[1, 1]),
            (&[0, 0], false, &[]),
            (&[0, 3], false, &[0, 3]),
            (&[u32::MAX, u32::MAX], false, &[u32::MAX / 2, u32::MAX / 2]),
        ] {
            let clusters = weights.iter().zip(["a", "b"]);
            let shares = shares(
                clusters.map(|(weight, name)| (name.to_owned(), *weight)),
                is_default_zero,
            );
            let weights: Vec<_> = shares.iter().map(|share| share.weight).collect();
            assert_eq!(weights, expected);
        }
    }
}
