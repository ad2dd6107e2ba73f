//! Short forms of what Envoy's types write long.

use std::collections::HashMap;
use std::time::Duration as StdDuration;

use envoy_types::pb::envoy::config::core::v3::{
    Address, DataSource, Locality, Metadata, Pipe, SocketAddress, TypedExtensionConfig, address,
    data_source::Specifier, socket_address::PortSpecifier,
};
use envoy_types::pb::google::protobuf::{
    BoolValue, Duration, Struct, UInt32Value, Value, value::Kind,
};
use envoy_types::util::pack_any;

use crate::model::{self, Origin, Source};

/// The namespace of the metadata that names resource, file and line.
pub const METADATA: &str = "meshgate";

/// The place that something was made from, so that an Envoy error or a log line leads back to it.
pub(super) fn metadata(origin: &Origin) -> Metadata {
    let line = u32::try_from(origin.line).unwrap_or(u32::MAX);
    let fields = structure([
        ("resource", Kind::StringValue(origin.resource.clone())),
        ("file", Kind::StringValue(origin.file.clone())),
        ("line", Kind::NumberValue(line.into())),
    ]);
    Metadata {
        filter_metadata: HashMap::from([(METADATA.to_owned(), fields)]),
        ..Metadata::default()
    }
}

pub(super) fn structure<K: Into<String>>(fields: impl IntoIterator<Item = (K, Kind)>) -> Struct {
    let field = |(name, kind): (K, Kind)| (name.into(), Value { kind: Some(kind) });
    Struct {
        fields: fields.into_iter().map(field).collect(),
    }
}

pub(super) fn extension<T>(name: &str, config: T) -> TypedExtensionConfig
where
    T: prost::Message + prost::Name,
{
    TypedExtensionConfig {
        name: name.to_owned(),
        typed_config: Some(pack_any(config)),
    }
}

/// How the address of a socket in the file system begins.
pub(super) const UNIX: &str = "unix://";

pub(super) fn address(address: &impl ToString, port: u16) -> Address {
    let address = address.to_string();
    if let Some(path) = address.strip_prefix(UNIX) {
        return Address {
            address: Some(address::Address::Pipe(Pipe {
                path: path.to_owned(),
                ..Pipe::default()
            })),
        };
    }
    Address {
        address: Some(address::Address::SocketAddress(SocketAddress {
            address,
            port_specifier: Some(PortSpecifier::PortValue(port.into())),
            ..SocketAddress::default()
        })),
    }
}

/// A Unix socket; the name of an abstract one begins with `@`.
pub(super) fn pipe(path: &str) -> Address {
    Address {
        address: Some(address::Address::Pipe(Pipe {
            path: path.to_owned(),
            ..Pipe::default()
        })),
    }
}

pub(super) fn locality(locality: &model::Locality) -> Locality {
    Locality {
        region: locality.region.clone(),
        zone: locality.zone.clone(),
        sub_zone: locality.subzone.clone(),
    }
}

pub(super) fn source(source: &Source) -> DataSource {
    match source {
        Source::Inline(text) => inline(text),
        Source::File(name) => file(name),
    }
}

pub(super) fn inline(text: impl Into<String>) -> DataSource {
    DataSource {
        specifier: Some(Specifier::InlineString(text.into())),
        ..DataSource::default()
    }
}

pub(super) fn inline_bytes(bytes: Vec<u8>) -> DataSource {
    DataSource {
        specifier: Some(Specifier::InlineBytes(bytes)),
        ..DataSource::default()
    }
}

pub(super) fn file(name: impl Into<String>) -> DataSource {
    DataSource {
        specifier: Some(Specifier::Filename(name.into())),
        ..DataSource::default()
    }
}

/// A duration of less than 68 years.
pub(super) fn duration(duration: StdDuration) -> Duration {
    Duration {
        seconds: i64::from(u32::try_from(duration.as_secs()).unwrap_or(u32::MAX)),
        nanos: i32::try_from(duration.subsec_nanos()).unwrap_or(0),
    }
}

pub(super) fn number(value: u32) -> UInt32Value {
    UInt32Value { value }
}

pub(super) fn boolean(value: bool) -> BoolValue {
    BoolValue { value }
}
