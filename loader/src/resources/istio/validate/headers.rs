//! Names and values of headers (`pkg/config/validation/validation.go` and `header_value_validator.go` at 1.32).

use std::collections::BTreeMap;

use crate::resources::istio::http_route::{HeaderOperations, Headers, HttpRoute};
use crate::resources::report::Report;
use crate::source::Path;

/// `ToRoutingClaim`: the way to a claim, of `@request.auth.claims.name` or `@request.auth.claims[name][name]`.
pub(crate) fn claim(name: &str) -> Option<Vec<String>> {
    const CLAIMS: &str = "@request.auth.claims";
    let (start, rest) = name.split_at_checked(CLAIMS.len())?;
    if !start.eq_ignore_ascii_case(CLAIMS) {
        return None;
    }
    let names: Vec<_> = match rest.strip_prefix('.') {
        Some(names) if !names.is_empty() => names.split('.').collect(),
        _ => {
            let names = rest.strip_prefix('[')?.strip_suffix(']')?;
            let names = Some(names).filter(|names| !names.is_empty())?;
            names.split("][").collect()
        }
    };
    Some(names.into_iter().map(ToOwned::to_owned).collect())
}

/// Whether a match of a header is one of a claim.
pub(super) fn is_claim(name: &str) -> bool {
    claim(name).is_some()
}

/// `ValidateHTTPHeaderNameOrJwtClaimRoute`.
pub(super) fn match_name(report: &mut Report<'_>, path: &Path, name: &str) {
    let pseudo = [":method", ":scheme", ":authority", ":path", ":status"];
    if name.is_empty() {
        report.violation(path, "header name cannot be empty");
    } else if !is_claim(name) && !pseudo.contains(&name) && !is_token(name) {
        let text = format!("header name {name} is not a valid header name");
        report.violation(path, text);
    }
}

/// `validHeaderNameRegex`: `token` of RFC 9110 §5.6.2, and `,`, as `+-.` is a range in an expression.
pub(super) fn is_token(name: &str) -> bool {
    let is_tchar = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+,-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(is_tchar)
}

/// `ValidateStrictHTTPHeaderName`: letters, digits, `-` and `_`.
pub(super) fn is_strict(name: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    !name.is_empty() && name.bytes().all(is_allowed)
}

/// Changes of headers, of a route or a destination.
pub(super) fn changes(report: &mut Report<'_>, path: &Path, changes: &Headers) {
    if let Some(request) = &changes.request {
        operations(report, &path.field("request"), request, true);
    }
    if let Some(response) = &changes.response {
        operations(report, &path.field("response"), response, false);
    }
}

fn operations(report: &mut Report<'_>, path: &Path, changes: &HeaderOperations, request: bool) {
    for (field, entries) in [("add", &changes.add), ("set", &changes.set)] {
        for (name, value) in entries {
            let path = path.field(field).key(name);
            changed_name(report, &path, name, request);
            if let Err(text) = header_value(value) {
                report.advise(&path, text, "write `%%` for the character `%`");
            }
        }
    }
    for (index, name) in changes.remove.iter().enumerate() {
        changed_name(report, &path.field("remove").index(index), name, false);
    }
}

/// `ValidateHTTPHeaderWithAuthorityOperationName` and `ValidateHTTPHeaderOperationName`.
fn changed_name(report: &mut Report<'_>, path: &Path, name: &str, may_be_authority: bool) {
    let text = if name.is_empty() {
        "header name cannot be empty".to_owned()
    } else if is_authority(name) && may_be_authority {
        return;
    } else if name.eq_ignore_ascii_case("host") {
        format!("invalid header {name:?}: cannot set Host header")
    } else if name.starts_with(':') {
        format!("invalid header {name:?}: header cannot have \":\" prefix")
    } else {
        return;
    };
    report.violation(path, text);
}

fn is_authority(name: &str) -> bool {
    [":authority", "host"]
        .iter()
        .any(|other| name.eq_ignore_ascii_case(other))
}

