//! What a filter is, and the callbacks through which Envoy drives it.

use std::cell::Cell;

use policy::config::{CrossMeshConfig, ExternalAccessConfig, Listed, Part};
use policy::telemetry::requests_counter;
use policy::{PluginConfig, Refusal, RequestView};

use crate::gate::Gate;
use crate::host::{self, Level};
use crate::outbound::Exit;
use crate::refuse::{Settings, refuse};
use crate::roots::Side;
use crate::{memory, roots};

/// A filter of requests: its parts that differ from the other filters.
pub trait Filter {
    /// The name of the module's file, for messages.
    const NAME: &str;

    /// Its configuration of gateways of meshes, or [`Unused`](policy::config::Unused).
    type CrossMesh: Part<CrossMeshConfig>;

    /// Its configuration of what is outside the mesh, or [`Unused`](policy::config::Unused).
    type ExternalAccess: Part<ExternalAccessConfig>;

    /// Its listeners: [`Listeners`](policy::config::Listeners), or [`Unused`](policy::config::Unused).
    type Listeners: Listed;

    /// Refuses settings that the filter would ignore.
    fn check(config: &Config<Self>) -> Result<(), String>;

    /// Handles the headers of a request to a gateway.
    fn request(gate: &Gate<'_>) -> Action;

    /// Handles the headers of a request that wants to leave.
    fn leave(exit: &Exit<'_>) -> Action;
}

/// The configuration of a filter.
pub type Config<F> =
    PluginConfig<<F as Filter>::CrossMesh, <F as Filter>::ExternalAccess, <F as Filter>::Listeners>;

/// What Envoy does with a request after the filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Action {
    /// It goes on to the next filter.
    Continue = 0,
    /// It goes no further.
    Stop = 1,
}

thread_local! {
    /// The stream that was created last, and its plugin.
    static STREAM: Cell<(u32, u32)> = const { Cell::new((0, 0)) };
}

/// Remembers which plugin a stream belongs to.
///
/// One stream is enough to remember: Envoy creates a stream's context right before it passes the stream's headers, or
/// tells of the new connection (`Context::decodeHeaders` and `Context::onNewConnection` in
/// `source/extensions/common/wasm/context.cc` at 1.40.0), and the filters have no other callback. So there is no map of contexts to keep, and nothing to do when a stream ends.
pub fn create_context(context: u32, root: u32) {
    STREAM.with(|stream| stream.set((context, root)));
}

/// Reads a plugin's configuration; false refuses it.
pub fn configure<F: Filter>(root: u32, size: usize) -> bool {
    memory::reset();
    roots::sweep(root);
    let callback = ();
    let json = host::plugin_configuration(&callback, size);
    let result = match json.as_deref() {
        None | Some([]) => Err("there is none".to_owned()),
        Some(json) => Config::<F>::read(json)
            .map_err(|error| error.to_string())
            .and_then(|config| {
                F::check(&config)?;
                roots::configure::<F>(root, config).map_err(|error| error.to_string())
            }),
    };
    match result {
        Ok(()) => true,
        Err(error) => {
            let text = format!("{}: plugin configuration: {error}", F::NAME);
            host::log(Level::Error, &text);
            false
        }
    }
}

/// Handles the headers of a request.
pub fn request_headers<F: Filter>(context: u32) -> Action {
    with_plugin_of(context, |side| match side {
        Some(Side::Inbound(gate)) => F::request(&gate),
        Some(Side::Outbound(exit)) => F::leave(&exit),
        None => {
            let unread = RequestView::new(None);
            refuse(Settings::default(), None, &Refusal::NO_CONFIG, &unread)
        }
    })
}

/// Handles a new connection.
pub fn new_connection(context: u32) -> Action {
    with_plugin_of(context, |side| match side {
        Some(Side::Outbound(exit)) => exit.connection(),
        // Listeners are about requests.
        Some(Side::Inbound(_)) | None => {
            let counter = |outcome| requests_counter(None, outcome);
            Settings::default().refuse_connection(&Refusal::NO_CONFIG, counter)
        }
    })
}

/// Calls `act` with what the plugin of this stream decides with.
fn with_plugin_of(context: u32, act: impl FnOnce(Option<Side<'_>>) -> Action) -> Action {
    memory::reset();
    let (stream, root) = STREAM.with(Cell::get);
    roots::with((stream == context).then_some(root), act)
}
