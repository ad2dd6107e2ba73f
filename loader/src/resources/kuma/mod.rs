//! Kuma's resources as they are written (Kuma 2.14.3; Kong Mesh 2.x is the same).

pub mod dataplane;
pub mod external_service;
pub mod hostname_generator;
pub mod mesh;
pub mod mesh_access_log;
pub mod mesh_circuit_breaker;
pub mod mesh_external_service;
pub mod mesh_fault_injection;
pub mod mesh_gateway;
pub mod mesh_gateway_route;
pub mod mesh_health_check;
pub mod mesh_http_route;
pub mod mesh_passthrough;
pub mod mesh_rate_limit;
pub mod mesh_retry;
pub mod mesh_service;
pub mod mesh_tcp_route;
pub mod mesh_timeout;
pub mod mesh_tls;
pub mod mesh_traffic_permission;
pub mod policy;
pub mod secret;
pub mod traffic_permission;
mod validate;
pub mod virtual_outbound;
pub mod zone_egress;
