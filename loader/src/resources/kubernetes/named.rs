//! Resources that others look up by name, one for each server of a gateway or endpoint of a service.

use std::collections::{BTreeSet, HashMap};
use std::ops::Deref;

use crate::resources::Resource;

/// Resources of one kind in the order of the input, of which each can be found at once.
#[derive(Clone, Debug)]
pub struct NamedList<T> {
    all: Vec<Resource<T>>,
    /// Where the first one of each namespace and name is.
    places: HashMap<String, usize>,
    namespaces: BTreeSet<String>,
}

impl<T> NamedList<T> {
    /// The first one of this name; `namespace` is empty for what is in none.
    pub fn find(&self, namespace: &str, name: &str) -> Option<&Resource<T>> {
        let place = self.places.get(&key(namespace, name))?;
        self.all.get(*place)
    }

    /// The namespaces that there is one in.
    pub fn namespaces(&self) -> impl Iterator<Item = &str> {
        self.namespaces.iter().map(String::as_str)
    }

    /// Adds one behind all others.
    pub fn push(&mut self, resource: Resource<T>) {
        let key = key(resource.meta.namespace(), &resource.meta.name);
        self.places.entry(key).or_insert(self.all.len());
        let namespace = resource.meta.namespace();
        if !self.namespaces.contains(namespace) {
            self.namespaces.insert(namespace.to_owned());
        }
        self.all.push(resource);
    }
}

/// No name has a slash.
fn key(namespace: &str, name: &str) -> String {
    format!("{namespace}/{name}")
}

impl<T> Default for NamedList<T> {
    fn default() -> Self {
        Self {
            all: Vec::new(),
            places: HashMap::new(),
            namespaces: BTreeSet::new(),
        }
    }
}

impl<T> Deref for NamedList<T> {
    type Target = [Resource<T>];

    fn deref(&self) -> &Self::Target {
        &self.all
    }
}

impl<'a, T> IntoIterator for &'a NamedList<T> {
    type Item = &'a Resource<T>;
    type IntoIter = std::slice::Iter<'a, Resource<T>>;

    fn into_iter(self) -> Self::IntoIter {
        self.all.iter()
    }
}
