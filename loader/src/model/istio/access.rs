//! Who may send which requests to a gateway: AuthorizationPolicies (`pilot/pkg/security/authz/builder` and `model` at
//! 1.32).

use crate::diagnostic::{Code, Diagnostic};
use crate::model::access::{Access, AccessRule, AnyOf, Caller, Operation, Text};
use crate::model::{Port, TokenRule};
use crate::resources::Resource;
use crate::resources::istio::authorization_policy::Operation as Written;
use crate::resources::istio::authorization_policy::{
    Action, Attribute, AuthorizationPolicy, Condition, Rule, Source, network,
};
use crate::source::Path;

/// What the policies of a workload say about its requests.
pub(super) fn of_workload(
    policies: Vec<&Resource<AuthorizationPolicy>>,
    tokens: &[TokenRule],
    ports: &[Port],
    findings: &mut Vec<Diagnostic>,
) -> Access {
    let mut access = Access::default();
    let listeners = ports.iter().flat_map(|port| &port.listeners);
    let mut connections = listeners.filter(|listener| !listener.connections.is_empty());
    let connections = connections.next();
    for policy in policies {
        if is_tried(policy) {
            continue;
        }
        let rules = policy.spec.rules.iter().enumerate();
        let rules = rules.map(|(index, own)| rule(policy, index, own));
        match policy.spec.action {
            Action::Allow => access.allowed.get_or_insert_default().extend(rules),
            Action::Deny => access.denied.extend(rules),
            // Named as not served.
            Action::Audit | Action::Custom => continue,
        }
        if tokens.is_empty() {
            findings.extend(without_tokens(policy));
        }
        if let Some(listener) = connections {
            let text = format!(
                "not served for connections: those of {} would get in",
                listener.origin.resource
            );
            let finding = policy.error(Code::NotServedField, &Path::root(), text);
            findings.push(
                finding
                    .help("select a workload whose Gateways have servers for HTTP and HTTPS only"),
            );
        }
    }
    access
}

/// Whether a policy is only tried, which is named.
fn is_tried(policy: &Resource<AuthorizationPolicy>) -> bool {
    let value = policy.meta.annotations.get("istio.io/dry-run");
    value.is_some_and(|value| value == "true")
}

/// A policy about tokens where none is verified: no request has any claim there.
fn without_tokens(policy: &Resource<AuthorizationPolicy>) -> Option<Diagnostic> {
    let rules = policy.spec.rules.iter().enumerate();
    let path = rules.into_iter().find_map(|(index, rule)| {
        let path = Path::of("rules").index(index);
        let about = |own: &Condition| {
            let attribute = Attribute::parse(&own.key);
            matches!(
                attribute,
                Some(Attribute::Claim(_) | Attribute::RequestPrincipal)
            )
        };
        let when = rule.when.iter().position(about);
        let when = when.map(|at| path.field("when").index(at));
        let asks = |source: &Source| {
            !(source.request_principals.is_empty() && source.not_request_principals.is_empty())
        };
        let mut from = rule.from.iter();
        let from = from.position(|from| from.source.as_ref().is_some_and(asks));
        when.or_else(|| from.map(|at| path.field("from").index(at)))
    })?;
    let text = "no RequestAuthentication verifies tokens at this gateway, so that no request has a principal or a claim";
    let finding = policy.warning(Code::PrincipalWithoutAuthentication, &path, text);
    Some(finding.help("add a RequestAuthentication that selects the gateway's workload"))
}

fn rule(policy: &Resource<AuthorizationPolicy>, index: usize, rule: &Rule) -> AccessRule {
    let (mut common_to, mut common_from) = (Vec::new(), Vec::new());
    for own in &rule.when {
        let Some(attribute) = Attribute::parse(&own.key) else {
            continue; // which stops the gateway
        };
        for (is_not, values) in [(false, &own.values), (true, &own.not_values)] {
            match &attribute {
                Attribute::DestinationPort => add(&mut common_to, values, is_not, port),
                Attribute::Sni => add(&mut common_to, values, is_not, |v| {
                    Some(Operation::Sni(Text::parse(v)))
                }),
                other => add(&mut common_from, values, is_not, |v| caller(other, v)),
            }
        }
    }
    let sources = rule.from.iter().filter_map(|from| from.source.as_ref());
    let mut from: Vec<_> = sources.map(|own| source(own, &common_from)).collect();
    if rule.from.is_empty() {
        from.push(common_from);
    }
    let operations = rule.to.iter().filter_map(|to| to.operation.as_ref());
    let mut to: Vec<_> = operations.map(|own| operation(own, &common_to)).collect();
    if rule.to.is_empty() {
        to.push(common_to);
    }
    let (namespace, name) = (policy.meta.namespace(), &policy.meta.name);
    AccessRule {
        name: format!("ns[{namespace}]-policy[{name}]-rule[{index}]"),
        to,
        from,
    }
}

