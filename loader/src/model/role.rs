//! What a port is there for.

/// What a port is there for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// Clients reach the services of a mesh through it.
    Gateway,
}
