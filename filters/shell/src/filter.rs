//! What a filter is, and the callbacks through which Envoy drives it.

use std::cell::Cell;

use policy::{PluginConfig, Refusal, RequestView};

use crate::gate::{Gate, Settings, refuse};
use crate::host::{self, Level};
use crate::{memory, roots};

/// A filter of requests: its parts that differ from the other filters.
pub trait Filter {
    /// The name of the module's file, for messages.
    const NAME: &str;

    /// Refuses settings that the filter would ignore.
    fn check(config: &PluginConfig) -> Result<(), String>;

    /// Handles the headers of a request.
    fn request(gate: &Gate<'_>) -> Action;
}

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
/// One stream is enough to remember: Envoy creates a stream's context right before it passes the stream's headers
/// (`Context::decodeHeaders` in `source/extensions/common/wasm/context.cc` at 1.40.0), and the filters have no other
/// callback. So there is no map of contexts to keep, and nothing to do when a stream ends.
pub fn create_context(context: u32, root: u32) {
    STREAM.with(|stream| stream.set((context, root)));
}

/// Reads a plugin's configuration; false refuses it.
pub fn configure<F: Filter>(root: u32, size: usize) -> bool {
    memory::reset();
    let callback = ();
    let json = host::plugin_configuration(&callback, size);
    let result = match json.as_deref() {
        None | Some([]) => Err("there is none".to_owned()),
        Some(json) => PluginConfig::from_json(json)
            .map_err(|error| error.to_string())
            .and_then(|config| {
                F::check(&config)?;
                roots::configure(root, &config).map_err(|error| error.to_string())
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
    memory::reset();
    let (stream, root) = STREAM.with(Cell::get);
    let root = (stream == context).then_some(root);
    let no_config = |settings: Settings| {
        let unread = RequestView::new(None);
        refuse(settings, None, &Refusal::NO_CONFIG, &unread)
    };
    roots::with(root, |found| match found {
        Ok(gate) => F::request(&gate),
        Err(settings) => no_config(settings),
    })
}
