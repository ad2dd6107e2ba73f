//! Gateways of Istio, served by stock Envoy: real resources, real requests.

mod clients;
mod files;
mod gateway;
mod mixed;
mod routes;
mod seeds;
mod simulation;
mod tls;
mod tls_contexts;