/// `validateAuthorityRewrite`.
pub(super) fn authority_twice(report: &mut Report<'_>, path: &Path, route: &HttpRoute) {
    let mut current = route
        .rewrite
        .as_ref()
        .map_or("", |rewrite| &rewrite.authority);
    let request = route
        .headers
        .as_ref()
        .and_then(|headers| headers.request.as_ref());
    let Some(request) = request else {
        return;
    };
    let path = path.field("headers").field("request");
    let lists: [(&str, &BTreeMap<_, _>); 2] = [("set", &request.set), ("add", &request.add)];
    for (field, entries) in lists {
        for (name, value) in entries.iter().filter(|(name, _)| is_authority(name)) {
            if !current.is_empty() {
                let text = format!(
                    "authority header cannot be set multiple times: have {current:?}, attempting to set {value:?}"
                );
                return report.violation(&path.field(field).key(name), text);
            }
            current = value;
        }
    }
}

/// `ValidateHTTPHeaderValue`: what Envoy takes for its commands between `%`.
fn header_value(value: &str) -> Result<(), String> {
    if value.chars().any(|c| c != '\t' && c.is_ascii_control()) {
        return Err(format!("header value configuration {value} is invalid"));
    }
    commands(value)
        .map_err(|why| format!("header value configuration: invalid header configuration. {why}"))
}

/// Where in a command of Envoy a character is.
enum State {
    Literal,
    Name,
    Arguments,
    Delimiter,
    Quote,
    Text,
    Parenthesis,
    End,
}

/// `validateHeaderValue`, which is Envoy's old `HeaderParser`.
fn commands(value: &str) -> Result<(), String> {
    let mut state = State::Literal;
    let mut chars = value.chars().peekable();
    while let Some(c) = chars.next() {
        state = match (state, c) {
            (State::Literal, '%') => match chars.peek() {
                None => return Err("Un-escaped %".to_owned()),
                Some('%') => {
                    chars.next();
                    State::Literal
                }
                Some(_) => State::Name,
            },
            (State::Name | State::End, '%') => State::Literal,
            (State::Name, '(') => State::Arguments,
            (State::Arguments, '[') | (State::Delimiter, ',') => State::Quote,
            (State::Delimiter, ']') => State::Parenthesis,
            (State::Quote, '"') => State::Text,
            (State::Text, '\\') => {
                if chars.next().is_none() {
                    return Err("Un-terminated backslash in JSON string".to_owned());
                }
                State::Text
            }
            (State::Text | State::Parenthesis, ')') => State::End,
            (State::Text, '"') => State::Delimiter,
            (State::Arguments, c) if c != ' ' => State::Text,
            (state @ (State::Literal | State::Name | State::Arguments | State::Text), _)
            | (state, ' ') => state,
            (State::Delimiter, _) => return Err("Expecting ',', ']', or whitespace".to_owned()),
            (State::Quote, _) => return Err("Expecting '\"'".to_owned()),
            (State::Parenthesis, _) => return Err("Expecting ')' or whitespace".to_owned()),
            (State::End, _) => return Err("Expecting '%' or whitespace after".to_owned()),
        };
    }
    match state {
        State::Literal => Ok(()),
        _ => Err(format!("Un-terminated variable expression '{value}'")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_have_a_way() {
        // `routing_test.go` in `pkg/jwt` at 1.32.
        for (name, way) in [
            ("@request.auth.claims.admin", &["admin"][..]),
            ("@Request.Auth.Claims.Admin", &["Admin"]),
            ("@request.auth.claims.group.id", &["group", "id"]),
            ("@request.auth.claims[group][id]", &["group", "id"]),
            ("@request.auth.claims[a.b]", &["a.b"]),
            (
                "@request.auth.claims[https://x.test/a][b]",
                &["https://x.test/a", "b"],
            ),
            ("@request.auth.claims..a", &["", "a"]),
        ] {
            assert_eq!(claim(name).expect(name), way, "{name}");
        }
        for name in [
            "@request.auth.claims",
            "@request.auth.claims.",
            "@request.auth.claims[]",
            "@request.auth.claims[a",
            "@request.auth.claimsa",
            "request.auth.claims.a",
            "@request.auth",
        ] {
            assert_eq!(claim(name), None, "{name}");
        }
    }
}
