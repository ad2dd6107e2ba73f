//! Gateways of Istio, served by stock Envoy: real resources, real requests.

mod delegates;
mod gateway;
mod mesh;
mod routes;
mod seeds;
mod simulation;
mod tls;
