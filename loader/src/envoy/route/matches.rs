//! Which requests a route takes.

use envoy_types::pb::envoy::config::route::v3::header_matcher::HeaderMatchSpecifier;
use envoy_types::pb::envoy::config::route::v3::query_parameter_matcher::QueryParameterMatchSpecifier;
use envoy_types::pb::envoy::config::route::v3::{
    HeaderMatcher, QueryParameterMatcher, RouteMatch, route_match::PathSpecifier,
};
use envoy_types::pb::envoy::r#type::matcher::v3::string_matcher::MatchPattern;
use envoy_types::pb::envoy::r#type::matcher::v3::{RegexMatcher, StringMatcher};

use super::claims;
use crate::envoy::proto;
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
        dynamic_metadata: route.claims.iter().map(claims::matches).collect(),
        case_sensitive: route.ignores_path_case.then(|| proto::boolean(false)),
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
    let is_not = |test: &HeaderTest| HeaderMatcher {
        name: header.name.clone(),
        header_match_specifier: Some(specifier(test)),
        invert_match: true,
        // To ask for presence of what counts as present would make no sense.
        treat_missing_header_as_empty: *test != HeaderTest::Present,
    };
    match &header.test {
        HeaderTest::Not(test) => is_not(test),
        test => HeaderMatcher {
            name: header.name.clone(),
            header_match_specifier: Some(specifier(test)),
            ..HeaderMatcher::default()
        },
    }
}

fn specifier(test: &HeaderTest) -> HeaderMatchSpecifier {
    match test {
        HeaderTest::Exact(value) => string(MatchPattern::Exact(value.clone())),
        // Everything begins with nothing, and Envoy takes no empty prefix.
        HeaderTest::Prefix(value) if value.is_empty() => HeaderMatchSpecifier::PresentMatch(true),
        HeaderTest::Prefix(value) => string(MatchPattern::Prefix(value.clone())),
        HeaderTest::Regex(value) => string(MatchPattern::SafeRegex(regex(value))),
        HeaderTest::Present => HeaderMatchSpecifier::PresentMatch(true),
        HeaderTest::Absent => HeaderMatchSpecifier::PresentMatch(false),
        HeaderTest::Not(test) => specifier(test),
    }
}

fn string(pattern: MatchPattern) -> HeaderMatchSpecifier {
    HeaderMatchSpecifier::StringMatch(matcher(pattern))
}

fn query(query: &QueryMatch) -> QueryParameterMatcher {
    let string = |pattern| QueryParameterMatchSpecifier::StringMatch(matcher(pattern));
    let specifier = match &query.test {
        QueryTest::Exact(value) => string(MatchPattern::Exact(value.clone())),
        QueryTest::Prefix(value) if value.is_empty() => {
            QueryParameterMatchSpecifier::PresentMatch(true)
        }
        QueryTest::Prefix(value) => string(MatchPattern::Prefix(value.clone())),
        QueryTest::Regex(value) => string(MatchPattern::SafeRegex(regex(value))),
        QueryTest::Present => QueryParameterMatchSpecifier::PresentMatch(true),
    };
    QueryParameterMatcher {
        name: query.name.clone(),
        query_parameter_match_specifier: Some(specifier),
    }
}

pub(super) fn matcher(pattern: MatchPattern) -> StringMatcher {
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
