//! The functions that a filter may call.

use wasmtime::{Caller, Extern, Linker, Memory, Result};

use super::{Level, Reply, Vm};

const OK: u32 = 0;
const NOT_FOUND: u32 = 1;
const BAD_ARGUMENT: u32 = 2;
const INVALID_MEMORY_ACCESS: u32 = 6;
const INTERNAL_FAILURE: u32 = 10;
const REQUEST_HEADERS: u32 = 0;
const PLUGIN_CONFIGURATION: u32 = 7;
const COUNTER: u32 = 0;
const DOWNSTREAM: u32 = 2;

/// Defines them all; Envoy has more, which the filters do not use.
pub(super) fn link(linker: &mut Linker<Vm>) -> Result<()> {
    linker.func_wrap("env", "proxy_log", log)?;
    linker.func_wrap("env", "proxy_get_header_map_value", get_header)?;
    linker.func_wrap("env", "proxy_remove_header_map_value", remove_header)?;
    linker.func_wrap("env", "proxy_replace_header_map_value", replace_header)?;
    linker.func_wrap("env", "proxy_get_property", get_property)?;
    linker.func_wrap("env", "proxy_close_stream", close_stream)?;
    linker.func_wrap("env", "proxy_get_buffer_bytes", get_buffer)?;
    linker.func_wrap("env", "proxy_set_property", set_property)?;
    linker.func_wrap("env", "proxy_send_local_response", send_local_response)?;
    linker.func_wrap("env", "proxy_define_metric", define_metric)?;
    linker.func_wrap("env", "proxy_increment_metric", increment_metric)?;
    linker.func_wrap("env", "proxy_set_effective_context", set_effective_context)?;
    Ok(())
}

fn log(mut filter: Caller<'_, Vm>, level: u32, text: u32, size: u32) -> u32 {
    if let Err(status) = enter(&mut filter, "log", "") {
        return status;
    }
    let level = match level {
        0 => Level::Trace,
        1 => Level::Debug,
        2 => Level::Info,
        3 => Level::Warn,
        4 => Level::Error,
        5 => Level::Critical,
        _ => return BAD_ARGUMENT,
    };
    let text = text_at(&mut filter, text, size);
    filter.data_mut().log.push((level, text));
    OK
}

fn get_header(
    mut filter: Caller<'_, Vm>,
    map: u32,
    name: u32,
    name_size: u32,
    value: u32,
    value_size: u32,
) -> u32 {
    let name = text_at(&mut filter, name, name_size);
    if let Err(status) = enter(&mut filter, "get_header_map_value", &name) {
        return status;
    }
    if map != REQUEST_HEADERS || filter.data().stream.is_none() {
        return BAD_ARGUMENT;
    }
    let mut headers = filter.data().headers.iter();
    match headers.find(|(other, _)| *other == name) {
        Some((_, found)) => {
            let found = found.clone();
            hand_over(&mut filter, &found, value, value_size)
        }
        None => NOT_FOUND,
    }
}

fn remove_header(mut filter: Caller<'_, Vm>, map: u32, name: u32, name_size: u32) -> u32 {
    let name = text_at(&mut filter, name, name_size);
    if let Err(status) = enter(&mut filter, "remove_header_map_value", &name) {
        return status;
    }
    if map != REQUEST_HEADERS || filter.data().stream.is_none() {
        return BAD_ARGUMENT;
    }
    filter
        .data_mut()
        .headers
        .retain(|(other, _)| *other != name);
    OK
}

fn replace_header(
    mut filter: Caller<'_, Vm>,
    map: u32,
    name: u32,
    name_size: u32,
    value: u32,
    value_size: u32,
) -> u32 {
    let name = text_at(&mut filter, name, name_size);
    let value = bytes_at(&mut filter, value, value_size);
    if let Err(status) = enter(&mut filter, "replace_header_map_value", &name) {
        return status;
    }
    if map != REQUEST_HEADERS || filter.data().stream.is_none() {
        return BAD_ARGUMENT;
    }
    let headers = &mut filter.data_mut().headers;
    headers.retain(|(other, _)| *other != name);
    headers.push((name, value));
    OK
}

