//! Istio's rules: from its resources to one proxy.

pub mod credentials;