fn add<T>(
    all: &mut Vec<AnyOf<T>>,
    values: &[String],
    is_not: bool,
    fact: impl Fn(&str) -> Option<T>,
) {
    if !values.is_empty() {
        let facts = values.iter().filter_map(|value| fact(value)).collect();
        all.push(AnyOf { facts, is_not });
    }
}

fn source(own: &Source, common: &[AnyOf<Caller>]) -> Vec<AnyOf<Caller>> {
    let mut all = Vec::new();
    for (attribute, values, others) in [
        (
            Attribute::RequestPrincipal,
            &own.request_principals,
            &own.not_request_principals,
        ),
        (Attribute::SourceIp, &own.ip_blocks, &own.not_ip_blocks),
        (
            Attribute::RemoteIp,
            &own.remote_ip_blocks,
            &own.not_remote_ip_blocks,
        ),
    ] {
        add(&mut all, values, false, |value| caller(&attribute, value));
        add(&mut all, others, true, |value| caller(&attribute, value));
    }
    all.extend_from_slice(common);
    all
}

fn operation(own: &Written, common: &[AnyOf<Operation>]) -> Vec<AnyOf<Operation>> {
    type Make = fn(&str) -> Option<Operation>;
    let lists: [(&[String], &[String], Make); 4] = [
        (&own.hosts, &own.not_hosts, |v| {
            Some(Operation::Host(Text::parse(v)))
        }),
        (&own.methods, &own.not_methods, |v| {
            Some(Operation::Method(Text::parse(v)))
        }),
        (&own.paths, &own.not_paths, |v| {
            Some(Operation::Path(Text::parse(v)))
        }),
        (&own.ports, &own.not_ports, port),
    ];
    let mut all = Vec::new();
    for (values, others, make) in lists {
        add(&mut all, values, false, make);
        add(&mut all, others, true, make);
    }
    all.extend_from_slice(common);
    all
}

fn port(value: &str) -> Option<Operation> {
    value.parse().ok().map(Operation::Port)
}

fn caller(attribute: &Attribute, value: &str) -> Option<Caller> {
    Some(match attribute {
        Attribute::Header(name) => Caller::Header(name.clone(), Text::parse(value)),
        Attribute::SourceIp => network(value).map(|(at, bits)| Caller::Peer(at, bits))?,
        Attribute::RemoteIp => network(value).map(|(at, bits)| Caller::Client(at, bits))?,
        Attribute::Claim(way) => Caller::Claim(way.clone(), Text::parse(value)),
        Attribute::RequestPrincipal => principal(value),
        Attribute::DestinationPort | Attribute::Sni => return None,
    })
}

/// `<issuer>/<subject>`, of which the issuer may have more `/` (`requestPrincipalGenerator`).
fn principal(value: &str) -> Caller {
    let exact = |text: &str| Text::Exact(text.to_owned());
    let (issuer, subject) = match (value.rsplit_once('/'), value.strip_prefix('*')) {
        (_, Some("")) => (Text::Any, Text::Any),
        (Some((issuer, subject)), Some(_)) => (Text::parse(issuer), exact(subject)),
        (None, Some(end)) => (Text::Any, Text::Suffix(end.to_owned())),
        (Some((issuer, subject)), None) if value.ends_with('*') => {
            (exact(issuer), Text::parse(subject))
        }
        (Some((issuer, subject)), None) => (exact(issuer), exact(subject)),
        (None, None) => match value.strip_suffix('*') {
            Some(start) => (Text::Prefix(start.to_owned()), Text::Any),
            None => (exact(value), exact("")),
        },
    };
    Caller::Principal { issuer, subject }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn principals_are_issuer_and_subject() {
        let exact = |text: &str| Text::Exact(text.to_owned());
        let end = |text: &str| Text::Suffix(text.to_owned());
        let start = |text: &str| Text::Prefix(text.to_owned());
        for (value, issuer, subject) in [
            ("*", Text::Any, Text::Any),
            ("a.test/b", exact("a.test"), exact("b")),
            ("https://a.test/b", exact("https://a.test"), exact("b")),
            ("https://a.test/*", exact("https://a.test"), Text::Any),
            ("https://a.test/b*", exact("https://a.test"), start("b")),
            ("*/b", Text::Any, exact("b")),
            ("*.test/b", end(".test"), exact("b")),
            ("*b", Text::Any, end("b")),
            ("a*", start("a"), Text::Any),
            ("a", exact("a"), exact("")),
        ] {
            assert_eq!(
                principal(value),
                Caller::Principal { issuer, subject },
                "{value}"
            );
        }
    }
}
