//! Gateways of Istio, served by stock Envoy: real resources, real requests.

mod backends;
mod delegates;
mod gateway;
mod mesh;
mod revoked;
mod routes;
mod seeds;
mod simulation;
mod tls;
