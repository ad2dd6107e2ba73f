//! Host patterns and their owners, for 100,000 of them in a few pieces of memory.
//!
//! A hash table over one text that holds all names. `std`'s maps would keep each name by itself, with the allocator's
//! own notes and the table's free places beside it: three times the memory, and a filter has all of it in each worker.

use core::num::NonZero;

use crate::pattern::HostPattern;

/// Patterns with their owners' places in a list, while they are gathered.
#[derive(Debug, Default)]
pub(crate) struct Builder {
    keys: String,
    entries: Vec<Entry>,
}

/// Patterns with their owners' places in a list, ready for look-up. It is never written.
#[derive(Debug, Default)]
pub(crate) struct Index {
    /// One after the other: `name` of an exact name, `.name` of a wildcard, and nothing of the pattern for all hosts.
    keys: Box<str>,
    entries: Box<[Entry]>,
    /// At the place that its hash gives, or the next free one: the number of an entry, from 1. Half of them are free.
    slots: Box<[Option<NonZero<usize>>]>,
    any: Option<usize>,
}

#[derive(Debug)]
struct Entry {
    /// Where its key ends. It begins where the one before ends.
    end: usize,
    owner: usize,
}

/// A pattern that two have.
#[derive(Debug)]
pub(crate) struct Twice {
    pub(crate) pattern: HostPattern,
    pub(crate) first: usize,
    pub(crate) second: usize,
}

impl Builder {
    pub(crate) fn add(&mut self, pattern: &HostPattern, owner: usize) {
        match pattern {
            HostPattern::Any => {}
            HostPattern::Exact(name) => self.keys.push_str(name.as_str()),
            HostPattern::Suffix(name) => {
                self.keys.push('.');
                self.keys.push_str(name.as_str());
            }
        }
        let end = self.keys.len();
        self.entries.push(Entry { end, owner });
    }

    pub(crate) fn finish(self) -> Result<Index, Twice> {
        let slots = (self.entries.len() * 2).next_power_of_two();
        let mut index = Index {
            keys: self.keys.into(),
            entries: self.entries.into(),
            slots: vec![None; slots].into(),
            any: None,
        };
        for number in 0..index.entries.len() {
            index.insert(number)?;
        }
        index.any = index.find(Hash::START, "");
        Ok(index)
    }
}

impl Index {
    fn insert(&mut self, number: usize) -> Result<(), Twice> {
        let Some((key, owner)) = self.entry(number) else {
            return Ok(());
        };
        let hash = key.bytes().rev().fold(Hash::START, Hash::with);
        let place = match self.look(hash, key) {
            Ok(first) if first == owner => return Ok(()),
            Ok(first) => {
                return Err(Twice {
                    pattern: pattern(key),
                    first,
                    second: owner,
                });
            }
            Err(place) => place,
        };
        if let Some(slot) = self.slots.get_mut(place) {
            *slot = NonZero::new(number + 1);
        }
        Ok(())
    }

    /// The owner of the narrowest pattern that holds `host`.
    ///
    /// The host is read once, from its end, so that the hash of each of its suffixes is there on the way.
    pub(crate) fn narrowest(&self, host: &str) -> Option<usize> {
        let mut owner = self.any;
        let mut hash = Hash::START;
        for (at, byte) in host.bytes().enumerate().rev() {
            hash = hash.with(byte);
            if byte == b'.' {
                let suffix = host.get(at..).unwrap_or_default();
                owner = self.find(hash, suffix).or(owner);
            }
        }
        self.find(hash, host).or(owner)
    }

    /// The owner of the pattern for all hosts.
    pub(crate) fn any(&self) -> Option<usize> {
        self.any
    }

    fn find(&self, hash: Hash, key: &str) -> Option<usize> {
        self.look(hash, key).ok()
    }

    /// The owner of a key, or the free slot where the search for it ends.
    fn look(&self, hash: Hash, key: &str) -> Result<usize, usize> {
        let mask = self.slots.len().wrapping_sub(1);
        let mut place = hash.place() & mask;
        while let Some(Some(number)) = self.slots.get(place) {
            match self.entry(number.get() - 1) {
                Some((other, owner)) if other == key => return Ok(owner),
                _ => place = place.wrapping_add(1) & mask,
            }
        }
        Err(place)
    }

    fn entry(&self, number: usize) -> Option<(&str, usize)> {
        let entry = self.entries.get(number)?;
        let before = number
            .checked_sub(1)
            .and_then(|before| self.entries.get(before));
        let start = before.map_or(0, |before| before.end);
        Some((self.keys.get(start..entry.end)?, entry.owner))
    }
}

fn pattern(key: &str) -> HostPattern {
    let written = match key.strip_prefix('.') {
        Some(name) => ["*.", name].concat(),
        None => key.to_owned(),
    };
    // It was one before.
    written.parse().unwrap_or(HostPattern::Any)
}

/// FNV-1a with a last step that spreads it. It is no secret: keys come from the configuration only, so whoever sends
/// requests cannot fill a part of the table, and finds no run of slots that is not there for everybody.
#[derive(Clone, Copy)]
struct Hash(u64);

impl Hash {
    const START: Self = Self(0xcbf2_9ce4_8422_2325);

    fn with(self, byte: u8) -> Self {
        Self((self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
    }

    fn place(self) -> usize {
        let spread = self.0.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        // 32 bits, which is all that a filter has.
        usize::try_from(spread >> 32).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(patterns: impl IntoIterator<Item = String>) -> Index {
        let mut builder = Builder::default();
        for (owner, text) in patterns.into_iter().enumerate() {
            builder.add(&text.parse().unwrap(), owner);
        }
        builder.finish().unwrap()
    }

    #[test]
    fn every_name_of_many_is_found() {
        let names = (0..20_000).map(|i| format!("host-{i}.example.com"));
        let wildcards = (0..20_000).map(|i| format!("*.host-{i}.example.com"));
        let index = index(names.chain(wildcards));
        for i in 0..20_000 {
            let host = format!("host-{i}.example.com");
            assert_eq!(index.narrowest(&host), Some(i));
            assert_eq!(index.narrowest(&format!("a.b.{host}")), Some(20_000 + i));
            assert_eq!(index.narrowest(&format!("x{host}")), None);
        }
    }

    /// The longest run of slots in use is the most that any request can cost, whatever its host.
    #[test]
    fn runs_are_short() {
        for labels in ["host-{}.example.com", "{}.example.com", "a.{}.com"] {
            let names = (0..100_000).map(|i| labels.replace("{}", &i.to_string()));
            let index = index(names);
            let longest = index.slots.split(Option::is_none).map(<[_]>::len).max();
            assert!(longest < Some(64), "{labels}: {longest:?}");
        }
    }

    #[test]
    fn an_empty_index_has_nothing() {
        assert_eq!(Index::default().narrowest("a.b"), None);
        assert_eq!(index([]).narrowest("a.b"), None);
    }
}
