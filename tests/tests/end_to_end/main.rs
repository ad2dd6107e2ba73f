//! Resources in, responses out: `meshgate bootstrap` on stock Envoys with real backends and clients.

mod gateway;
mod hosts;
mod observed;
mod policies;
mod routes;
mod seeds;
mod tls;
