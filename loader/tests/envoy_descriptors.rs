//! `loader/src/envoy/descriptors.bin` is what the `.proto` files of the crate `envoy-types` say.
//!
//! `UPDATE=1 cargo test -p meshgate --test envoy_descriptors` writes it anew.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use prost::Message;
use prost_reflect::DescriptorPool;
use prost_reflect::prost_types::{
    DescriptorProto, EnumDescriptorProto, EnumOptions, FileDescriptorProto, FileDescriptorSet,
    MessageOptions,
};

/// The files of the messages that the loader packs into an `Any`, and that of the bootstrap. The rest is imported.
const ROOTS: [&str; 36] = [
    "envoy/config/bootstrap/v3/bootstrap.proto",
    "envoy/extensions/access_loggers/file/v3/file.proto",
    "envoy/extensions/access_loggers/filters/cel/v3/cel.proto",
    "envoy/extensions/access_loggers/open_telemetry/v3/logs_service.proto",
    "envoy/extensions/access_loggers/stream/v3/stream.proto",
    "envoy/extensions/compression/gzip/compressor/v3/gzip.proto",
    "envoy/extensions/filters/http/compressor/v3/compressor.proto",
    "envoy/extensions/filters/http/cors/v3/cors.proto",
    "envoy/extensions/filters/http/fault/v3/fault.proto",
    "envoy/extensions/filters/http/grpc_web/v3/grpc_web.proto",
    "envoy/extensions/filters/http/jwt_authn/v3/config.proto",
    "envoy/extensions/filters/http/local_ratelimit/v3/local_rate_limit.proto",
    "envoy/extensions/filters/http/rbac/v3/rbac.proto",
    "envoy/extensions/filters/http/router/v3/router.proto",
    "envoy/extensions/filters/http/set_filter_state/v3/set_filter_state.proto",
    "envoy/extensions/filters/http/wasm/v3/wasm.proto",
    "envoy/extensions/filters/listener/http_inspector/v3/http_inspector.proto",
    "envoy/extensions/filters/listener/original_dst/v3/original_dst.proto",
    "envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector.proto",
    "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.proto",
    "envoy/extensions/filters/network/rbac/v3/rbac.proto",
    "envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy.proto",
    "envoy/extensions/filters/network/wasm/v3/wasm.proto",
    "envoy/extensions/filters/udp/dns_filter/v3/dns_filter.proto",
    "envoy/extensions/http/early_header_mutation/header_mutation/v3/header_mutation.proto",
    "envoy/extensions/resource_monitors/downstream_connections/v3/downstream_connections.proto",
    "envoy/extensions/retry/host/omit_host_metadata/v3/omit_host_metadata_config.proto",
    "envoy/extensions/retry/host/previous_hosts/v3/previous_hosts.proto",
    "envoy/extensions/retry/priority/previous_priorities/v3/previous_priorities_config.proto",
    "envoy/extensions/transport_sockets/proxy_protocol/v3/upstream_proxy_protocol.proto",
    "envoy/extensions/transport_sockets/raw_buffer/v3/raw_buffer.proto",
    "envoy/extensions/transport_sockets/tls/v3/tls.proto",
    "envoy/extensions/upstreams/http/v3/http_protocol_options.proto",
    "envoy/service/discovery/v3/discovery.proto",
    "envoy/service/runtime/v3/rtds.proto",
    "google/protobuf/wrappers.proto",
];

#[test]
fn descriptors_are_those_of_envoy_types() {
    let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/envoy/descriptors.bin");
    let compiled = compile().encode_to_vec();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&committed, &compiled).unwrap();
    }
    DescriptorPool::decode(compiled.as_slice()).unwrap();
    assert!(
        std::fs::read(&committed).unwrap() == compiled,
        "{} is stale: run this test with UPDATE=1",
        committed.display()
    );
}

