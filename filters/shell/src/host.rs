//! The functions of Envoy that the filters call (proxy-wasm ABI 0.2.1), as safe Rust.
//!
//! None of them panics: what Envoy does not do (because it does not know it, or because a capability restriction
//! forbids it) is an absent value or a `false`.
#![expect(
    unsafe_code,
    reason = "imported functions that take and return addresses"
)]

use core::ptr::null_mut;

use crate::memory::HostBytes;

mod import {
    #[link(wasm_import_module = "env")]
    unsafe extern "C" {
        pub(super) fn proxy_log(level: u32, text: *const u8, size: usize) -> u32;
        pub(super) fn proxy_get_header_map_value(
            map: u32,
            name: *const u8,
            name_size: usize,
            value: *mut *mut u8,
            value_size: *mut usize,
        ) -> u32;
        pub(super) fn proxy_remove_header_map_value(
            map: u32,
            name: *const u8,
            name_size: usize,
        ) -> u32;
        pub(super) fn proxy_replace_header_map_value(
            map: u32,
            name: *const u8,
            name_size: usize,
            value: *const u8,
            value_size: usize,
        ) -> u32;
        pub(super) fn proxy_get_property(
            path: *const u8,
            path_size: usize,
            value: *mut *mut u8,
            value_size: *mut usize,
        ) -> u32;
        pub(super) fn proxy_close_stream(stream: u32) -> u32;
        pub(super) fn proxy_get_buffer_bytes(
            buffer: u32,
            start: usize,
            max_size: usize,
            value: *mut *mut u8,
            value_size: *mut usize,
        ) -> u32;
        pub(super) fn proxy_set_property(
            path: *const u8,
            path_size: usize,
            value: *const u8,
            value_size: usize,
        ) -> u32;
        pub(super) fn proxy_send_local_response(
            status: u32,
            details: *const u8,
            details_size: usize,
            body: *const u8,
            body_size: usize,
            headers: *const u8,
            headers_size: usize,
            grpc_status: i32,
        ) -> u32;
        pub(super) fn proxy_define_metric(
            kind: u32,
            name: *const u8,
            name_size: usize,
            id: *mut u32,
        ) -> u32;
        pub(super) fn proxy_increment_metric(id: u32, by: i64) -> u32;
        pub(super) fn proxy_set_effective_context(context: u32) -> u32;
    }
}

const OK: u32 = 0;
const REQUEST_HEADERS: u32 = 0;
const PLUGIN_CONFIGURATION: u32 = 7;
const COUNTER: u32 = 0;
const DOWNSTREAM: u32 = 2;
/// `filter_state`, and [`policy::telemetry::state::CLIENT`].
const CLIENT: &str = "filter_state\0meshgate.client";
/// Envoy derives the gRPC status from the HTTP status.
const NO_GRPC_STATUS: i32 = -1;

/// Envoy's log levels, as far as they are used.
#[derive(Clone, Copy)]
pub(crate) enum Level {
    Debug = 1,
    Error = 4,
}

/// Writes a line to Envoy's log.
pub(crate) fn log(level: Level, text: &str) {
    // SAFETY: Envoy reads the text during the call.
    unsafe { import::proxy_log(level as u32, text.as_ptr(), text.len()) };
}

/// The value of a request header; of several with this name, the first.
///
/// Every function that returns a value ties it to `_callback`, something that does not outlive the callback.
pub(crate) fn request_header<'c, C>(_callback: &'c C, name: &str) -> Option<HostBytes<'c>> {
    let (mut value, mut size) = (null_mut(), 0);
    // SAFETY: the name is read and both results are written during the call.
    let status = unsafe {
        import::proxy_get_header_map_value(
            REQUEST_HEADERS,
            name.as_ptr(),
            name.len(),
            &raw mut value,
            &raw mut size,
        )
    };
    // SAFETY: Envoy got the memory from `allocate` just now.
    (status == OK).then(|| unsafe { HostBytes::new(value, size) })
}

/// Removes every request header with this name. This makes Envoy choose the route again.
pub(crate) fn remove_request_header(name: &str) {
    // SAFETY: the name is read during the call.
    unsafe { import::proxy_remove_header_map_value(REQUEST_HEADERS, name.as_ptr(), name.len()) };
}