fn get_property(
    mut filter: Caller<'_, Vm>,
    path: u32,
    path_size: u32,
    value: u32,
    value_size: u32,
) -> u32 {
    let path = text_at(&mut filter, path, path_size).replace('\0', " ");
    if let Err(status) = enter(&mut filter, "get_property", &path) {
        return status;
    }
    match filter.data().properties.get(&path).cloned() {
        Some(found) => hand_over(&mut filter, &found, value, value_size),
        None => NOT_FOUND,
    }
}

fn close_stream(mut filter: Caller<'_, Vm>, stream: u32) -> u32 {
    if let Err(status) = enter(&mut filter, "close_stream", &stream.to_string()) {
        return status;
    }
    filter.data_mut().closed |= stream == DOWNSTREAM;
    OK
}

fn get_buffer(
    mut filter: Caller<'_, Vm>,
    buffer: u32,
    start: u32,
    max_size: u32,
    value: u32,
    value_size: u32,
) -> u32 {
    if let Err(status) = enter(&mut filter, "get_buffer_bytes", &buffer.to_string()) {
        return status;
    }
    if buffer != PLUGIN_CONFIGURATION {
        return NOT_FOUND;
    }
    let bytes = filter.data().configuration.iter();
    let part: Vec<u8> = bytes
        .skip(start as usize)
        .take(max_size as usize)
        .copied()
        .collect();
    hand_over(&mut filter, &part, value, value_size)
}

fn set_property(
    mut filter: Caller<'_, Vm>,
    path: u32,
    path_size: u32,
    value: u32,
    value_size: u32,
) -> u32 {
    let path = text_at(&mut filter, path, path_size);
    if let Err(status) = enter(&mut filter, "set_property", &path) {
        return status;
    }
    if filter.data().stream.is_none() {
        return NOT_FOUND;
    }
    let value = text_at(&mut filter, value, value_size);
    filter.data_mut().filter_state.insert(path, value);
    OK
}

#[expect(clippy::too_many_arguments, reason = "the ABI has them")]
fn send_local_response(
    mut filter: Caller<'_, Vm>,
    status: u32,
    details: u32,
    details_size: u32,
    body: u32,
    body_size: u32,
    headers: u32,
    headers_size: u32,
    grpc_status: i32,
) -> u32 {
    if let Err(failure) = enter(&mut filter, "send_local_response", &status.to_string()) {
        return failure;
    }
    assert_eq!(grpc_status, -1, "Envoy knows better");
    let headers = bytes_at(&mut filter, headers, headers_size);
    let reply = Reply {
        status,
        details: text_at(&mut filter, details, details_size),
        body: text_at(&mut filter, body, body_size),
        headers: pairs(&headers).expect("headers in the form of the ABI"),
    };
    let earlier = filter.data_mut().reply.replace(reply);
    assert_eq!(earlier, None, "one answer for one request");
    OK
}

fn define_metric(mut filter: Caller<'_, Vm>, kind: u32, name: u32, name_size: u32, id: u32) -> u32 {
    let name = text_at(&mut filter, name, name_size);
    if let Err(status) = enter(&mut filter, "define_metric", &name) {
        return status;
    }
    if kind != COUNTER {
        return BAD_ARGUMENT;
    }
    let counters = &mut filter.data_mut().counters;
    counters.push((name, 0));
    // The last bits of Envoy's ids say what kind of metric it is.
    let new = u32::try_from(counters.len()).expect("fewer than 4 G counters") << 2;
    write(&mut filter, id, &new.to_le_bytes())
}

fn increment_metric(mut filter: Caller<'_, Vm>, id: u32, by: i64) -> u32 {
    let index = (id >> 2).wrapping_sub(1) as usize;
    let counters = &filter.data().counters;
    let name = counters.get(index).map(|(name, _)| name.clone());
    let Some(name) = name else {
        return NOT_FOUND;
    };
    if let Err(status) = enter(&mut filter, "increment_metric", &name) {
        return status;
    }
    match u64::try_from(by) {
        Ok(by) if by > 0 => {
            filter.data_mut().counters[index].1 += by;
            OK
        }
        _ => BAD_ARGUMENT,
    }
}

