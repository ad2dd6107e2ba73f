//! Resources in, responses out: `meshgate bootstrap` on stock Envoys with real backends and clients.

mod connections;
mod cross_mesh_clients;
mod external_services;
mod gateway;
mod hosts;
mod identities;
mod logs;
mod mesh;
mod observed;
mod outside_rules;
mod passthrough;
mod policies;
mod protocols;
mod routes;
mod rules;
mod seeds;
mod sidecars;
mod tls;
mod vips;
mod zone_egress;
