//! The configured plugins of this VM.
//!
//! Envoy runs all plugins with one `vm_id` in one VM for each worker, and calls each of them a root context. A changed
//! configuration is a new root context, and the old one lives on until its last connection is gone.

use std::cell::RefCell;
use std::rc::Rc;

use policy::InvalidConfig;

use crate::filter::{Config, Filter};
use crate::gate::Gate;
use crate::host;
use crate::outbound::{Destinations, Exit};
use crate::refuse::Settings;
use crate::table::Table;

thread_local! {
    static ROOTS: RefCell<Roots> = const { RefCell::new(Roots::new()) };
}

struct Roots {
    /// By `root`, which Envoy counts upwards.
    plugins: Vec<Plugin>,
    /// The newest last.
    tables: Vec<Shared>,
}

struct Plugin {
    root: u32,
    settings: Settings,
    side: Configured,
}

/// What a plugin decides with.
enum Configured {
    Inbound {
        table: Rc<Table>,
        /// The place of the chain's listener in the table.
        chain: Option<usize>,
        elsewhere: Option<Box<str>>,
    },
    Outbound(Box<Destinations>),
}

/// The side that a request came to.
pub(crate) enum Side<'a> {
    /// That of a gateway.
    Inbound(Gate<'a>),
    /// That of an outbound.
    Outbound(Exit<'a>),
}

/// A table that its plugin shares with others.
struct Shared {
    name: Box<str>,
    root: u32,
    table: Rc<Table>,
}

impl Roots {
    const fn new() -> Self {
        Self {
            plugins: Vec::new(),
            tables: Vec::new(),
        }
    }

    fn add(&mut self, plugin: Plugin, gives: Option<&str>) {
        let root = plugin.root;
        if let (Some(name), Configured::Inbound { table, .. }) = (gives, &plugin.side) {
            self.tables.push(Shared {
                name: name.into(),
                root,
                table: Rc::clone(table),
            });
        }
        let place = self.plugins.partition_point(|other| other.root < root);
        self.plugins.insert(place, plugin);
    }

    /// Forgets the plugins that Envoy has dropped, on behalf of `root`.
    ///
    /// Envoy would tell of those through `proxy_on_delete`, but that would be one more call into the VM for every
    /// request. So they are asked for here, whenever there is a new one.
    fn sweep(&mut self, root: u32) {
        // Where a capability restriction forbids the question, every answer would be no.
        let may_ask = host::set_effective_context(root);
        let is_alive = |root| !may_ask || host::set_effective_context(root);
        self.retain(|other| other == root || is_alive(other));
        host::set_effective_context(root);
    }

    fn retain(&mut self, stays: impl Fn(u32) -> bool) {
        self.plugins.retain(|plugin| stays(plugin.root));
        let plugins = &self.plugins;
        self.tables
            .retain(|shared| plugins.iter().any(|plugin| plugin.root == shared.root));
    }

    fn plugin(&self, root: u32) -> Option<&Plugin> {
        let place = self
            .plugins
            .binary_search_by_key(&root, |plugin| plugin.root);
        self.plugins.get(place.ok()?)
    }

    /// The newest table of this name: an older one belongs to a configuration that is being replaced.
    fn table(&self, name: &str) -> Option<&Table> {
        let mut newest_first = self.tables.iter().rev();
        newest_first
            .find(|shared| &*shared.name == name)
            .map(|shared| &*shared.table)
    }
}

/// Forgets the plugins that Envoy has dropped: before a new one brings its tables, so that their memory is there for it.
pub(crate) fn sweep(root: u32) {
    ROOTS.with(|roots| {
        if let Ok(mut roots) = roots.try_borrow_mut() {
            roots.sweep(root);
        }
    });
}

/// Takes in the plugin `root`.
pub(crate) fn configure<F: Filter>(root: u32, mut config: Config<F>) -> Result<(), InvalidConfig> {
    let side = match config.outbound()? {
        Some(outbound) => Configured::Outbound(Box::new(Destinations::new(outbound))),
        None => {
            // Without listeners nothing gets in.
            let table = Table::new(config.table()?.unwrap_or_default());
            let chain = config.chain.as_deref();
            Configured::Inbound {
                chain: chain.and_then(|name| table.hosts.index_of(table.hosts.named(name)?)),
                table: Rc::new(table),
                elsewhere: config.elsewhere.as_deref().map(Into::into),
            }
        }
    };
    let plugin = Plugin {
        root,
        settings: (&config).into(),
        side,
    };
    ROOTS.with(|roots| {
        // Never borrowed here: callbacks do not run inside each other.
        if let Ok(mut roots) = roots.try_borrow_mut() {
            roots.retain(|other| other != root);
            roots.add(plugin, config.table.as_deref());
        }
    });
    Ok(())
}

/// Calls `act` with what the plugin `root` decides with, if it is there.
pub(crate) fn with<T>(root: Option<u32>, act: impl FnOnce(Option<Side<'_>>) -> T) -> T {
    ROOTS.with(|roots| {
        let Ok(roots) = roots.try_borrow() else {
            return act(None);
        };
        let Some(plugin) = root.and_then(|root| roots.plugin(root)) else {
            return act(None);
        };
        match &plugin.side {
            Configured::Inbound {
                table,
                chain,
                elsewhere,
            } => {
                let chain = chain.and_then(|index| table.hosts.listeners().get(index));
                let elsewhere = || roots.table(elsewhere.as_deref()?);
                let gate = Gate::new(plugin.settings, table, chain, &elsewhere);
                act(Some(Side::Inbound(gate)))
            }
            Configured::Outbound(destinations) => {
                let exit = Exit::new(plugin.settings, destinations);
                act(Some(Side::Outbound(exit)))
            }
        }
    })
}
