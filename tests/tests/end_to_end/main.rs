//! Resources in, responses out: `meshgate bootstrap` on stock Envoys with real backends and clients.

mod connections;
mod gateway;
mod hosts;
mod logs;
mod observed;
mod policies;
mod protocols;
mod routes;
mod rules;
mod seeds;
mod tls;
