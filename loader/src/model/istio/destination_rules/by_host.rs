//! DestinationRules by their hosts: every destination asks for its own, among thousands.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use crate::model::istio::names;
use crate::model::istio::workload::Workload;
use crate::resources::Resource;
use crate::resources::istio::destination_rule::{DestinationRule, Subset};

/// All rules, in each list in Istio's order.
#[derive(Debug, Default)]
pub(in crate::model::istio) struct ByHost<'a> {
    all: Hosts<'a>,
    by_namespace: HashMap<&'a str, Hosts<'a>>,
}

/// Rules for names, and those for wildcards by what stands behind the `*`.
#[derive(Debug, Default)]
struct Hosts<'a> {
    names: HashMap<String, Vec<&'a Resource<DestinationRule>>>,
    ends: HashMap<String, Vec<&'a Resource<DestinationRule>>>,
}

impl<'a> ByHost<'a> {
    pub(in crate::model::istio) fn new(rules: &'a [Resource<DestinationRule>]) -> Self {
        let mut rules: Vec<_> = rules.iter().collect();
        rules.sort_by(|a, b| names::order(a, b));
        let mut made = Self::default();
        for rule in rules {
            let namespace = rule.meta.namespace();
            let host = names::full(&rule.spec.host, namespace);
            made.all.add(&host, rule);
            made.by_namespace
                .entry(namespace)
                .or_default()
                .add(&host, rule);
        }
        made
    }
}

impl<'a> Hosts<'a> {
    fn add(&mut self, host: &str, rule: &'a Resource<DestinationRule>) {
        let (map, text) = match host.strip_prefix('*') {
            Some(end) => (&mut self.ends, end),
            None => (&mut self.names, host),
        };
        map.entry(text.to_owned()).or_default().push(rule);
    }

    /// The rules whose host holds this one ([`policy::istio::subset_of`]), by their hosts, the narrowest first.
    fn holding(&self, host: &str) -> impl Iterator<Item = &[&'a Resource<DestinationRule>]> {
        let (name, end) = match host.strip_prefix('*') {
            Some(end) => (None, end),
            None => (Some(host), host),
        };
        let named = name.and_then(|name| self.names.get(name));
        let ends = end.char_indices().map(|(at, _)| at).chain([end.len()]);
        let ends = ends.filter(|_| !self.ends.is_empty());
        let around = ends.filter_map(move |at| self.ends.get(end.get(at..)?));
        named.into_iter().chain(around).map(Vec::as_slice)
    }
}

/// The rules for one host, the first of which has its traffic policy; the subsets are those of all of them.
#[derive(Debug, Default)]
pub(super) struct Group<'a> {
    pub(super) rules: Vec<&'a Resource<DestinationRule>>,
    /// The names of all subsets, each once.
    pub(super) names: Vec<&'a str>,
    subsets: HashMap<&'a str, Vec<(&'a Resource<DestinationRule>, usize)>>,
}

impl<'a> Group<'a> {
    fn new(rules: Vec<&'a Resource<DestinationRule>>) -> Self {
        let mut made = Self::default();
        for &rule in &rules {
            for (index, subset) in rule.spec.subsets.iter().enumerate() {
                let known = made.subsets.entry(subset.name.as_str()).or_default();
                if known.is_empty() {
                    made.names.push(&subset.name);
                }
                known.push((rule, index));
            }
        }
        made.rules = rules;
        made
    }

    /// What is said about a subset, each with its rule and its place there.
    pub(super) fn subsets(
        &self,
        name: &str,
    ) -> impl Iterator<Item = (&'a Resource<DestinationRule>, usize, &'a Subset)> {
        let own = self.subsets.get(name).into_iter().flatten();
        own.filter_map(|(rule, index)| Some((*rule, *index, rule.spec.subsets.get(*index)?)))
    }
}

/// The rules that a workload may use, of each host those of it that hold.
#[derive(Debug)]
pub(in crate::model::istio) struct OfWorkload<'a> {
    by_host: &'a ByHost<'a>,
    pub(super) workload: &'a Workload,
    /// By the lists that they are taken from.
    groups: RefCell<HashMap<*const &'a Resource<DestinationRule>, Rc<Group<'a>>>>,
}

impl<'a> OfWorkload<'a> {
    pub(in crate::model::istio) fn new(by_host: &'a ByHost<'a>, workload: &'a Workload) -> Self {
        Self {
            by_host,
            workload,
            groups: RefCell::default(),
        }
    }

    /// The rules for the host in the namespace of the workload, or else in that of the service, or else those of
    /// others; of these the ones with the narrowest host.
    pub(super) fn of(&self, host: &str, service_namespace: &str) -> Rc<Group<'a>> {
        let by_host = self.by_host;
        let own = by_host.by_namespace.get(self.workload.namespace.as_str());
        let of_service = by_host.by_namespace.get(service_namespace);
        let places = [own, of_service, Some(&by_host.all)].into_iter().flatten();
        let mut groups = places.flat_map(|hosts| hosts.holding(host));
        let found = groups.find_map(|list| {
            let group = self.group(list);
            (!group.rules.is_empty()).then_some(group)
        });
        found.unwrap_or_default()
    }

    fn group(&self, list: &[&'a Resource<DestinationRule>]) -> Rc<Group<'a>> {
        let mut groups = self.groups.borrow_mut();
        let group = groups.entry(list.as_ptr()).or_insert_with(|| {
            let visible = list.iter().copied().filter(|rule| self.may_use(rule));
            Rc::new(Group::new(visible.collect()))
        });
        Rc::clone(group)
    }

    fn may_use(&self, rule: &Resource<DestinationRule>) -> bool {
        let (owner, user) = (rule.meta.namespace(), self.workload.namespace.as_str());
        let selector = rule.spec.workload_selector.as_ref();
        names::visibility(&rule.spec.export_to, owner, user).is_some()
            && selector
                .is_none_or(|s| owner == user && self.workload.is_selected_by(&s.match_labels))
    }
}