/// Puts one request header in the place of all with this name; false if Envoy did not. This makes Envoy choose the
/// route again.
pub(crate) fn replace_request_header(name: &str, value: &str) -> bool {
    // SAFETY: both texts are read during the call.
    let status = unsafe {
        import::proxy_replace_header_map_value(
            REQUEST_HEADERS,
            name.as_ptr(),
            name.len(),
            value.as_ptr(),
            value.len(),
        )
    };
    status == OK
}

/// An attribute of the stream. The parts of its path have a zero between them.
pub(crate) fn property<'c, C>(_callback: &'c C, path: &str) -> Option<HostBytes<'c>> {
    let (mut value, mut size) = (null_mut(), 0);
    // SAFETY: the path is read and both results are written during the call.
    let status = unsafe {
        import::proxy_get_property(path.as_ptr(), path.len(), &raw mut value, &raw mut size)
    };
    // SAFETY: Envoy got the memory from `allocate` just now.
    (status == OK).then(|| unsafe { HostBytes::new(value, size) })
}

/// The URIs of the client's certificate.
///
/// Envoy has an attribute for them, `connection.uri_san_peer_certificate`, but it is the first URI only (seen on 1.36.4
/// and 1.40.0), and certificates of Kuma have several. `x-forwarded-client-cert` has all, but where the connection
/// manager does not replace it, it is the client's. A filter state is absent then, and nobody gets in.
pub(crate) fn client<C>(callback: &C) -> Option<HostBytes<'_>> {
    property(callback, CLIENT)
}

/// Closes the connection to the client.
pub(crate) fn close_connection() -> bool {
    // SAFETY: no memory is passed.
    unsafe { import::proxy_close_stream(DOWNSTREAM) == OK }
}

/// The configuration of the plugin that is being configured.
pub(crate) fn plugin_configuration<C>(_callback: &C, size: usize) -> Option<HostBytes<'_>> {
    let (mut value, mut value_size) = (null_mut(), 0);
    // SAFETY: both results are written during the call.
    let status = unsafe {
        import::proxy_get_buffer_bytes(
            PLUGIN_CONFIGURATION,
            0,
            size,
            &raw mut value,
            &raw mut value_size,
        )
    };
    // SAFETY: Envoy got the memory from `allocate` just now.
    (status == OK).then(|| unsafe { HostBytes::new(value, value_size) })
}

/// Sets the filter state `wasm.<key>` of the request.
pub(crate) fn set_filter_state(key: &str, value: &str) {
    // SAFETY: both texts are read during the call.
    unsafe {
        import::proxy_set_property(key.as_ptr(), key.len(), value.as_ptr(), value.len());
    }
}

/// Answers the request. Envoy does so when the callback returns.
pub(crate) fn answer(status: u16, details: &str, body: &str, header: Option<(&str, &str)>) -> bool {
    let headers = pairs(header);
    // SAFETY: all of it is read during the call.
    let result = unsafe {
        import::proxy_send_local_response(
            status.into(),
            details.as_ptr(),
            details.len(),
            body.as_ptr(),
            body.len(),
            headers.as_ptr(),
            headers.len(),
            NO_GRPC_STATUS,
        )
    };
    result == OK
}

/// Headers in the form of the ABI: their number, then the sizes, then names and values, each with a zero after it.
fn pairs(header: Option<(&str, &str)>) -> Vec<u8> {
    let Some((name, value)) = header else {
        return Vec::new();
    };
    let mut bytes = Vec::new();
    for number in [1, name.len(), value.len()] {
        bytes.extend_from_slice(&u32::try_from(number).unwrap_or_default().to_le_bytes());
    }
    for text in [name, value] {
        bytes.extend_from_slice(text.as_bytes());
        bytes.push(0);
    }
    bytes
}

/// Defines a counter, which Envoy calls `wasmcustom.<name>`. A name that is defined again gets another id.
pub(crate) fn define_counter(name: &str) -> Option<u32> {
    let mut id = 0;
    // SAFETY: the name is read and the id written during the call.
    let status =
        unsafe { import::proxy_define_metric(COUNTER, name.as_ptr(), name.len(), &raw mut id) };
    (status == OK).then_some(id)
}

/// Adds one to a counter.
pub(crate) fn increment(counter: u32) {
    // SAFETY: no memory is passed.
    unsafe { import::proxy_increment_metric(counter, 1) };
}

/// Makes this context the one that calls act on; false if Envoy has no such context.
pub(crate) fn set_effective_context(context: u32) -> bool {
    // SAFETY: no memory is passed.
    unsafe { import::proxy_set_effective_context(context) == OK }
}
