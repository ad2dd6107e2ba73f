//! What Istio takes for names (`pkg/config/labels/instance.go`, `pkg/config/validation/agent/validation.go` at 1.32).

use std::net::IpAddr;

/// `IsDNS1123Label`: unlike Kubernetes' labels it may have capitals.
pub(super) fn is_label(name: &str) -> bool {
    name.len() <= 63 && is_long_label(name)
}

/// A label of any length, which the keys of labels may have before the `/`.
fn is_long_label(name: &str) -> bool {
    let is_edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = name.as_bytes();
    is_edge(bytes.first())
        && is_edge(bytes.last())
        && bytes
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
}

/// `IsWildcardDNS1123Label`: `*`, `*name`, `*-name` or a label.
fn is_wildcard_label(name: &str) -> bool {
    match name.strip_prefix('*') {
        Some("") => true,
        Some(rest) => name.len() <= 63 && is_label(rest.strip_prefix('-').unwrap_or(rest)),
        None => is_label(name),
    }
}

/// The part of a label's key after the `/`, or its value.
pub(super) fn is_qualified(name: &str) -> bool {
    let is_edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = name.as_bytes();
    let is_inner = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
    is_edge(bytes.first()) && is_edge(bytes.last()) && bytes.iter().all(is_inner)
}

/// `validateTagKey`.
pub(super) fn is_label_key(key: &str) -> bool {
    let (prefix, name) = key.split_once('/').unwrap_or(("a", key));
    prefix.len() <= 253
        && prefix.split('.').all(is_long_label)
        && name.len() <= 63
        && is_qualified(name)
}

/// `netutil.IsValidIPAddress`.
pub(super) fn is_ip(text: &str) -> bool {
    text.parse::<IpAddr>().is_ok()
}

/// `ValidateIPAddress`.
pub(super) fn ip(text: &str) -> Result<(), String> {
    if is_ip(text) {
        Ok(())
    } else {
        Err(format!("{text} is not a valid IP"))
    }
}

/// `ValidateIPSubnet`.
pub(super) fn subnet(text: &str) -> Result<(), String> {
    let Some((address, bits)) = text.split_once('/').filter(|(_, bits)| !bits.contains('/')) else {
        return ip(text);
    };
    let is_count = !bits.is_empty() && bits.bytes().all(|byte| byte.is_ascii_digit());
    let is_prefix = match (address.parse(), bits.parse::<u8>()) {
        (Ok(IpAddr::V4(_)), Ok(bits)) => bits <= 32,
        (Ok(IpAddr::V6(_)), Ok(bits)) => bits <= 128,
        _ => false,
    };
    let is_padded = bits.len() > 1 && bits.starts_with('0');
    if is_count && is_prefix && !is_padded {
        Ok(())
    } else {
        Err(format!("{text} is not a valid CIDR block"))
    }
}

/// `ValidateUnixAddress`, of what stands after `unix://`.
pub(super) fn unix(address: &str) -> Result<(), String> {
    if address.is_empty() {
        Err("unix address must not be empty".to_owned())
    } else if address.starts_with('@') || address.starts_with('/') && !address.ends_with('/') {
        Ok(())
    } else {
        Err(format!("{address} is not an absolute path to a file"))
    }
}

/// `ValidateFQDN`.
pub(super) fn fqdn(name: &str) -> Result<(), String> {
    length(name)?;
    domain(name)
}

/// `ValidateWildcardDomain`: `*` may stand at the beginning of the first label.
pub(super) fn wildcard_domain(name: &str) -> Result<(), String> {
    length(name)?;
    let (first, rest) = match name.split_once('.') {
        Some((first, rest)) => (first, Some(rest)),
        None => (name, None),
    };
    if !is_wildcard_label(first) {
        return Err(invalid(name, first));
    }
    rest.map_or(Ok(()), domain)
}

/// `ValidateWildcardDomainForVirtualServiceBoundToGateway`: with SNI also `outbound_.80_._.host`, which Istio makes up.
pub(super) fn gateway_domain(sni: bool, name: &str) -> Result<(), String> {
    const FORM: &str = "outbound_.<port>_.<subset>_.<hostname>";
    if !sni || name.len() > 255 || !name.starts_with("outbound_") {
        return wildcard_domain(name);
    }
    let mut parts = name.split('_').skip(1);
    let (Some(port), Some(_), Some(host)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(format!(
            "domain name {name} invalid, should follow '{FORM}' format"
        ));
    };
    let (port, host) = (port.trim_matches('.'), host.trim_matches('.'));
    let wrong = if !port.contains(|c: char| c.is_ascii_digit()) {
        port
    } else if !host.contains(|c: char| c.is_ascii_alphabetic()) {
        host
    } else {
        return Ok(());
    };
    Err(format!(
        "{}. should follow {FORM} format",
        invalid(name, wrong)
    ))
}

/// `ValidatePartialWildCard`.
pub(super) fn whole_wildcard(host: &str) -> Result<(), String> {
    if host.contains('*') && host != "*" && !host.starts_with("*.") {
        Err(format!("partial wildcard {host:?} not allowed"))
    } else {
        Ok(())
    }
}

fn length(name: &str) -> Result<(), String> {
    match name.len() {
        0 => Err("empty domain name not allowed".to_owned()),
        256.. => Err(format!("domain name {name:?} too long (max 255)")),
        _ => Ok(()),
    }
}

/// `ValidateDNS1123Labels`: a dot at the end is allowed.
fn domain(name: &str) -> Result<(), String> {
    let top = name.rsplit('.').next().unwrap_or_default();
    if top.parse::<i64>().is_ok() {
        return Err(format!(
            "domain name {name:?} invalid (top level domain {top:?} cannot be all-numeric)"
        ));
    }
    let name_without_dot = name.strip_suffix('.').unwrap_or(name);
    match name_without_dot.split('.').find(|label| !is_label(label)) {
        Some(label) if !name.is_empty() => Err(invalid(name, label)),
        _ => Ok(()),
    }
}

fn invalid(name: &str, label: &str) -> String {
    format!("domain name {name:?} invalid (label {label:?} invalid)")
}
