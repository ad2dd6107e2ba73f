//! Kuma's resources as they are written (Kuma 2.14.3; Kong Mesh 2.x is the same).

pub mod dataplane;
pub mod mesh;
pub mod mesh_access_log;
pub mod mesh_circuit_breaker;
pub mod mesh_fault_injection;
pub mod mesh_gateway;
pub mod mesh_gateway_route;
pub mod mesh_health_check;
pub mod mesh_http_route;
pub mod mesh_rate_limit;
pub mod mesh_retry;
pub mod mesh_timeout;
pub mod policy;
pub mod secret;
mod validate;
