//! Claims of tokens, which Envoy's filter leaves in the metadata of a request once they are verified
//! (`MetadataMatcherForJWTClaims` in `pilot/pkg/security/authz/model/util.go` of Istio at 1.32).

use envoy_types::pb::envoy::r#type::matcher::v3::metadata_matcher::{
    PathSegment, path_segment::Segment,
};
use envoy_types::pb::envoy::r#type::matcher::v3::string_matcher::MatchPattern as Text;
use envoy_types::pb::envoy::r#type::matcher::v3::{
    ListMatcher, MetadataMatcher, OrMatcher, StringMatcher, ValueMatcher, list_matcher,
    value_matcher::MatchPattern as Value,
};

use super::matches::{matcher, regex};
use crate::envoy::tokens::{JWT_AUTHN, PAYLOAD};
use crate::model::{ClaimMatch, HeaderTest};

pub(super) fn matches(claim: &ClaimMatch) -> MetadataMatcher {
    let (test, invert) = match &claim.test {
        HeaderTest::Not(test) => (&**test, true),
        test => (test, false),
    };
    MetadataMatcher {
        invert,
        ..at(&claim.way, value(test))
    }
}

/// A claim that is this text, or a list that holds it.
pub(in crate::envoy) fn claim(way: &[String], text: StringMatcher) -> MetadataMatcher {
    at(way, itself_or_in_list(text))
}

fn at(way: &[String], value: ValueMatcher) -> MetadataMatcher {
    let way = std::iter::once(PAYLOAD).chain(way.iter().map(String::as_str));
    let segment = |name: &str| PathSegment {
        segment: Some(Segment::Key(name.to_owned())),
    };
    MetadataMatcher {
        filter: JWT_AUTHN.to_owned(),
        path: way.map(segment).collect(),
        value: Some(value),
        invert: false,
    }
}

/// A list has to hold the value, anything else has to be it.
fn value(test: &HeaderTest) -> ValueMatcher {
    let pattern = match test {
        HeaderTest::Exact(whole) => Text::Exact(whole.clone()),
        HeaderTest::Prefix(start) if !start.is_empty() => Text::Prefix(start.clone()),
        HeaderTest::Regex(expression) => Text::SafeRegex(regex(expression)),
        HeaderTest::Prefix(_) | HeaderTest::Present => return of(Value::PresentMatch(true)),
        HeaderTest::Absent | HeaderTest::Not(_) => return of(Value::PresentMatch(false)),
    };
    itself_or_in_list(matcher(pattern))
}

fn itself_or_in_list(text: StringMatcher) -> ValueMatcher {
    let own = of(Value::StringMatch(text));
    let in_list = ListMatcher {
        match_pattern: Some(list_matcher::MatchPattern::OneOf(Box::new(own.clone()))),
    };
    of(Value::OrMatch(OrMatcher {
        value_matchers: vec![of(Value::ListMatch(Box::new(in_list))), own],
    }))
}

fn of(pattern: Value) -> ValueMatcher {
    ValueMatcher {
        match_pattern: Some(pattern),
    }
}
