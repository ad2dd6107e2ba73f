//! `listeners`: a list where configurations are written, and the table that it becomes where they are read.

use core::fmt;
use core::marker::PhantomData;

use serde::de::{DeserializeOwned, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::{InvalidConfig, ListenerConfig, Part, PermissionsConfig, Unused};
use crate::pattern::HostPattern;
use crate::permissions::Permissions;
use crate::table::{Builder, HostTable, Listener};

/// Something that listeners can be read as.
pub trait Listed: DeserializeOwned {
    /// The listeners ready for look-up.
    fn table(self) -> Result<HostTable, InvalidConfig>;
}

impl<P: Part<PermissionsConfig>> Listed for Vec<ListenerConfig<P>> {
    fn table(self) -> Result<HostTable, InvalidConfig> {
        let mut builder = Builder::default();
        for listener in &self {
            add(listener, &mut builder)?;
        }
        Ok(builder.finish()?)
    }
}

impl Listed for Unused {
    fn table(self) -> Result<HostTable, InvalidConfig> {
        match self {}
    }
}

/// Listeners that were put into their table one by one while they were read.
///
/// The memory of a filter never shrinks, so what it needs at most counts: of 100,000 listeners, a list of them would
/// be most of it.
#[derive(Debug)]
pub struct Listeners<P = PermissionsConfig> {
    // What is wrong with one of them is told when all is known to be of this format.
    table: Result<HostTable, InvalidConfig>,
    rules: PhantomData<fn() -> P>,
}

impl<P> Listeners<P> {
    /// The name of the first listener with tags.
    pub fn with_tags(&self) -> Option<&str> {
        let mut listeners = self.table.as_ref().ok()?.listeners().iter();
        let tagged = listeners.find(|listener| !listener.tags.is_empty());
        tagged.map(|listener| &*listener.name)
    }
}

impl<P: Part<PermissionsConfig>> Listed for Listeners<P> {
    fn table(self) -> Result<HostTable, InvalidConfig> {
        self.table
    }
}

impl<'de, P: Part<PermissionsConfig>> Deserialize<'de> for Listeners<P> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_seq(Reading(PhantomData))
    }
}

struct Reading<P>(PhantomData<fn() -> P>);

impl<'de, P: Part<PermissionsConfig>> Visitor<'de> for Reading<P> {
    type Value = Listeners<P>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut builder = Builder::default();
        let mut result = Ok(());
        while let Some(listener) = list.next_element::<ListenerConfig<P>>()? {
            if result.is_ok() {
                result = add(&listener, &mut builder);
            }
        }
        let table = result.and_then(|()| Ok(builder.finish()?));
        Ok(Listeners {
            table,
            rules: PhantomData,
        })
    }
}

fn add<P: Part<PermissionsConfig>>(
    config: &ListenerConfig<P>,
    table: &mut Builder,
) -> Result<(), InvalidConfig> {
    let permissions = config.permissions.as_ref().map(Part::part);
    let permissions = permissions.map(Permissions::try_from).transpose();
    let permissions = permissions.map_err(|why| InvalidConfig::Rule {
        listener: config.name.clone(),
        why,
    })?;
    let listener = Listener::new(&config.name, &config.tags, permissions);
    if config.hostnames.is_empty() {
        table.add(listener, &[HostPattern::Any]);
        return Ok(());
    }
    let pattern = |hostname: &String| {
        hostname.parse().map_err(|why| InvalidConfig::Hostname {
            listener: config.name.clone(),
            hostname: hostname.clone(),
            why,
        })
    };
    let patterns = config.hostnames.iter().map(pattern);
    table.add(listener, &patterns.collect::<Result<Vec<_>, _>>()?);
    Ok(())
}
