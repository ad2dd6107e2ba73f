//! The configured plugins of this VM.
//!
//! Envoy runs all plugins with one `vm_id` in one VM for each worker, and calls each of them a root context. A changed
//! configuration is a new root context, and the old one lives on until its last connection is gone.

use std::cell::RefCell;
use std::rc::Rc;

use policy::{InvalidConfig, PluginConfig};

use crate::gate::{Gate, Settings};
use crate::host;
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
    listeners: Listeners,
    chain: Option<Box<str>>,
}

enum Listeners {
    Own(Rc<Table>),
    Of(Box<str>),
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

    fn add(&mut self, root: u32, config: &PluginConfig, table: Option<Table>) {
        let name: Option<Box<str>> = config.table.as_deref().map(Into::into);
        let listeners = match table.map(Rc::new) {
            Some(table) => {
                if let Some(name) = name {
                    let table = Rc::clone(&table);
                    self.tables.push(Shared { name, root, table });
                }
                Listeners::Own(table)
            }
            None => Listeners::Of(name.unwrap_or_default()),
        };
        let plugin = Plugin {
            root,
            settings: config.into(),
            listeners,
            chain: config.chain.as_deref().map(Into::into),
        };
        let place = self.plugins.partition_point(|other| other.root < root);
        self.plugins.insert(place, plugin);
    }

    /// Forgets `root`, to which a new configuration comes, and the plugins that Envoy has dropped.
    ///
    /// Envoy would tell of those through `proxy_on_delete`, but that would be one more call into the VM for every
    /// request. So they are asked for here, whenever there is a new one.
    fn sweep(&mut self, root: u32) {
        // Where a capability restriction forbids the question, every answer would be no.
        let may_ask = host::set_effective_context(root);
        self.plugins.retain(|plugin| {
            plugin.root != root && !(may_ask && !host::set_effective_context(plugin.root))
        });
        host::set_effective_context(root);
        let plugins = &self.plugins;
        self.tables
            .retain(|shared| plugins.iter().any(|plugin| plugin.root == shared.root));
    }

    fn gate(&self, root: Option<u32>) -> Result<Gate<'_>, Settings> {
        let plugin = root
            .and_then(|root| self.plugin(root))
            .ok_or_else(Settings::default)?;
        let table = match &plugin.listeners {
            Listeners::Own(table) => Some(table),
            Listeners::Of(name) => self.table(name),
        };
        let table = table.ok_or(plugin.settings)?;
        let chain = match &plugin.chain {
            Some(name) => Some(table.hosts.named(name).ok_or(plugin.settings)?),
            None => None,
        };
        Ok(Gate::new(plugin.settings, table, chain))
    }

    fn plugin(&self, root: u32) -> Option<&Plugin> {
        let place = self
            .plugins
            .binary_search_by_key(&root, |plugin| plugin.root);
        self.plugins.get(place.ok()?)
    }

    /// The newest table of this name: an older one belongs to a configuration that is being replaced.
    fn table(&self, name: &str) -> Option<&Rc<Table>> {
        let mut newest_first = self.tables.iter().rev();
        newest_first
            .find(|shared| &*shared.name == name)
            .map(|shared| &shared.table)
    }
}

/// Takes in the plugin `root`, and forgets those that Envoy has dropped.
pub(crate) fn configure(root: u32, config: &PluginConfig) -> Result<(), InvalidConfig> {
    let table = config.table()?.map(Table::new);
    ROOTS.with(|roots| {
        // Never borrowed here: callbacks do not run inside each other.
        if let Ok(mut roots) = roots.try_borrow_mut() {
            roots.sweep(root);
            roots.add(root, config, table);
        }
    });
    Ok(())
}

/// Calls `use_gate` with what the plugin `root` decides with, or with its settings if it cannot decide.
pub(crate) fn with<T>(
    root: Option<u32>,
    use_gate: impl FnOnce(Result<Gate<'_>, Settings>) -> T,
) -> T {
    ROOTS.with(|roots| match roots.try_borrow() {
        Ok(roots) => use_gate(roots.gate(root)),
        Err(_) => use_gate(Err(Settings::default())),
    })
}
