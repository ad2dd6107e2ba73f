//! Gateways of Istio, served by stock Envoy: real resources, real requests.

mod access;
mod backends;
mod builtin;
mod clients;
mod delegates;
mod files;
mod gateway;
mod intermediate;
mod localities;
mod mesh;
mod mixed;
mod revoked;
mod routes;
mod seeds;
mod simulation;
mod tls;
mod tls_contexts;
mod token_keys;
mod tokens;
mod tunnels;
mod wildcards;
