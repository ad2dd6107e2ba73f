//! Which requests a route takes.

use envoy_types::pb::envoy::config::route::v3::header_matcher::HeaderMatchSpecifier;
use envoy_types::pb::envoy::config::route::v3::query_parameter_matcher::QueryParameterMatchSpecifier;
use envoy_types::pb::envoy::config::route::v3::{
    HeaderMatcher, QueryParameterMatcher, RouteMatch, route_match::PathSpecifier,
};
use envoy_types::pb::envoy::r#type::matcher::v3::string_matcher::MatchPattern;
use envoy_types::pb::envoy::r#type::matcher::v3::{RegexMatcher, StringMatcher};

use crate::model::{HeaderMatch, HeaderTest, PathMatch, QueryMatch, QueryTest, Route};

pub(super) fn of(route: &Route) -> RouteMatch {
    let method = route.method.iter().map(|method| HeaderMatcher {
        name: ":method".to_owned(),
        header_match_specifier: Some(string(MatchPattern::Exact(method.clone()))),
        ..HeaderMatcher::default()
    });
    RouteMatch {
        headers: method.chain(route.headers.iter().map(header)).collect(),
        query_parameters: route.query.iter().map(query).collect(),
        ..path(&route.path)
    }
}

pub(super) fn path(path: &PathMatch) -> RouteMatch {
    RouteMatch {
        path_specifier: Some(match path {
            PathMatch::Exact(path) => PathSpecifier::Path(path.clone()),
            PathMatch::Prefix(path) => PathSpecifier::Prefix(path.clone()),
            PathMatch::Regex(expression) => PathSpecifier::SafeRegex(regex(expression)),
        }),
        ..RouteMatch::default()
    }
}

fn header(header: &HeaderMatch) -> HeaderMatcher {
    HeaderMatcher {
        name: header.name.clone(),
        header_match_specifier: Some(match &header.test {
            HeaderTest::Exact(value) => string(MatchPattern::Exact(value.clone())),
            // Everything begins with nothing, and Envoy takes no empty prefix.
            HeaderTest::Prefix(value) if value.is_empty() => {
                HeaderMatchSpecifier::PresentMatch(true)
            }
            HeaderTest::Prefix(value) => string(MatchPattern::Prefix(value.clone())),
            HeaderTest::Regex(value) => string(MatchPattern::SafeRegex(regex(value))),
            HeaderTest::Present => HeaderMatchSpecifier::PresentMatch(true),
            HeaderTest::Absent => HeaderMatchSpecifier::PresentMatch(false),
        }),
        ..HeaderMatcher::default()
    }
}

fn string(pattern: MatchPattern) -> HeaderMatchSpecifier {
    HeaderMatchSpecifier::StringMatch(matcher(pattern))
}

fn query(query: &QueryMatch) -> QueryParameterMatcher {
    let pattern = match &query.test {
        QueryTest::Exact(value) => MatchPattern::Exact(value.clone()),
        QueryTest::Regex(value) => MatchPattern::SafeRegex(regex(value)),
    };
    let specifier = QueryParameterMatchSpecifier::StringMatch(matcher(pattern));
    QueryParameterMatcher {
        name: query.name.clone(),
        query_parameter_match_specifier: Some(specifier),
    }
}

fn matcher(pattern: MatchPattern) -> StringMatcher {
    StringMatcher {
        match_pattern: Some(pattern),
        ..StringMatcher::default()
    }
}

pub(super) fn regex(regex: &str) -> RegexMatcher {
    RegexMatcher {
        regex: regex.to_owned(),
        ..RegexMatcher::default()
    }
}
