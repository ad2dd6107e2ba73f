//! What the command does: one file for each verb.

pub mod validate;
