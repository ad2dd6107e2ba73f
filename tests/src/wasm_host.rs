//! A proxy-wasm host on wasmtime: it does to a built filter what one worker of Envoy does, and keeps what the filter
//! calls.
//!
//! It follows Envoy where a filter could notice: a returned value goes into memory that the filter's own `malloc`
//! gives, of several headers with one name the first is returned, a counter that is defined again gets another id, and
//! a call that a capability restriction forbids fails with `InternalFailure`.
//!
//! ```no_run
//! # use system_tests::wasm_host::Host;
//! let mut envoy = Host::load("gateway");
//! let root = envoy.configure(r#"{"version":1,"listeners":[{"name":"any"}]}"#).unwrap();
//! let outcome = envoy.request(root, &[(":authority", b"foo.example.com")]);
//! assert!(outcome.forwarded());
//! ```

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex, PoisonError};

use wasmtime::{Engine, Instance, Linker, Module, Store};

mod imports;

/// A module in its VM.
pub struct Host {
    store: Store<Vm>,
    instance: Instance,
}

/// What the functions that a filter calls work on.
#[derive(Default)]
struct Vm {
    next_context: u32,
    roots: BTreeSet<u32>,
    stream: Option<u32>,
    effective: u32,
    configuration: Vec<u8>,
    headers: Headers,
    properties: BTreeMap<String, Vec<u8>>,
    closed: bool,
    filter_state: BTreeMap<String, String>,
    reply: Option<Reply>,
    calls: Vec<String>,
    forbidden: BTreeSet<String>,
    counters: Vec<(String, u64)>,
    log: Vec<(Level, String)>,
}

/// Headers in their order, with values that need not be text.
pub type Headers = Vec<(String, Vec<u8>)>;

/// A configured plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Root(u32);

/// Envoy's log levels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Level {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
    Critical,
}

/// The answer of a filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u32,
    /// Envoy's `%RESPONSE_CODE_DETAILS%`.
    pub details: String,
    /// The body.
    pub body: String,
    /// The headers that the filter adds.
    pub headers: Vec<(String, String)>,
}

/// What a filter did to a request.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Whether the filter let the request go on.
    continues: bool,
    /// The filter's answer.
    pub reply: Option<Reply>,
    /// Whether the filter closed the connection.
    pub closed: bool,
    /// The filter state that it set, by the keys that it gave.
    pub filter_state: BTreeMap<String, String>,
    /// The request's headers after it.
    pub headers: Headers,
    /// Its calls: the function without `proxy_`, and what it is about.
    pub calls: Vec<String>,
}

impl Outcome {
    /// Whether the request goes on to the next filter. As in Envoy, an answer ends it whatever the filter returns.
    pub fn forwarded(&self) -> bool {
        self.continues && self.reply.is_none() && !self.closed
    }

    /// The answer's status and body without its line break, or 200 for a request that goes on.
    pub fn verdict(&self) -> (u32, &str) {
        match &self.reply {
            Some(reply) => (reply.status, reply.body.trim_end_matches('\n')),
            None => (200, ""),
        }
    }

    /// A value of the filter state.
    pub fn state(&self, key: &str) -> Option<&str> {
        self.filter_state.get(key).map(String::as_str)
    }
}

/// The file of a built filter, e.g. of `gateway`.
pub fn path(name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    wasm_build::folder(&root).join(name).with_extension("wasm")
}

/// A built filter, compiled. The loader, which these tests depend on, has built it.
///
/// # Panics
/// If it was not built, or is no Wasm.
pub fn module(name: &str) -> Module {
    static MODULES: LazyLock<Mutex<HashMap<String, Module>>> = LazyLock::new(Mutex::default);
    let mut modules = MODULES.lock().unwrap_or_else(PoisonError::into_inner);
    let load = || {
        let path = path(name);
        Module::from_file(&Engine::default(), &path)
            .unwrap_or_else(|error| panic!("{}: {error:#}", path.display()))
    };
    modules.entry(name.to_owned()).or_insert_with(load).clone()
}

impl Host {
    /// A VM with this filter, and no plugin yet.
    ///
    /// # Panics
    /// If the filter imports something that it should not.
    pub fn load(name: &str) -> Self {
        Self::of(&module(name))
    }

    /// The same with a module that [`module`] does not know.
    ///
    /// # Panics
    /// As [`Self::load`].
    pub fn of(module: &Module) -> Self {
        let engine = module.engine();
        let mut store = Store::new(engine, Vm::default());
        let mut linker = Linker::new(engine);
        imports::link(&mut linker).expect("no function is defined twice");
        let instance = linker
            .instantiate(&mut store, module)
            .expect("the filter imports only what is there");
        Self { store, instance }
    }

    /// Starts a plugin with this configuration, as Envoy does for each new one; the error is what it logged.
    pub fn configure(&mut self, json: &str) -> Result<Root, String> {
        let vm = self.store.data_mut();
        vm.next_context += 1;
        let root = vm.next_context;
        vm.roots.insert(root);
        self.call_context_create(root, 0);
        match self.reconfigure(Root(root), json) {
            Ok(()) => Ok(Root(root)),
            Err(error) => {
                self.drop_root(Root(root));
                Err(error)
            }
        }
    }

