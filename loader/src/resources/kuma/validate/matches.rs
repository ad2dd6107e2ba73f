//! `ValidateMatch` (Kuma `pkg/core/resources/apis/mesh/validators.go` at 2.14.3): clients by what they prove and ask for
//! in TLS.

use crate::resources::report::Report;
use crate::source::Path;

use super::{SUBDOMAIN, is_domain};

/// An identity, whole or its beginning.
pub(super) fn spiffe_id(report: &mut Report<'_>, path: &Path, id: Option<&str>) {
    if let Some(Err(why)) = id.map(parse) {
        report.violation(path, format!("must be a valid Spiffe ID: {why}"));
    }
}

/// A server name: how it is compared, and the name.
pub(super) fn sni(report: &mut Report<'_>, path: &Path, sni: Option<(&str, &str)>) {
    let Some((kind, name)) = sni else { return };
    match kind {
        "Exact" => {}
        "" => report.violation(&path.field("type"), "must be set"),
        kind => {
            let text = format!("unrecognized type \"{kind}\", supported values are: Exact");
            report.violation(&path.field("type"), text);
        }
    }
    if name.is_empty() {
        report.violation(&path.field("value"), "must be set");
    } else if !is_domain(name) {
        report.violation(&path.field("value"), SUBDOMAIN);
    }
}

/// The rules of a SPIFFE ID, in the words of go-spiffe (`spiffeid.FromString`).
fn parse(id: &str) -> Result<(), &'static str> {
    if id.is_empty() {
        return Err("cannot be empty");
    }
    let rest = id
        .strip_prefix("spiffe://")
        .ok_or("scheme is missing or invalid")?;
    let (domain, path) = rest
        .find('/')
        .map_or((rest, ""), |slash| rest.split_at(slash));
    if domain.is_empty() {
        return Err("trust domain is missing");
    }
    let is_domain_byte = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_');
    if !domain.bytes().all(is_domain_byte) {
        return Err(
            "trust domain characters are limited to lowercase letters, numbers, dots, dashes, and underscores",
        );
    }
    if path.ends_with('/') {
        return Err("path cannot have a trailing slash");
    }
    for segment in path.split('/').skip(1) {
        match segment {
            "" => return Err("path cannot contain empty segments"),
            "." | ".." => return Err("path cannot contain dot segments"),
            _ => {}
        }
        let is_byte = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
        if !segment.bytes().all(is_byte) {
            return Err(
                "path segment characters are limited to letters, numbers, dots, dashes, and underscores",
            );
        }
    }
    Ok(())
}
