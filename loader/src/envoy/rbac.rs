//! Who may call an inbound, by Envoy's own filters: for connections, or for requests, which get an answer.

use std::collections::HashMap;

use envoy_types::pb::envoy::config::listener::v3::{Filter, filter};
use envoy_types::pb::envoy::config::rbac::v3::{
    Permission, Policy, Principal, Rbac as Rules,
    permission::Rule,
    principal::{Authenticated, Identifier, Set},
    rbac::Action,
};
use envoy_types::pb::envoy::extensions::filters::http::rbac::v3::Rbac as HttpRbac;
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::HttpFilter;
use envoy_types::pb::envoy::extensions::filters::network::rbac::v3::Rbac as NetworkRbac;
use envoy_types::pb::envoy::r#type::matcher::v3::{StringMatcher, string_matcher::MatchPattern};
use envoy_types::util::pack_any;

use super::connection_manager::{http_filter, stat_name};
use crate::model::{self, Clients, SpiffeIds, Who};

/// The name of the only policy, in Envoy's logs of decisions.
const POLICY: &str = "MeshTrafficPermission";

/// Closes the connections of clients that may not call. `name` is that of the port, or of a part of it.
pub(super) fn for_connections(name: &str, permission: &model::Permission) -> Vec<Filter> {
    // The dot ends up between the port's name and Envoy's own names, as on Kuma.
    let stat_prefix = format!("{}.", stat_name(name));
    let made = stages(permission).into_iter().map(|stage| {
        let config = NetworkRbac {
            rules: Some(stage.rules),
            shadow_rules: stage.shadow,
            stat_prefix: stat_prefix.clone(),
            ..NetworkRbac::default()
        };
        Filter {
            name: "envoy.filters.network.rbac".to_owned(),
            config_type: Some(filter::ConfigType::TypedConfig(pack_any(config))),
        }
    });
    made.collect()
}

/// Answers requests of clients that may not call with 403.
pub(super) fn for_requests(permission: &model::Permission) -> Vec<HttpFilter> {
    let made = stages(permission).into_iter().map(|stage| {
        let config = HttpRbac {
            rules: Some(stage.rules),
            shadow_rules: stage.shadow,
            ..HttpRbac::default()
        };
        http_filter(stage.name, config)
    });
    made.collect()
}

/// One filter.
struct Stage {
    name: &'static str,
    rules: Rules,
    shadow: Option<Rules>,
}

/// Who is denied is denied first; then everybody is who is not allowed.
fn stages(permission: &model::Permission) -> Vec<Stage> {
    let denied = (!permission.denied.is_empty()).then(|| Stage {
        name: "envoy.filters.http.rbac.denied",
        rules: rules(Action::Deny, &permission.denied),
        shadow: None,
    });
    let shadow = &permission.shadow_denied;
    let allowed = Stage {
        name: "envoy.filters.http.rbac",
        rules: rules(Action::Allow, &permission.allowed),
        shadow: (!shadow.is_empty()).then(|| rules(Action::Deny, shadow)),
    };
    denied.into_iter().chain([allowed]).collect()
}

/// A policy for each set with a server name of its own, and one for all others.
fn rules(action: Action, clients: &[Clients]) -> Rules {
    let mut policies: HashMap<String, Policy> = HashMap::new();
    for clients in clients {
        let (name, permission) = match &clients.sni {
            None => (POLICY.to_owned(), Rule::Any(true)),
            Some(sni) => (
                format!("{POLICY} {sni}"),
                Rule::RequestedServerName(exact(sni)),
            ),
        };
        let policy = policies.entry(name).or_insert_with(|| Policy {
            permissions: vec![Permission {
                rule: Some(permission),
            }],
            ..Policy::default()
        });
        policy.principals.push(principal(&clients.who));
    }
    Rules {
        action: action.into(),
        policies,
        ..Rules::default()
    }
}

fn principal(who: &Who) -> Principal {
    let all = |sets: &[Who]| Set {
        ids: sets.iter().map(principal).collect(),
    };
    let identifier = match who {
        Who::Anyone => Identifier::Any(true),
        Who::Is(SpiffeIds::Exact(id)) => authenticated(exact(id)),
        Who::Is(SpiffeIds::Prefix(start)) => {
            authenticated(matcher(MatchPattern::Prefix(start.clone())))
        }
        Who::Has(tag, value) => authenticated(exact(&format!("kuma://{tag}/{value}"))),
        Who::All(sets) => Identifier::AndIds(all(sets)),
        Who::Any(sets) => Identifier::OrIds(all(sets)),
        Who::Not(set) => Identifier::NotId(Box::new(principal(set))),
    };
    Principal {
        identifier: Some(identifier),
    }
}

/// Any of the URIs in the client's certificate suffices.
fn authenticated(name: StringMatcher) -> Identifier {
    Identifier::Authenticated(Authenticated {
        principal_name: Some(name),
    })
}

fn exact(text: &str) -> StringMatcher {
    matcher(MatchPattern::Exact(text.to_owned()))
}

fn matcher(pattern: MatchPattern) -> StringMatcher {
    StringMatcher {
        match_pattern: Some(pattern),
        ..StringMatcher::default()
    }
}
