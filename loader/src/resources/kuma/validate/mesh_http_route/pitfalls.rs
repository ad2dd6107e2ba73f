//! What Kuma accepts in a `MeshHTTPRoute` and then fails to serve.

use super::super::envoy::{
    self,
    Change::{self, Other, SetInRequest},
};
use crate::diagnostic::{Code, Diagnostic};
use crate::resources::kuma::mesh_http_route::{HeaderModifier, Match, MeshHttpRoute, Rule};
use crate::resources::report::Report;
use crate::source::Path;

pub(super) fn all(report: &mut Report<'_>, route: &MeshHttpRoute) {
    for (index, to) in route.to.iter().enumerate() {
        let path = Path::of("to").index(index).field("rules");
        for (index, entry) in to.rules.iter().enumerate() {
            rule(report, &path.index(index), entry);
        }
    }
}

fn rule(report: &mut Report<'_>, path: &Path, rule: &Rule) {
    if rule.matches.is_empty() {
        let message = "a rule without matches takes no request";
        report.say(
            &path.field("matches"),
            Diagnostic::error(Code::UnusableRule, message)
                .help("write `- path: {type: PathPrefix, value: /}` for all requests"),
        );
    }
    for (index, entry) in rule.matches.iter().enumerate() {
        matches(report, &path.field("matches").index(index), entry);
    }
    let conf = path.field("default");
    let filters = rule.conf.filters.as_deref().unwrap_or_default();
    let redirects = filters
        .iter()
        .any(|filter| filter.request_redirect.is_some());
    let forwards = rule
        .conf
        .backend_refs
        .as_ref()
        .is_some_and(|refs| !refs.is_empty());
    for (index, filter) in filters.iter().enumerate() {
        let path = conf.field("filters").index(index);
        if let Some(changes) = &filter.request_header_modifier {
            modifier(
                report,
                &path.field("requestHeaderModifier"),
                changes,
                SetInRequest,
            );
        }
        if let Some(changes) = &filter.response_header_modifier {
            modifier(
                report,
                &path.field("responseHeaderModifier"),
                changes,
                Other,
            );
        }
        if filter.request_redirect.is_some() && forwards {
            let message = "has no effect: the rule has backends, which are used instead";
            report.say(&path, Diagnostic::warning(Code::UnusableRule, message));
        }
        let needs_backend = filter.url_rewrite.is_some() || filter.request_mirror.is_some();
        if needs_backend && redirects && !forwards {
            let message = "has no effect: the rule sends its clients elsewhere";
            report.say(&path, Diagnostic::warning(Code::UnusableRule, message));
        }
        if let Some(mirror) = &filter.request_mirror
            && let Some(percentage) = &mirror.percentage
            && !percentage
                .0
                .parse::<f64>()
                .is_ok_and(|p| (0.0..=100.0).contains(&p))
        {
            let message = "no percentage from 0 to 100: nothing is mirrored";
            report.say(
                &path.field("requestMirror").field("percentage"),
                Diagnostic::warning(Code::UnusableRule, message),
            );
        }
    }
    let refs = rule.conf.backend_refs.as_deref().unwrap_or_default();
    if refs.len() > 1 && refs.iter().all(|backend| backend.weight == Some(0)) {
        let message = "no backend has a share: requests are answered with 500";
        report.say(
            &conf.field("backendRefs"),
            Diagnostic::warning(Code::UnusableRule, message),
        );
    }
}

fn matches(report: &mut Report<'_>, path: &Path, entry: &Match) {
    const REGEX: &str = "RegularExpression";
    if let Some(entry) = &entry.path
        && entry.kind == REGEX
    {
        envoy::regex(report, &path.field("path").field("value"), &entry.value);
    }
    for (index, header) in entry.headers.iter().enumerate() {
        let path = path.field("headers").index(index);
        envoy::header_name(report, &path.field("name"), &header.name);
        if header.kind.as_deref() == Some(REGEX) {
            envoy::regex(report, &path.field("value"), &header.value);
        }
    }
    for (index, query) in entry.query_params.iter().enumerate() {
        let path = path.field("queryParams").index(index);
        if query.name.is_empty() {
            let message = "no parameter has an empty name";
            report.say(
                &path.field("name"),
                Diagnostic::error(Code::UnusableRule, message),
            );
        }
        if query.kind == REGEX {
            envoy::regex(report, &path.field("value"), &query.value);
        }
    }
}

fn modifier(report: &mut Report<'_>, path: &Path, modifier: &HeaderModifier, set: Change) {
    let headers = [("set", &modifier.set, set), ("add", &modifier.add, Other)];
    for (field, headers, change) in headers {
        for (index, header) in headers.iter().flatten().enumerate() {
            let path = path.field(field).index(index);
            envoy::changed_header(report, &path.field("name"), &header.name, change);
            envoy::header_value(report, &path.field("value"), &header.value);
        }
    }
    for (index, name) in modifier.remove.iter().flatten().enumerate() {
        envoy::changed_header(report, &path.field("remove").index(index), name, Other);
    }
}
