//! Sockets, what nobody had read from them, and how the network is set up (`format.md §11.4`–`§11.6`).

mod configuration;
mod firewall;
mod netlink;
pub mod queue;
pub mod socket;
mod stream;
mod sysctl;
#[cfg(test)]
mod tests;

pub use self::{
    configuration::{Interface, Network, network},
    firewall::FirewallLine,
    netlink::{Address, Connection, NextHop, Range, Route, Rule, Tuple},
    sysctl::Sysctl,
};
