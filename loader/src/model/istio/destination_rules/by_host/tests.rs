use policy::istio::{specificity_order, subset_of};

use super::*;
use crate::{resources, source};

/// Rules for each of these hosts in each of three namespaces, exported in turns to all, to their own and to `a`.
fn text() -> String {
    let hosts = [
        "s",
        "s.b.svc.cluster.local",
        "'*.b.svc.cluster.local'",
        "'*.local'",
        "'*'",
        "x.test",
        "'*.test'",
    ];
    let lists = ["[]", "['.']", "[a]"];
    let mut text = Vec::new();
    for (index, host) in hosts.iter().enumerate() {
        for (number, namespace) in ["a", "b", "c"].into_iter().enumerate() {
            let export_to = lists[(index + number) % lists.len()];
            let selector = if (index + number) % 4 == 3 {
                "{app: other}"
            } else {
                "{}"
            };
            text.push(format!(
                "apiVersion: networking.istio.io/v1\nkind: DestinationRule\n\
                 metadata: {{name: r{index}, namespace: {namespace}}}\n\
                 spec: {{host: {host}, exportTo: {export_to}, workloadSelector: {{matchLabels: {selector}}}}}\n---\n",
            ));
        }
    }
    text.concat()
}

/// Istio's way: all that hold the host, of which those in the nearest place with the narrowest host are left.
fn compared<'a>(
    rules: &'a [Resource<DestinationRule>],
    by: &OfWorkload<'_>,
    host: &str,
    namespace: &str,
) -> Vec<&'a Resource<DestinationRule>> {
    let full =
        |rule: &Resource<DestinationRule>| names::full(&rule.spec.host, rule.meta.namespace());
    let place = |rule: &Resource<DestinationRule>| match rule.meta.namespace() {
        own if own == by.workload.namespace => 0,
        own if own == namespace => 1,
        _ => 2,
    };
    let holding = rules.iter();
    let holding = holding.filter(|rule| by.may_use(rule) && subset_of(host, &full(rule)));
    let mut holding: Vec<_> = holding.collect();
    holding.sort_by(|a, b| {
        let by_host = specificity_order(&full(a), &full(b));
        place(a)
            .cmp(&place(b))
            .then(by_host)
            .then_with(|| names::order(a, b))
    });
    if let Some(&first) = holding.first() {
        holding.retain(|rule| full(rule) == full(first) && place(rule) == place(first));
    }
    holding
}

#[test]
fn rules_are_those_that_a_comparison_with_all_finds() {
    let (_, documents, _) = source::read_text("input.yaml", &text());
    let (resources, _) = resources::load(documents, true);
    let rules = &resources.istio.destination_rules;
    assert_eq!(rules.len(), 21);
    let by_host = ByHost::new(rules);
    for user in ["a", "b", "d"] {
        let workload = Workload {
            namespace: user.to_owned(),
            ..Workload::default()
        };
        let by = OfWorkload::new(&by_host, &workload);
        for host in [
            "s.a.svc.cluster.local",
            "s.b.svc.cluster.local",
            "t.b.svc.cluster.local",
            "*.b.svc.cluster.local",
            "x.test",
            "*.test",
            "y.x.test",
            "other",
        ] {
            for namespace in ["a", "b", "c", "d"] {
                let found = by.of(host, namespace).rules.clone();
                let names = |all: Vec<&Resource<DestinationRule>>| {
                    let names = all.into_iter().map(|rule| rule.meta.to_string());
                    names.collect::<Vec<_>>()
                };
                let expected = names(compared(rules, &by, host, namespace));
                assert_eq!(names(found), expected, "{user}: {host} of {namespace}");
            }
        }
    }
}
