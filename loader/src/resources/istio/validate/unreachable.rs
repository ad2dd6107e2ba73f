//! Rules of a VirtualService that stand behind others (`analyzeUnreachable*Rules`; IST0130 and IST0131).

use std::collections::HashMap;
use std::hash::Hash;

use crate::diagnostic::{Code, Diagnostic};
use crate::resources::istio::http_route::{HttpMatch, HttpRoute};
use crate::resources::istio::virtual_service::VirtualService;
use crate::resources::report::Report;
use crate::source::Path;

use super::overlap;

/// Names rules that nothing gets to.
pub(super) fn check(report: &mut Report<'_>, service: &VirtualService) {
    let http: Vec<_> = service.http.iter().map(http_rule).collect();
    rules(report, &Path::of("http"), &http);
    let tls = service.tls.iter().enumerate();
    let tls: Vec<_> = tls.map(|(index, r)| rule(index, &r.matches)).collect();
    rules(report, &Path::of("tls"), &tls);
    let tcp = service.tcp.iter().enumerate();
    let tcp: Vec<_> = tcp.map(|(index, r)| rule(index, &r.matches)).collect();
    rules(report, &Path::of("tcp"), &tcp);
    overlap::check(report, &service.http);
}

/// The names of a rule and its matches, as Istio writes them, and what tells the matches apart.
struct Rule<M> {
    name: String,
    matches: Vec<(String, M)>,
}

fn rule<M: Clone>(index: usize, matches: &[M]) -> Rule<M> {
    let matches = matches.iter().cloned().enumerate();
    Rule {
        name: format!("#{index}"),
        matches: matches
            .map(|(at, entry)| (format!("#{at}"), entry))
            .collect(),
    }
}

fn http_rule(route: &HttpRoute) -> Rule<HttpMatch> {
    let mut rule = rule(0, &route.matches);
    rule.name.clone_from(&route.name);
    for (name, entry) in &mut rule.matches {
        if !entry.name.is_empty() {
            *name = format!("{:?}", entry.name);
            entry.name.clear();
        }
    }
    rule
}

/// What Istio calls a rule: its name, or its place in the list.
pub(super) fn rule_name(name: &str, index: usize) -> String {
    if name.is_empty() {
        format!("#{index}")
    } else if name.starts_with('#') {
        name.to_owned()
    } else {
        format!("{name:?}")
    }
}

fn rules<M: Hash + Eq>(report: &mut Report<'_>, path: &Path, rules: &[Rule<M>]) {
    let mut seen: HashMap<&M, usize> = HashMap::new();
    let mut all: Option<usize> = None;
    for (index, rule) in rules.iter().enumerate() {
        let name = rule_name(&rule.name, index);
        let path = path.index(index);
        if rule.matches.is_empty() {
            if all.is_some() {
                unused(
                    report,
                    &path,
                    &name,
                    "only the last rule can have no matches",
                );
            }
            all = Some(index);
            continue;
        }
        let mut twice = 0;
        for (at, (said, entry)) in rule.matches.iter().enumerate() {
            if all.is_some() {
                unused(report, &path, &name, "route without matches defined before");
                break;
            }
            let Some(first) = seen.get(entry).copied() else {
                seen.insert(entry, index);
                continue;
            };
            let before = rules.get(first).map_or("", |rule| &rule.name);
            let before = rule_name(before, first);
            ineffective(report, &path.field("match").index(at), &name, said, &before);
            twice += 1;
        }
        if twice == rule.matches.len() {
            unused(report, &path, &name, "all matches used by prior rules");
        }
    }
}

fn unused(report: &mut Report<'_>, path: &Path, rule: &str, reason: &str) {
    let text = format!("virtualService rule {rule} not used ({reason}) [IST0130]");
    let finding = Diagnostic::warning(Code::UnreachableRule, text);
    report.say(
        path,
        finding.help("remove it, or move it before the other rule"),
    );
}

/// Says that a match stands behind another one.
pub(super) fn ineffective(
    report: &mut Report<'_>,
    path: &Path,
    rule: &str,
    entry: &str,
    before: &str,
) {
    let text = format!(
        "virtualService rule {rule} match {entry} is not used (duplicate/overlapping match in rule {before}) [IST0131]"
    );
    let finding = Diagnostic::warning(Code::IneffectiveMatch, text);
    report.say(
        path,
        finding.help("remove it, or move its rule before the other one"),
    );
}
