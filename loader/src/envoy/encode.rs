//! The written forms of a configuration: YAML and JSON for people, protobuf for speed.
//!
//! Rust's generated types know field numbers only, so names come from `descriptors.bin`: the `.proto` files that the
//! crate `envoy-types` was made from, compiled (`loader/tests/envoy_descriptors.rs`). The same configuration is always
//! the same bytes, though protobuf's maps have no order.

mod binary;
mod tree;
mod well_known;
mod wire;
mod yaml;

use std::str::FromStr;
use std::sync::LazyLock;

use prost::{DecodeError, Message, Name};
use prost_reflect::{DescriptorError, DescriptorPool, MessageDescriptor};

/// A form that Envoy reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// YAML, `.yaml`.
    #[default]
    Yaml,
    /// JSON, `.json`.
    Json,
    /// Binary protobuf, `.pb`: what Envoy reads fastest.
    Pb,
}

impl Format {
    /// The ending of a file's name by which Envoy knows the form, without the dot.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Yaml => "yaml",
            Self::Json => "json",
            Self::Pb => "pb",
        }
    }
}

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Yaml, Self::Json, Self::Pb]
            .into_iter()
            .find(|format| format.extension() == text)
            .ok_or_else(|| UnknownFormat(text.to_owned()))
    }
}

/// The name of no format.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("format `{0}` is not known: choose yaml, json or pb")]
pub struct UnknownFormat(String);

/// Why a configuration cannot be written. It is never the user's mistake.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// The descriptors cannot be read.
    #[error("descriptors of Envoy's types: {0}")]
    Descriptors(&'static DescriptorError),
    /// A message has a type of which there is no descriptor.
    #[error("no descriptor of Envoy's type `{0}`")]
    UnknownType(String),
    /// A message is not what its type says.
    #[error("a message of Envoy's type `{0}`: {1}")]
    Message(String, DecodeError),
    /// A message in an `Any` is not what its type says.
    #[error("a packed message of Envoy's type `{0}`: {1}")]
    Packed(String, DecodeError),
    /// A well-known value has no JSON form.
    #[error("a value without JSON form: {0}")]
    Value(String),
}

/// Writes a bootstrap, or a file of resources, in one of the forms that Envoy reads.
pub fn encode<M: Message + Name>(message: &M, format: Format) -> Result<Vec<u8>, EncodeError> {
    let bytes = message.encode_to_vec();
    let message = wire::Message::new(&M::full_name(), &bytes)?;
    match format {
        Format::Pb => {
            let mut out = Vec::with_capacity(bytes.len());
            binary::write(&message, &mut out)?;
            Ok(out)
        }
        Format::Json => {
            let tree = tree::all(tree::open(&message)?)?;
            let mut text =
                serde_json::to_vec_pretty(&tree).map_err(|e| EncodeError::Value(e.to_string()))?;
            text.push(b'\n');
            Ok(text)
        }
        Format::Yaml => Ok(yaml::write(&message)?.into_bytes()),
    }
}

static POOL: LazyLock<Result<DescriptorPool, DescriptorError>> =
    LazyLock::new(|| DescriptorPool::decode(include_bytes!("descriptors.bin").as_slice()));

fn descriptor(full_name: &str) -> Result<MessageDescriptor, EncodeError> {
    let pool = POOL.as_ref().map_err(EncodeError::Descriptors)?;
    pool.get_message_by_name(full_name)
        .ok_or_else(|| EncodeError::UnknownType(full_name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use envoy_types::pb::envoy::config::bootstrap::v3::{Bootstrap, FatalAction};
    use envoy_types::pb::envoy::config::core::v3::TypedExtensionConfig;
    use envoy_types::pb::google::protobuf::Any;

    fn with_extension(type_url: &str, value: &[u8]) -> Bootstrap {
        let config = TypedExtensionConfig {
            name: "extension".to_owned(),
            typed_config: Some(Any {
                type_url: type_url.to_owned(),
                value: value.to_vec(),
            }),
        };
        Bootstrap {
            fatal_actions: vec![FatalAction {
                config: Some(config),
            }],
            ..Bootstrap::default()
        }
    }

    #[test]
    fn nothing_is_written_of_what_cannot_be_named() {
        for (url, value, message) in [
            (
                "type.googleapis.com/no.Such",
                [].as_slice(),
                "no descriptor of Envoy's type `no.Such`",
            ),
            (
                "type.googleapis.com/envoy.config.core.v3.Node",
                &[0xff],
                "a message of Envoy's type `envoy.config.core.v3.Node`: ",
            ),
        ] {
            for format in [Format::Yaml, Format::Json, Format::Pb] {
                let error = encode(&with_extension(url, value), format).unwrap_err();
                assert!(error.to_string().starts_with(message), "{error}");
            }
        }
    }

    #[test]
    fn binary_is_protobuf_that_decodes_to_the_same() {
        let node = "type.googleapis.com/envoy.config.core.v3.Node";
        let bootstrap = with_extension(node, b"\x0a\x01a\x12\x01b");
        let bytes = encode(&bootstrap, Format::Pb).unwrap();
        assert_eq!(Bootstrap::decode(bytes.as_slice()).unwrap(), bootstrap);
    }

    /// A configuration of an earlier run may be that of a newer meshgate.
    #[test]
    fn fields_without_a_name_are_left_out() {
        let node = "type.googleapis.com/envoy.config.core.v3.Node";
        let known = with_extension(node, b"\x0a\x01a");
        let bootstrap = with_extension(node, b"\x0a\x01a\xf8\x7f\x01");
        let bytes = encode(&bootstrap, Format::Pb).unwrap();
        assert_eq!(Bootstrap::decode(bytes.as_slice()).unwrap(), known);
    }

    #[test]
    fn formats_have_the_names_of_file_endings() {
        assert_eq!("pb".parse(), Ok(Format::Pb));
        let error = "toml".parse::<Format>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "format `toml` is not known: choose yaml, json or pb"
        );
    }
}
