//! Who may send which requests, by Envoy's own filter, with what Istio's gateways compare
//! (`pilot/pkg/security/authz/model` at 1.32).

use std::net::IpAddr;

use envoy_types::pb::envoy::config::core::v3::CidrRange;
use envoy_types::pb::envoy::config::rbac::v3::{
    Permission, Policy, Principal, Rbac as Rules, SourcedMetadata,
    permission::{self, Rule},
    principal::{self, Identifier},
    rbac::Action,
};
use envoy_types::pb::envoy::config::route::v3::{
    HeaderMatcher, header_matcher::HeaderMatchSpecifier,
};
use envoy_types::pb::envoy::extensions::filters::http::rbac::v3::Rbac;
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::HttpFilter;
use envoy_types::pb::envoy::r#type::matcher::v3::{
    PathMatcher, RegexMatcher, StringMatcher, path_matcher, string_matcher::MatchPattern,
};

use super::connection_manager::http_filter;
use super::{proto, route};
use crate::model::access::{Access, AccessRule, AnyOf, Caller, Operation, Text};

/// Refuses what is denied first, then what is not allowed.
pub(super) fn filters(access: &Access) -> Vec<HttpFilter> {
    let denied = (!access.denied.is_empty()).then(|| {
        let rules = rules(Action::Deny, &access.denied);
        http_filter("envoy.filters.http.rbac.denied", rules)
    });
    let allowed = access.allowed.as_ref().map(|allowed| {
        let rules = rules(Action::Allow, allowed);
        http_filter("envoy.filters.http.rbac", rules)
    });
    denied.into_iter().chain(allowed).collect()
}

fn rules(action: Action, all: &[AccessRule]) -> Rbac {
    let policies = all.iter().map(|rule| {
        let policy = Policy {
            permissions: rule.to.iter().map(|all| permission(all)).collect(),
            principals: rule.from.iter().map(|all| principal(all)).collect(),
            ..Policy::default()
        };
        (rule.name.clone(), policy)
    });
    Rbac {
        rules: Some(Rules {
            action: action.into(),
            policies: policies.collect(),
            ..Rules::default()
        }),
        ..Rbac::default()
    }
}

fn permission(all: &[AnyOf<Operation>]) -> Permission {
    let rule = |rule| Permission { rule: Some(rule) };
    let rules = all.iter().map(|own| {
        let facts = own.facts.iter().map(|fact| rule(operation(fact)));
        let any = rule(Rule::OrRules(permission::Set {
            rules: facts.collect(),
        }));
        if own.is_not {
            rule(Rule::NotRule(Box::new(any)))
        } else {
            any
        }
    });
    let rules: Vec<_> = rules.collect();
    rule(if rules.is_empty() {
        Rule::Any(true)
    } else {
        Rule::AndRules(permission::Set { rules })
    })
}

fn principal(all: &[AnyOf<Caller>]) -> Principal {
    let ids = all.iter().map(|own| {
        let any = identified(Identifier::OrIds(principal::Set {
            ids: own.facts.iter().map(caller).collect(),
        }));
        if own.is_not {
            identified(Identifier::NotId(Box::new(any)))
        } else {
            any
        }
    });
    let ids: Vec<_> = ids.collect();
    identified(if ids.is_empty() {
        Identifier::Any(true)
    } else {
        Identifier::AndIds(principal::Set { ids })
    })
}

fn identified(identifier: Identifier) -> Principal {
    Principal {
        identifier: Some(identifier),
    }
}

fn operation(fact: &Operation) -> Rule {
    match fact {
        Operation::Host(text) => Rule::Header(host(text)),
        Operation::Method(text) => Rule::Header(header(":method", text)),
        Operation::Path(text) => Rule::UrlPath(PathMatcher {
            rule: Some(path_matcher::Rule::Path(matcher(text))),
        }),
        Operation::Port(number) => Rule::DestinationPort((*number).into()),
        Operation::Sni(text) => Rule::RequestedServerName(matcher(text)),
    }
}

fn caller(fact: &Caller) -> Principal {
    let claim = |way: &[String], text: &Text| {
        identified(Identifier::SourcedMetadata(SourcedMetadata {
            metadata_matcher: Some(route::claim(way, matcher(text))),
            ..SourcedMetadata::default()
        }))
    };
    identified(match fact {
        Caller::Header(name, text) => Identifier::Header(header(name, text)),
        Caller::Peer(address, bits) => Identifier::DirectRemoteIp(cidr(*address, *bits)),
        Caller::Client(address, bits) => Identifier::RemoteIp(cidr(*address, *bits)),
        Caller::Claim(way, text) => return claim(way, text),
        Caller::Principal { issuer, subject } => Identifier::AndIds(principal::Set {
            ids: vec![
                claim(&["iss".to_owned()], issuer),
                claim(&["sub".to_owned()], subject),
            ],
        }),
    })
}

fn cidr(address: IpAddr, bits: u8) -> CidrRange {
    CidrRange {
        address_prefix: address.to_string(),
        prefix_len: Some(proto::number(bits.into())),
    }
}

fn header(name: &str, text: &Text) -> HeaderMatcher {
    HeaderMatcher {
        name: name.to_owned(),
        header_match_specifier: Some(match text {
            Text::Any => HeaderMatchSpecifier::PresentMatch(true),
            text => HeaderMatchSpecifier::StringMatch(matcher(text)),
        }),
        ..HeaderMatcher::default()
    }
}

/// Ports are no part of the host where routes are chosen, so they may not lead round a rule about the host.
fn host(text: &Text) -> HeaderMatcher {
    let escaped = |text: &str| regex_syntax::escape(text);
    let expression = match text {
        Text::Any => return header(":authority", text),
        // Whoever writes a port means it.
        Text::Exact(host) if host.contains(':') => escaped(host),
        Text::Suffix(end) if end.contains(':') => format!(".*{}", escaped(end)),
        Text::Exact(host) => format!("{}(:[0-9]*)?", escaped(host)),
        Text::Suffix(end) => format!(".*{}(:[0-9]*)?", escaped(end)),
        Text::Prefix(start) => format!("{}.*", escaped(start)),
    };
    let pattern = MatchPattern::SafeRegex(regex(format!("(?i){expression}")));
    HeaderMatcher {
        name: ":authority".to_owned(),
        header_match_specifier: Some(HeaderMatchSpecifier::StringMatch(string(pattern))),
        ..HeaderMatcher::default()
    }
}

fn matcher(text: &Text) -> StringMatcher {
    string(match text {
        Text::Any => MatchPattern::SafeRegex(regex(".+".to_owned())),
        Text::Exact(text) => MatchPattern::Exact(text.clone()),
        Text::Prefix(start) => MatchPattern::Prefix(start.clone()),
        Text::Suffix(end) => MatchPattern::Suffix(end.clone()),
    })
}

fn string(pattern: MatchPattern) -> StringMatcher {
    StringMatcher {
        match_pattern: Some(pattern),
        ..StringMatcher::default()
    }
}

fn regex(regex: String) -> RegexMatcher {
    RegexMatcher {
        regex,
        ..RegexMatcher::default()
    }
}
