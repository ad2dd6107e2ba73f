//! `RateLimit` and `MeshRateLimit`.

use ::policy::Tags;

use super::select::{Policies, To};
use crate::model::policy::RateLimit;
use crate::resources::kuma::mesh_rate_limit::{HttpRate, LocalHttp};

pub(super) fn route(policies: &Policies<'_>, route: To<'_>, to: &[&Tags]) -> Option<RateLimit> {
    let older = policies.connection_of_route(&policies.resources.rate_limits, to);
    let older = older.and_then(|conf| conf.http.as_ref()).and_then(legacy);
    older.or_else(|| {
        let conf = policies.outbound(&policies.resources.mesh_rate_limits, route)?;
        limit(conf.local?.http?)
    })
}

/// What holds for everybody who calls an inbound with these tags.
pub(super) fn inbound(policies: &Policies<'_>, tags: &Tags) -> Option<RateLimit> {
    let newer = policies.inbound(&policies.resources.mesh_rate_limits);
    let newer = newer.and_then(|conf| limit(conf.local?.http?));
    newer.or_else(|| {
        let older = policies.for_all_sources(&policies.resources.rate_limits, tags)?;
        legacy(older.spec.conf.http.as_ref()?)
    })
}

fn limit(conf: LocalHttp) -> Option<RateLimit> {
    if conf.disabled == Some(true) {
        return None;
    }
    let rate = conf.request_rate?;
    let answer = conf.on_rate_limit.unwrap_or_default();
    let headers = answer.headers.unwrap_or_default();
    let added = headers.add.into_iter().flatten();
    let added = added.map(|header| (header.name, header.value, true));
    let set = headers.set.into_iter().flatten().flat_map(|header| {
        let values = header
            .value
            .split(',')
            .map(str::to_owned)
            .collect::<Vec<_>>();
        values
            .into_iter()
            .map(move |value| (header.name.clone(), value, false))
    });
    Some(RateLimit {
        requests: rate.num?,
        interval: rate.interval?.get()?,
        status: answer.status,
        headers: added.chain(set).collect(),
    })
}

fn legacy(conf: &HttpRate) -> Option<RateLimit> {
    let answer = conf.on_rate_limit.clone().unwrap_or_default();
    let headers = answer.headers.into_iter();
    Some(RateLimit {
        requests: conf.requests,
        interval: conf.interval.as_ref()?.get()?,
        status: answer.status,
        headers: headers.map(|h| (h.key, h.value, h.append)).collect(),
    })
}