fn compile() -> FileDescriptorSet {
    let proto = envoy_types().join("proto");
    let includes = std::fs::read_dir(proto).unwrap();
    let mut includes: Vec<_> = includes.map(|entry| entry.unwrap().path()).collect();
    includes.sort();
    // One by one: names resolve in all files that are compiled together, as in `protoc` they do in imported ones only,
    // and `common.…` in the rate limit would mean `envoy.extensions.filters.common` of the fault filter.
    let mut set = FileDescriptorSet::default();
    for root in ROOTS {
        let compiled = protox::compile([root], &includes).unwrap();
        for file in compiled.file {
            if set.file.iter().all(|other| other.name() != file.name()) {
                set.file.push(file);
            }
        }
    }
    set.file.iter_mut().for_each(strip);
    let used = used_files(&set);
    set.file.retain(|file| used.contains(file.name()));
    for file in &mut set.file {
        file.dependency.retain(|name| used.contains(name));
    }
    set
}

/// The source of the crate, as cargo has it.
fn envoy_types() -> PathBuf {
    // Crates for other platforms have not been downloaded.
    let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let metadata = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--locked", "--offline"])
        .args(["--filter-platform", &platform])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&metadata.stderr);
    assert!(metadata.status.success(), "cargo metadata: {stderr}");
    let metadata: serde_json::Value = serde_json::from_slice(&metadata.stdout).unwrap();
    let mut packages = metadata["packages"].as_array().unwrap().iter();
    let package = packages.find(|p| p["name"] == "envoy-types").unwrap();
    let manifest = package["manifest_path"].as_str().unwrap();
    Path::new(manifest).parent().unwrap().to_owned()
}

/// Takes out what names and types do not need: comments, options (validation rules, deprecation), extensions.
fn strip(file: &mut FileDescriptorProto) {
    assert!(file.public_dependency.is_empty() && file.weak_dependency.is_empty());
    file.source_code_info = None;
    file.options = None;
    file.service.clear();
    file.extension.clear();
    file.message_type.iter_mut().for_each(strip_message);
    file.enum_type.iter_mut().for_each(strip_enum);
}

fn strip_message(message: &mut DescriptorProto) {
    let options = message.options.take();
    message.options = options
        .filter(MessageOptions::map_entry)
        .map(|_| MessageOptions {
            map_entry: Some(true),
            ..MessageOptions::default()
        });
    message.extension.clear();
    for field in &mut message.field {
        field.options = None;
    }
    for oneof in &mut message.oneof_decl {
        oneof.options = None;
    }
    message.nested_type.iter_mut().for_each(strip_message);
    message.enum_type.iter_mut().for_each(strip_enum);
}

fn strip_enum(kind: &mut EnumDescriptorProto) {
    let options = kind.options.take();
    kind.options = options
        .filter(EnumOptions::allow_alias)
        .map(|_| EnumOptions {
            allow_alias: Some(true),
            ..EnumOptions::default()
        });
    kind.value.iter_mut().for_each(|value| value.options = None);
}

/// The files that `ROOTS` need for types of fields; without options, the files that define options are not among them.
fn used_files(set: &FileDescriptorSet) -> BTreeSet<String> {
    let mut home: BTreeMap<String, &str> = BTreeMap::new();
    let mut types_of: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for file in &set.file {
        let scope = format!(".{}", file.package());
        let names = file
            .enum_type
            .iter()
            .map(|e| format!("{scope}.{}", e.name()));
        home.extend(names.map(|name| (name, file.name())));
        for message in &file.message_type {
            let types = types_of.entry(file.name()).or_default();
            collect(message, &scope, file.name(), &mut home, types);
        }
    }
    let mut used = BTreeSet::new();
    let mut open: Vec<&str> = ROOTS.to_vec();
    while let Some(file) = open.pop() {
        if used.insert(file.to_owned()) {
            let types = types_of.get(file).into_iter().flatten();
            open.extend(types.map(|name| home[name]));
        }
    }
    used
}

fn collect<'a>(
    message: &DescriptorProto,
    scope: &str,
    file: &'a str,
    home: &mut BTreeMap<String, &'a str>,
    types: &mut Vec<String>,
) {
    let scope = format!("{scope}.{}", message.name());
    let enums = message.enum_type.iter();
    home.extend(enums.map(|e| (format!("{scope}.{}", e.name()), file)));
    types.extend(message.field.iter().filter_map(|f| f.type_name.clone()));
    for nested in &message.nested_type {
        collect(nested, &scope, file, home, types);
    }
    home.insert(scope, file);
}