fn set_effective_context(mut filter: Caller<'_, Vm>, context: u32) -> u32 {
    if let Err(status) = enter(&mut filter, "set_effective_context", &context.to_string()) {
        return status;
    }
    let vm = filter.data_mut();
    if !vm.roots.contains(&context) && vm.stream != Some(context) {
        return BAD_ARGUMENT;
    }
    vm.effective = context;
    OK
}

/// Keeps the call, unless it is forbidden.
fn enter(filter: &mut Caller<'_, Vm>, call: &str, about: &str) -> Result<(), u32> {
    let vm = filter.data_mut();
    if vm.forbidden.contains(call) {
        return Err(INTERNAL_FAILURE);
    }
    vm.calls
        .push(format!("{call} {about}").trim_end().to_owned());
    Ok(())
}

/// Returns a value to the filter: in memory from its `malloc`, and nothing for an empty one.
fn hand_over(filter: &mut Caller<'_, Vm>, bytes: &[u8], address: u32, size: u32) -> u32 {
    let place = if bytes.is_empty() {
        0
    } else {
        let malloc = filter.get_export("malloc").and_then(Extern::into_func);
        let malloc = malloc.expect("exported");
        let malloc = malloc
            .typed::<u32, u32>(&filter)
            .expect("of the ABI's type");
        let place = malloc
            .call(&mut *filter, u32::try_from(bytes.len()).expect("small"))
            .expect("no trap");
        if place == 0 {
            return INVALID_MEMORY_ACCESS;
        }
        place
    };
    let length = u32::try_from(bytes.len()).expect("small");
    for (address, bytes) in [
        (place, bytes),
        (address, &place.to_le_bytes()),
        (size, &length.to_le_bytes()),
    ] {
        if write(filter, address, bytes) != OK {
            return INVALID_MEMORY_ACCESS;
        }
    }
    OK
}

fn write(filter: &mut Caller<'_, Vm>, address: u32, bytes: &[u8]) -> u32 {
    let memory = memory(filter);
    match memory.write(filter, address as usize, bytes) {
        Ok(()) => OK,
        Err(_) => INVALID_MEMORY_ACCESS,
    }
}

fn memory(filter: &mut Caller<'_, Vm>) -> Memory {
    filter
        .get_export("memory")
        .and_then(Extern::into_memory)
        .expect("exported")
}

fn bytes_at(filter: &mut Caller<'_, Vm>, address: u32, size: u32) -> Vec<u8> {
    let memory = memory(filter);
    let start = address as usize;
    let bytes = memory.data(&filter).get(start..start + size as usize);
    bytes.expect("inside the memory").to_vec()
}

fn text_at(filter: &mut Caller<'_, Vm>, address: u32, size: u32) -> String {
    String::from_utf8(bytes_at(filter, address, size)).expect("the filters send text only")
}

/// Reads headers: their number, sizes of names and values, then names and values with a zero after each.
fn pairs(bytes: &[u8]) -> Option<Vec<(String, String)>> {
    if bytes.is_empty() {
        return Some(Vec::new());
    }
    let number = |at: usize| -> Option<usize> {
        let bytes = bytes.get(at..at + 4)?.try_into().ok()?;
        usize::try_from(u32::from_le_bytes(bytes)).ok()
    };
    let count = number(0)?;
    let mut at = 4 + 8 * count;
    let mut text = |size: usize| -> Option<String> {
        let text = String::from_utf8(bytes.get(at..at + size)?.to_vec()).ok()?;
        let zero = bytes.get(at + size)?;
        at += size + 1;
        (*zero == 0).then_some(text)
    };
    let pairs = (0..count).map(|i| Some((text(number(4 + 8 * i)?)?, text(number(8 + 8 * i)?)?)));
    let pairs = pairs.collect::<Option<Vec<_>>>()?;
    (at == bytes.len()).then_some(pairs)
}
