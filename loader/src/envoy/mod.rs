//! From the model to Envoy's configuration, in Envoy's own types.