    /// Gives a plugin that is there another configuration.
    ///
    /// # Panics
    /// If the filter traps.
    pub fn reconfigure(&mut self, root: Root, json: &str) -> Result<(), String> {
        let vm = self.store.data_mut();
        vm.configuration = json.as_bytes().to_vec();
        vm.effective = root.0;
        vm.log.clear();
        let size = u32::try_from(json.len()).expect("a configuration of less than 4 GiB");
        let configure = self
            .instance
            .get_typed_func::<(u32, u32), u32>(&mut self.store, "proxy_on_configure")
            .expect("exported");
        let accepted = configure
            .call(&mut self.store, (root.0, size))
            .expect("no trap");
        let vm = self.store.data();
        assert_eq!(vm.effective, root.0, "the filter has to set it back");
        let errors = vm.log.iter().map(|(_, text)| text.as_str());
        match accepted {
            0 => Err(errors.collect::<Vec<_>>().join("\n")),
            _ => Ok(()),
        }
    }

    /// Ends a plugin, as Envoy does when the last connection of its listener is gone. The filter is not told.
    pub fn drop_root(&mut self, root: Root) {
        self.store.data_mut().roots.remove(&root.0);
    }

    /// Lets a call fail from now on, as a capability restriction without it does.
    pub fn forbid(&mut self, call: &str) {
        self.store.data_mut().forbidden.insert(call.to_owned());
    }

    /// Sets an attribute of streams; the parts of its path have a space between them. An empty value removes it.
    pub fn set_property(&mut self, path: &str, value: &[u8]) {
        let properties = &mut self.store.data_mut().properties;
        match value {
            [] => properties.remove(path),
            value => properties.insert(path.to_owned(), value.to_vec()),
        };
    }

    /// Opens a connection through the plugin, as Envoy does where the filter is a network filter.
    ///
    /// # Panics
    /// If the filter traps, or is none.
    pub fn connect(&mut self, root: Root) -> Outcome {
        let context = self.create_stream(root);
        self.begin(context, Vec::new());
        let action = self
            .instance
            .get_typed_func::<u32, u32>(&mut self.store, "proxy_on_new_connection")
            .expect("exported")
            .call(&mut self.store, context)
            .expect("no trap");
        self.end(action)
    }

    /// Sends a request through the plugin.
    pub fn request(&mut self, root: Root, headers: &[(&str, &[u8])]) -> Outcome {
        let context = self.create_stream(root);
        self.request_in(context, headers)
    }

    /// A request for this host: see [`Self::request`].
    pub fn get(&mut self, root: Root, host: impl AsRef<[u8]>) -> Outcome {
        self.request(root, &[(":authority", host.as_ref()), (":path", b"/")])
    }

    /// Begins a stream of the plugin.
    pub fn create_stream(&mut self, root: Root) -> u32 {
        let vm = self.store.data_mut();
        vm.next_context += 1;
        let context = vm.next_context;
        self.call_context_create(context, root.0);
        context
    }

    /// Sends a request through a stream that was created before.
    ///
    /// # Panics
    /// If the filter traps.
    pub fn request_in(&mut self, context: u32, headers: &[(&str, &[u8])]) -> Outcome {
        let owned = |&(name, value): &(&str, &[u8])| (name.to_owned(), value.to_vec());
        self.begin(context, headers.iter().map(owned).collect());
        let count = u32::try_from(headers.len()).expect("fewer than 4 G headers");
        let callback = self
            .instance
            .get_typed_func::<(u32, u32, u32), u32>(&mut self.store, "proxy_on_request_headers")
            .expect("exported");
        let action = callback
            .call(&mut self.store, (context, count, 1))
            .expect("no trap");
        self.end(action)
    }

    fn begin(&mut self, context: u32, headers: Headers) {
        let vm = self.store.data_mut();
        vm.stream = Some(context);
        vm.effective = context;
        vm.headers = headers;
        vm.calls.clear();
        vm.filter_state.clear();
        vm.reply = None;
        vm.closed = false;
    }

    fn end(&mut self, action: u32) -> Outcome {
        let vm = self.store.data_mut();
        vm.stream = None;
        Outcome {
            continues: action == 0,
            reply: vm.reply.take(),
            closed: vm.closed,
            filter_state: vm.filter_state.clone(),
            headers: vm.headers.clone(),
            calls: vm.calls.clone(),
        }
    }

    fn call_context_create(&mut self, context: u32, root: u32) {
        self.instance
            .get_typed_func::<(u32, u32), ()>(&mut self.store, "proxy_on_context_create")
            .expect("exported")
            .call(&mut self.store, (context, root))
            .expect("no trap");
    }

    /// The counters, by name. One that was defined twice counts in one place, as in Envoy.
    pub fn counters(&self) -> BTreeMap<String, u64> {
        let mut sums = BTreeMap::new();
        for (name, value) in &self.store.data().counters {
            *sums.entry(name.clone()).or_default() += value;
        }
        sums
    }

    /// How often counters were defined. Each time costs Envoy memory for ever.
    pub fn definitions(&self) -> usize {
        self.store.data().counters.len()
    }

    /// What the filter has logged since its last configuration.
    pub fn log(&self) -> &[(Level, String)] {
        &self.store.data().log
    }

    /// The calls of the last configuration or request.
    pub fn calls(&self) -> &[String] {
        &self.store.data().calls
    }

    /// Forgets the calls so far.
    pub fn clear_calls(&mut self) {
        self.store.data_mut().calls.clear();
    }

    /// How often the filter took memory from its heap, if it counts that ([`wasm_build::build_counting`]).
    ///
    /// # Panics
    /// If it does not.
    pub fn allocations(&mut self) -> u32 {
        self.instance
            .get_typed_func::<(), u32>(&mut self.store, "meshgate_allocations")
            .expect("a filter that counts")
            .call(&mut self.store, ())
            .expect("no trap")
    }

    /// The size of the VM's memory, in bytes.
    ///
    /// # Panics
    /// If the module has no memory.
    pub fn memory_size(&mut self) -> usize {
        self.instance
            .get_memory(&mut self.store, "memory")
            .expect("exported")
            .data_size(&self.store)
    }
}
