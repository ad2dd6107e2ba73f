//! Services of one name, by who may use them.

use std::collections::HashMap;

use crate::model::istio::names::{self, Visibility};

/// The places of services of one name: of all that a namespace may use, the first of those that come first.
#[derive(Debug, Default)]
pub(super) struct Found<'a> {
    /// Those of the namespace itself, with how it may use them.
    own: HashMap<&'a str, (Visibility, usize)>,
    /// Those that others export to it by name.
    exported: HashMap<&'a str, usize>,
    /// What is for everybody.
    public: Option<usize>,
}

impl<'a> Found<'a> {
    /// Places are added in rising order.
    pub(super) fn add(&mut self, place: usize, owner: &'a str, export_to: &'a [String]) {
        if let Some(seen) = names::visibility(export_to, owner, owner) {
            let known = self.own.entry(owner).or_insert((seen, place));
            *known = (*known).min((seen, place));
        }
        if export_to.is_empty() || export_to.iter().any(|to| to == "*") {
            self.public.get_or_insert(place);
            return;
        }
        for user in export_to.iter().filter(|to| *to != ".") {
            self.exported.entry(user).or_insert(place);
        }
    }

    /// What a namespace uses: its own before others'.
    pub(super) fn by(&self, user: &str) -> Option<usize> {
        let own = self.own.get(user).map(|(_, place)| *place);
        let exported = || self.exported.get(user).copied();
        own.or_else(exported).or(self.public)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_uses_its_own_before_what_others_export() {
        let lists: [&[&str]; 6] = [&[], &["*"], &["."], &["a"], &["b"], &["b", "."]];
        let lists = lists.map(|list| list.iter().map(|&to| to.to_owned()).collect::<Vec<_>>());
        for one in &lists {
            for other in &lists {
                for third in &lists {
                    let all = [("b", one), ("a", other), ("b", third)];
                    let mut found = Found::default();
                    for (place, (owner, export_to)) in all.iter().enumerate() {
                        found.add(place, owner, export_to);
                    }
                    for user in ["a", "b", "c"] {
                        let seen = all.iter().enumerate().filter_map(|(place, (owner, to))| {
                            let seen = names::visibility(to, owner, user)?;
                            Some((*owner != user, seen, place))
                        });
                        let expected = seen.min().map(|(.., place)| place);
                        assert_eq!(found.by(user), expected, "{user} {all:?}");
                    }
                }
            }
        }
    }
}
