//! Gateways of Istio, served by stock Envoy: real resources, real requests.

mod gateway;
mod routes;
mod seeds;
mod simulation;
mod tls;
